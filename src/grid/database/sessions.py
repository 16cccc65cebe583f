"""Sessions and their refresh tokens: one login is one session, and its refresh tokens form one family.

Only the SHA-256 of a refresh token is stored: it has 256 random bits, so a plain hash cannot be searched.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import ForeignKey, String, delete, func, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from grid.core.ids import new_id
from grid.database.base import Base, UTCDateTime
from grid.database.transaction import DatabaseTransaction
from grid.database.users import Role, User

LONGEST_ADDRESS: Final = 64  # characters; an IPv6 address with its zone has fewer
LONGEST_AGENT: Final = 200  # characters that are kept of what a program calls itself


class RevokedBecause(StrEnum):
    """Reason of a session's end before its time."""

    LOGOUT = "logout"
    REUSE = "reuse"
    PASSWORD = "password"  # noqa: S105 - a reason, not a secret
    DISABLED = "disabled"
    ROLE = "role"
    ENDED = "ended"  # by its user, from another session


class SessionKind(StrEnum):
    """By what a session was opened: it says where its refresh token is."""

    PROGRAM = "program"  # in the answer: the command line, the clients
    BROWSER = "browser"  # in a cookie that no script can read


@dataclass(frozen=True)
class Opening:
    """By what, and from where, a session is opened."""

    kind: SessionKind = SessionKind.PROGRAM
    address: str = ""  # of the network, as the server saw it
    agent: str = ""  # what the program calls itself; whatever it likes


class Session(Base):
    """One login, until it is revoked or reaches its absolute end."""

    __tablename__ = "sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"), index=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)  # absolute: refreshing does not move it
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    revoked_because: Mapped[str | None] = mapped_column(String(16))
    kind: Mapped[str | None] = mapped_column(String(16))  # None in these three: opened before they were noted
    address: Mapped[str | None] = mapped_column(String(LONGEST_ADDRESS))
    agent: Mapped[str | None] = mapped_column(String(LONGEST_AGENT))


class RefreshToken(Base):
    """One link of a family: unused; used, with its successor; or replaced by a twin before use (used, no successor)."""

    __tablename__ = "refresh_tokens"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256, hexadecimal
    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)  # idle limit, never past the session's end
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    successor: Mapped[str | None] = mapped_column(String(64))  # digest of the token that replaced it
    contested: Mapped[bool] = mapped_column(default=False)  # presented twice at once: never answered a second time


@dataclass(frozen=True)
class SessionRecord:
    """A session with what decides whether it still counts."""

    id: UUID
    user_id: UUID
    username: str
    role: Role
    expires_at: datetime
    revoked_at: datetime | None
    disabled_at: datetime | None

    def is_alive(self, now: datetime) -> bool:
        """Tell whether requests of this session are still answered at `now`."""
        return self.revoked_at is None and self.disabled_at is None and now < self.expires_at


@dataclass(frozen=True)
class LiveSession:
    """A session that can be used now, as its user sees it."""

    id: UUID
    created_at: datetime
    refreshed_at: datetime  # last time that it got new tokens
    expires_at: datetime  # at the latest: earlier where nobody refreshes it
    kind: SessionKind | None
    address: str | None
    agent: str | None


@dataclass(frozen=True)
class RefreshRecord:
    """One row of `refresh_tokens`."""

    digest: str
    session_id: UUID
    expires_at: datetime
    used_at: datetime | None
    successor: str | None
    contested: bool


_SESSION: Final = select(
    Session.id,
    Session.user_id,
    User.username,
    User.role,
    Session.expires_at,
    Session.revoked_at,
    User.disabled_at,
).join(User, User.id == Session.user_id)
_REFRESH: Final = select(
    RefreshToken.digest,
    RefreshToken.session_id,
    RefreshToken.expires_at,
    RefreshToken.used_at,
    RefreshToken.successor,
    RefreshToken.contested,
)


class SessionRepository:
    """Statements on `sessions` and `refresh_tokens`, inside the caller's transaction."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx, self._connection = tx, tx.connection

    def add(self, *, user_id: UUID, now: datetime, expires_at: datetime, opening: Opening | None = None) -> UUID:
        """Open a session and return its id."""
        session_id, opening = new_id(), opening or Opening()
        values = {"id": session_id, "user_id": user_id, "created_at": now, "expires_at": expires_at}
        known = {
            "kind": opening.kind.value,
            "address": opening.address[:LONGEST_ADDRESS] or None,
            "agent": opening.agent[:LONGEST_AGENT] or None,
        }
        self._connection.execute(insert(Session).values(**values, **known))
        return session_id

    def list_alive(self, user_id: UUID, *, now: datetime, limit: int) -> list[LiveSession]:
        """Read the sessions of a user that can be used at `now`, newest first."""
        query = (
            select(
                Session.id,
                Session.created_at,
                func.max(RefreshToken.created_at, type_=UTCDateTime()),
                Session.expires_at,
                Session.kind,
                Session.address,
                Session.agent,
            )
            .join(RefreshToken, RefreshToken.session_id == Session.id)
            .where(Session.user_id == user_id, Session.revoked_at.is_(None), Session.expires_at > now)
            .group_by(Session.id)
            .having(func.max(RefreshToken.expires_at, type_=UTCDateTime()) > now)
            .order_by(Session.created_at.desc(), Session.id.desc())
            .limit(limit)
        )
        return [
            LiveSession(*row[:4], SessionKind(row[4]) if row[4] else None, *row[5:])
            for row in self._connection.execute(query)
        ]

    def find(self, session_id: UUID) -> SessionRecord | None:
        """Find a session, alive or not, with its user."""
        row = self._connection.execute(_SESSION.where(Session.id == session_id)).mappings().one_or_none()
        return SessionRecord(**{**row, "role": Role(row["role"])}) if row is not None else None

    def find_for_update(self, session_id: UUID) -> SessionRecord | None:
        """Find a session and hold its whole family still until the transaction ends."""
        query = _SESSION.where(Session.id == session_id).with_for_update(of=Session)
        row = self._connection.execute(query).mappings().one_or_none()
        return SessionRecord(**{**row, "role": Role(row["role"])}) if row is not None else None

    def revoke(self, session_id: UUID, *, because: RevokedBecause, now: datetime) -> bool:
        """End one session; False if it had ended already."""
        statement = (
            update(Session)
            .where(Session.id == session_id, Session.revoked_at.is_(None))
            .values(revoked_at=now, revoked_because=because.value)
        )
        return self._connection.execute(statement).rowcount == 1

    def revoke_all(self, user_id: UUID, *, because: RevokedBecause, now: datetime) -> Sequence[UUID]:
        """End every session of a user and return their ids."""
        statement = (
            update(Session)
            .where(Session.user_id == user_id, Session.revoked_at.is_(None), Session.expires_at > now)
            .values(revoked_at=now, revoked_because=because.value)
            .returning(Session.id)
        )
        return self._connection.execute(statement).scalars().all()

    def add_refresh(self, digest: str, *, session_id: UUID, now: datetime, expires_at: datetime) -> None:
        """Store an unused refresh token."""
        values = {"digest": digest, "session_id": session_id, "created_at": now, "expires_at": expires_at}
        self._connection.execute(insert(RefreshToken).values(**values, contested=False))

    def find_refresh(self, digest: str) -> RefreshRecord | None:
        """Find a refresh token by its digest, used or not."""
        row = self._connection.execute(_REFRESH.where(RefreshToken.digest == digest)).mappings().one_or_none()
        return RefreshRecord(**row) if row is not None else None

    def set_successor(self, digest: str, *, successor: str, now: datetime, contested: bool) -> None:
        """Mark a token used at `now` and name what replaced it."""
        statement = update(RefreshToken).where(RefreshToken.digest == digest)
        self._connection.execute(statement.values(used_at=now, successor=successor, contested=contested))

    def set_contested(self, digest: str) -> None:
        """Note that a token was presented more than once at the same time."""
        self._connection.execute(update(RefreshToken).where(RefreshToken.digest == digest).values(contested=True))

    def set_replaced(self, digest: str, *, now: datetime) -> None:
        """Mark a token used without a successor: whoever presents it holds a copy of somebody else's family."""
        self._connection.execute(update(RefreshToken).where(RefreshToken.digest == digest).values(used_at=now))

    def purge(self, *, older_than: timedelta) -> int:
        """Delete sessions that ended longer ago than this, with their tokens; return how many."""
        ended_before = self._tx.now() - older_than
        ended = (Session.expires_at < ended_before) | (Session.revoked_at < ended_before)
        return self._connection.execute(delete(Session).where(ended)).rowcount
