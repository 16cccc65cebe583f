"""The sessions that are alive: read for every request, so cached for a few seconds, and dropped when one ends.

Users see their own, and end those that they do not know.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from grid.core.errors import AuthenticationError, NotFoundError
from grid.core.tokens import Claims
from grid.database.sessions import LiveSession, RevokedBecause
from grid.database.uow import UnitOfWork
from grid.database.users import Role
from grid.services import audit

REMEMBER_S: Final = 5.0  # [s] delay with which another process notices that a session has ended
MOST_LISTED: Final = 200  # sessions of one answer
MOST_CACHED_SESSIONS: Final = 10_000  # beyond, the cache is emptied


@dataclass(frozen=True)
class Principal:
    """The caller, from the database; every permission follows from this alone."""

    id: UUID
    username: str
    role: Role
    session_id: UUID
    expires_at: datetime  # of the access token that was shown

    @property
    def is_administrator(self) -> bool:
        """True for a user who administers the service."""
        return self.role is Role.ADMINISTRATOR


class SessionDirectory:
    """Answers whether the session of a token is alive, and whose it is.

    Args:
        uow: Where sessions are.
        monotonic: Seconds that never run backwards.
    """

    def __init__(self, uow: UnitOfWork, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._uow = uow
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._remembered: dict[UUID, tuple[Principal, float]] = {}
        self._endings = 0  # how many sessions ended: a look that began before one must not be remembered after it

    def find_remembered(self, claims: Claims) -> Principal | None:
        """Return whose session this is, if that was looked up within the last seconds; does not touch the database."""
        found = self._remembered.get(claims.session_id)
        if found is None or found[1] <= self._monotonic() or found[0].id != claims.user_id:
            return None
        return replace(found[0], expires_at=claims.expires_at)

    def get(self, claims: Claims) -> Principal:
        """Look the session of a verified token up, and remember it.

        Raises:
            AuthenticationError: It ended, or its user was disabled.
        """
        endings = self._endings
        with self._uow.read() as tx:
            session = tx.sessions.find(claims.session_id)
            alive = session is not None and session.user_id == claims.user_id and session.is_alive(tx.now())
        if session is None or not alive:
            raise AuthenticationError("The session has ended.")
        principal = Principal(session.user_id, session.username, session.role, session.id, claims.expires_at)
        self._remember(principal, endings)
        return principal

    def is_alive(self, principal: Principal) -> bool:
        """Return whether the session is alive now, by the database: streams outlive the check at their start."""
        with self._uow.read() as tx:
            session = tx.sessions.find(principal.session_id)
            return session is not None and session.role is principal.role and session.is_alive(tx.now())

    def forget(self, session_ids: Iterable[UUID]) -> None:
        """Look these sessions up again at the next request; call it after the commit that ended them."""
        with self._lock:
            self._endings += 1
            for session_id in session_ids:
                self._remembered.pop(session_id, None)

    def _remember(self, principal: Principal, endings: int) -> None:
        until = self._monotonic() + REMEMBER_S
        with self._lock:
            if endings != self._endings:
                return
            if len(self._remembered) >= MOST_CACHED_SESSIONS:
                self._remembered.clear()
            self._remembered[principal.session_id] = (principal, until)

    def list_own(self, principal: Principal) -> list[LiveSession]:
        """Read the sessions of a user that can be used, newest first, `MOST_LISTED` at most."""
        with self._uow.read() as tx:
            return tx.sessions.list_alive(principal.id, now=tx.now(), limit=MOST_LISTED)

    def end_own(self, principal: Principal, session_id: UUID) -> None:
        """End one of a user's own sessions: its refresh token at once, its access tokens as soon as they are looked up.

        Raises:
            NotFoundError: The user has no such session, or it has ended.
        """
        with self._uow.begin() as tx:
            session = tx.sessions.find_for_update(session_id)
            if session is None or session.user_id != principal.id or not session.is_alive(tx.now()):
                raise NotFoundError("session")
            tx.sessions.revoke(session_id, because=RevokedBecause.ENDED, now=tx.now())
            audit.record(tx, actor_id=principal.id, action="session.end", subject=f"session:{session_id}")
        self.forget([session_id])
