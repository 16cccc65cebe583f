from datetime import timedelta

import pytest
from tests.doubles.artifacts import MemoryArtifactStore
from tests.support import live_runs as words
from tests.support.databases import HandClock, opened
from tests.support.ledgers import add_owner
from tests.support.live_runs import LEASE_S, begin, claim, get, send, start, submit

from grid.core.errors import NotFoundError
from grid.database.uow import UnitOfWork
from grid.database.windows import Window
from grid.schemas.live import RUN_LEASED, CommandKind, RunClaim, RunReason, RunState
from grid.services import live
from grid.services.live import Look, RunStateError

K = CommandKind


@pytest.fixture
def owner(uow):
    return add_owner(uow)


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def timed(database_maker, tmp_path, clock):
    """Transactions on a database whose clock a test turns."""
    with opened(database_maker, tmp_path, clock) as database:
        yield UnitOfWork(database)


def restart(uow, held, **more):
    return live.restart_run(uow, held, worker_id="worker-1", lease_s=LEASE_S, **more)


def test_a_claim_issues_an_epoch_and_a_lease(uow, owner):
    run = submit(uow, owner)

    held = claim(uow)

    row = get(uow, run.id)
    assert held.run == row
    assert held.claim == RunClaim(run.id, 1)
    assert (row.state, row.version, row.lease_owner) == (RunState.STARTING, 2, "worker-1")
    assert (row.lease_until - row.heartbeat_at).total_seconds() == pytest.approx(LEASE_S)
    assert held.spec.scene == words.PLANNED.scene
    assert claim(uow) is None


def test_the_owner_with_the_fewest_held_runs_comes_first(uow, owner):
    bob = add_owner(uow, "bob")
    runs = [submit(uow, one) for one in (owner, owner, owner, bob)]

    assert [claim(uow).run.id for _ in runs] == [runs[0].id, runs[3].id, runs[1].id, runs[2].id]


def test_a_worker_claims_what_it_has_cores_for(uow, owner):
    for _ in range(3):
        submit(uow, owner, speed=2.0)  # 0.6 of a core each

    assert claim(uow, cores=0.5) is None
    assert claim(uow, cores=1.3) is not None
    assert claim(uow, cores=1.3) is not None
    assert claim(uow, cores=1.3) is None
    assert claim(uow, "worker-2", cores=1.3) is not None


def test_a_smaller_run_is_not_held_back_by_one_that_does_not_fit(uow, owner):
    submit(uow, owner, speed=2.0)
    small = submit(uow, owner, speed=0.5)

    assert claim(uow, cores=0.2).run.id == small.id


def test_a_paused_run_takes_no_core(uow, owner):
    held = start(uow, owner, speed=2.0)
    submit(uow, owner, speed=2.0)
    assert claim(uow, cores=0.7) is None

    live.pause_run(uow, held)

    assert claim(uow, cores=0.7) is not None


def test_a_worker_has_so_many_children(uow, owner):
    for _ in range(2):
        submit(uow, owner)

    claims = [live.claim_run(uow, worker_id="w", cores=8.0, lease_s=10.0, most_runs=1) for _ in range(2)]

    assert [one is not None for one in claims] == [True, False]


@pytest.mark.parametrize("is_paused", [False, True])
def test_a_run_begins(uow, owner, is_paused):
    submit(uow, owner)
    held = claim(uow).claim

    assert begin(uow, held, is_paused=is_paused)
    assert not begin(uow, held)

    run = get(uow, held.run_id)
    assert run.state is (RunState.PAUSED if is_paused else RunState.RUNNING)
    assert (run.platform, run.started_at) == ("cpu-1", run.healthy_since)


def test_a_run_pauses_and_goes_on(uow, owner):
    held = start(uow, owner)

    assert not live.continue_run(uow, held)
    assert live.pause_run(uow, held)
    assert not live.pause_run(uow, held)
    assert live.continue_run(uow, held)
    with uow.read() as tx:
        states = [event.payload["state"] for event in tx.live_events.read(held.run_id, kinds=["state"])]
    assert states == ["queued", "starting", "running", "paused", "running"]


def test_a_pause_is_parked_with_its_snapshot_and_goes_on_elsewhere(uow, owner):
    held = start(uow, owner)
    send(uow, held.run_id, K.PAUSE)
    live.pause_run(uow, held)
    assert not live.park_run(uow, held)  # nothing is stored yet
    one, _ = words.snapshot(uow, held, tick=9)

    assert live.park_run(uow, held)

    assert get(uow, held.run_id).lease_owner is None
    assert claim(uow, "worker-2") is None
    send(uow, held.run_id, K.RESUME)
    again = claim(uow, "worker-2")
    assert (again.run.state, again.run.epoch, [kept.id for kept in again.snapshots]) == (RunState.RESUMING, 2, [one])


def test_a_pause_that_was_resumed_meanwhile_is_not_parked(uow, owner):
    held = start(uow, owner)
    send(uow, held.run_id, K.PAUSE)
    live.pause_run(uow, held)
    words.snapshot(uow, held)
    send(uow, held.run_id, K.RESUME)

    assert not live.park_run(uow, held)


@pytest.mark.parametrize("state", sorted(RUN_LEASED))
def test_a_worker_that_ends_in_order_costs_no_loss(uow, owner, state):
    held = words.into(uow, owner, state)
    was_wanted = get(uow, held.run_id).wanted

    assert live.hand_back_runs(uow, [held]) == {held}

    run = get(uow, held.run_id)
    earlier = 1 if state is RunState.RESUMING else 0  # the child that ended before
    assert (run.state, run.losses, run.wanted, run.lease_owner) == (RunState.INTERRUPTED, earlier, was_wanted, None)
    assert claim(uow, "worker-2").run.state is RunState.RESUMING


def test_a_paused_run_with_a_snapshot_is_parked_when_its_worker_ends(uow, owner):
    held = start(uow, owner)
    send(uow, held.run_id, K.PAUSE)
    live.pause_run(uow, held)
    words.snapshot(uow, held)

    live.hand_back_runs(uow, [held])

    assert get(uow, held.run_id).state is RunState.PARKED


def test_a_stop_is_concluded_with_a_result(uow, owner):
    held = start(uow, owner)
    waiting = send(uow, held.run_id)
    assert not live.conclude_run(uow, held, {}, tick=1)
    send(uow, held.run_id, K.STOP, actor=owner)

    assert live.conclude_run(uow, held, {"files": [], "field_sha256": "ef" * 32}, tick=77)
    assert not live.conclude_run(uow, held, {}, tick=78)

    run = get(uow, held.run_id)
    assert (run.state, run.reason, run.winning_epoch, run.tick) == (
        RunState.STOPPED, RunReason.STOPPED_BY_USER, held.epoch, 77,
    )  # fmt: skip
    assert run.result_manifest["field_sha256"] == "ef" * 32
    with uow.read() as tx:
        left = tx.live_commands.find(held.run_id, waiting)
    assert (left.outcome, left.reason, left.tick) == ("refused", "the run has ended", 77)
    assert live.describe_run(run) == "You stopped the run."


def test_a_run_that_comes_to_its_own_end(uow, owner):
    held = start(uow, owner)

    assert live.begin_stop(uow, held)
    assert live.conclude_run(uow, held, {}, tick=5)

    assert get(uow, held.run_id).reason is RunReason.OK


def test_a_result_that_was_not_written_is_written_by_the_next_owner(timed, clock):
    owner = add_owner(timed)
    held = start(timed, owner)
    send(timed, held.run_id, K.STOP)
    clock.advance(LEASE_S + 1)
    assert live.reap_runs(timed).interrupted == 1

    run = claim(timed, "worker-2").run

    assert (run.state, run.wanted, run.reason) == (RunState.RESUMING, "stop", RunReason.STOPPED_BY_USER)
    assert live.resume_stop(timed, run.claim)
    assert live.conclude_run(timed, run.claim, {}, tick=5)
    assert get(timed, run.id).winning_epoch == 2


@pytest.mark.parametrize("state", sorted(RUN_LEASED))
def test_any_held_run_can_fail(uow, owner, state):
    held = words.into(uow, owner, state)

    assert live.fail_run(uow, held, RunReason.OOM, "9 GiB of 2\0")

    run = get(uow, held.run_id)
    assert (run.state, run.reason, run.message) == (
        RunState.FAILED,
        RunReason.OOM,
        "9 GiB of 2\N{REPLACEMENT CHARACTER}",
    )
    with pytest.raises(ValueError, match="no failure"):
        live.fail_run(uow, held, RunReason.OK)


def test_leases_are_renewed_together_and_tell_what_is_wanted(timed, clock):
    owner = add_owner(timed)
    first, second = start(timed, owner), start(timed, owner)
    send(timed, second.run_id, K.PAUSE)
    clock.advance(8)

    renewal = live.renew_leases(timed, [first, second], worker_id="worker-1", lease_s=LEASE_S)

    assert renewal.lost == frozenset()
    assert {held.wanted for held in renewal.held.values()} == {"run", "pause"}
    assert renewal.held[second].wanted == "pause"
    clock.advance(8)
    assert live.reap_runs(timed).total == 0
    assert live.renew_leases(timed, [first], worker_id="worker-2", lease_s=LEASE_S).lost == {first}
    assert live.renew_leases(timed, [], worker_id="worker-1", lease_s=LEASE_S).held == {}


def test_a_silent_worker_loses_its_runs(timed, clock):
    owner = add_owner(timed)
    held = start(timed, owner)
    clock.advance(LEASE_S)
    assert live.reap_runs(timed).total == 0
    clock.advance(0.1)

    assert live.reap_runs(timed).interrupted == 1

    run = get(timed, held.run_id)
    assert (run.state, run.losses, run.loss_ticks) == (RunState.INTERRUPTED, 1, [0])
    assert claim(timed, "worker-2").run.epoch == 2
    assert live.renew_leases(timed, [held], worker_id="worker-1", lease_s=LEASE_S).lost == {held}


def test_a_run_that_does_not_start_fails(timed, clock):
    submit(timed, add_owner(timed))
    held = claim(timed).claim
    for _ in range(40):
        clock.advance(9.5)
        assert live.renew_leases(timed, [held], worker_id="worker-1", lease_s=LEASE_S).held

    assert live.reap_runs(timed).timed_out == 1
    assert get(timed, held.run_id).reason is RunReason.START_TIMEOUT


def test_a_child_that_ends_is_followed_by_another_under_the_next_epoch(uow, owner):
    held = start(uow, owner)
    version = get(uow, held.run_id).version

    again = restart(uow, held, tick=40)

    assert (again.run.state, again.run.epoch, again.run.version) == (RunState.RESUMING, 2, version + 2)
    assert (again.run.losses, again.run.loss_ticks, again.run.lease_owner) == (1, [40], "worker-1")
    assert live.restart_run(uow, again.claim, worker_id="worker-2", lease_s=LEASE_S) is None


def test_the_third_loss_is_poison_and_names_the_command_that_came_before_each(uow, owner):
    held = start(uow, owner)
    other, burst = send(uow, held.run_id), send(uow, held.run_id)
    live.commit_ticks(uow, held, {other: 10, burst: 100})

    held = restart(uow, held, tick=101).claim
    held = restart(uow, held, tick=100).claim
    assert restart(uow, held, tick=103) is None

    run = get(uow, held.run_id)
    assert (run.state, run.reason, run.losses) == (RunState.FAILED, RunReason.POISON, 3)
    assert f"command {burst} (event burst)" in run.message


def test_losses_far_apart_blame_no_command(uow, owner):
    held = start(uow, owner)
    live.commit_ticks(uow, held, {send(uow, held.run_id): 100})

    for tick in (5, 101, 102):
        held = again.claim if (again := restart(uow, held, tick=tick)) else held

    run = get(uow, held.run_id)
    assert (run.reason, run.message) == (RunReason.POISON, None)
    assert live.describe_run(run) == RunReason.POISON.sentence


def test_ten_healthy_minutes_forget_earlier_losses(timed, clock):
    held = start(timed, add_owner(timed))
    for _ in range(2):
        held = restart(timed, held).claim
    begin(timed, held)
    clock.advance(600)
    live.renew_leases(timed, [held], worker_id="worker-1", lease_s=LEASE_S)

    held = restart(timed, held).claim

    assert get(timed, held.run_id).losses == 1
    begin(timed, held)
    clock.advance(599)
    live.renew_leases(timed, [held], worker_id="worker-1", lease_s=LEASE_S)
    held = restart(timed, held).claim
    assert get(timed, held.run_id).losses == 2


def test_ticks_never_fall_and_the_measured_share_counts(uow, owner):
    held = start(uow, owner)

    assert live.write_looks(uow, [Look(held, 40, 0.5)]) == {held}
    assert live.write_looks(uow, [Look(held, 30)]) == {held}

    run = get(uow, held.run_id)
    assert (run.tick, run.load_share) == (40, 0.5)
    assert run.sampled_at is not None


def test_reading_is_the_owners(uow, owner):
    held, bob = start(uow, owner), add_owner(uow, "bob")
    send(uow, held.run_id)

    for owner_id in (owner, None):
        assert live.get_run(uow, owner_id=owner_id, run_id=held.run_id)[0].id == held.run_id
        assert len(live.read_commands(uow, owner_id=owner_id, run_id=held.run_id)) == 1
    for call in (live.get_run, live.read_commands, live.read_events, live.list_snapshots):
        with pytest.raises(NotFoundError):
            call(uow, owner_id=bob, run_id=held.run_id)
    with pytest.raises(NotFoundError):
        live.get_command(uow, owner_id=bob, run_id=held.run_id, seq=1)
    with pytest.raises(NotFoundError):
        live.get_command(uow, owner_id=owner, run_id=held.run_id, seq=2)
    assert live.list_runs(uow, Window(), owner_id=bob).items == []
    assert live.list_runs(uow, Window(), owner_id=owner, states=[RunState.QUEUED]).items == []


def test_a_run_that_waits_says_at_which_place(uow, owner):
    runs = [submit(uow, owner) for _ in range(3)]

    places = [live.get_run(uow, owner_id=owner, run_id=run.id)[1] for run in runs]

    assert places == [1, 2, 3]
    assert live.describe_run(runs[1], position=2).endswith("number 2 of those that wait.")


def test_only_a_run_that_has_ended_is_removed_with_its_files(uow, owner):
    held, store = start(uow, owner), MemoryArtifactStore()
    words.snapshot(uow, held)
    with pytest.raises(RunStateError, match="stop it first"):
        live.purge_run(uow, store, actor_id=owner, owner_id=owner, run_id=held.run_id)
    with pytest.raises(NotFoundError):
        live.purge_run(uow, store, actor_id=owner, owner_id=add_owner(uow, "bob"), run_id=held.run_id)
    live.fail_run(uow, held, RunReason.DIVERGED)

    live.purge_run(uow, store, actor_id=owner, owner_id=owner, run_id=held.run_id)

    with pytest.raises(NotFoundError):
        live.get_run(uow, owner_id=owner, run_id=held.run_id)


def test_a_clock_that_is_turned_is_the_only_one(timed, clock):
    run = submit(timed, add_owner(timed))

    assert run.created_at == clock.time
    assert run.available_at - clock.time == timedelta(0)


def test_a_branch_may_take_long_to_compute_the_ticks_of_its_parent(timed, clock):
    submit(timed, add_owner(timed))
    held = claim(timed).claim
    live.write_looks(timed, [live.Look(held, 90_000)])
    for _ in range(40):
        clock.advance(9.5)
        assert live.renew_leases(timed, [held], worker_id="worker-1", lease_s=LEASE_S).held

    assert live.reap_runs(timed).total == 0
