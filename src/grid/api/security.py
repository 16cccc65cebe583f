"""Authentication of requests: the only place where a request becomes a user.

`CurrentUser` is enough for ordinary requests: the token is verified, and its session was alive within the last seconds
(at once, where it ended in this process). `FreshUser` and `Administrator` ask the database every time: for streams, and
for what an administrator may do. Whose things a user sees is decided in the queries, never here.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from anyio.to_thread import run_sync
from fastapi import Depends
from fastapi.requests import HTTPConnection
from fastapi.security import HTTPBearer

from grid.api.anonymous import mark_known
from grid.api.dependencies import find_part
from grid.core.errors import AuthenticationError, ForbiddenError, UnavailableError
from grid.core.tokens import MAX_TOKEN_LENGTH, Claims, TokenSigner
from grid.database.sessions import Opening, SessionKind
from grid.services.sessions import Principal, SessionDirectory

MISSING: Final = "Send an access token: Authorization: Bearer ..."
INVALID: Final = "The access token is not valid, or its session has ended."


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


async def get_claims(connection: HTTPConnection) -> Claims:
    """Return what the token says, for a route that looks its session up again later."""
    return read_claims(connection)


async def get_current_user(connection: HTTPConnection, claims: Claims) -> Principal:
    """Return the caller, whose session was alive within the last seconds."""
    sessions = find_part(connection, SessionDirectory)
    user = sessions.find_remembered(claims) or await _look_up(claims, sessions)
    mark_known(connection.scope)
    return user


async def get_fresh_user(connection: HTTPConnection, claims: Claims) -> Principal:
    """Return the caller, whose session is alive now."""
    user = await _look_up(claims, find_part(connection, SessionDirectory))
    mark_known(connection.scope)
    return user


def find_opening(connection: HTTPConnection, kind: SessionKind = SessionKind.PROGRAM) -> Opening:
    """Return by what, and from where, a session is opened by this request."""
    address = connection.client.host if connection.client else "unknown"
    agent = "".join(letter for letter in connection.headers.get("user-agent", "") if letter.isprintable())
    return Opening(kind, address, agent)


async def is_welcome(sessions: SessionDirectory, claims: Claims) -> bool:
    """Tell whether a stream's reader may read on: its session is alive, as far as the database answers."""
    try:
        await run_sync(sessions.get, claims)
    except AuthenticationError:
        return False
    except UnavailableError:
        return True  # the database is away for a moment
    return True


async def _look_up(claims: Claims, sessions: SessionDirectory) -> Principal:
    try:
        return await run_sync(sessions.get, claims)
    except AuthenticationError as error:
        raise AuthenticationError(INVALID) from error


class BearerToken(HTTPBearer):
    """The scheme that OpenAPI documents, which finds the caller itself.

    A dependency of its own for each step would say the same; FastAPI takes some 40 us a request for each of them.

    Args:
        find_user: Returns the user of valid claims.
    """

    def __init__(self, find_user: Callable[[HTTPConnection, Claims], Awaitable[Principal]]) -> None:
        description = "An access token of `POST /api/v1/auth/login`"
        super().__init__(auto_error=False, bearerFormat="JWT", scheme_name="HTTPBearer", description=description)
        self._find_user = find_user

    async def __call__(self, connection: HTTPConnection) -> Principal:  # type: ignore[override]
        """Verify the token, a fraction of a millisecond that is not worth a thread, and return the caller."""
        return await self._find_user(connection, read_claims(connection))


CurrentUser = Annotated[Principal, Depends(BearerToken(get_current_user))]
FreshUser = Annotated[Principal, Depends(BearerToken(get_fresh_user))]


async def get_administrator(user: FreshUser) -> Principal:
    """Return the caller, who is an administrator now.

    Raises:
        ForbiddenError: The caller is somebody else; the same answer whatever was asked for.
    """
    if not user.is_administrator:
        raise ForbiddenError("This is for administrators.")
    return user


Administrator = Annotated[Principal, Depends(get_administrator)]
