"""Tickets of streams: a logged-in caller gets one, and opens one stream with it within 30 seconds."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from grid.core.errors import AuthenticationError, TooManyRequestsError
from grid.core.tokens import digest_stream_ticket, make_stream_ticket
from grid.database.uow import UnitOfWork
from grid.services.sessions import Principal

LIFETIME: Final = timedelta(seconds=30)
MOST_UNUSED: Final = 30  # of a user: one a second
REFUSED: Final = "The ticket is unknown, expired or used already; ask for another one."  # the same for every cause


@dataclass(frozen=True)
class Ticket:
    """A ticket that was issued; the text stays out of `repr`."""

    text: str
    expires_in: int  # [s]

    def __repr__(self) -> str:
        return f"Ticket(expires_in={self.expires_in})"


def issue_ticket(uow: UnitOfWork, principal: Principal) -> Ticket:
    """Store a ticket of a session and return it.

    Raises:
        TooManyRequestsError: The user has many tickets that nobody has used.
    """
    text = make_stream_ticket()
    digest = digest_stream_ticket(text)
    assert digest is not None  # noqa: S101 - it was made here
    with uow.begin() as tx:
        tx.tickets.purge()
        if tx.tickets.count_unused(principal.id) >= MOST_UNUSED:
            raise TooManyRequestsError(f"You have {MOST_UNUSED} unused tickets", LIFETIME.total_seconds())
        expires_at = tx.now() + LIFETIME
        tx.tickets.add(digest, user_id=principal.id, session_id=principal.session_id, expires_at=expires_at)
    return Ticket(text, int(LIFETIME.total_seconds()))


def use_ticket(uow: UnitOfWork, text: str) -> Principal:
    """Use a ticket up and return its user, in the session that it was issued to.

    Raises:
        AuthenticationError: It is unknown, expired or used already, or its session has ended.
    """
    digest = digest_stream_ticket(text)
    if digest is None:
        raise AuthenticationError(REFUSED)
    with uow.begin() as tx:
        session_id = tx.tickets.use(digest)
        session = tx.sessions.find(session_id) if session_id is not None else None
        is_alive = session is not None and session.is_alive(tx.now())
    if session is None or not is_alive:
        raise AuthenticationError(REFUSED)
    return Principal(session.user_id, session.username, session.role, session.id, session.expires_at)
