import pytest
from tests.support import live_runs as words
from tests.support.ledgers import add_owner
from tests.support.live_runs import send

from grid.database.live_commands import CommandSettlement
from grid.database.live_events import NewLiveEvent
from grid.schemas.live import CommandKind, EventOrigin, RunClaim, RunReason, RunState
from grid.services import live
from grid.services.live import EventConflictError, LiveLimits, Look

K = CommandKind


@pytest.fixture
def owner(uow):
    return add_owner(uow)


@pytest.fixture
def claim(uow, owner):
    return words.start(uow, owner)


def zombie_of(uow, claim):
    """The claim of an owner that was taken for dead; the run has another owner now."""
    words_of_new = live.restart_run(uow, claim, worker_id="worker-1", lease_s=10.0)
    assert words_of_new.run.epoch == claim.epoch + 1
    return claim


def applied(seq, tick):
    return CommandSettlement(seq, tick, "applied", {"tick": tick, "duration_s": 2.0})


def failed_cell(tick, cell, value=1.0):
    return NewLiveEvent(tick, tick * 64, "failed-cell", {"cell": cell, "value": value}, str(cell))


def events_of(uow, run_id):
    with uow.read() as tx:
        return [event for event in tx.live_events.read(run_id) if event.kind != "state"]


def test_ticks_are_written_once_and_answered_again(uow, claim):
    first, second = send(uow, claim.run_id), send(uow, claim.run_id)

    assert [row.seq for row in live.read_waiting(uow, claim)] == [first, second]
    assert live.commit_ticks(uow, claim, {first: 5, second: 5}) == {first: 5, second: 5}
    assert live.read_waiting(uow, claim) == []
    assert live.commit_ticks(uow, claim, {first: 5, second: 5}) == {first: 5, second: 5}  # its answer was lost
    assert live.commit_ticks(uow, claim, {first: 8}) == {first: 5}
    assert live.commit_ticks(uow, claim, {}) == {}


def test_no_command_takes_effect_before_an_earlier_one_or_in_the_past(uow, claim):
    first, second, third = (send(uow, claim.run_id) for _ in range(3))
    live.write_looks(uow, [Look(claim, 4)])

    for ticks in ({second: 9}, {first: 9, third: 9}, {first: 9, second: 8}, {first: 3}, {99: 9}):
        with pytest.raises(ValueError, match="command"):
            live.commit_ticks(uow, claim, ticks)
    live.commit_ticks(uow, claim, {first: 9})
    with pytest.raises(ValueError, match="before 9"):  # a lead that shrinks would turn the order round
        live.commit_ticks(uow, claim, {second: 8})
    assert live.commit_ticks(uow, claim, {second: 9, third: 10}) == {second: 9, third: 10}


def test_a_scheduled_command_holds_no_other_back(uow, claim):
    late = send(uow, claim.run_id, at_s=100.0)
    now = send(uow, claim.run_id)

    assert live.commit_ticks(uow, claim, {late: 3200}) == {late: 3200}
    assert live.commit_ticks(uow, claim, {now: 2}) == {now: 2}
    assert live.read_resume_log(uow, claim, from_tick=0).first_free_tick == 3


def test_commands_of_the_wall_clock_get_no_tick_beforehand(uow, claim):
    pause = send(uow, claim.run_id, K.PAUSE)

    with pytest.raises(ValueError, match="none that gets a tick"):
        live.commit_ticks(uow, claim, {pause: 5})
    live.record_events(uow, claim, settlements=[CommandSettlement(pause, 7, "applied")])
    (event,) = events_of(uow, claim.run_id)
    assert (event.kind, event.tick, event.origin) == ("applied", 7, EventOrigin.WALL)
    live.record_events(uow, claim, settlements=[CommandSettlement(pause, 7, "applied")])
    assert len(events_of(uow, claim.run_id)) == 1


def test_outcomes_become_events_before_those_of_the_engine(uow, claim):
    first, second = send(uow, claim.run_id), send(uow, claim.run_id)
    live.commit_ticks(uow, claim, {first: 5, second: 6})

    recorded = live.record_events(
        uow, claim, [failed_cell(6, [1, 2])],
        settlements=[applied(first, 5), CommandSettlement(second, 6, "refused", reason="the region has failed")],
    )  # fmt: skip

    assert [event.kind for event in recorded.events] == ["applied", "refused", "failed-cell"]
    events = events_of(uow, claim.run_id)
    assert [event.n for event in events] == list(range(recorded.first, recorded.first + 3))
    assert events[0].payload == {
        "seq": first, "tick": 5, "step": 320, "time_s": 0.15625, "effective": {"tick": 5, "duration_s": 2.0},
    }  # fmt: skip
    with uow.read() as tx:
        assert [(row.outcome, row.reason) for row in tx.live_commands.read(claim.run_id)] == [
            ("applied", None), ("refused", "the region has failed"),
        ]  # fmt: skip


def test_an_outcome_is_of_the_tick_that_was_committed(uow, claim):
    seq = send(uow, claim.run_id)
    live.commit_ticks(uow, claim, {seq: 5})

    for one in (applied(seq, 6), applied(99, 5)):
        with pytest.raises(ValueError, match="command"):
            live.record_events(uow, claim, settlements=[one])
    assert events_of(uow, claim.run_id) == []


def test_ticks_computed_again_say_the_same_and_are_stored_once(uow, claim):
    seq = send(uow, claim.run_id)
    live.commit_ticks(uow, claim, {seq: 5})
    said = [failed_cell(6, (1, 2)), failed_cell(6, (1, 3))]
    before = live.record_events(uow, claim, said, settlements=[applied(seq, 5)])
    new = live.restart_run(uow, claim, worker_id="worker-1", lease_s=10.0).claim

    again = live.record_events(uow, new, [*said, failed_cell(7, (2, 2))], settlements=[applied(seq, 5)])

    assert (len(before.events), [event.tick for event in again.events]) == (3, [7])
    numbers = [event.n for event in events_of(uow, claim.run_id)]
    assert len(numbers) == 4
    with uow.read() as tx:
        every = [event.n for event in tx.live_events.read(claim.run_id)]
    assert every == list(range(1, words.get(uow, claim.run_id).next_event))


def test_a_tick_that_says_something_else_fails_the_run(uow, claim):
    live.record_events(uow, claim, [failed_cell(6, (1, 2), 1.0)])

    with pytest.raises(EventConflictError, match="Tick 6"):
        live.record_events(uow, claim, [failed_cell(5, (0, 0)), failed_cell(6, (1, 2), 1.0 + 2**-50)])

    run = words.get(uow, claim.run_id)
    assert (run.state, run.reason) == (RunState.FAILED, RunReason.INFRA)
    assert "failed-cell (1, 2)" in run.message
    assert [event.tick for event in events_of(uow, claim.run_id)] == [6]


def test_one_call_that_contradicts_itself_fails_the_run_too(uow, claim):
    with pytest.raises(EventConflictError):
        live.record_events(uow, claim, [failed_cell(6, (1, 2), 1.0), failed_cell(6, (1, 2), 2.0)])
    assert words.get(uow, claim.run_id).state is RunState.FAILED


def test_events_of_the_wall_clock_are_all_stored(uow, claim):
    slip = NewLiveEvent(6, 384, "slip", {"s": 0.2}, "", EventOrigin.WALL)

    live.record_events(uow, claim, [slip, slip])

    assert [event.kind for event in events_of(uow, claim.run_id)] == ["slip", "slip"]


def test_beyond_the_limit_only_what_matters_is_stored_and_the_rest_counted(uow, claim):
    limits = LiveLimits(events=words.get(uow, claim.run_id).next_event + 1)  # two more
    noise = [NewLiveEvent(tick, 64 * tick, "alert", {}, "") for tick in range(5)]

    recorded = live.record_events(uow, claim, [*noise, failed_cell(9, (0, 0))], limits=limits)

    assert ([event.kind for event in recorded.events], recorded.dropped) == (["alert", "alert", "failed-cell"], 3)
    assert words.get(uow, claim.run_id).dropped_events == 3


def test_a_zombie_writes_nothing(uow, claim):
    seq = send(uow, claim.run_id)
    zombie = zombie_of(uow, claim)
    before = words.get(uow, claim.run_id)

    assert live.commit_ticks(uow, zombie, {seq: 5}) is None
    assert live.record_events(uow, zombie, [failed_cell(6, (1, 2))], settlements=[applied(seq, 5)]) is None
    assert words.snapshot(uow, zombie, 6)[1] is None
    assert live.write_looks(uow, [Look(zombie, 50, 0.5, (words.sample(0, 0),))]) == frozenset()
    assert live.renew_leases(uow, [zombie], worker_id="worker-1", lease_s=10.0).lost == {zombie}
    assert live.restart_run(uow, zombie, worker_id="worker-1", lease_s=10.0) is None
    assert live.hand_back_runs(uow, [zombie]) == frozenset()
    for call in (live.pause_run, live.continue_run, live.park_run, live.begin_stop, live.resume_stop):
        assert call(uow, zombie) is False
    assert not live.begin_run(uow, zombie, platform="cpu-2", is_paused=False)
    assert not live.conclude_run(uow, zombie, {}, tick=9)
    assert not live.fail_run(uow, zombie, RunReason.OOM)

    assert words.get(uow, claim.run_id) == before
    assert events_of(uow, claim.run_id) == []
    with uow.read() as tx:
        assert tx.live_samples.extents(claim.run_id) == []
        assert tx.live_snapshots.of_run(claim.run_id) == []
        assert [row.tick for row in tx.live_commands.read(claim.run_id)] == [None]


def test_a_claim_of_the_future_writes_nothing_either(uow, claim):
    assert live.record_events(uow, RunClaim(claim.run_id, claim.epoch + 1), [failed_cell(1, (0, 0))]) is None


def test_a_resume_repeats_the_log_from_its_snapshot_on(uow, claim):
    seqs = [send(uow, claim.run_id) for _ in range(3)]
    live.commit_ticks(uow, claim, dict(zip(seqs, (5, 20, 31), strict=True)))
    live.record_events(uow, claim, [failed_cell(33, (1, 2))], settlements=[applied(seqs[0], 5), applied(seqs[1], 20)])
    live.write_looks(uow, [Look(claim, 32)])
    send(uow, claim.run_id, K.PAUSE)
    new = live.restart_run(uow, claim, worker_id="worker-1", lease_s=10.0).claim

    log = live.read_resume_log(uow, new, from_tick=20)

    assert [(row.seq, row.tick) for row in log.commands] == [(seqs[1], 20), (seqs[2], 31)]
    assert (log.shown_tick, log.first_free_tick) == (33, 34)
