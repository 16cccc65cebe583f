"""News of the ledger: what of it concerns whom, where they go on, and where they cannot."""

from datetime import timedelta
from uuid import uuid4

import pytest
from tests.support.ledgers import MANIFEST, add_owner, claim, get_job, submit

from grid.core.errors import UnavailableError
from grid.database.outbox import Event
from grid.schemas.jobs import JobStatus
from grid.services import ledger, ledger_news
from grid.services.ledger import Succeeded
from grid.services.ledger_news import Interest, LedgerNews, find_place, read_ledger_news, read_sweep_news
from grid.services.outbox import relay
from grid.services.system_news import read_system

LATELY = timedelta(seconds=60)


def of(*owners, sweeps=()):
    return Interest(frozenset(owners), frozenset(sweeps))


def finish(uow, *batches):
    claims = [job.claim for batch in batches for job in batch.jobs]
    ledger.conclude(uow, (), begun=claims)
    assert ledger.conclude(uow, [Succeeded(one, MANIFEST) for one in claims]) == frozenset(claims)


def move(uow, count=1, **how):
    """Claim jobs, and let the stream know."""
    batch = claim(uow, max_jobs=count, **how)
    relay(uow)
    return batch


def test_jobs_of_an_owner_are_told_and_those_of_others_are_not(uow):
    ada, bob = add_owner(uow), add_owner(uow, "bob")
    place = find_place(uow)
    (hers,) = submit(uow, ada)
    (his,) = submit(uow, bob)
    move(uow)
    move(uow)

    def told(interest):
        return {job.id: job.state for job in read_ledger_news(uow, place, interest).jobs}

    assert told(of(ada)) == {hers: JobStatus.STARTING}
    assert told(of(bob)) == {his: JobStatus.STARTING}
    assert told(of(ada, bob)) == told(Interest(None)) == {hers: JobStatus.STARTING, his: JobStatus.STARTING}
    assert told(of(uuid4())) == told(of()) == {}


def test_a_reader_goes_on_behind_what_it_knows(uow):
    ada = add_owner(uow)
    submit(uow, ada)
    batch = move(uow)
    first = read_ledger_news(uow, 0, of(ada))
    assert [job.state for job in first.jobs] == [JobStatus.STARTING]
    assert read_ledger_news(uow, first.last, of(ada)) == LedgerNews(first.last, first.last)
    finish(uow, batch)
    relay(uow)

    second = read_ledger_news(uow, first.last, of(ada))

    assert [job.state for job in second.jobs] == [JobStatus.SUCCESS]
    assert (second.after, second.has_gap, second.has_more) == (first.last, False, False)


def test_what_is_too_far_behind_or_was_never_there_is_a_gap(uow, monkeypatch):
    monkeypatch.setattr(ledger_news, "MOST_BEHIND", 3)
    ada = add_owner(uow)
    for _ in range(5):
        submit(uow, ada)
        move(uow)
    last = find_place(uow)
    assert last == 5
    for after in (0, 1, last + 1, 2**53):
        news = read_ledger_news(uow, after, of(ada))
        assert (news.has_gap, news.last, news.jobs) == (True, last, ())
    assert len(read_ledger_news(uow, 2, of(ada)).jobs) == 3


def test_events_that_were_removed_are_a_gap(uow):
    ada = add_owner(uow)
    for _ in range(3):
        submit(uow, ada)
        move(uow)
    with uow.begin() as tx:
        tx.connection.exec_driver_sql("DELETE FROM stream_events WHERE stream_seq < 3")

    assert read_ledger_news(uow, 1, of(ada)).has_gap
    assert not read_ledger_news(uow, 2, of(ada)).has_gap


def test_one_look_reads_a_part_and_says_that_there_is_more(uow, monkeypatch):
    monkeypatch.setattr(ledger_news, "JOBS_AT_ONCE", 2)
    ada = add_owner(uow)
    for _ in range(5):
        submit(uow, ada)
        move(uow)
    place, told, looks = 0, [], 0
    while True:
        news = read_ledger_news(uow, place, of(ada))
        told += news.jobs
        place, looks = news.last, looks + 1
        if not news.has_more:
            break

    assert (len(told), looks) == (5, 3)


def test_a_sweep_is_told_with_its_counts_and_the_points_that_moved(uow):
    ada = add_owner(uow)
    ids = submit(uow, ada, 3, is_sweep=True)
    sweep_id = get_job(uow, ids[0]).sweep_id
    before = read_sweep_news(uow, sweep_id, None)
    assert (before.version, before.state.by_state[JobStatus.QUEUED], before.is_final) == (0, 3, False)
    batch = move(uow, 2)

    news = read_ledger_news(uow, 0, of(sweeps=[sweep_id])).followed[sweep_id]

    assert [(point.sweep_index, point.state) for point in news.points] == [(0, "starting"), (1, "starting")]
    assert (news.state.by_state[JobStatus.QUEUED], news.state.by_state[JobStatus.STARTING]) == (1, 2)
    assert news.is_complete
    assert read_sweep_news(uow, sweep_id, news.version - 1) == news
    finish(uow, batch, move(uow))
    assert not read_sweep_news(uow, sweep_id, news.version).is_final  # its last event has not left
    relay(uow)
    end = read_sweep_news(uow, sweep_id, news.version)
    assert (end.is_final, [point.state for point in end.points]) == (True, ["success"] * 3)


def test_more_points_than_an_event_names_make_a_sweep_incomplete_and_a_crowd_of_its_owner(uow):
    ada = add_owner(uow)
    ids = submit(uow, ada, 101, is_sweep=True)
    sweep_id = get_job(uow, ids[0]).sweep_id
    move(uow, 101)

    news = read_ledger_news(uow, 0, Interest(frozenset([ada]), frozenset([sweep_id])))

    assert (news.crowds, news.jobs) == ({ada}, [])
    assert [sweep.id for sweep in news.sweeps] == [sweep_id]
    assert (news.followed[sweep_id].is_complete, news.followed[sweep_id].points) == (False, ())
    assert not read_sweep_news(uow, sweep_id, 0).is_complete


def test_more_single_jobs_than_an_event_names_are_a_crowd_of_their_owner(uow):
    ada = add_owner(uow)
    submit(uow, ada, 101)
    move(uow, 101)

    news = read_ledger_news(uow, 0, of(ada))

    assert (news.crowds, news.jobs) == ({ada}, [])


def test_events_about_other_things_concern_nobody(uow):
    with uow.begin() as tx:
        tx.outbox.add([Event(f"run:{uuid4()}", 1, "run.queued", {}), Event("mode:store:service", 1, "x", {})])
    relay(uow)

    assert read_ledger_news(uow, 0, Interest(None)) == LedgerNews(0, 2, [], [])


def test_a_sweep_that_is_not_there_has_no_news(uow):
    assert read_sweep_news(uow, uuid4(), 3) is None


def test_an_unknown_version_of_a_sweep_makes_it_incomplete(uow):
    ids = submit(uow, add_owner(uow), 2, is_sweep=True)
    sweep_id = get_job(uow, ids[0]).sweep_id
    move(uow, 2)

    news = read_sweep_news(uow, sweep_id, 77)

    assert (news.is_complete, news.points, news.version > 0) == (False, (), True)


def test_interests_are_joined():
    ada, bob, sweep = uuid4(), uuid4(), uuid4()

    assert of(ada) | of(bob, sweeps=[sweep]) == of(ada, bob, sweeps=[sweep])
    assert of(ada) | Interest(None) == Interest(None) | of(bob) == Interest(None)


class Board:
    """Modes of a service that is whole."""

    def records(self):
        return []

    def describe(self):
        return "full"


def test_the_state_of_the_service_has_each_followers_own_numbers(uow):
    ada, bob = add_owner(uow), add_owner(uow, "bob")
    submit(uow, ada, 3)
    move(uow, 1)

    news = read_system(uow, Board(), [ada, bob, None], heard_within=LATELY)

    assert (news.mode, news.workers is not None) == ("full", True)
    assert news.own[ada][:2] == news.own[None][:2] == (2, 1)
    assert news.own[bob] == (0, 0, {})


def test_a_database_that_is_away_leaves_the_modes(uow, monkeypatch):
    monkeypatch.setattr(uow, "read", _away)

    news = read_system(uow, Board(), [None], heard_within=LATELY)

    assert (news.mode, news.workers, news.own) == ("full", None, {})


def _away():
    raise UnavailableError("away")


@pytest.mark.parametrize("after", [-1, -(2**40)])
def test_a_place_below_the_first_is_a_gap(uow, after):
    submit(uow, add_owner(uow))
    move(uow)

    assert read_ledger_news(uow, after, Interest(None)).has_gap
