"""Lives of claimed runs: begun, paused, parked, handed back, ended. Every call carries the epoch of its claim.

Where a call answers that it did not hold, the run is another owner's, or its state is another: the caller reads the
row, and stops its child where the epoch is not its own.
"""

from collections.abc import Sequence

from grid.core.storable import storable_text
from grid.database.live_runs import LiveRunRecord
from grid.database.uow import Transaction, UnitOfWork
from grid.schemas.jobs import JsonObject
from grid.schemas.live import STOP_REASONS, Activity, RunClaim, RunReason, RunState
from grid.services.live.effects import fail, move
from grid.services.live.ticks import find_steps

MOST_MESSAGE = 2_000  # characters, as the column has
MOST_PLATFORM = 64


def begin_run(uow: UnitOfWork, claim: RunClaim, *, platform: str, is_paused: bool) -> bool:
    """Starting or resuming becomes running or paused: the first look was seen, or the lost ticks are there again."""
    with uow.begin() as tx:
        run = tx.live_runs.hold_claim(claim)
        if run is None or run.state not in {RunState.STARTING, RunState.RESUMING}:
            return False
        move(
            tx, run, RunState.PAUSED if is_paused else RunState.RUNNING,
            started_at=run.started_at or tx.now(),
            healthy_since=tx.now(),
            platform=run.platform or storable_text(platform, MOST_PLATFORM),
        )  # fmt: skip
    return True


def pause_run(uow: UnitOfWork, claim: RunClaim) -> bool:
    """Running becomes paused: the child holds the state and takes no core."""
    return _go(uow, claim, RunState.RUNNING, RunState.PAUSED)


def continue_run(uow: UnitOfWork, claim: RunClaim) -> bool:
    """Paused becomes running."""
    return _go(uow, claim, RunState.PAUSED, RunState.RUNNING)


def park_run(uow: UnitOfWork, claim: RunClaim) -> bool:
    """Paused becomes parked: its snapshot is stored, its child may end. False too where it is wanted again."""
    with uow.begin() as tx:
        run = tx.live_runs.hold_claim(claim)
        if run is None or not _may_park(tx, run):
            return False
        move(tx, run, RunState.PARKED, available_at=tx.now())
    return True


def hand_back_runs(uow: UnitOfWork, claims: Sequence[RunClaim]) -> frozenset[RunClaim]:
    """Give runs back in order, as a worker does that ends; return the claims that still held. No loss is counted.

    A paused run with a snapshot is parked, unless it has steps to take; any other waits for the next worker.
    """
    returned = set()
    with uow.begin() as tx:
        for claim in sorted(set(claims)):
            run = tx.live_runs.hold_claim(claim)
            if run is not None:
                state = RunState.PARKED if _may_park(tx, run) else RunState.INTERRUPTED
                move(tx, run, state, available_at=tx.now())
                returned.add(claim)
    return frozenset(returned)


def note_activity(uow: UnitOfWork, claim: RunClaim, activity: Activity | None) -> bool:
    """Note what holds up the ticks of a run, or that nothing does any more."""
    with uow.begin() as tx:
        run = tx.live_runs.hold_claim(claim)
        if run is None:
            return False
        tx.live_runs.change(run, activity=activity)
    return True


def begin_stop(uow: UnitOfWork, claim: RunClaim) -> bool:
    """Running becomes stopping because the run has come to its own end."""
    with uow.begin() as tx:
        run = tx.live_runs.hold_claim(claim)
        if run is None or run.state is not RunState.RUNNING:
            return False
        move(tx, run, RunState.STOPPING, wanted="stop", reason=RunReason.OK)
    return True


def resume_stop(uow: UnitOfWork, claim: RunClaim) -> bool:
    """Resuming becomes stopping: the owner before went while it wrote the result."""
    with uow.begin() as tx:
        run = tx.live_runs.hold_claim(claim)
        if run is None or run.state is not RunState.RESUMING or run.wanted != "stop":
            return False
        move(tx, run, RunState.STOPPING)
    return True


def conclude_run(uow: UnitOfWork, claim: RunClaim, manifest: JsonObject, *, tick: int) -> bool:
    """Stopping becomes stopped, with its result.

    Args:
        uow: Opens the transaction.
        claim: Of its owner.
        manifest: What was stored, as JSON.
        tick: The last tick.
    """
    with uow.begin() as tx:
        run = tx.live_runs.hold_claim(claim)
        if run is None or run.state is not RunState.STOPPING:
            return False
        move(
            tx, run, RunState.STOPPED,
            tick=max(run.tick, tick), winning_epoch=run.epoch, result_manifest=manifest,
        )  # fmt: skip
    return True


def fail_run(uow: UnitOfWork, claim: RunClaim, reason: RunReason, message: str = "") -> bool:
    """End a run that cannot go on.

    Raises:
        ValueError: The reason is one of an orderly end.
    """
    if reason in STOP_REASONS:
        raise ValueError(f"{reason} is no failure")
    with uow.begin() as tx:
        run = tx.live_runs.hold_claim(claim)
        if run is None:
            return False
        fail(tx, run, reason, storable_text(message, MOST_MESSAGE) or None)
    return True


def _go(uow: UnitOfWork, claim: RunClaim, before: RunState, after: RunState) -> bool:
    with uow.begin() as tx:
        run = _held_in(tx, claim, before)
        if run is None:
            return False
        move(tx, run, after)
    return True


def _held_in(tx: Transaction, claim: RunClaim, state: RunState) -> LiveRunRecord | None:
    run = tx.live_runs.hold_claim(claim)
    return run if run is not None and run.state is state else None


def _may_park(tx: Transaction, run: LiveRunRecord) -> bool:
    is_resting = run.state is RunState.PAUSED and run.wanted == "pause" and run.snapshot_id is not None
    return is_resting and find_steps(tx, run.id) <= run.tick
