"""Events of live runs: numbered rows that never change. What the engine says of a tick is stored once."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    Table,
    insert,
    select,
    text,
    tuple_,
)
from sqlalchemy.orm import Mapped, mapped_column

from grid.database.base import Base, Json, Key, words
from grid.database.transaction import DatabaseTransaction
from grid.schemas.jobs import JsonObject
from grid.schemas.live import EventOrigin

OF_ENGINE: Final = "origin = 'engine'"
KEYS_AT_ONCE: Final = 100  # of one query; SQLite reads no expression of a thousand terms


class LiveEvent(Base):
    """One event; `n` counts from 1 without gaps, in the order of commit."""

    __tablename__ = "live_events"
    __table_args__ = (
        CheckConstraint("origin IN ('engine', 'operator', 'wall')", name="origin_known"),
        CheckConstraint("n >= 1 AND tick >= 0 AND step >= 0", name="numbers_sane"),
        Index(
            "uq_live_events_engine", "run_id", "tick", "kind", "key", unique=True,
            sqlite_where=text(OF_ENGINE), postgresql_where=text(OF_ENGINE),
        ),
        {"sqlite_with_rowid": False},
    )  # fmt: skip

    run_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("live_runs.id", ondelete="CASCADE"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tick: Mapped[int] = mapped_column(BigInteger)
    step: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(32))
    key: Mapped[str] = mapped_column(String(100))  # tells events of one kind at one tick apart
    payload: Mapped[dict[str, Any]] = mapped_column(Json)
    origin: Mapped[EventOrigin] = mapped_column(words(EventOrigin, 16))
    created_at: Mapped[datetime]


live_events: Table = LiveEvent.__table__  # type: ignore[assignment]


@dataclass(frozen=True)
class NewLiveEvent:
    """An event, not yet numbered."""

    tick: int
    step: int
    kind: str
    payload: JsonObject
    key: str = ""
    origin: EventOrigin = EventOrigin.ENGINE

    @property
    def identity(self) -> tuple[int, str, str]:
        """Tick, kind and key: what the engine says once."""
        return self.tick, self.kind, self.key


@dataclass(frozen=True)
class LiveEventRecord:
    """One row of `live_events`."""

    run_id: UUID
    n: int
    tick: int
    step: int
    kind: str
    key: str
    payload: JsonObject
    origin: EventOrigin
    created_at: datetime


_COLUMNS: Final = tuple(live_events.c[field.name] for field in fields(LiveEventRecord))
_ADD: Final = insert(live_events)
_event = live_events.c


class LiveEventRepository:
    """Adds and reads events. The run's row, from which the numbers come, is held by the caller."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx

    def add(self, run_id: UUID, first: int, events: Sequence[NewLiveEvent]) -> None:
        """Insert events with the numbers from `first` on."""
        if events:
            now = self._tx.now()
            rows = [
                {"run_id": run_id, "n": first + index, "created_at": now, **vars(event)}
                for index, event in enumerate(events)
            ]
            self._tx.connection.execute(_ADD, rows)

    def find_known(self, run_id: UUID, events: Sequence[NewLiveEvent]) -> dict[tuple[int, str, str], JsonObject]:
        """Return the payloads of those that the engine has said before, by tick, kind and key."""
        known: dict[tuple[int, str, str], JsonObject] = {}
        identities = [event.identity for event in events if event.origin is EventOrigin.ENGINE]
        for start in range(0, len(identities), KEYS_AT_ONCE):
            part = identities[start : start + KEYS_AT_ONCE]
            query = select(_event.tick, _event.kind, _event.key, _event.payload).where(
                _event.run_id == run_id,
                text(f"live_events.{OF_ENGINE}"),
                tuple_(_event.tick, _event.kind, _event.key).in_(part),
            )
            known |= {(row.tick, row.kind, row.key): row.payload for row in self._tx.connection.execute(query)}
        return known

    def read(
        self, run_id: UUID, *, after: int = 0, limit: int = 1000, kinds: Sequence[str] = ()
    ) -> list[LiveEventRecord]:
        """Read events in the order of their numbers, from behind `after` on; of some kinds, or of all."""
        query = select(*_COLUMNS).where(_event.run_id == run_id, _event.n > after)
        if kinds:
            query = query.where(_event.kind.in_(kinds))
        rows = self._tx.connection.execute(query.order_by(_event.n).limit(limit))
        return [LiveEventRecord(*row) for row in rows]

    def last_tick(self, run_id: UUID) -> int | None:
        """Return the largest tick of an event of the engine."""
        query = (
            select(_event.tick)
            .where(_event.run_id == run_id, text(f"live_events.{OF_ENGINE}"))
            .order_by(_event.tick.desc())
            .limit(1)
        )
        tick: int | None = self._tx.connection.execute(query).scalar_one_or_none()
        return tick
