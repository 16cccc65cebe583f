"""Jobs: one row each, the only truth about it; and how rows are added and read. `transitions.py` changes them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    Uuid,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from grid.core.tracing import TRACEPARENT_CHARACTERS
from grid.database.base import Base, DatabaseKind, Json, Key, dump_json, one_of, words
from grid.database.bulk_rows import BulkRows
from grid.database.prepared import Prepared
from grid.database.transaction import DatabaseTransaction
from grid.schemas.jobs import JobStatus, JsonObject, Manifest, Reason, SlotKind

# Written out, not bound: a planner matches a partial index only with the very text of its predicate.
QUEUED: Final = "state = 'queued'"
ACTIVE: Final = "state IN ('starting', 'running')"
LEASED: Final = "state IN ('starting', 'running', 'cancelling')"
UNSUCCESSFUL: Final = "state IN ('failed', 'cancelled', 'timed_out', 'expired')"
IN_SWEEP: Final = "sweep_id IS NOT NULL"
LONE: Final = "sweep_id IS NULL"


class Job(Base):
    """One execution of a simulation. What it computes never changes after creation, nor does a terminal state."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(one_of("state", list(JobStatus)), name="state_known"),
        CheckConstraint(one_of("reason", list(Reason)), name="reason_known"),
        CheckConstraint("slot IN ('small', 'large', 'program', 'docker')", name="slot_known"),
        CheckConstraint("progress BETWEEN 0 AND 1", name="progress_fraction"),
        CheckConstraint("(simulation IS NULL) <> (image IS NULL)", name="simulation_or_image"),
        CheckConstraint("(sweep_id IS NULL) = (sweep_index IS NULL)", name="sweep_place"),
        CheckConstraint(
            f"({LEASED}) = (lease_owner IS NOT NULL) AND ({LEASED}) = (lease_until IS NOT NULL) "
            f"AND ({LEASED}) = (heartbeat_at IS NOT NULL) AND ({LEASED}) = (batch_id IS NOT NULL)",
            name="lease_when_held",
        ),
        CheckConstraint(
            "(state = 'success') = (winning_epoch IS NOT NULL) AND (state = 'success') = (result_manifest IS NOT NULL)",
            name="result_when_won",
        ),
        CheckConstraint(
            "(state IN ('success', 'failed', 'cancelled', 'timed_out', 'expired')) = (finished_at IS NOT NULL)",
            name="finished_when_terminal",
        ),
        CheckConstraint(
            "(state IN ('queued', 'starting', 'running')) = (reason IS NULL)", name="reason_when_ending"
        ),
        CheckConstraint(
            "attempts_used >= 0 AND worker_losses BETWEEN 0 AND 3 AND infra_failures >= 0 AND max_attempts >= 1 "
            "AND epoch >= 0 AND wall_limit_s > 0 AND work_s >= 0",
            name="counts_sane",
        ),
        Index(
            "ix_jobs_claim", "owner_id", "priority", "available_at", "id",
            sqlite_where=text(QUEUED), postgresql_where=text(QUEUED),
        ),
        Index(
            "ix_jobs_shape",
            "owner_id",
            "batch_key",
            "priority",
            "available_at",
            "id",
            sqlite_where=text(QUEUED),
            postgresql_where=text(QUEUED),
        ),
        Index("ix_jobs_expiry", "expires_at", sqlite_where=text(QUEUED), postgresql_where=text(QUEUED)),
        Index("ix_jobs_lease", "lease_until", sqlite_where=text(LEASED), postgresql_where=text(LEASED)),
        Index("ix_jobs_owner", "owner_id", "id"),
        # Of lists that leave nearly all jobs out: most are points of sweeps, and most succeed.
        Index("ix_jobs_lone", "owner_id", "id", sqlite_where=text(LONE), postgresql_where=text(LONE)),
        Index(
            "ix_jobs_unsuccessful", "owner_id", "id", "state",
            sqlite_where=text(UNSUCCESSFUL), postgresql_where=text(UNSUCCESSFUL),
        ),
        Index(
            "uq_jobs_sweep_place", "sweep_id", "sweep_index", unique=True,
            sqlite_where=text(IN_SWEEP), postgresql_where=text(IN_SWEEP),
        ),
        {
            "postgresql_with": {
                "fillfactor": 80,
                "autovacuum_vacuum_scale_factor": 0.02,
                "autovacuum_analyze_scale_factor": 0.02,
            }
        },
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(primary_key=True)  # UUIDv7: sorts by the time of its making
    owner_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("users.id", ondelete="RESTRICT"))
    sweep_id: Mapped[UUID | None] = mapped_column(Key(), ForeignKey("sweeps.id", ondelete="RESTRICT"))
    sweep_index: Mapped[int | None]

    # What to compute: never changes.
    simulation: Mapped[str | None] = mapped_column(String(100))
    image: Mapped[str | None] = mapped_column(String(255))
    params: Mapped[dict[str, Any]] = mapped_column(Json)  # validated, defaults filled in
    spec_hash: Mapped[str] = mapped_column(String(64))
    batch_key: Mapped[str] = mapped_column(String(255))  # jobs with equal keys may be solved in one call
    slot: Mapped[str] = mapped_column(String(16))
    work_s: Mapped[float]  # estimated seconds of one core
    wall_limit_s: Mapped[float]
    max_attempts: Mapped[int] = mapped_column(SmallInteger)
    created_at: Mapped[datetime]
    meta: Mapped[dict[str, Any]] = mapped_column("metadata", Json)
    traceparent: Mapped[str | None] = mapped_column(String(TRACEPARENT_CHARACTERS))  # of the request that made it

    # Where it stands.
    state: Mapped[JobStatus] = mapped_column(words(JobStatus, 16))
    version: Mapped[int]
    priority: Mapped[int] = mapped_column(SmallInteger)  # the lower, the earlier
    available_at: Mapped[datetime]
    expires_at: Mapped[datetime]  # how long it may wait; from the first claim on the deadline
    deadline_at: Mapped[datetime | None]  # set by the first claim; outranks every retry
    cancel_requested_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    progress: Mapped[float]
    reason: Mapped[Reason | None] = mapped_column(words(Reason))
    message: Mapped[str | None] = mapped_column(String(2000))
    attempts_used: Mapped[int] = mapped_column(SmallInteger)
    worker_losses: Mapped[int] = mapped_column(SmallInteger)
    infra_failures: Mapped[int] = mapped_column(SmallInteger)

    # Who holds it. Every write by the holder carries the epoch.
    epoch: Mapped[int]
    batch_id: Mapped[UUID | None]
    lease_owner: Mapped[str | None] = mapped_column(String(200))
    lease_until: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime | None]

    # What came of it.
    winning_epoch: Mapped[int | None]
    result_manifest: Mapped[dict[str, Any] | None] = mapped_column(Json)


jobs: Table = Job.__table__  # type: ignore[assignment]

is_queued: Final[ColumnElement[bool]] = literal_column(f"jobs.{QUEUED}")
is_active: Final[ColumnElement[bool]] = literal_column(f"jobs.{ACTIVE}")
is_leased: Final[ColumnElement[bool]] = literal_column(f"jobs.{LEASED}")
is_unsuccessful: Final[ColumnElement[bool]] = literal_column(f"jobs.{UNSUCCESSFUL}")


@dataclass(frozen=True)
class NewJob:
    """A validated job, not yet stored."""

    id: UUID
    params: JsonObject
    spec_hash: str
    batch_key: str
    work_s: float
    sweep_index: int | None = None


@dataclass(frozen=True)
class NewJobs:
    """Values that the jobs of one submission share."""

    owner_id: UUID
    simulation: str | None
    image: str | None
    slot: SlotKind
    wall_limit_s: float
    available_at: datetime
    expires_at: datetime
    sweep_id: UUID | None = None
    max_attempts: int = 1
    priority: int = 0
    meta: JsonObject | None = None
    traceparent: str | None = None


@dataclass(frozen=True)
class JobRecord:
    """One row of `jobs`, without its parameters and its result's manifest where a list does not ask for them."""

    id: UUID
    owner_id: UUID
    sweep_id: UUID | None
    sweep_index: int | None
    simulation: str | None
    image: str | None
    params: JsonObject
    spec_hash: str
    batch_key: str
    slot: SlotKind
    work_s: float
    wall_limit_s: float
    max_attempts: int
    created_at: datetime
    meta: JsonObject
    state: JobStatus
    version: int
    priority: int
    available_at: datetime
    expires_at: datetime
    deadline_at: datetime | None
    cancel_requested_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    progress: float
    reason: Reason | None
    message: str | None
    attempts_used: int
    worker_losses: int
    infra_failures: int
    epoch: int
    batch_id: UUID | None
    lease_owner: str | None
    lease_until: datetime | None
    heartbeat_at: datetime | None
    winning_epoch: int | None
    result_manifest: Manifest | None
    traceparent: str | None


_COLUMNS = [jobs.c["metadata" if field.name == "meta" else field.name] for field in fields(JobRecord)]


def _record(row: Sequence[Any]) -> JobRecord:
    return JobRecord(*row)


class JobRepository:
    """Adds and reads jobs. Whatever changes one is in `grid.database.transitions`."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx

    def add(self, shared: NewJobs, points: Sequence[NewJob]) -> None:
        """Insert queued jobs in bulk. Counters, sweep and events are the caller's (`grid.services.ledger`)."""
        if not points:
            return
        statement, bulk = _insert(self._tx.kind)
        rows = (
            (each.id, each.sweep_index, dump_json(each.params), each.spec_hash, each.batch_key, each.work_s)
            for each in points
        )
        common = {
            "c_owner_id": shared.owner_id,
            "c_sweep_id": shared.sweep_id,
            "c_simulation": shared.simulation,
            "c_image": shared.image,
            "c_slot": shared.slot,
            "c_wall_limit_s": shared.wall_limit_s,
            "c_max_attempts": shared.max_attempts,
            "c_priority": shared.priority,
            "c_metadata": shared.meta or {},
            "c_traceparent": shared.traceparent,
            "c_created_at": self._tx.now(),
            "c_available_at": shared.available_at,
            "c_expires_at": shared.expires_at,
        }
        self._tx.run_later(statement, {**bulk.bind(rows), **common})

    def find(self, job_id: UUID, owner_id: UUID | None = None) -> JobRecord | None:
        """Read one job; None where it does not exist, or is not the owner's where one is named."""
        query = select(*_COLUMNS).where(jobs.c.id == job_id)
        if owner_id is not None:
            query = query.where(jobs.c.owner_id == owner_id)
        row = self._tx.connection.execute(query).one_or_none()
        return _record(row) if row is not None else None

    def find_many(self, job_ids: Sequence[UUID]) -> list[JobRecord]:
        """Read jobs by id, in the order of their making; unknown ids are left out."""
        query = select(*_COLUMNS).where(jobs.c.id.in_(job_ids)).order_by(jobs.c.id)
        return [_record(row) for row in self._tx.connection.execute(query)]

    def points(
        self, sweep_id: UUID, *, after: int = -1, limit: int = 10_000, states: Sequence[JobStatus] = ()
    ) -> list[JobRecord]:
        """Read the jobs of a sweep by their place in it, from the place behind `after` on.

        Args:
            sweep_id: The sweep.
            after: Place behind which the first job lies.
            limit: Most jobs.
            states: Only jobs in one of these states; any where none is named.
        """
        query = (
            select(*_COLUMNS)
            .where(jobs.c.sweep_id == sweep_id, jobs.c.sweep_index > after)
            .order_by(jobs.c.sweep_index)
            .limit(limit)
        )
        if states:
            query = query.where(jobs.c.state.in_(states))
        return [_record(row) for row in self._tx.connection.execute(query)]

    def counts(self, owner_id: UUID | None = None) -> dict[JobStatus, int]:
        """Count jobs by state: of one owner, or of all."""
        query = select(jobs.c.state, func.count()).group_by(jobs.c.state)
        if owner_id is not None:
            query = query.where(jobs.c.owner_id == owner_id)
        return {state: count for state, count in self._tx.connection.execute(query)}  # noqa: C416 - rows, not pairs

    def versions(self, job_ids: Sequence[UUID]) -> dict[UUID, tuple[JobStatus, int]]:
        """Read state and version of jobs, for whoever follows them."""
        query = select(jobs.c.id, jobs.c.state, jobs.c.version).where(jobs.c.id.in_(job_ids))
        return {row.id: (row.state, row.version) for row in self._tx.connection.execute(query)}


_COMMON = (
    "owner_id", "sweep_id", "simulation", "image", "slot", "wall_limit_s", "max_attempts", "priority", "metadata",
    "traceparent", "created_at", "available_at", "expires_at",
)  # fmt: skip
_NEW: dict[str, ColumnElement[Any]] = {  # what every job begins with
    "state": literal_column("'queued'"),
    "version": literal_column("1"),
    **{name: literal_column("0") for name in ("progress", "attempts_used", "worker_losses", "infra_failures", "epoch")},
}


@cache
def _insert(kind: DatabaseKind) -> tuple[Prepared, BulkRows]:
    """Build one statement for any number of points: what they share is sent once."""
    bulk = BulkRows(
        kind, id=Uuid(), sweep_index=Integer(), params=Text(), spec_hash=Text(), batch_key=Text(), work_s=Float()
    )
    own = {column.name: column for column in bulk.c}
    own["params"] = own["params"] if kind == "sqlite" else own["params"].cast(Json)
    common = {name: bindparam(f"c_{name}", type_=jobs.c[name].type) for name in _COMMON}
    values = {**own, **common, **_NEW}
    return Prepared(insert(jobs).from_select(list(values), select(*values.values())).inline()), bulk
