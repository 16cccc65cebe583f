"""Claims of live runs: one at a time, of the owner with the fewest runs that are held, where the worker has room."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from grid.database.live_runs import LiveRunRecord, LiveSpec
from grid.database.live_snapshots import SnapshotRecord
from grid.database.uow import Transaction, UnitOfWork
from grid.schemas.live import RunClaim, RunState
from grid.services.live.effects import move
from grid.services.live.losses import take_loss

MOST_CHILDREN = 8  # live runs of one worker


@dataclass(frozen=True)
class ClaimedRun:
    """A run just claimed, with all that its child needs.

    Args:
        run: Its row.
        spec: What it computes.
        snapshots: The newest first; a resume takes the first whose file is whole. Empty: it begins at tick 0.
    """

    run: LiveRunRecord
    spec: LiveSpec
    snapshots: tuple[SnapshotRecord, ...]

    @property
    def claim(self) -> RunClaim:
        """The fencing token that every write about this run carries."""
        return self.run.claim


def is_any_waiting(uow: UnitOfWork) -> bool:
    """Return whether a run may be there to claim, without taking a lock; a parked one counts where it is wanted."""
    with uow.read() as tx:
        return tx.live_leases.is_any_claimable()


def claim_run(
    uow: UnitOfWork, *, worker_id: str, cores: float, lease_s: float, most_runs: int = MOST_CHILDREN
) -> ClaimedRun | None:
    """Claim the next run that fits a worker; None where none does.

    Args:
        uow: Opens the transaction.
        worker_id: Who claims.
        cores: What live runs of this worker may take together; a paused run takes none.
        lease_s: Life of the claim without a heartbeat [s].
        most_runs: Children of the worker.
    """
    with uow.begin() as tx:
        load = tx.live_leases.load_of(worker_id)
        if load.runs >= most_runs:
            return None
        run = tx.live_leases.next_in_turn(most_cores=cores - load.cores)
        if run is None:
            return None
        state = RunState.STARTING if run.state is RunState.QUEUED else RunState.RESUMING
        held = move(tx, run, state, **_lease(tx, run, worker_id, lease_s))
        return _claimed(tx, held)


def restart_run(
    uow: UnitOfWork,
    claim: RunClaim,
    *,
    worker_id: str,
    lease_s: float,
    tick: int | None = None,
    is_loss: bool = True,
) -> ClaimedRun | None:
    """Give a run whose child has ended to a new child of the same worker, under the next epoch.

    The end of the child counts as a loss, if it is one; the third within ten healthy minutes fails the run.

    Args:
        uow: Opens the transaction.
        claim: Of the child that has ended.
        worker_id: Who holds the run.
        lease_s: Life of the new claim without a heartbeat [s].
        tick: The last tick that was heard of.
        is_loss: False where the child was ended in order, after a snapshot.

    Returns:
        None: the run is another owner's, or has failed now.
    """
    with uow.begin() as tx:
        run = tx.live_runs.hold_claim(claim)
        if run is None or run.lease_owner != worker_id:
            return None
        loss = take_loss(tx, run, tick) if is_loss else {}
        if loss is None:
            return None
        lease = _lease(tx, run, worker_id, lease_s)
        held = move(tx, run, RunState.RESUMING, by_way_of=RunState.INTERRUPTED, **loss, **lease)
        return _claimed(tx, held)


def _lease(tx: Transaction, run: LiveRunRecord, worker_id: str, lease_s: float) -> dict[str, Any]:
    return {
        "epoch": run.epoch + 1,
        "lease_owner": worker_id,
        "lease_until": tx.now() + timedelta(seconds=lease_s),
        "heartbeat_at": tx.now(),
        "claimed_at": tx.now(),
        "activity": None,
    }


def _claimed(tx: Transaction, run: LiveRunRecord) -> ClaimedRun:
    spec = tx.live_runs.find_spec(run.id)
    if spec is None:
        raise LookupError(f"live run {run.id} has no row")
    return ClaimedRun(run, spec, tuple(tx.live_snapshots.of_run(run.id)))
