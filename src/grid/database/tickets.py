"""Tickets that open one stream each: a browser cannot send a header with a WebSocket. Only their SHA-256 is stored."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Table, delete, func, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from grid.database.base import Base, Key
from grid.database.transaction import DatabaseTransaction


class StreamTicket(Base):
    """One ticket; it is used once, before it expires."""

    __tablename__ = "stream_tickets"
    __table_args__ = (
        Index("ix_stream_tickets_expiry", "expires_at"),
        Index("ix_stream_tickets_user", "user_id", "expires_at"),
        {"sqlite_with_rowid": False},
    )

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256, hexadecimal
    user_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("users.id", ondelete="CASCADE"))
    session_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("sessions.id", ondelete="CASCADE"))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


stream_tickets: Table = StreamTicket.__table__  # type: ignore[assignment]
_ticket: Final = stream_tickets.c


class TicketRepository:
    """Statements on `stream_tickets`, inside the caller's transaction."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx

    def add(self, digest: str, *, user_id: UUID, session_id: UUID, expires_at: datetime) -> None:
        """Store an unused ticket."""
        values = {"digest": digest, "user_id": user_id, "session_id": session_id, "expires_at": expires_at}
        self._tx.connection.execute(insert(stream_tickets).values(**values, used_at=None))

    def use(self, digest: str) -> UUID | None:
        """Mark a ticket used and return its session; None where it is unknown, expired or used already."""
        now = self._tx.now()
        statement = (
            update(stream_tickets)
            .where(_ticket.digest == digest, _ticket.used_at.is_(None), _ticket.expires_at > now)
            .values(used_at=now)
            .returning(_ticket.session_id)
        )
        session_id: UUID | None = self._tx.connection.execute(statement).scalar_one_or_none()
        return session_id

    def count_unused(self, user_id: UUID) -> int:
        """Count the tickets of a user that could be used now."""
        query = select(func.count()).where(
            _ticket.user_id == user_id, _ticket.expires_at > self._tx.now(), _ticket.used_at.is_(None)
        )
        return self._tx.connection.execute(query).scalar_one()

    def purge(self) -> int:
        """Remove the tickets that have expired; return how many."""
        return self._tx.connection.execute(delete(stream_tickets).where(_ticket.expires_at <= self._tx.now())).rowcount
