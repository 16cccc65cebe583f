"""Workers: who was heard of, and when each last looked for work."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Index, String, Table, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from grid.database.base import Base, Json
from grid.database.transaction import DatabaseTransaction
from grid.schemas.jobs import JsonObject


class Worker(Base):
    """One supervisor process. Nothing but `/ready`, the housekeeping and people read it: leases decide the rest."""

    __tablename__ = "workers"
    __table_args__ = (Index("ix_workers_seen", "last_seen_at"),)

    id: Mapped[str] = mapped_column(String(200), primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    started_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    last_poll_at: Mapped[datetime | None]  # when it last asked for a claim: a living process may be deaf
    stopped_at: Mapped[datetime | None]
    details: Mapped[dict[str, Any]] = mapped_column(Json)  # slots, numerics versions, warm kernels


workers: Table = Worker.__table__  # type: ignore[assignment]


@dataclass(frozen=True)
class WorkerRecord:
    """One row of `workers`."""

    id: str
    host: str
    pid: int
    started_at: datetime
    last_seen_at: datetime
    last_poll_at: datetime | None
    stopped_at: datetime | None
    details: JsonObject


class WorkerRepository:
    """Keeps who was heard of."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx

    def beat(self, worker_id: str, *, host: str, pid: int, details: JsonObject, polled: bool = True) -> None:
        """Record that the worker lives, and where `polled` that it asked for work; the first beat makes its row."""
        insert = sqlite.insert if self._tx.kind == "sqlite" else postgresql.insert
        now = self._tx.now()
        seen: dict[str, Any] = {"last_seen_at": now, "details": details, "stopped_at": None}
        if polled:
            seen["last_poll_at"] = now
        statement = insert(workers).values(id=worker_id, host=host, pid=pid, started_at=now, **seen)
        self._tx.connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=seen))

    def stop(self, worker_id: str) -> None:
        """Record that the worker has ended in order."""
        self._tx.connection.execute(update(workers).where(workers.c.id == worker_id).values(stopped_at=self._tx.now()))

    def living(self, *, within: timedelta) -> list[WorkerRecord]:
        """Read the workers heard of within that time which have not said goodbye."""
        query = select(*workers.c).where(
            workers.c.last_seen_at > self._tx.now() - within, workers.c.stopped_at.is_(None)
        )
        return [WorkerRecord(*row) for row in self._tx.connection.execute(query.order_by(workers.c.id))]

    def purge(self, *, older_than: timedelta) -> int:
        """Forget workers that were not heard of for that time; return how many."""
        gone = delete(workers).where(workers.c.last_seen_at < self._tx.now() - older_than)
        return self._tx.connection.execute(gone).rowcount
