"""Many threads on one live run: numbers without gaps, one effect of each command, one owner at a time."""

import contextlib
from collections import Counter

import pytest
from tests.integration.test_ledger_concurrency import in_threads
from tests.support import live_runs as words
from tests.support.ledgers import add_owner
from tests.support.live_runs import BURST, SPEC, commands, start, submissions

from grid.core.errors import ConflictError
from grid.core.ids import new_id
from grid.database.engine import create_database
from grid.database.live_events import NewLiveEvent
from grid.database.uow import UnitOfWork
from grid.schemas.live import CommandKind, RunState
from grid.services import live
from grid.services.live import CommandRequest, LiveLimits, Look, TooManyRunsError

FREE = LiveLimits(commands_per_s=1e6, command_burst=10**6, open_events=10**6)
K = CommandKind


@pytest.fixture
def owner(uow):
    return add_owner(uow)


def accept(uow, run_id, client_id, kind=K.EVENT, payload=BURST):
    (answer,) = commands(uow, FREE).accept(
        [CommandRequest(kind, payload, client_id)], actor_id=None, owner_id=None, run_id=run_id
    )
    return answer


def test_commands_of_several_threads_are_numbered_without_gaps(uow, owner):
    run_id = start(uow, owner).run_id

    answers = in_threads(lambda number: [accept(uow, run_id, f"{number}-{turn}").seq for turn in range(20)])

    assert sorted(seq for mine in answers for seq in mine) == list(range(1, 81))
    assert all(mine == sorted(mine) for mine in answers)
    with uow.read() as tx:
        log = tx.live_commands.read(run_id)
    assert [row.seq for row in log] == list(range(1, 81))
    assert len({row.client_id for row in log}) == 80


def test_the_same_commands_of_two_threads_and_two_openings_have_one_number_each(database_url):
    """As of a client that sends again through another server, in another order."""
    databases = [create_database(database_url) for _ in range(2)]
    uows = [UnitOfWork(database) for database in databases]
    run_id = start(uows[0], add_owner(uows[0])).run_id
    names = [f"command-{turn}" for turn in range(25)]

    def work(number):
        turned = names if number % 2 else names[::-1]
        return {name: accept(uows[number % 2], run_id, name) for name in turned}

    answers = in_threads(work)

    for name in names:
        assert len({mine[name].seq for mine in answers}) == 1
        assert Counter(mine[name].is_repeated for mine in answers) == {True: 3, False: 1}
    with uows[0].read() as tx:
        assert [row.seq for row in tx.live_commands.read(run_id)] == list(range(1, 26))
    for database in databases:
        database.close()


def test_commands_ticks_events_looks_and_leases_of_one_run_never_block_each_other(uow, owner):
    claim = start(uow, owner)

    def work(number):
        if number == 0:
            for turn in range(30):
                accept(uow, claim.run_id, f"a-{turn}")
        elif number == 1:
            for _ in range(30):
                waiting = [row.seq for row in live.read_waiting(uow, claim)]
                tick = live.read_resume_log(uow, claim, from_tick=0).first_free_tick
                live.commit_ticks(uow, claim, dict.fromkeys(waiting, tick))
        elif number == 2:
            for tick in range(30):
                said = [NewLiveEvent(tick, tick * 64, "yield", {"cell": cell}, str(cell)) for cell in range(3)]
                assert live.record_events(uow, claim, said) is not None
                assert live.record_events(uow, claim, said).events == ()
        else:
            for turn in range(30):
                assert live.write_looks(uow, [Look(claim, 0, samples=(words.sample(0, turn),))]) == {claim}
                assert live.renew_leases(uow, [claim], worker_id="worker-1", lease_s=10.0).lost == frozenset()
                words.snapshot(uow, claim, turn)

    in_threads(work)

    run = words.get(uow, claim.run_id)
    with uow.read() as tx:
        events = tx.live_events.read(run.id)
        log = tx.live_commands.read(run.id)
    assert [event.n for event in events] == list(range(1, run.next_event))
    assert len([event for event in events if event.kind == "yield"]) == 90
    assert [row.seq for row in log] == list(range(1, 31))
    ticks = [row.tick for row in log if row.tick is not None]
    assert ticks == sorted(ticks)


def test_no_run_is_claimed_twice(uow, owner):
    ids = {words.submit(uow, owner).id for _ in range(24)}

    def work(number):
        mine = []
        while held := live.claim_run(uow, worker_id=f"w-{number}", cores=100.0, lease_s=10.0, most_runs=100):
            mine.append(held.run.id)
        return mine

    taken = Counter(run_id for mine in in_threads(work) for run_id in mine)

    assert taken == Counter(ids)


def test_limits_on_runs_hold_however_many_are_submitted_at_once(uow, owner):
    service = submissions(uow, LiveLimits(runs_of_owner=2, waiting_runs=5))
    owners = [owner, *(add_owner(uow, name) for name in ("bob", "cleo", "dora"))]

    def work(number):
        stored = 0
        for turn in range(3):
            with contextlib.suppress(TooManyRunsError):
                service.submit(owners[turn if number % 2 else 3 - turn], SPEC)
                stored += 1
        return stored

    assert sum(in_threads(work)) == 5
    with uow.read() as tx:
        assert tx.live_runs.count() == 5
        assert max(tx.live_runs.count(owner_id=one) for one in owners) <= 2


def test_two_reapers_a_stop_and_the_owner_end_a_run_once(uow, owner):
    claims = [start(uow, owner) for _ in range(8)]

    def work(number):
        ended = 0
        for claim in claims:
            if number == 0:
                with contextlib.suppress(ConflictError):
                    accept(uow, claim.run_id, f"stop-{new_id()}", K.STOP, {})
            elif number == 1:
                live.hand_back_runs(uow, [claim])
            elif number == 2:
                ended += live.conclude_run(uow, claim, {"files": []}, tick=3)
            else:
                live.reap_runs(uow)
        return ended

    in_threads(work)

    for claim in claims:
        run = words.get(uow, claim.run_id)
        assert run.state in {RunState.INTERRUPTED, RunState.STOPPED, RunState.STOPPING}
        with uow.read() as tx:
            states = [event.payload["state"] for event in tx.live_events.read(run.id, kinds=["state"])]
        assert states[-1] == run.state
        assert len(states) == run.version
