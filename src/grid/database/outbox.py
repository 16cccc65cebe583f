"""The outbox: events written in the transaction of their change; the relay makes a numbered stream of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    BindParameter,
    FromClause,
    Index,
    Insert,
    Integer,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.orm import Mapped, mapped_column

from grid.database.base import Base, Json, UTCDateTime
from grid.database.prepared import Prepared
from grid.database.row_insert import RowInsert
from grid.database.transaction import DatabaseTransaction
from grid.schemas.jobs import JsonObject

RELAY_LOCK: Final = 0x67726964  # "grid": the key of PostgreSQL's advisory lock around the relay
BigId = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself for INTEGER alone


class OutboxRow(Base):
    """One event that has not left yet."""

    __tablename__ = "outbox"
    __table_args__ = (UniqueConstraint("aggregate", "version"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    aggregate: Mapped[str] = mapped_column(String(100))  # `job:<id>`, `sweep:<id>`, `batch:<id>`
    version: Mapped[int] = mapped_column(BigInteger)  # of the aggregate: its events come in this order
    kind: Mapped[str] = mapped_column(String(64))
    payload: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[datetime]


class StreamEventRow(Base):
    """One event as readers see it: numbered without a gap that could be filled later."""

    __tablename__ = "stream_events"
    __table_args__ = (
        UniqueConstraint("aggregate", "version"),
        Index("ix_stream_events_age", "relayed_at"),
    )

    stream_seq: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    aggregate: Mapped[str] = mapped_column(String(100))
    version: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(64))
    payload: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[datetime]
    relayed_at: Mapped[datetime]


outbox: Table = OutboxRow.__table__  # type: ignore[assignment]
stream_events: Table = StreamEventRow.__table__  # type: ignore[assignment]

# Made once: making a statement costs more than running it, and every transition adds an event.
_ADD: Final = RowInsert(outbox, ("aggregate", "version", "kind", "payload", "created_at"))
_RELAY_ALONE: Final = Prepared(select(func.pg_try_advisory_xact_lock(RELAY_LOCK)))
_OLDEST: Final = select(outbox.c.id).order_by(outbox.c.id).limit(bindparam("limit"))
_REMOVE: Final = delete(outbox).where(outbox.c.id.in_(_OLDEST))
_REMOVE_OLDEST: Final = Prepared(_REMOVE)
_IS_WAITING: Final = Prepared(select(outbox.c.id).limit(1))


def _into_stream(source: FromClause, *, limit: BindParameter[int] | None = None) -> Insert:
    """Copy events of `source` behind the newest one of the stream, in the order of their ids; return their numbers."""
    last = func.coalesce(select(func.max(stream_events.c.stream_seq)).scalar_subquery(), 0)
    values = {
        "stream_seq": last + func.row_number().over(order_by=source.c.id),
        **{name: source.c[name] for name in ("aggregate", "version", "kind", "payload", "created_at")},
        "relayed_at": bindparam("now", type_=UTCDateTime()),
    }
    rows = select(*values.values()).order_by(source.c.id).limit(limit)
    return insert(stream_events).from_select(list(values), rows).returning(stream_events.c.stream_seq)


# SQLite has one writer, so that two statements see the same rows. On PostgreSQL events may be committed between two.
_COPY: Final = Prepared(_into_stream(outbox, limit=bindparam("limit")))
_MOVE: Final = Prepared(_into_stream(_REMOVE.returning(*outbox.c).cte("moved")))


@dataclass(frozen=True)
class Event:
    """Something that happened to an aggregate, at one version of it."""

    aggregate: str
    version: int
    kind: str
    payload: JsonObject


@dataclass(frozen=True)
class OutboxMessage:
    """An event with its place in the stream."""

    stream_seq: int
    aggregate: str
    version: int
    kind: str
    payload: JsonObject
    created_at: datetime


class OutboxRepository:
    """Adds events, moves them to the stream, and reads the stream."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx

    def add(self, events: Sequence[Event]) -> None:
        """Record events; they leave when the transaction is committed, and not otherwise."""
        if events:
            now = self._tx.now()
            self._tx.insert_later(
                _ADD,
                [
                    {
                        "aggregate": event.aggregate,
                        "version": event.version,
                        "kind": event.kind,
                        "payload": event.payload,
                        "created_at": now,
                    }
                    for event in events
                ],
            )

    def relay(self, *, limit: int) -> range:
        """Number up to `limit` committed events, the oldest first, and move them to the stream; return their numbers.

        One relay at a time: where another one is at work, the answer is empty. The events do not leave the database.
        """
        is_postgresql = self._tx.kind == "postgresql"
        if is_postgresql and not self._tx.run(_RELAY_ALONE, {})[0][0]:
            return range(0)
        call = {"limit": limit, "now": self._tx.now()}
        numbers = [number for (number,) in self._tx.run(_MOVE if is_postgresql else _COPY, call)]
        if not is_postgresql and numbers:
            self._tx.run_later(_REMOVE_OLDEST, {"limit": limit})
        return range(min(numbers), max(numbers) + 1) if numbers else range(0)

    def backlog(self) -> int:
        """Count the events that have not left yet."""
        return self._tx.connection.execute(select(func.count()).select_from(outbox)).scalar_one()

    def is_waiting(self) -> bool:
        """Return whether an event has not left yet."""
        return bool(self._tx.run(_IS_WAITING, {}))

    def oldest(self) -> datetime | None:
        """Return when the oldest event that has not left was recorded."""
        return self._tx.connection.execute(select(func.min(outbox.c.created_at))).scalar_one_or_none()

    def last_seq(self) -> int:
        """Return the number of the newest event of the stream; 0 where there is none."""
        return int(self._tx.connection.execute(select(func.max(stream_events.c.stream_seq))).scalar_one() or 0)

    def stream(self, *, after: int, aggregates: Sequence[str] = (), limit: int = 1000) -> list[OutboxMessage]:
        """Read events behind `after`, in order; of the named aggregates only, where some are named."""
        query = select(*[stream_events.c[name] for name in OutboxMessage.__dataclass_fields__])
        query = query.where(stream_events.c.stream_seq > after)
        if aggregates:
            query = query.where(stream_events.c.aggregate.in_(aggregates))
        query = query.order_by(stream_events.c.stream_seq).limit(limit)
        return [OutboxMessage(*row) for row in self._tx.connection.execute(query)]

    def of_aggregate(self, aggregate: str, *, after: int = 0, limit: int = 100) -> list[OutboxMessage]:
        """Read the events of one aggregate behind a version of it, in order."""
        query = select(*[stream_events.c[name] for name in OutboxMessage.__dataclass_fields__])
        query = query.where(stream_events.c.aggregate == aggregate, stream_events.c.version > after)
        query = query.order_by(stream_events.c.version).limit(limit)
        return [OutboxMessage(*row) for row in self._tx.connection.execute(query)]

    def last_version(self, aggregate: str) -> int:
        """Return the version of the newest event of an aggregate in the stream; 0 where there is none."""
        query = select(func.max(stream_events.c.version)).where(stream_events.c.aggregate == aggregate)
        return int(self._tx.connection.execute(query).scalar_one() or 0)

    def purge(self, *, older_than: timedelta) -> int:
        """Remove events of the stream that are older, but never the newest one, which carries the count on."""
        gone = delete(stream_events).where(
            stream_events.c.relayed_at < self._tx.now() - older_than,
            stream_events.c.stream_seq < select(func.max(stream_events.c.stream_seq)).scalar_subquery(),
        )
        return self._tx.connection.execute(gone).rowcount
