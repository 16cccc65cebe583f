"""Tokens that are used once: to log a browser in, and to download a file. Only their SHA-256 is stored."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, Index, String, Table, delete, func, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from grid.database.base import Base, Key
from grid.database.transaction import DatabaseTransaction


class TokenPurpose(StrEnum):
    """What a token is good for; one for another purpose is unknown."""

    LOGIN = "login"
    DOWNLOAD = "download"


class OneTimeToken(Base):
    """One token; it is used once, before it expires."""

    __tablename__ = "one_time_tokens"
    __table_args__ = (
        Index("ix_one_time_tokens_expiry", "expires_at"),
        Index("ix_one_time_tokens_user", "user_id", "purpose", "expires_at"),
        {"sqlite_with_rowid": False},
    )

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256, hexadecimal
    purpose: Mapped[str] = mapped_column(String(16))
    user_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("users.id", ondelete="CASCADE"))
    session_id: Mapped[UUID] = mapped_column(Key(), ForeignKey("sessions.id", ondelete="CASCADE"))
    subject: Mapped[str]  # what it is for, such as the path of a file; empty where the purpose says all
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


one_time_tokens: Table = OneTimeToken.__table__  # type: ignore[assignment]
_token: Final = one_time_tokens.c


@dataclass(frozen=True)
class UsedToken:
    """A token that was used up just now: the session that asked for it, and what it is for."""

    session_id: UUID
    subject: str


class OneTimeTokenRepository:
    """Statements on `one_time_tokens`, inside the caller's transaction."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx

    def add(
        self,
        digest: str,
        *,
        purpose: TokenPurpose,
        user_id: UUID,
        session_id: UUID,
        expires_at: datetime,
        subject: str = "",
    ) -> None:
        """Store an unused token."""
        statement = insert(one_time_tokens).values(
            digest=digest, purpose=purpose.value, user_id=user_id, session_id=session_id,
            subject=subject, expires_at=expires_at, used_at=None,
        )  # fmt: skip
        self._tx.connection.execute(statement)

    def is_usable(self, digest: str, *, purpose: TokenPurpose) -> bool:
        """Tell whether a token could be used now."""
        query = select(_token.digest).where(_token.digest == digest, *self._usable(purpose))
        return self._tx.connection.execute(query).first() is not None

    def use(self, digest: str, *, purpose: TokenPurpose) -> UsedToken | None:
        """Mark a token used; None where it is unknown, for another purpose, expired or used already."""
        statement = (
            update(one_time_tokens)
            .where(_token.digest == digest, *self._usable(purpose))
            .values(used_at=self._tx.now())
            .returning(_token.session_id, _token.subject)
        )
        row = self._tx.connection.execute(statement).one_or_none()
        return UsedToken(*row) if row is not None else None

    def count_unused(self, user_id: UUID, *, purpose: TokenPurpose) -> int:
        """Count the tokens of a user that could be used now."""
        query = select(func.count()).where(_token.user_id == user_id, *self._usable(purpose))
        return self._tx.connection.execute(query).scalar_one()

    def _usable(self, purpose: TokenPurpose) -> tuple[ColumnElement[bool], ...]:
        return _token.purpose == purpose.value, _token.expires_at > self._tx.now(), _token.used_at.is_(None)

    def purge(self) -> int:
        """Remove the tokens that have expired; return how many."""
        return self._tx.connection.execute(delete(one_time_tokens).where(_token.expires_at <= self._tx.now())).rowcount
