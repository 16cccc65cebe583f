"""Jobs of an owner: read, count, cancel, remove. `owner_id` is None only for an administrator who asked for all."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from grid.core.errors import ConflictError, GridError, NotFoundError
from grid.core.logging import get_logger
from grid.database import job_queries
from grid.database.attempts import AttemptRecord
from grid.database.job_queries import Count, JobFilter, JobNumbers, JobSummary
from grid.database.jobs import JobRecord
from grid.database.label_counts import LabelCount, count_labels
from grid.database.uow import Transaction, UnitOfWork
from grid.database.windows import Window
from grid.schemas.jobs import JobStatus, Reason
from grid.services import audit, ledger
from grid.services.ports import ArtifactStore, Doorbell

T = TypeVar("T")
log = get_logger(__name__)


SENTENCES = {
    JobStatus.QUEUED: "The job waits to be started.",
    JobStatus.STARTING: "A worker has taken the job and prepares the run.",
    JobStatus.RUNNING: "The simulation runs.",
    JobStatus.CANCELLING: "The job is being stopped.",
}
RETURNED = {
    "drain": "The worker was being stopped and put the job back into the queue.",
    Reason.INFRA.value: "Something that the run needs did not work, and the job went back into the queue.",
}
_REASONS = frozenset(reason.value for reason in Reason)


class NotFinishedError(ConflictError):
    """Only a job that has ended can be removed."""

    code, title = "not-finished", "The job has not ended"

    def __init__(self, state: JobStatus) -> None:
        super().__init__(state)
        self.state = state

    def __str__(self) -> str:
        return f"The job is {self.state.value}; cancel it first, then remove it."


@dataclass(frozen=True)
class Page(Generic[T]):
    """A part of a list, the number of its rows, and the cursor behind which it goes on."""

    items: list[T]
    window: Window[Any]
    count: Count
    next: Any = None  # a key of the list's rows; None at the end

    @property
    def pages(self) -> int | None:
        """Number of pages; None where the list is read by cursor."""
        return -(-self.count.number // self.window.size) if self.window.page is not None else None


@dataclass(frozen=True)
class Attempt:
    """One run of a job.

    Args:
        record: As the ledger has it.
        reason: Its outcome, where that is a reason of a job.
        message: Its outcome in one sentence.
    """

    record: AttemptRecord
    reason: Reason | None
    message: str


def describe_state(job: JobRecord | JobSummary) -> str:
    """Return the state of a job as one sentence."""
    if job.message:
        return job.message
    return SENTENCES[job.state] if job.state in SENTENCES or job.reason is None else job.reason.sentence


def get_job(uow: UnitOfWork, *, owner_id: UUID | None, job_id: UUID) -> JobRecord:
    """Read one job.

    Raises:
        NotFoundError: There is no such job for this owner.
    """
    with uow.read() as tx:
        job = tx.jobs.find(job_id, owner_id)
    if job is None:
        raise NotFoundError("job")
    return job


def list_jobs(uow: UnitOfWork, wanted: JobFilter, window: Window[UUID]) -> Page[JobRecord]:
    """Read a part of the list of jobs, newest first."""
    with uow.read() as tx:
        items, following = job_queries.read_window(tx, wanted, window)
        return _make_page(tx, wanted, window, items, following)


def list_summaries(uow: UnitOfWork, wanted: JobFilter, window: Window[UUID]) -> Page[JobSummary]:
    """Read a part of the list of jobs, newest first, in rows of a few columns."""
    with uow.read() as tx:
        items, following = job_queries.read_summaries(tx, wanted, window)
        return _make_page(tx, wanted, window, items, following)


def _make_page(
    tx: Transaction, wanted: JobFilter, window: Window[UUID], items: list[T], following: UUID | None
) -> Page[T]:
    is_all = window.page in {None, 1} and window.after is None and following is None
    count = Count(len(items), True) if is_all else job_queries.count(tx, wanted)
    return Page(items, window, count, following)


def list_labels(uow: UnitOfWork, *, owner_id: UUID | None) -> list[LabelCount]:
    """Count the labels of the newest jobs."""
    with uow.read() as tx:
        return count_labels(tx, owner_id)


def list_attempts(uow: UnitOfWork, *, owner_id: UUID | None, job_id: UUID) -> list[Attempt]:
    """Read the runs of a job, the first one first.

    Raises:
        NotFoundError: There is no such job for this owner.
    """
    with uow.read() as tx:
        job = tx.jobs.find(job_id, owner_id)
        records = tx.attempts.of_job(job_id) if job is not None else []
    if job is None:
        raise NotFoundError("job")
    return [_describe_attempt(job, record) for record in records]


def _describe_attempt(job: JobRecord, record: AttemptRecord) -> Attempt:
    if record.outcome is None:
        return Attempt(record, None, describe_state(job) if record.epoch == job.epoch else SENTENCES[JobStatus.RUNNING])
    reason = Reason(record.outcome) if record.outcome in _REASONS else None
    if job.state.is_terminal and record.epoch == job.epoch:
        return Attempt(record, reason, describe_state(job))
    otherwise = reason.sentence if reason is not None else "The job went back into the queue."
    return Attempt(record, reason, RETURNED.get(record.outcome, otherwise))


def read_stats(uow: UnitOfWork, *, owner_id: UUID | None) -> JobNumbers:
    """Count jobs by state and those that ended lately."""
    with uow.read() as tx:
        return job_queries.read_numbers(tx, owner_id)


def cancel_job(
    uow: UnitOfWork, doorbell: Doorbell, *, actor_id: UUID, owner_id: UUID | None, job_id: UUID
) -> JobRecord:
    """Cancel a job: at once where it is queued, else its worker stops it. Repeating it is harmless until it has ended.

    Raises:
        NotFoundError: There is no such job for this owner.
        JobFinishedError: It has ended already; the error names the state.
    """
    job = get_job(uow, owner_id=owner_id, job_id=job_id)
    by = Reason.CANCELLED_BY_USER if job.owner_id == actor_id else Reason.CANCELLED_BY_ADMIN
    ledger.cancel(uow, owner_id=owner_id, job_id=job_id, by=by, actor_id=actor_id)
    doorbell.ring("work", job_id)
    return get_job(uow, owner_id=owner_id, job_id=job_id)


def purge_job(uow: UnitOfWork, store: ArtifactStore, *, actor_id: UUID, owner_id: UUID | None, job_id: UUID) -> None:
    """Remove a job that has ended, with its attempts, logs and files. A pack stays while another job needs it.

    Files go after the commit: where the process dies between the two, the collector of unknown keys removes them.

    Raises:
        NotFoundError: There is no such job for this owner.
        NotFinishedError: It has not ended.
    """
    with uow.begin() as tx:
        job = tx.jobs.find(job_id, owner_id)
        if job is None:
            raise NotFoundError("job")
        if not job.state.is_terminal or not job_queries.remove(tx, job_id):
            raise NotFinishedError(job.state)
        keeps_pack = job_queries.shares_batch(tx, job)
        audit.record(tx, actor_id=actor_id, action="job.purge", subject=f"job:{job_id}")
    _remove_files(store, job, keeps_pack=keeps_pack)


def _remove_files(store: ArtifactStore, job: JobRecord, *, keeps_pack: bool) -> None:
    manifest = job.result_manifest or {}
    keys = [entry["key"] for entry in manifest.get("files", [])]
    if "pack" in manifest and not keeps_pack:
        keys.append(manifest["pack"]["key"])
    try:
        keys += [key for prefix in ("jobs", "renders") for key in store.keys(f"{prefix}/{job.id}/")]
    except GridError as error:
        log.warning("purge_left_files", job_id=str(job.id), reason=str(error))
    for key in keys:
        with suppress(NotFoundError):
            store.delete(key)
