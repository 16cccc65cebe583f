"""Idempotency keys: the answer to a request that a client may repeat, kept for a day."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ForeignKey, Index, SmallInteger, String, Table, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from grid.database.base import Base, Json, Key
from grid.database.transaction import DatabaseTransaction
from grid.schemas.jobs import JsonObject

KEPT: Final = timedelta(hours=24)  # an answer may be asked for again; documented in the API


class IdempotencyRow(Base):
    """One key of one owner on one route, with the fingerprint of the request and what was answered."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_expiry", "expires_at"), {"sqlite_with_rowid": False})

    owner_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("users.id", ondelete="RESTRICT"), primary_key=True)
    route: Mapped[str] = mapped_column(String(100), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))  # of the bytes of the request, before anything is decoded
    status: Mapped[int] = mapped_column(SmallInteger)
    answer: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


idempotency_keys: Table = IdempotencyRow.__table__  # type: ignore[assignment]


@dataclass(frozen=True)
class StoredAnswer:
    """Answer that was given to a key, and the request that it answered."""

    fingerprint: str
    status: int
    answer: JsonObject


class IdempotencyRepository:
    """Keeps answers in the transaction that makes what they tell of."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx

    def find(self, owner_id: UUID, route: str, key: str) -> StoredAnswer | None:
        """Return what was answered to the key, unless that is longer ago than keys are kept."""
        table = idempotency_keys.c
        query = select(table.fingerprint, table.status, table.answer).where(
            table.owner_id == owner_id, table.route == route, table.key == key, table.expires_at > self._tx.now()
        )
        row = self._tx.connection.execute(query).one_or_none()
        return StoredAnswer(*row) if row is not None else None

    def add(self, owner_id: UUID, route: str, key: str, stored: StoredAnswer) -> bool:
        """Keep an answer. False where a request with this key is ahead (in flight, or just answered): then undo."""
        insert = sqlite.insert if self._tx.kind == "sqlite" else postgresql.insert
        now = self._tx.now()
        row = {
            "fingerprint": stored.fingerprint,
            "status": stored.status,
            "answer": stored.answer,
            "created_at": now,
            "expires_at": now + KEPT,
        }
        statement = insert(idempotency_keys).values(owner_id=owner_id, route=route, key=key, **row)
        statement = statement.on_conflict_do_update(
            index_elements=["owner_id", "route", "key"], set_=row, where=idempotency_keys.c.expires_at <= now
        )
        stored_key = statement.returning(idempotency_keys.c.key)  # psycopg keeps no count of inserted rows
        return self._tx.connection.execute(stored_key).first() is not None

    def purge(self, *, limit: int = 1000) -> int:
        """Remove expired keys, the oldest first; return how many."""
        table = idempotency_keys.c
        old = (
            select(table.owner_id, table.route, table.key)
            .where(table.expires_at <= self._tx.now())
            .order_by(table.expires_at)
            .limit(limit)
        )
        removed = 0
        for row in self._tx.connection.execute(old).all():
            gone = delete(idempotency_keys).where(
                table.owner_id == row.owner_id, table.route == row.route, table.key == row.key
            )
            removed += self._tx.connection.execute(gone).rowcount
        return removed
