"""Login links: a caller who is logged in gets a code that opens one session of the same user in a browser.

The code is in the fragment of the link, which browsers send to nobody; the page posts it. Whoever reads the link within
its ten minutes is logged in, so only its owner's terminal shows it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from grid.core.tokens import digest_login_code, make_login_code
from grid.database.one_time_tokens import TokenPurpose
from grid.database.uow import UnitOfWork
from grid.services import audit
from grid.services.one_time import store_token
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
    with uow.begin() as tx:
        expires_at = store_token(
            tx, principal, digest_login_code(code),
            purpose=TokenPurpose.LOGIN, lifetime=LIFETIME, most=MOST_UNUSED, name="login links",
        )  # fmt: skip
        audit.record(tx, actor_id=principal.id, action="link.make", subject=f"session:{principal.session_id}")
    return LoginLink(f"/login#code={code}", expires_at)
