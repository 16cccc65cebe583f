"""Attempts: one row for each claim of a job, closed by whoever ends it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, String, Table, select
from sqlalchemy.orm import Mapped, mapped_column

from grid.database.base import Base, Json, Key
from grid.database.transaction import DatabaseTransaction
from grid.schemas.jobs import JsonObject


class JobAttempt(Base):
    """One claim of one job, by its epoch."""

    __tablename__ = "job_attempts"
    __table_args__ = (
        CheckConstraint("(ended_at IS NULL) = (outcome IS NULL)", name="outcome_when_ended"),
        {"sqlite_with_rowid": False, "postgresql_with": {"fillfactor": 80}},
    )

    job_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(String(200))  # the worker that claimed
    host: Mapped[str] = mapped_column(String(255))
    batch_id: Mapped[UUID]
    container_id: Mapped[str | None] = mapped_column(String(128))
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(32))  # a reason, or `drain`
    exit_code: Mapped[int | None]
    oom: Mapped[bool | None]
    usage: Mapped[dict[str, Any] | None] = mapped_column(Json)


job_attempts: Table = JobAttempt.__table__  # type: ignore[assignment]


@dataclass(frozen=True)
class AttemptRecord:
    """One row of `job_attempts`."""

    job_id: UUID
    epoch: int
    owner: str
    host: str
    batch_id: UUID
    container_id: str | None
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    exit_code: int | None
    oom: bool | None
    usage: JsonObject | None


class AttemptRepository:
    """Reads attempts; `grid.database.transitions` opens and closes them."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx

    def of_job(self, job_id: UUID) -> list[AttemptRecord]:
        """Read all attempts of a job, the first one first."""
        query = select(*job_attempts.c).where(job_attempts.c.job_id == job_id).order_by(job_attempts.c.epoch)
        return [AttemptRecord(*row) for row in self._tx.connection.execute(query)]
