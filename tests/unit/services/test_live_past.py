"""The past of a run: what a boundary is computed from, and what is refused with the nearest that is kept."""

from uuid import uuid4

import pytest
from tests.support import live_runs
from tests.support.ledgers import add_owner

from grid.core.errors import FieldError, NotFoundError
from grid.services import live
from grid.services.live import past
from grid.services.live.past import find_tick, plan_past, spread_ticks


@pytest.fixture
def owner(uow):
    return add_owner(uow)


@pytest.fixture
def held(uow, owner):
    """A run that stands at tick 100, with states of the ticks 20 and 60."""
    claim = live_runs.start(uow, owner)
    for tick in (20, 60):
        live_runs.snapshot(uow, claim, tick)
    live_runs.send(uow, claim.run_id)
    live.commit_ticks(uow, claim, {1: 30})
    live.write_looks(uow, [live.Look(claim, 100)])
    return claim


def test_a_boundary_is_computed_from_the_nearest_state_before_it_and_the_whole_log(uow, owner, held):
    view = plan_past(uow, owner_id=owner, run_id=held.run_id, ticks=(59,))

    assert (view.begin, [one.tick for one in view.snapshots]) == (20, [20])
    assert [(one.seq, one.tick) for one in view.commands] == [(1, 30)]
    assert plan_past(uow, owner_id=owner, run_id=held.run_id, ticks=(60, 90)).begin == 60
    assert plan_past(uow, owner_id=owner, run_id=held.run_id, ticks=(5,)).begin == 0


def test_what_costs_too_much_is_refused_with_the_nearest_kept_ticks(uow, owner, held, monkeypatch):
    monkeypatch.setattr(past, "MOST_WORK_S", 0.1)  # ten ticks of ten milliseconds

    def refused(*ticks):
        with pytest.raises(FieldError) as refusal:
            plan_past(uow, owner_id=owner, run_id=held.run_id, ticks=ticks)
        assert refusal.value.field == "tick"
        return str(refusal.value)

    assert "at most 10 ticks" in refused(31)
    assert "20 or 60" in refused(31)
    assert refused(75).endswith("60")
    assert "0 or 20" in refused(15)
    assert "60" in refused(60, 71)
    assert plan_past(uow, owner_id=owner, run_id=held.run_id, ticks=(30,)).most_ticks == 10


def test_what_is_not_yours_is_not_found(uow, owner, held):
    for owner_id, run_id in ((add_owner(uow, "bob"), held.run_id), (owner, uuid4())):
        with pytest.raises(NotFoundError):
            plan_past(uow, owner_id=owner_id, run_id=run_id, ticks=(1,))


def test_a_moment_is_a_tick_or_a_time_that_the_run_has_passed(uow, held):
    run = live_runs.get(uow, held.run_id)

    assert find_tick(run, tick=None, time_s=None) is None
    assert [find_tick(run, tick=tick, time_s=None) for tick in (0, 100)] == [0, 100]
    assert [find_tick(run, tick=None, time_s=time) for time in (0.0, 0.031, 0.03125, 1.0, 3.125)] == [0, 0, 1, 32, 100]
    for tick, time_s, field in ((101, None, "tick"), (-1, None, "tick"), (None, 3.13, "t"), (5, 0.1, "t")):
        with pytest.raises(FieldError) as refusal:
            find_tick(run, tick=tick, time_s=time_s)
        assert refusal.value.field == field


def test_boundaries_are_spread_evenly_each_once(uow, held):
    run = live_runs.get(uow, held.run_id)

    assert spread_ticks(run, 10, 30, 5) == (10, 15, 20, 25, 30)
    assert spread_ticks(run, 10, 12, 120) == (10, 11, 12)
    assert spread_ticks(run, 7, 99, 1) == (7,)
    for first, last, count, field in (
        (0, 101, 2, "to_tick"), (50, 49, 2, "to_tick"), (101, 101, 2, "from_tick"), (0, 9, 121, "count"),
        (0, 9, 0, "count"),
    ):  # fmt: skip
        with pytest.raises(FieldError) as refusal:
            spread_ticks(run, first, last, count)
        assert refusal.value.field == field
