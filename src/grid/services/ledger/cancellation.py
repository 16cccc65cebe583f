"""Cancellation: a queued job ends at once; a running one ends when its worker has stopped it."""

from uuid import UUID

from grid.core.errors import ConflictError, NotFoundError
from grid.database.uow import UnitOfWork
from grid.schemas.jobs import JobStatus, Reason
from grid.services import audit
from grid.services.ledger.effects import settle


class JobFinishedError(ConflictError):
    """The job has ended before, in `state`."""

    code, title = "job-finished", "The job has ended already"

    def __init__(self, state: JobStatus) -> None:
        super().__init__(state)
        self.state = state

    def __str__(self) -> str:
        return f"The job has ended already: {self.state}."


def cancel(
    uow: UnitOfWork, *, owner_id: UUID | None, job_id: UUID, by: Reason, actor_id: UUID | None = None
) -> JobStatus:
    """Cancel one job, of that owner where one is named; return `cancelled` or `cancelling`. Harmless when repeated.

    A change that a person causes (`actor_id`) is written into the audit log.

    Raises:
        NotFoundError: There is no such job for this owner.
        JobFinishedError: The job has ended before; nothing changes.
    """
    with uow.begin() as tx:
        if tx.jobs.find(job_id, owner_id) is None:
            raise NotFoundError("job")
        change = tx.transitions.cancel(job_id, by)
        if change is not None:
            tx.transitions.lock_queues([change.id])
            settle(tx, [change], queued=-1 if change.state is JobStatus.CANCELLED else 0)
            if actor_id is not None:
                audit.record(tx, actor_id=actor_id, action="job.cancel", subject=f"job:{job_id}")
            return change.state
        state, _ = tx.jobs.versions([job_id])[job_id]
        if state.is_terminal:
            raise JobFinishedError(state)
        return state


def cancel_sweep(
    uow: UnitOfWork, *, owner_id: UUID | None, sweep_id: UUID, by: Reason, actor_id: UUID | None = None
) -> int:
    """Cancel every job of a sweep that has not ended, and let none of it be claimed again; return how many changed.

    A change that a person causes (`actor_id`) is written into the audit log.

    Raises:
        NotFoundError: There is no such sweep for this owner.
    """
    with uow.begin() as tx:
        if tx.sweeps.find(sweep_id, owner_id) is None:
            raise NotFoundError("sweep")
        changes = tx.transitions.cancel_sweep(sweep_id, by)
        tx.transitions.lock_queues(change.id for change in changes[:1])  # all of one owner
        settle(tx, [change for change in changes if change.state is JobStatus.CANCELLED], queued=-1)
        settle(tx, [change for change in changes if change.state is not JobStatus.CANCELLED])
        tx.sweeps.request_cancel(sweep_id, by)
        if actor_id is not None and changes:
            details = {"jobs": len(changes)}
            audit.record(tx, actor_id=actor_id, action="sweep.cancel", subject=f"sweep:{sweep_id}", details=details)
        return len(changes)
