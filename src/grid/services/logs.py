"""Logs of jobs: as text, and as news for their followers."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from grid.core.errors import NotFoundError
from grid.database import job_queries
from grid.database.jobs import JobRecord
from grid.database.logs import CHUNKS_PER_ATTEMPT, LogRecord
from grid.database.uow import UnitOfWork
from grid.schemas.jobs import JsonObject
from grid.services.jobs import describe_state

NEWS_CHUNKS = 64  # of all followed jobs in one query: 1 MiB at most
JOBS_AT_ONCE = 200  # of one query
MAX_LOG_CHUNKS = 4 * CHUNKS_PER_ATTEMPT  # of one answer: the last four attempts, 16 MiB at most


class LogCursor(NamedTuple):
    """A place in a job's log: behind this chunk."""

    epoch: int
    seq: int


START = LogCursor(-1, -1)


@dataclass(frozen=True)
class JobNews:
    """News of a job since a place in its log: chunks, and its state."""

    cursor: LogCursor
    version: int
    is_final: bool
    state: JsonObject
    chunks: Sequence[LogRecord] = ()
    has_more: bool = False  # of the log

    @classmethod
    def gone(cls, job_id: UUID, cursor: LogCursor) -> "JobNews":
        """Return the last news of a job that was removed while it was followed."""
        return cls(cursor, 2**31, True, {"id": str(job_id), "status": None, "message": "The job was removed."})

    @property
    def messages(self) -> int:
        """Number of events that this becomes."""
        return 1 + len(self.chunks)

    @property
    def size(self) -> int:
        """Memory of the log chunks [bytes]; one emoji makes it four for each character."""
        return sum(sys.getsizeof(chunk.text) for chunk in self.chunks)


def read_log(uow: UnitOfWork, *, owner_id: UUID | None, job_id: UUID, tail: int | None = None) -> str:
    """Return the log as text: of every attempt, the oldest first; or its last `tail` lines.

    Raises:
        NotFoundError: There is no such job for this owner.
    """
    with uow.read() as tx:
        if tx.jobs.find(job_id, owner_id) is None:
            raise NotFoundError("job")
        chunks = job_queries.read_last_chunks(tx, job_id, limit=MAX_LOG_CHUNKS)
    text = "".join(chunk.text for chunk in chunks)
    if tail is None:
        return text
    lines = text.splitlines(keepends=True)
    return "".join(lines[-tail:]) if tail else ""


def read_news(uow: UnitOfWork, cursors: Mapping[UUID, LogCursor], *, limit: int | None = None) -> dict[UUID, JobNews]:
    """Return what is new to the followers of some jobs, all of one moment: `limit` chunks, or `NEWS_CHUNKS`.

    Jobs that are gone are left out.

    Where one query does not return all, `has_more` is set for jobs whose log goes on; they are read again.
    """
    with uow.read() as tx:
        limit = NEWS_CHUNKS if limit is None else limit
        records: dict[UUID, JobRecord] = {}
        chunks: list[LogRecord] = []
        for group in _groups(sorted(cursors)):
            records |= {job.id: job for job in tx.jobs.find_many(group)}
            if len(chunks) < limit:
                places = {job_id: cursors[job_id] for job_id in group}
                chunks += job_queries.read_chunks(tx, places, limit=limit - len(chunks))
    by_job: dict[UUID, list[LogRecord]] = {job_id: [] for job_id in records}
    for chunk in chunks:
        by_job[chunk.job_id].append(chunk)
    is_cut = len(chunks) == limit
    # The look went through the jobs in the order of their ids: behind the last one seen, nothing was looked at.
    last_seen = chunks[-1].job_id if is_cut else None
    return {
        job_id: _news(job, by_job[job_id], cursors[job_id], is_cut=last_seen is not None and job_id >= last_seen)
        for job_id, job in records.items()
    }


def _groups(job_ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    """Yield ids in order, as many as one statement takes: SQLite reads no expression of a thousand terms."""
    for start in range(0, len(job_ids), JOBS_AT_ONCE):
        yield job_ids[start : start + JOBS_AT_ONCE]


def _news(job: JobRecord, chunks: Sequence[LogRecord], cursor: LogCursor, *, is_cut: bool) -> JobNews:
    place = LogCursor(chunks[-1].epoch, chunks[-1].seq) if chunks else cursor
    state = {
        "id": str(job.id),
        "status": job.state.value,
        "reason": job.reason.value if job.reason is not None else None,
        "message": describe_state(job),
        "progress": job.progress,
        "attempts": job.attempts_used,
    }
    return JobNews(place, job.version, job.state.is_terminal and not is_cut, state, tuple(chunks), has_more=is_cut)
