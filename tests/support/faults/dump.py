"""What a database holds, read with plain SQL and without any of the service's own code: the checker's evidence."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

TERMINAL = frozenset({"success", "failed", "cancelled", "timed_out", "expired"})
LEASED = frozenset({"starting", "running", "cancelling"})


@dataclass(frozen=True)
class JobRow:
    """One row of `jobs`, as far as a promise speaks of it."""

    id: UUID
    owner_id: UUID
    sweep_id: UUID | None
    meta: dict[str, Any]
    state: str
    reason: str | None
    version: int
    epoch: int
    winning_epoch: int | None
    worker_losses: int
    work_s: float
    lease_owner: str | None
    lease_until: datetime | None
    finished_at: datetime | None
    manifest: dict[str, Any] | None
    sweep_index: int | None = None


@dataclass(frozen=True)
class AttemptRow:
    """One row of `job_attempts`."""

    job_id: UUID
    epoch: int
    owner: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None


@dataclass(frozen=True)
class SweepRow:
    """One row of `sweeps`."""

    id: UUID
    meta: dict[str, Any]
    total: int
    counts: Mapping[str, int]
    version: int
    finished_at: datetime | None


@dataclass(frozen=True)
class QueueRow:
    """One row of `owner_queues`."""

    owner_id: UUID
    queued: int
    active: int


@dataclass(frozen=True)
class EventRow:
    """One event, relayed or not: `seq` is its place in the stream."""

    aggregate: str
    version: int
    seq: int | None


@dataclass(frozen=True)
class Dump:
    """Everything at one moment."""

    jobs: tuple[JobRow, ...]
    attempts: tuple[AttemptRow, ...]
    sweeps: tuple[SweepRow, ...]
    queues: tuple[QueueRow, ...]
    events: tuple[EventRow, ...]


_JOBS = (
    "SELECT id, owner_id, sweep_id, metadata, state, reason, version, epoch, winning_epoch, worker_losses, work_s, "
    "lease_owner, lease_until, finished_at, result_manifest, sweep_index FROM jobs ORDER BY id"
)
_ATTEMPTS = "SELECT job_id, epoch, owner, started_at, ended_at, outcome FROM job_attempts ORDER BY job_id, epoch"
_SWEEPS = (
    "SELECT id, metadata, total, success, failed, cancelled, timed_out, expired, version, finished_at "
    "FROM sweeps ORDER BY id"
)
_EVENTS = (
    "SELECT aggregate, version, stream_seq FROM stream_events "
    "UNION ALL SELECT aggregate, version, NULL FROM outbox ORDER BY 1, 2"
)


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """Lend a connection that is closed, not kept, at the end."""
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def read_dump(url: str) -> Dump:
    """Read the whole ledger in one transaction."""
    with connected(url) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        else:
            connection.exec_driver_sql("BEGIN")
        dump = Dump(
            tuple(_read(connection, _JOBS, _job)),
            tuple(_read(connection, _ATTEMPTS, _attempt)),
            tuple(_read(connection, _SWEEPS, _sweep)),
            tuple(_read(connection, "SELECT owner_id, queued, active FROM owner_queues", _queue)),
            tuple(_read(connection, _EVENTS, lambda row: EventRow(*row))),
        )
        connection.rollback()
    return dump


def read_clock(connection: Connection) -> datetime:
    """Return the database's own time."""
    if connection.dialect.name == "postgresql":
        return connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one().astimezone(UTC)
    days = connection.exec_driver_sql("SELECT julianday('now')").scalar_one()
    return datetime.fromtimestamp((days - 2_440_587.5) * 86_400, UTC)


def check_file(url: str) -> str:
    """Return what SQLite says about its own file: `ok`, or what is wrong. PostgreSQL has no such check: `ok`."""
    with connected(url) as connection:
        if connection.dialect.name != "sqlite":
            return "ok"
        return "; ".join(str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check"))


def can_write(url: str) -> bool:
    """Whether a writer gets its turn within a second; on PostgreSQL there are as many turns as writers."""
    with connected(url) as connection:
        if connection.dialect.name != "sqlite":
            return True
        connection.exec_driver_sql("PRAGMA busy_timeout = 1000")
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError:
            return False
        connection.exec_driver_sql("ROLLBACK")
        return True


def _read(connection: Connection, query: str, make: Callable[[Any], Any]) -> Iterator[Any]:
    return (make(row) for row in connection.execute(text(query)))


def _job(row: Any) -> JobRow:
    return JobRow(
        _id(row.id), _id(row.owner_id), _id(row.sweep_id) if row.sweep_id else None, read_document(row.metadata) or {},
        row.state, row.reason, row.version, row.epoch, row.winning_epoch, row.worker_losses, row.work_s,
        row.lease_owner, read_time(row.lease_until), read_time(row.finished_at), read_document(row.result_manifest),
        row.sweep_index,
    )  # fmt: skip


def _attempt(row: Any) -> AttemptRow:
    started_at = read_time(row.started_at)
    assert started_at is not None
    return AttemptRow(_id(row.job_id), row.epoch, row.owner, started_at, read_time(row.ended_at), row.outcome)


def _sweep(row: Any) -> SweepRow:
    counts = {state: getattr(row, state) for state in sorted(TERMINAL)}
    meta = read_document(row.metadata) or {}
    return SweepRow(_id(row.id), meta, row.total, counts, row.version, read_time(row.finished_at))


def _queue(row: Any) -> QueueRow:
    return QueueRow(_id(row.owner_id), row.queued, row.active)


def _id(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)


def read_time(value: Any) -> datetime | None:
    """Return a time as the database stores it: seconds since 1970 on SQLite."""
    return datetime.fromtimestamp(value, UTC) if isinstance(value, float | int) else value


def read_document(value: Any) -> Any:
    """Return a JSON document: text on SQLite."""
    return json.loads(value) if isinstance(value, str) else value
