"""Sending calls to one server: tokens, renewals and what to do where nobody answers; below every client."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Protocol, Self, TypeVar

import httpx

from grid.client.calls import Call, require_success
from grid.client.errors import ServerUnreachableError
from grid.client.remote import unreachable

T = TypeVar("T")

UNAUTHORIZED = 401  # HTTP status: the token is not, or no longer, taken
TIMEOUT = httpx.Timeout(30.0, connect=3.0)  # [s] of a call that only reads or writes the database
STREAM = httpx.Timeout(45.0, connect=3.0)  # [s] three pings late is dead
POINTS = 1000  # points of a sweep in one answer where all are read: the most that the service gives at once
LONG = httpx.Timeout(120.0, connect=3.0)  # [s] results are made when they are asked for


class TokenSource(Protocol):
    """Source of a client's access token, such as `LocalCredential.access_token`."""

    def __call__(self, *, renew: bool = False) -> str:
        """Return a valid token; with `renew` a new one, as the server has just refused the last."""
        ...


def no_token(*, renew: bool = False) -> str:  # noqa: ARG001 - there is none to renew
    """Return no token: for calls that anybody may make."""
    return ""


class Sender:
    """Sends calls of `grid.client.calls` to one server. Use it in a `with` block, or `close()` it.

    Args:
        address: Such as `http://127.0.0.1:8000`.
        token: Returns a valid access token; called for every request. None: calls go without one.
        transport: Another transport for httpx, for tests.
        context: How certificates are checked; None: as httpx does.
    """

    def __init__(
        self,
        address: str,
        token: TokenSource | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.address = address.rstrip("/")
        self._token = token or no_token
        self._prove: Callable[[TokenSource], AbstractContextManager[Sender]] | None = None
        self._http = httpx.Client(
            base_url=self.address,
            timeout=TIMEOUT,
            transport=transport,
            trust_env=False,
            verify=True if context is None else context,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(self, call: Call[T], *, timeout: httpx.Timeout = TIMEOUT) -> T:
        """Send a call of `grid.client.calls` and return its answer.

        A client of the local server sends one that carries a password only to a server that has shown who it is.
        """
        if call.is_secret and self._prove is not None:
            with self._prove(self._token) as proven:
                return proven.send(call, timeout=timeout)
        options = call.request_options()
        for renew in (False, True):
            headers = {**options["headers"], **({} if call.is_open else self._authorization(renew=renew))}
            with self._reaching():
                response = self._http.request(
                    call.method, call.path, timeout=timeout, **{**options, "headers": headers}
                )
            if response.status_code != UNAUTHORIZED or call.is_open:
                break  # else the session was ended or the keys changed: one try with a new token
        return call.read(require_success(response))

    def send_surely(self, call: Call[T], *, timeout: httpx.Timeout = TIMEOUT) -> T:
        """Send a call that acts once however often it is sent, and send it again where its answer was lost."""
        try:
            return self.send(call, timeout=timeout)
        except ServerUnreachableError as error:
            if not isinstance(error.__cause__, httpx.ReadError | httpx.RemoteProtocolError | httpx.ReadTimeout):
                raise
            return self.send(call, timeout=timeout)

    def _authorization(self, *, renew: bool = False) -> dict[str, str]:
        token = self._token(renew=renew)
        return {"Authorization": f"Bearer {token}"} if token else {}

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise unreachable(self.address, error) from error
