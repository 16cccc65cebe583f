"""Authentication of requests: the only place where a request becomes a user.

`CurrentUser` is enough for ordinary requests: the token is verified, and its session was alive within the last seconds
(at once, where it ended in this process). `FreshUser` and `Administrator` ask the database every time: for streams, and
for what an administrator may do. Whose things a user sees is decided in the queries, never here.
"""

from typing import Annotated, Final

from anyio.to_thread import run_sync
from fastapi import Depends
from fastapi.requests import HTTPConnection
from fastapi.security import HTTPBearer

from grid.api.anonymous import mark_known
from grid.api.dependencies import find_part
from grid.core.errors import AuthenticationError, ForbiddenError
from grid.core.tokens import MAX_TOKEN_LENGTH, Claims, TokenSigner
from grid.services.sessions import Principal, SessionDirectory

MISSING: Final = "Send an access token: Authorization: Bearer ..."
INVALID: Final = "The access token is not valid, or its session has ended."

# Documents the scheme in OpenAPI; the header itself is read below, so that every mistake gets the same answer.
_scheme = HTTPBearer(auto_error=False, bearerFormat="JWT", description="An access token of `POST /api/v1/auth/login`")


def read_claims(connection: HTTPConnection) -> Claims:
    """Return what the request's token says.

    Raises:
        AuthenticationError: There is no token, or not a valid one; the words do not say why.
    """
    values = connection.headers.getlist("authorization")
    if not values:
        raise AuthenticationError(MISSING)
    scheme, _, token = values[0].partition(" ")
    if len(values) > 1 or scheme.lower() != "bearer" or len(token) > MAX_TOKEN_LENGTH:
        raise AuthenticationError(INVALID)
    try:
        return find_part(connection, TokenSigner).verify(token)
    except AuthenticationError as error:
        raise AuthenticationError(INVALID) from error


async def get_claims(connection: HTTPConnection, _documented: Annotated[object, Depends(_scheme)]) -> Claims:
    """Verify the token; a fraction of a millisecond, not worth a thread."""
    return read_claims(connection)


async def get_current_user(connection: HTTPConnection, claims: Annotated[Claims, Depends(get_claims)]) -> Principal:
    """Return the caller, whose session was alive within the last seconds."""
    sessions = find_part(connection, SessionDirectory)
    user = sessions.find_remembered(claims) or await _look_up(claims, sessions)
    mark_known(connection.scope)
    return user


async def get_fresh_user(connection: HTTPConnection, claims: Annotated[Claims, Depends(get_claims)]) -> Principal:
    """Return the caller, whose session is alive now."""
    user = await _look_up(claims, find_part(connection, SessionDirectory))
    mark_known(connection.scope)
    return user


async def get_administrator(user: Annotated[Principal, Depends(get_fresh_user)]) -> Principal:
    """Return the caller, who is an administrator now.

    Raises:
        ForbiddenError: The caller is somebody else; the same answer whatever was asked for.
    """
    if not user.is_administrator:
        raise ForbiddenError("This is for administrators.")
    return user


async def _look_up(claims: Claims, sessions: SessionDirectory) -> Principal:
    try:
        return await run_sync(sessions.get, claims)
    except AuthenticationError as error:
        raise AuthenticationError(INVALID) from error


CurrentUser = Annotated[Principal, Depends(get_current_user)]
FreshUser = Annotated[Principal, Depends(get_fresh_user)]
Administrator = Annotated[Principal, Depends(get_administrator)]
