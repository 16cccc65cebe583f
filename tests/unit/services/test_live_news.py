"""News of live runs: events once and in order, states of many runs at once, samples as fine as they are few."""

from uuid import uuid4

import pytest
from tests.support import live_runs
from tests.support.live_runs import sample

from grid.database.live_events import NewLiveEvent
from grid.database.users import Role
from grid.schemas.live import RunReason, RunState
from grid.services import live


@pytest.fixture
def owner(uow):
    with uow.begin() as tx:
        return tx.users.add(username="hilde", password_hash="x", role=Role.USER, now=tx.now()).id


def happen(uow, claim, *ticks):
    events = [NewLiveEvent(tick, 64 * tick, "yield", {"cell": tick}, str(tick)) for tick in ticks]
    assert live.record_events(uow, claim, events) is not None


def test_events_behind_a_place_are_read_in_parts(uow, owner):
    claim = live_runs.start(uow, owner)
    happen(uow, claim, *range(7))
    known = [event.n for event in live.read_events(uow, owner_id=None, run_id=claim.run_id)]
    cursor, seen = 0, []
    while True:
        news = live.read_news(uow, {claim.run_id: cursor}, limit=3)[claim.run_id]
        seen += [event.n for event in news.events]
        if not news.has_more:
            break
        cursor = seen[-1]

    assert seen == known
    assert not news.is_final


def test_states_of_several_runs_are_read_at_once_and_events_only_where_they_are_wanted(uow, owner):
    running, failed = live_runs.start(uow, owner), live_runs.start(uow, owner)
    live.fail_run(uow, failed, RunReason.DIVERGED)
    nobodys = uuid4()
    news = live.read_news(uow, {running.run_id: None, failed.run_id: 0, nobodys: 0})

    assert news[running.run_id].events == ()
    assert (news[running.run_id].run.state, news[running.run_id].is_final) == (RunState.RUNNING, False)
    assert news[failed.run_id].is_final
    assert news[failed.run_id].events[-1].kind == "state"
    assert (news[nobodys].run, news[nobodys].is_final) == (None, True)
    assert not live.read_news(uow, {failed.run_id: 0}, limit=1)[failed.run_id].is_final  # there are more events


def test_recent_samples_are_those_of_the_finest_level_that_is_not_too_many(uow, owner):
    claim = live_runs.start(uow, owner)
    live.write_looks(uow, [live.Look(claim, 1, samples=tuple(sample(5, place) for place in range(16)))])

    def read(after, limit):
        found = live.read_recent_samples(uow, claim.run_id, after=after, limit=limit)
        return [(one.level, one.place) for one in found.samples], found.has_gap

    assert read(0, 100) == ([(5, place) for place in range(16)], False)
    assert read(14 * 32, 100) == ([(5, 14), (5, 15)], False)
    assert read(0, 8) == ([(6, place) for place in range(8)], False)  # coarser, whole
    assert read(16 * 32, 100) == ([], False)


def test_recent_samples_join_levels_where_the_speed_has_changed(uow, owner):
    claim = live_runs.start(uow, owner)
    slow, fast = tuple(sample(0, place) for place in range(16)), (sample(3, 2), sample(3, 3))
    live.write_looks(uow, [live.Look(claim, 32, samples=(*slow, *fast))])

    found = live.read_recent_samples(uow, claim.run_id, after=8, limit=20)

    assert not found.has_gap
    assert [tick for row in found.samples for tick in row.ticks] == list(range(8, 32))


def test_samples_that_are_gone_leave_a_gap(uow, owner):
    claim = live_runs.start(uow, owner)
    live.write_looks(uow, [live.Look(claim, 1, samples=tuple(sample(5, place) for place in range(4, 9)))])
    found = live.read_recent_samples(uow, claim.run_id, after=32)

    assert found.has_gap
    assert found.samples[0].ticks.start == 128
    assert not live.read_recent_samples(uow, claim.run_id, after=128).has_gap
    assert live.read_recent_samples(uow, uuid4(), after=0).samples == ()
