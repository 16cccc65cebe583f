"""Login links: a caller who is logged in gets a code that opens one session of the same user in a browser.

The code is in the fragment of the link, which browsers send to nobody; the page posts it. Whoever reads the link within
its ten minutes is logged in, so only its owner's terminal shows it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from grid.core.errors import TooManyRequestsError
from grid.core.tokens import digest_login_code, make_login_code
from grid.database.one_time_tokens import TokenPurpose
from grid.database.uow import UnitOfWork
from grid.services import audit
from grid.services.sessions import Principal

LIFETIME: Final = timedelta(minutes=10)
MOST_UNUSED: Final = 10  # of a user


@dataclass(frozen=True)
class LoginLink:
    """A link that was made; its path, which has the code in it, stays out of `repr`."""

    path: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"LoginLink(expires_at={self.expires_at.isoformat()})"


def make_login_link(uow: UnitOfWork, principal: Principal) -> LoginLink:
    """Store the code of a link, which is good for ten minutes and while the session that made it lives.

    Raises:
        TooManyRequestsError: The user has many links that nobody has used.
    """
    code = make_login_code()
    digest = digest_login_code(code)
    assert digest is not None  # noqa: S101 - it was made here
    with uow.begin() as tx:
        tx.one_time_tokens.purge()
        if tx.one_time_tokens.count_unused(principal.id, purpose=TokenPurpose.LOGIN) >= MOST_UNUSED:
            raise TooManyRequestsError(f"You have {MOST_UNUSED} unused login links", LIFETIME.total_seconds())
        expires_at = tx.now() + LIFETIME
        tx.one_time_tokens.add(
            digest,
            purpose=TokenPurpose.LOGIN,
            user_id=principal.id,
            session_id=principal.session_id,
            expires_at=expires_at,
        )
        audit.record(tx, actor_id=principal.id, action="link.make", subject=f"session:{principal.session_id}")
    return LoginLink(f"/login#code={code}", expires_at)
