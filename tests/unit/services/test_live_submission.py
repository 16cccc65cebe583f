import pickle
from dataclasses import replace

import pytest
from tests.doubles.artifacts import MemoryArtifactStore
from tests.support import live_runs as words
from tests.support.ledgers import add_owner
from tests.support.live_runs import PLANNED, SPEC, submissions

from grid.core.errors import AdmissionError, FieldError, GoneError
from grid.database.windows import Window
from grid.schemas.live import CommandKind, PlannedCommand, RunState
from grid.services import audit, live
from grid.services.live import LiveLimits, RunTooDearError, TooManyRunsError
from grid.services.submission_store import IdempotencyKey, KeyReusedError


@pytest.fixture
def owner(uow):
    return add_owner(uow)


def test_a_run_waits_with_its_first_commands_event_and_audit_entry(uow, owner):
    first = PlannedCommand(CommandKind.EVENT, words.BURST, 1.5)
    service = submissions(uow, commands=(first, replace(first, at_s=3.0)))

    run = service.submit(owner, replace(SPEC, name="plate", speed=2.0))

    assert (run.state, run.version, run.epoch, run.next_seq, run.next_event) == (RunState.QUEUED, 1, 0, 3, 2)
    assert (run.load_share, run.wanted, run.time_s) == (pytest.approx(0.6), "run", 0.0)
    assert words.get(uow, run.id) == run
    with uow.read() as tx:
        assert [(one.seq, one.at_s, one.tick, one.known) for one in tx.live_commands.read(run.id)] == [
            (1, 1.5, None, 0),
            (2, 3.0, None, 0),
        ]
        assert [(one.n, one.kind, one.payload["state"]) for one in tx.live_events.read(run.id)] == [
            (1, "state", "queued")
        ]
        assert tx.live_runs.find_spec(run.id).scene == PLANNED.scene
        assert tx.outbox.backlog() == 1
    assert [entry["action"] for entry in audit.export(uow)] == ["run.submit"]
    assert service.doorbell.rings == [("live", run.id)]


def test_first_commands_have_their_ticks_before_the_run_is_claimed_and_leave_room_for_those_of_people(uow, owner):
    first = PlannedCommand(CommandKind.EVENT, words.BURST, 1.5, tick=48)
    run = submissions(uow, commands=(first, first)).submit(owner, SPEC)
    claim = words.claim(uow).claim

    assert live.read_waiting(uow, claim) == []
    log = live.read_resume_log(uow, claim, from_tick=0)
    assert [(one.seq, one.tick, one.at_s) for one in log.commands] == [(1, 48, 1.5), (2, 48, 1.5)]
    assert log.first_free_tick == 1
    one = LiveLimits(open_events=1)
    assert words.send(uow, run.id, actor=owner, limits=one) == 3


def test_a_run_that_begins_paused_is_wanted_paused(uow, owner):
    assert words.submit(uow, owner, is_paused=True).wanted == "pause"


def test_a_run_without_a_pace_counts_for_a_quarter_of_a_core(uow, owner):
    assert words.submit(uow, owner, speed=None).load_share == 0.25


def test_a_run_that_costs_more_than_there_is_time_for_is_refused_with_the_largest_rate(uow, owner):
    service = submissions(uow, price_s=0.05)

    with pytest.raises(RunTooDearError) as caught:
        service.submit(owner, SPEC)  # 0.05 s x 30 = 1.5 cores
    assert caught.value.largest_rate == pytest.approx(14.0)
    assert "14 ticks a second" in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301 - our own
    assert service.submit(owner, replace(SPEC, rate=14.0)).load_share == pytest.approx(0.7)


@pytest.mark.parametrize(
    "spec",
    [{"speed": 0.01}, {"speed": 1000.0}, {"speed": float("nan")}, {"rate": 0.5}, {"rate": 61.0}, {"threads": 3},
     {"name": "x" * 101}, {"scene": None}, {"scenario": "burst"}],
)  # fmt: skip
def test_fields_outside_their_limits_are_refused(sqlite_uow, spec):
    with pytest.raises(FieldError):
        submissions(sqlite_uow).submit(add_owner(sqlite_uow), replace(SPEC, **spec))


def test_memory_beyond_the_limit_is_refused(uow, owner):
    with pytest.raises(AdmissionError, match="memory"):
        submissions(uow, LiveLimits(memory_bytes=1000)).submit(owner, SPEC)


def test_an_owner_has_two_runs_that_have_not_ended(uow, owner):
    service = submissions(uow, LiveLimits())
    first = service.submit(owner, SPEC)
    service.submit(owner, SPEC)

    with pytest.raises(TooManyRunsError, match="2 live runs of 2"):
        service.submit(owner, SPEC)
    words.send(uow, first.id, CommandKind.STOP)
    service.submit(owner, SPEC)
    service.submit(add_owner(uow, "bob"), SPEC)


def test_five_runs_wait_for_a_worker(uow, owner):
    service = submissions(uow, LiveLimits(runs_of_owner=100))
    for _ in range(5):
        service.submit(owner, SPEC)

    with pytest.raises(TooManyRunsError, match="5 live runs wait"):
        service.submit(add_owner(uow, "bob"), SPEC)
    assert words.claim(uow) is not None
    service.submit(owner, SPEC)


def test_the_same_request_gives_the_same_run_and_another_is_refused(uow, owner):
    service, key = submissions(uow), IdempotencyKey.of("k", b"body")

    first = service.submit(owner, SPEC, key)

    assert service.submit(owner, SPEC, key).id == first.id
    with pytest.raises(KeyReusedError):
        service.submit(owner, SPEC, IdempotencyKey.of("k", b"other"))
    assert service.submit(add_owner(uow, "bob"), SPEC, key).id != first.id
    with uow.read() as tx:
        assert tx.live_runs.count(owner_id=owner) == 1


def test_a_refused_run_may_be_sent_again_under_its_key(uow, owner):
    limits, key = LiveLimits(runs_of_owner=1), IdempotencyKey.of("k", b"body")
    service = submissions(uow, limits)
    first = service.submit(owner, SPEC)
    with pytest.raises(TooManyRunsError):
        service.submit(owner, SPEC, key)
    words.send(uow, first.id, CommandKind.STOP)

    assert service.submit(owner, SPEC, key).state is RunState.QUEUED


def test_the_key_of_a_run_that_was_removed_starts_no_other(uow, owner):
    service, key = submissions(uow), IdempotencyKey.of("k", b"body")
    run = service.submit(owner, SPEC, key)
    words.send(uow, run.id, CommandKind.STOP)
    live.purge_run(uow, MemoryArtifactStore(), actor_id=owner, owner_id=owner, run_id=run.id)

    with pytest.raises(GoneError, match="removed"):
        service.submit(owner, SPEC, key)


def test_a_price_stores_nothing(uow, owner):
    words.submit(uow, owner)

    priced = submissions(uow).price(SPEC)

    assert (priced.load_share, priced.largest_rate, priced.place_in_queue) == (pytest.approx(0.3), pytest.approx(70), 2)
    assert live.list_runs(uow, Window(), owner_id=owner).count.number == 1
