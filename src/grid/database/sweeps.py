"""Sweeps: many points submitted as one, with exact counts of those that ended."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import reduce
from operator import add
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    Table,
    case,
    func,
    insert,
    literal,
    null,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from grid.database.base import Base, Json, Key, UTCDateTime, words
from grid.database.filters import find_conditions
from grid.database.jobs import jobs
from grid.database.transaction import DatabaseTransaction
from grid.database.verdicts import has_verdict
from grid.database.windows import Window
from grid.schemas.jobs import TERMINAL, JobStatus, JobVerdict, JsonObject, Reason


@dataclass(frozen=True)
class SweepFilter:
    """Conditions on sweeps, as `grid.database.job_queries.JobFilter`."""

    owner_id: UUID | None = None
    simulation: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    created_from: datetime | None = None  # this time or later
    created_to: datetime | None = None  # before this time
    search: str | None = None
    statuses: Sequence[JobStatus] = ()  # sweeps with a point in one of these states
    reasons: Sequence[Reason] = ()  # with a point that ended so
    verdicts: Sequence[JobVerdict] = ()  # with a point whose audits say so


class Sweep(Base):
    """One submission of many points. The columns named as a state count the points that ended in it."""

    __tablename__ = "sweeps"
    __table_args__ = (
        CheckConstraint("total >= 1", name="total_positive"),
        CheckConstraint(
            "success >= 0 AND failed >= 0 AND cancelled >= 0 AND timed_out >= 0 AND expired >= 0 "
            "AND success + failed + cancelled + timed_out + expired <= total",
            name="counts_within_total",
        ),
        CheckConstraint(
            "(finished_at IS NOT NULL) = (success + failed + cancelled + timed_out + expired = total)",
            name="finished_when_all_ended",
        ),
        Index("ix_sweeps_owner", "owner_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("users.id", ondelete="RESTRICT"))
    simulation: Mapped[str | None] = mapped_column(String(100))
    image: Mapped[str | None] = mapped_column(String(255))
    meta: Mapped[dict[str, Any]] = mapped_column("metadata", Json)
    total: Mapped[int]
    success: Mapped[int]
    failed: Mapped[int]
    cancelled: Mapped[int]
    timed_out: Mapped[int]
    expired: Mapped[int]
    version: Mapped[int]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    cancel_reason: Mapped[Reason | None] = mapped_column(words(Reason))


sweeps: Table = Sweep.__table__  # type: ignore[assignment]


@dataclass(frozen=True)
class SweepRecord:
    """One row of `sweeps`."""

    id: UUID
    owner_id: UUID
    simulation: str | None
    image: str | None
    meta: JsonObject
    total: int
    success: int
    failed: int
    cancelled: int
    timed_out: int
    expired: int
    version: int
    created_at: datetime
    finished_at: datetime | None
    cancel_requested_at: datetime | None
    cancel_reason: Reason | None


_COLUMNS = [sweeps.c["metadata" if field.name == "meta" else field.name] for field in fields(SweepRecord)]


class SweepRepository:
    """Adds, reads and counts sweeps."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx

    def add(
        self,
        sweep_id: UUID,
        *,
        owner_id: UUID,
        total: int,
        simulation: str | None = None,
        image: str | None = None,
        meta: JsonObject | None = None,
    ) -> None:
        """Insert a sweep of `total` points, none of which has ended."""
        row = {
            "id": sweep_id,
            "owner_id": owner_id,
            "simulation": simulation,
            "image": image,
            "metadata": meta or {},
            "total": total,
            "version": 1,
            "created_at": self._tx.now(),
            **{state.value: 0 for state in TERMINAL},
        }
        self._tx.connection.execute(insert(sweeps).values(row))

    def find(self, sweep_id: UUID, owner_id: UUID | None = None) -> SweepRecord | None:
        """Read one sweep; None where it does not exist, or is not the owner's where one is named."""
        query = select(*_COLUMNS).where(sweeps.c.id == sweep_id)
        if owner_id is not None:
            query = query.where(sweeps.c.owner_id == owner_id)
        row = self._tx.connection.execute(query).one_or_none()
        return SweepRecord(*row) if row is not None else None

    def find_many(self, sweep_ids: Collection[UUID]) -> list[SweepRecord]:
        """Read sweeps by id; unknown ids are left out."""
        query = select(*_COLUMNS).where(sweeps.c.id.in_(list(sweep_ids)))
        return [SweepRecord(*row) for row in self._tx.connection.execute(query)] if sweep_ids else []

    def read_window(self, wanted: SweepFilter, window: Window[UUID]) -> tuple[list[SweepRecord], UUID | None, int]:
        """Read a part of the list, newest first; the cursor behind which it goes on, and the count of all."""
        conditions = _conditions(self._tx, wanted)
        query = window.apply(select(*_COLUMNS).where(*conditions), sweeps.c.id, is_descending=True)
        items, last = window.split([SweepRecord(*row) for row in self._tx.connection.execute(query)])
        total = self._tx.connection.execute(select(func.count()).select_from(sweeps).where(*conditions)).scalar_one()
        return items, last.id if last is not None else None, total

    def request_cancel(self, sweep_id: UUID, by: Reason) -> None:
        """Flag the sweep: no point of it is claimed or put back into the queue again. Harmless when repeated."""
        self._tx.connection.execute(
            update(sweeps)
            .where(sweeps.c.id == sweep_id, sweeps.c.cancel_requested_at.is_(None))
            .values(cancel_requested_at=self._tx.now(), cancel_reason=by)
        )

    def count(self, changes: Mapping[UUID, Counter[JobStatus]]) -> dict[UUID, int]:
        """Add the points that ended, by state, to each sweep; an empty count only raises the version.

        Returns:
            The new version of each sweep: the sequence of its events.
        """
        if not changes:
            return {}
        now = literal(self._tx.now(), UTCDateTime())
        done = reduce(add, (sweeps.c[state.value] for state in sorted(TERMINAL)))
        versions: dict[UUID, int] = {}
        for sweep_id in sorted(changes):  # one order for everybody, so that two transactions never wait in a circle
            ended = {state: count for state, count in changes[sweep_id].items() if state in TERMINAL and count}
            values: dict[str, Any] = {state.value: sweeps.c[state.value] + count for state, count in ended.items()}
            if ended:
                values["finished_at"] = case((done + sum(ended.values()) == sweeps.c.total, now), else_=null())
            statement = update(sweeps).where(sweeps.c.id == sweep_id)
            statement = statement.values(version=sweeps.c.version + 1, **values)
            versions[sweep_id] = self._tx.connection.execute(statement.returning(sweeps.c.version)).scalar_one()
        return versions


def _conditions(tx: DatabaseTransaction, wanted: SweepFilter) -> list[ColumnElement[bool]]:
    conditions = find_conditions(
        tx.kind,
        sweeps,
        owner_id=wanted.owner_id,
        labels=wanted.labels,
        created_from=wanted.created_from,
        created_to=wanted.created_to,
        search=wanted.search,
    )
    if wanted.simulation is not None:
        conditions.append(sweeps.c.simulation == wanted.simulation)
    of_points: list[ColumnElement[bool]] = []
    if wanted.statuses:
        of_points.append(jobs.c.state.in_(wanted.statuses))
    if wanted.reasons:
        of_points.append(jobs.c.reason.in_(wanted.reasons))
    if wanted.verdicts:
        of_points.append(has_verdict(tx.kind, wanted.verdicts))
    if of_points:  # of one and the same point
        conditions.append(select(1).select_from(jobs).where(jobs.c.sweep_id == sweeps.c.id, *of_points).exists())
    return conditions
