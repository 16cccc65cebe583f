"""Pages that are open while only this machine can reach the server, and need a login otherwise."""

from fastapi import Depends
from fastapi.requests import HTTPConnection

from grid.api.security import get_current_user, read_claims
from grid.core.settings import Settings


async def require_login_if_exposed(connection: HTTPConnection) -> None:
    """Let everybody pass on loopback, else those who are logged in.

    Raises:
        AuthenticationError: The server listens to other machines, and the caller is not logged in.
    """
    settings: Settings = connection.app.state.settings
    if not settings.is_loopback:
        await get_current_user(connection, read_claims(connection))


OPEN_ON_LOOPBACK = [Depends(require_login_if_exposed)]
