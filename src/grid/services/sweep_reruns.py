"""Another run of those points of a sweep that ended badly, as a sweep of its own."""

from typing import Any, Final, Literal, get_args
from uuid import UUID

from grid.core.errors import ConflictError, FieldError, NotFoundError
from grid.database.jobs import JobRecord
from grid.database.sweeps import SweepRecord
from grid.database.uow import UnitOfWork
from grid.schemas.jobs import JobStatus
from grid.schemas.labels import MAX_LABELS
from grid.schemas.wire import SubmissionIn
from grid.services.submissions import IdempotencyKey, SubmissionResult, SubmissionService

Selection = Literal["failed", "timed_out", "expired", "cancelled", "unsuccessful"]
RERUN_OF: Final = "rerun_of"  # label of the new sweep
_STATES = {
    "failed": [JobStatus.FAILED],
    "timed_out": [JobStatus.TIMED_OUT],
    "expired": [JobStatus.EXPIRED],
    "cancelled": [JobStatus.CANCELLED],
    "unsuccessful": [JobStatus.FAILED, JobStatus.TIMED_OUT, JobStatus.EXPIRED, JobStatus.CANCELLED],
}


class NothingToRerunError(ConflictError):
    """No point of the sweep is in the state that was named."""

    code, title = "nothing-to-rerun", "No point is to be run again"

    def __init__(self, selection: str) -> None:
        super().__init__(selection)
        self.selection = selection

    def __str__(self) -> str:
        return f"No point of the sweep is {self.selection}."


def rerun_sweep(
    submissions: SubmissionService,
    *,
    actor_id: UUID,
    owner_id: UUID | None,
    sweep_id: UUID,
    selection: Selection,
    key: str | None = None,
) -> SubmissionResult:
    """Submit points of a sweep again, with the parameters, limits and labels that they had, and a label `rerun_of`.

    The new sweep is the caller's.

    Raises:
        NotFoundError: There is no such sweep for this owner.
        NothingToRerunError: No point of it is in that state.
        FieldError, TooManyRequestsError, ...: As a submission of these points.
    """
    if selection not in get_args(Selection):
        raise FieldError("select", f"must be one of {', '.join(get_args(Selection))}")
    idempotency = None if key is None else IdempotencyKey.of(key, f"rerun {sweep_id} {selection}".encode())
    if idempotency is not None and (known := submissions.find_answer(actor_id, idempotency)) is not None:
        return known
    record, jobs = _find_points(submissions.uow, owner_id, sweep_id, selection)
    return submissions.submit(actor_id, _make_submission(record, jobs), idempotency)


def _find_points(
    uow: UnitOfWork, owner_id: UUID | None, sweep_id: UUID, selection: Selection
) -> tuple[SweepRecord, list[JobRecord]]:
    with uow.read() as tx:
        record = tx.sweeps.find(sweep_id, owner_id)
        if record is None:
            raise NotFoundError("sweep")
        jobs = tx.jobs.points(sweep_id, states=_STATES[selection])
    if not jobs:
        raise NothingToRerunError(selection)
    return record, jobs


def _make_submission(record: SweepRecord, jobs: list[JobRecord]) -> SubmissionIn:
    labels: dict[str, Any] = {**record.meta, RERUN_OF: str(record.id)}
    if len(labels) > MAX_LABELS:  # the sweep has as many as there may be
        labels = dict(record.meta)
    first = jobs[0]
    return SubmissionIn(
        simulation=record.simulation,
        container_image=record.image,
        sweep=[job.params for job in jobs],
        metadata=labels,
        retries=first.max_attempts - 1,
        priority=-first.priority,  # stored the other way round
        timeout_s=first.wall_limit_s,
    )
