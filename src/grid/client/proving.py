"""Calls that carry a secret: sent on one connection, whose other end has shown first that it is the server.

A proof holds for the connection on which it was given and for no other: the next connection to the same address may
reach another program. So the secret goes over the same one, or not at all.
"""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from grid.client import calls
from grid.client.errors import ProblemError
from grid.client.sender import Sender, TokenSource
from grid.core.errors import AuthenticationError
from grid.core.proofs import is_proof, make_nonce
from grid.core.secrets import find_server_key

TIMEOUT_S = 30.0  # [s] for each step of a call that carries a secret
MOST_BYTES = 2**20  # of an answer; those to these calls have some hundred


class ServerNotProvenError(AuthenticationError):
    """The listener has not shown that it is the server of this data folder; nothing secret was sent to it."""

    code, title = "server-not-proven", "What listens is not known to be the server of this data folder"

    def __init__(self, address: str, home: str) -> None:
        super().__init__(address, home)
        self.address, self.home = address, home

    def __str__(self) -> str:
        return (
            f"What listens at {self.address} has not shown that it is the server of {self.home}, so no password was "
            "sent to it. Start (or restart) the server of this data folder with `grid up`, or set GRID_HOME and "
            "GRID_PORT to those of the server that you mean."
        )


class OneConnection(httpx.BaseTransport):
    """Sends every request over one connection, and none once that has ended."""

    def __init__(self, address: str) -> None:
        url = httpx.URL(address)
        self._connection = http.client.HTTPConnection(url.host, url.port or 80, timeout=TIMEOUT_S)
        self._connection.auto_open = 0  # else it would connect again by itself
        self.peer = ("", 0)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return its answer, read to the end."""
        try:
            if not self.peer[0]:
                self._connection.connect()
                self.peer = self._connection.sock.getpeername()[:2]
            path = request.url.raw_path.decode("ascii")
            self._connection.putrequest(request.method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.raw:
                self._connection.putheader(name, value)
            self._connection.endheaders(request.read())
            answer = self._connection.getresponse()
            return httpx.Response(answer.status, headers=answer.getheaders(), content=answer.read(MOST_BYTES))
        except (OSError, http.client.HTTPException) as error:
            kind = httpx.ReadError if self.peer[0] else httpx.ConnectError
            raise kind(type(error).__name__, request=request) from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextmanager
def proven(
    home: Path, address: str, *, token: TokenSource | None = None, transport: httpx.BaseTransport | None = None
) -> Iterator[Sender]:
    """Lend a client of a server that has shown that it has the key of this data folder.

    Args:
        home: The data folder.
        address: Where its server should listen.
        token: Returns a valid access token, for calls that need one.
        transport: Another transport for httpx, for tests.

    Raises:
        ServerNotProvenError: Somebody else listens there, or a server of another data folder.
        ServerUnreachableError: Nobody answers.
    """
    connection = transport or OneConnection(address)
    with Sender(address, token, transport=connection) as client:
        nonce = make_nonce()
        try:
            proof = client.send(calls.prove(nonce)).proof
        except (ProblemError, ValueError) as error:  # it does not know the question, or says something else
            raise ServerNotProvenError(client.address, str(home)) from error
        url = httpx.URL(address)
        host, port = connection.peer if isinstance(connection, OneConnection) else (url.host, url.port or 80)
        key = find_server_key(home)
        if key is None or not is_proof(proof, key, nonce, host, port):
            raise ServerNotProvenError(client.address, str(home))
        yield client
