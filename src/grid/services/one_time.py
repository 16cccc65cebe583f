"""Tokens that are used once, as the services of login and download links store them: bounded for each user."""

from datetime import datetime, timedelta

from grid.core.errors import TooManyRequestsError
from grid.database.one_time_tokens import TokenPurpose
from grid.database.uow import Transaction
from grid.services.sessions import Principal


def store_token(
    tx: Transaction,
    principal: Principal,
    digest: str | None,
    *,
    purpose: TokenPurpose,
    lifetime: timedelta,
    most: int,
    name: str,
    subject: str = "",
) -> datetime:
    """Store the digest of a token of the caller's session, and return when it expires.

    Args:
        digest: Of a token that was made here.
        most: Unused ones that a user may have.
        name: What a refusal calls several of them.
        subject: What the token is for, where it is for one thing alone.

    Raises:
        TooManyRequestsError: The user has that many that nobody has used.
    """
    assert digest is not None  # noqa: S101 - it was made here
    tx.one_time_tokens.purge()
    if tx.one_time_tokens.count_unused(principal.id, purpose=purpose) >= most:
        raise TooManyRequestsError(f"You have {most} unused {name}", lifetime.total_seconds())
    expires_at = tx.now() + lifetime
    tx.one_time_tokens.add(
        digest,
        purpose=purpose,
        user_id=principal.id,
        session_id=principal.session_id,
        subject=subject,
        expires_at=expires_at,
    )
    return expires_at
