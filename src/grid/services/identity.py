"""Logging in and staying logged in: passwords for sessions, sessions for tokens, rotation and its loss window.

A login opens a session. Its refresh tokens form one family: each can be used once and names its successor. Whoever
presents a used one holds a copy, so the whole family ends, with two exceptions, because answers get lost and programs
race. Within five seconds, while the successor is unused, the same token is answered once more (the unused successor
becomes void). And of several requests that present one token at the same time exactly one is answered; the others are
told that they were superseded, and nothing is revoked.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final
from uuid import UUID

from grid.core.errors import AuthenticationError, ConflictError
from grid.core.logging import get_logger
from grid.core.passwords import PasswordHasher
from grid.core.tokens import TokenSigner, digest_login_code, digest_refresh_token, make_refresh_token
from grid.database.one_time_tokens import TokenPurpose
from grid.database.sessions import Opening, RefreshRecord, RevokedBecause, SessionRecord
from grid.database.uow import Transaction, UnitOfWork
from grid.database.users import UserRecord
from grid.services import audit
from grid.services.sessions import Principal, SessionDirectory
from grid.services.throttle import LoginThrottle, PasswordGuess

IDLE: Final = timedelta(days=14)  # a session that nobody refreshes for so long ends
ABSOLUTE: Final = timedelta(days=30)  # every session ends so long after its login
LOSS_WINDOW: Final = timedelta(seconds=5)  # in which a used token is answered once more, because its answer was lost
REFUSED: Final = "The user name or the password is not right."  # the same for every cause
REFUSED_CODE: Final = "The login link is unknown, expired or used already; make another one."  # likewise
ENDED: Final = "The session has ended; log in again."

log = get_logger(__name__)


class RefreshSupersededError(ConflictError):
    """Another request used the same refresh token at the same time; its answer has the tokens to go on with."""

    code, title = "refresh-superseded", "Another request has just used this refresh token"

    def __str__(self) -> str:
        return "Use the tokens that the other request received."


@dataclass(frozen=True)
class TokenPair:
    """Tokens of a login or a refresh; the texts stay out of `repr`."""

    access_token: str
    refresh_token: str
    expires_in: int  # seconds
    session_id: UUID

    def __repr__(self) -> str:
        """Name the session, never the tokens."""
        return f"TokenPair(session_id={self.session_id!s})"


class _Verdict(Enum):
    ROTATE = auto()  # the first use
    REISSUE = auto()  # the first answer was lost: give another one
    SUPERSEDED = auto()  # presented several times at once
    REUSED = auto()  # a copy is about
    REFUSED = auto()  # expired, or unknown


class IdentityService:
    """Login, refresh and logout.

    Args:
        uow: Where users and sessions are.
        tokens: Signs access tokens.
        passwords: Compares passwords.
        throttle: Counts wrong ones.
        sessions: Forgets what ended here.
    """

    def __init__(
        self,
        uow: UnitOfWork,
        tokens: TokenSigner,
        passwords: PasswordHasher,
        throttle: LoginThrottle,
        sessions: SessionDirectory,
    ) -> None:
        self._uow, self._tokens, self._passwords = uow, tokens, passwords
        self._throttle, self._sessions = throttle, sessions
        self._lock = threading.Lock()
        self._presented: Counter[str] = Counter()

    def log_in(
        self,
        *,
        username: str,
        password: str,
        address: str,
        refresh_token: str | None = None,
        opening: Opening | None = None,
    ) -> TokenPair:
        """Open a session for a user who knows the password.

        Args:
            username: As typed; case does not matter.
            password: As typed.
            address: Where the request comes from.
            refresh_token: Of a session of this user that is alive; shows that the device is known.
            opening: Noted with the session; default: a program at this address.

        Raises:
            AuthenticationError: Unknown user, wrong password or disabled account: the same words after the same work.
            TooManyRequestsError: Too many wrong passwords for this account or from this address.
        """
        name = username.casefold()
        with self._uow.read() as tx:
            user = tx.users.find_by_username(name)
            known = self._find_known_session(tx, user, refresh_token)
        with self._guard(known, name, address) as guess:
            matches, rehashed = self._passwords.verify(password, user.password_hash if user is not None else None)
            if user is None or not matches or user.is_disabled:
                guess.fail()
                log.debug("login_refused", address=address, known_device=known is not None)
                raise AuthenticationError(REFUSED)
        return self._open_session(user, rehashed, opening or Opening(address=address))

    def log_in_by_code(self, code: str, opening: Opening) -> TokenPair:
        """Open a session for the user of a login link, whose code is used up by that.

        Raises:
            AuthenticationError: The code is unknown, expired or used already, or the session that made it has ended.
            TooManyRequestsError: Too many wrong codes or passwords from this address.
        """
        digest = digest_login_code(code)
        refresh_token, refresh_digest = _make_refresh()
        with self._throttle.code(address=opening.address) as guess:
            try:
                user_id, session_id = self._use_code(digest, refresh_digest, opening)
            except AuthenticationError:
                guess.fail()
                raise
        return self._pair(user_id, session_id, refresh_token)

    def _use_code(self, digest: str | None, refresh_digest: str, opening: Opening) -> tuple[UUID, UUID]:
        """Use a code up and open a session; a code that nobody made opens no transaction: strangers write nothing."""
        with self._uow.read() as tx:
            if digest is None or not tx.one_time_tokens.is_usable(digest, purpose=TokenPurpose.LOGIN):
                raise AuthenticationError(REFUSED_CODE)
        with self._uow.begin() as tx:
            used = tx.one_time_tokens.use(digest, purpose=TokenPurpose.LOGIN)
            maker = tx.sessions.find(used.session_id) if used else None
            if maker is None or not maker.is_alive(tx.now()):
                raise AuthenticationError(REFUSED_CODE)
            return maker.user_id, _add_session(tx, maker.user_id, refresh_digest, opening, how="link")

    def refresh(self, refresh_token: str, *, check: Callable[[UUID], None] = lambda _: None) -> TokenPair:
        """Exchange a refresh token for its successor and a new access token.

        Args:
            refresh_token: The last one that was given out.
            check: Called with the token's session before anything changes; what it raises refuses the exchange.

        Raises:
            AuthenticationError: Unknown, expired, or used before (then its whole family has ended now).
            RefreshSupersededError: Another request presents the same token at this moment.
        """
        digest = digest_refresh_token(refresh_token)
        if digest is None:
            raise AuthenticationError(ENDED)
        with self._presenting(digest) as alone:
            with self._uow.read() as tx:
                seen, arrived = tx.sessions.find_refresh(digest), tx.now()
            if seen is None:
                raise AuthenticationError(ENDED)
            check(seen.session_id)
            return self._rotate(seen, arrived, alone=alone)

    def log_out(self, principal: Principal) -> None:
        """End the session: its access tokens and its refresh tokens are worth nothing from now on."""
        self._close(principal.session_id, principal.id)

    def log_out_family(self, refresh_token: str, *, check: Callable[[UUID], None] = lambda _: None) -> None:
        """End the session of a refresh token, used or not; harmless where it has ended already.

        Args:
            refresh_token: Any token of the family.
            check: As in `refresh`.

        Raises:
            AuthenticationError: Nobody knows the token.
        """
        digest = digest_refresh_token(refresh_token)
        with self._uow.read() as tx:
            found = tx.sessions.find_refresh(digest) if digest else None
            session = tx.sessions.find(found.session_id) if found else None
        if session is None:
            raise AuthenticationError(ENDED)
        check(session.id)
        self._close(session.id, session.user_id)

    def _close(self, session_id: UUID, actor_id: UUID) -> None:
        with self._uow.begin() as tx:
            if tx.sessions.revoke(session_id, because=RevokedBecause.LOGOUT, now=tx.now()):
                audit.record(tx, actor_id=actor_id, action="session.close", subject=f"session:{session_id}")
        self._sessions.forget([session_id])

    def _guard(self, known: UUID | None, account: str, address: str) -> AbstractContextManager[PasswordGuess]:
        if known is not None:
            return self._throttle.known(known)
        return self._throttle.stranger(account=account, address=address)

    @staticmethod
    def _find_known_session(tx: Transaction, user: UserRecord | None, refresh_token: str | None) -> UUID | None:
        digest = digest_refresh_token(refresh_token) if refresh_token else None
        found = tx.sessions.find_refresh(digest) if digest else None
        session = tx.sessions.find(found.session_id) if found else None
        if user is None or session is None or session.user_id != user.id or not session.is_alive(tx.now()):
            return None
        return session.id

    def _open_session(self, user: UserRecord, rehashed: str | None, opening: Opening) -> TokenPair:
        refresh_token, digest = _make_refresh()
        with self._uow.begin() as tx:
            current = tx.users.find_for_update(user.id)  # the password was compared outside the transaction
            if current is None or current.is_disabled or current.password_changed_at != user.password_changed_at:
                raise AuthenticationError(REFUSED)
            if rehashed is not None:
                tx.users.set_password_hash(user.id, rehashed)
            session_id = _add_session(tx, user.id, digest, opening, how="password")
        return self._pair(user.id, session_id, refresh_token)

    def _rotate(self, seen: RefreshRecord, arrived: datetime, *, alone: bool) -> TokenPair:
        refresh_token, digest = _make_refresh()
        with self._uow.begin() as tx:
            session = tx.sessions.find_for_update(seen.session_id)
            current = tx.sessions.find_refresh(seen.digest)
            successor = tx.sessions.find_refresh(current.successor) if current and current.successor else None
            verdict = _judge(seen, current, successor, session, arrived, alone=alone)
            if session is not None and current is not None:
                self._apply(tx, verdict, session, current, successor, digest)
        if verdict is _Verdict.SUPERSEDED:
            raise RefreshSupersededError
        if session is None or verdict in {_Verdict.REUSED, _Verdict.REFUSED}:
            if verdict is _Verdict.REUSED:
                log.warning("refresh_token_reused", session_id=str(seen.session_id))
                self._sessions.forget([seen.session_id])
            raise AuthenticationError(ENDED)
        return self._pair(session.user_id, session.id, refresh_token)

    @staticmethod
    def _apply(
        tx: Transaction,
        verdict: _Verdict,
        session: SessionRecord,
        current: RefreshRecord,
        successor: RefreshRecord | None,
        digest: str,
    ) -> None:
        now, subject = tx.now(), f"session:{session.id}"
        if verdict is _Verdict.SUPERSEDED:
            tx.sessions.set_contested(current.digest)
        elif verdict is _Verdict.REUSED:
            if tx.sessions.revoke(session.id, because=RevokedBecause.REUSE, now=now):
                audit.record(tx, actor_id=session.user_id, action="session.revoke_reused", subject=subject)
        elif verdict in {_Verdict.ROTATE, _Verdict.REISSUE}:
            again = verdict is _Verdict.REISSUE
            if successor is not None:
                tx.sessions.set_replaced(successor.digest, now=now)
            expires_at = min(now + IDLE, session.expires_at)
            tx.sessions.add_refresh(digest, session_id=session.id, now=now, expires_at=expires_at)
            used_at = current.used_at or now  # the window is counted from the first use
            tx.sessions.set_successor(current.digest, successor=digest, now=used_at, contested=again)
            details = {"again": again}
            audit.record(tx, actor_id=session.user_id, action="session.refresh", subject=subject, details=details)

    @contextmanager
    def _presenting(self, digest: str) -> Iterator[bool]:
        """Yield whether no other request of this process presents the same token at this moment."""
        with self._lock:
            self._presented[digest] += 1
            alone = self._presented[digest] == 1
        try:
            yield alone
        finally:
            with self._lock:
                self._presented[digest] -= 1
                if not self._presented[digest]:
                    del self._presented[digest]

    def _pair(self, user_id: UUID, session_id: UUID, refresh_token: str) -> TokenPair:
        access = self._tokens.issue(user_id=user_id, session_id=session_id)
        return TokenPair(access.text, refresh_token, int(self._tokens.lifetime.total_seconds()), session_id)


def _judge(
    seen: RefreshRecord,
    current: RefreshRecord | None,
    successor: RefreshRecord | None,
    session: SessionRecord | None,
    arrived: datetime,
    *,
    alone: bool,
) -> _Verdict:
    """Decide what a presented token is worth, under the lock on its session.

    Args:
        seen: The token as it was when the request arrived, before the lock.
        current: The token now.
        successor: The token that replaced it, if any.
        session: The family.
        arrived: When the request arrived, by the database's clock.
        alone: Whether no other request of this process presented the token at that moment.
    """
    if session is None or current is None or not session.is_alive(arrived):
        return _Verdict.REFUSED
    if current.used_at is None:
        return _Verdict.ROTATE if arrived < current.expires_at else _Verdict.REFUSED
    if seen.used_at is None:  # it was unused on arrival: another request was faster
        return _Verdict.SUPERSEDED
    if arrived - current.used_at > LOSS_WINDOW or successor is None or successor.used_at is not None:
        return _Verdict.REUSED
    return _Verdict.REISSUE if alone and not current.contested else _Verdict.SUPERSEDED


def _add_session(tx: Transaction, user_id: UUID, digest: str, opening: Opening, *, how: str) -> UUID:
    """Store a session with its first refresh token, and say by what it was opened."""
    now = tx.now()
    session_id = tx.sessions.add(user_id=user_id, now=now, expires_at=now + ABSOLUTE, opening=opening)
    tx.sessions.add_refresh(digest, session_id=session_id, now=now, expires_at=now + IDLE)
    details = {"address": opening.address, "by": how, "kind": opening.kind.value}
    audit.record(tx, actor_id=user_id, action="session.open", subject=f"session:{session_id}", details=details)
    return session_id


def _make_refresh() -> tuple[str, str]:
    token = make_refresh_token()
    digest = digest_refresh_token(token)
    assert digest is not None  # noqa: S101 - of our own making
    return token, digest
