"""The credential of commands on this machine: tokens in a private file, renewed under a lock.

Refresh tokens are used once, so two commands that renewed at the same time would end each other's session. Whoever
finds the access token about to end takes the lock, looks again, and only then renews. Before anybody logs in, commands
act as the local administrator, whose credential the first start of the server left in the data folder: reading it takes
the rights of the folder's owner. Passwords and refresh tokens go only to a server that has shown that it has the key
of the same folder (`grid.client.proving`), or whose certificate was checked (`grid.client.remote`).
"""

import fcntl
import json
import os
import ssl
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import httpx

from grid.client.calls import API, Call, model
from grid.client.errors import ProblemError
from grid.client.proving import proven
from grid.client.remote import Server
from grid.client.sender import Sender, TokenSource
from grid.core.errors import AuthenticationError
from grid.core.secrets import find_server_key, read_private, secrets_folder, write_private
from grid.schemas.identity import TokenOut

RENEW_BEFORE_S: Final = 60.0  # [s] of life that a token has at least when a command begins
_OVER: Final = frozenset({401, 409})  # the session has ended, or somebody else holds its newest token


@dataclass(frozen=True)
class _Cached:
    """Contents of the file."""

    address: str
    username: str
    source: Literal["admin.json", "login"]  # whether it can be had again without asking anybody
    access_token: str
    refresh_token: str
    expires_at: float  # Unix seconds

    def is_fresh(self) -> bool:
        """Tell whether the access token is good for another minute at least (and the clock was not turned back)."""
        return RENEW_BEFORE_S < self.expires_at - time.time() <= 3600

    def __repr__(self) -> str:
        """Name the user, never the tokens."""
        return f"_Cached(address={self.address!r}, username={self.username!r}, source={self.source!r})"


class LocalCredential:
    """Gives commands a valid access token.

    Args:
        home: The data folder; tokens are kept in its folder `secrets`.
        address: The server that the tokens are for.
        server: That server, where it is not the one of the data folder: it gets no credential of the folder.
        transport: Another transport for httpx, for tests.
    """

    def __init__(
        self,
        home: Path,
        address: str,
        *,
        server: Server | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._home, self._address, self._server, self._transport = home, address.rstrip("/"), server, transport

    @property
    def address(self) -> str:
        """The address of the server that the tokens are for."""
        return self._address

    @cached_property
    def context(self) -> ssl.SSLContext | None:
        """How the server's certificate is checked; None where it has none."""
        return self._server.make_context() if self._server is not None else None

    def require_authorities(self) -> None:
        """Refuse a file of authorities that cannot be used, before anybody is asked for a password.

        Raises:
            ConfigurationError: The file cannot be read, or has no certificate.
        """
        _ = self.context

    def access_token(self, *, renew: bool = False) -> str:
        """Return an access token that is good for a minute at least.

        Args:
            renew: Get a new one though the cached one looks good: the server has just refused it.

        Raises:
            AuthenticationError: Nobody is logged in, or the session has ended and only a person can log in again.
            ProblemError: The server refused for another reason.
            ServerUnreachableError: Nobody answers.
        """
        seen = self._read()
        if seen is not None and seen.is_fresh() and not renew:
            return seen.access_token
        with self._lock():
            cached = self._read()
            renewed_meanwhile = cached is not None and cached != seen
            if cached is not None and cached.is_fresh() and (renewed_meanwhile or not renew):
                return cached.access_token
            return self._write(self._renew(cached)).access_token

    def log_in(self, username: str, password: str) -> None:
        """Log in as somebody; later commands act as this user.

        Raises:
            ProblemError: The server refused.
            ServerUnreachableError: Nobody answers.
        """
        with self._lock():
            cached = self._read()
            known = cached.refresh_token if cached is not None and cached.username == username.casefold() else None
            self._write(self._log_in(username, password, known, source="login"))

    def log_out(self) -> None:
        """End the session, if the server can still be asked to, and forget it in any case."""
        with self._lock():
            cached = self._read()
            self._path.unlink(missing_ok=True)
            if cached is None:
                return
            headers = {"Authorization": f"Bearer {cached.access_token}"}
            try:
                self._send(Call("POST", f"{API}/auth/logout", _nothing, headers=headers, is_open=True))
            except ProblemError as error:
                if error.status not in _OVER:
                    raise

    def _renew(self, cached: _Cached | None) -> _Cached:
        if cached is not None:
            try:
                return self._refresh(cached)
            except ProblemError as error:
                if error.status not in _OVER:
                    raise
                if cached.source == "login":
                    raise AuthenticationError("Your session has ended; run: grid auth login") from error
        if self._server is not None:  # the credential of this folder is for the server of this folder alone
            raise AuthenticationError(f"Nobody is logged in at {self._address}; run: grid auth login")
        username, password = self._read_administrator()
        try:
            return self._log_in(username, password, cached.refresh_token if cached else None, source="admin.json")
        except ProblemError as error:
            if error.status not in _OVER:
                raise
            raise AuthenticationError(
                f"The server does not accept {self._home / 'secrets' / 'admin.json'}; run: grid auth login"
            ) from error

    def _refresh(self, cached: _Cached) -> _Cached:
        body = {"refresh_token": cached.refresh_token}
        asked = time.time()
        tokens = self._send(Call("POST", f"{API}/auth/refresh", model(TokenOut), body=body, is_open=True))
        return _with_tokens(cached, tokens, asked)

    def _log_in(
        self, username: str, password: str, known: str | None, *, source: Literal["admin.json", "login"]
    ) -> _Cached:
        body: dict[str, Any] = {"username": username, "password": password}
        if known is not None:  # shows that this device is known, so that guesses by others do not lock it out
            body["refresh_token"] = known
        asked = time.time()
        tokens = self._send(Call("POST", f"{API}/auth/login", model(TokenOut), body=body, is_open=True))
        return _with_tokens(_Cached(self._address, username.casefold(), source, "", "", 0.0), tokens, asked)

    def proven(self, token: TokenSource | None = None) -> AbstractContextManager[Sender]:
        """Lend a client of the server, once that has shown that it is the one of this data folder.

        The certificate of a server elsewhere has shown it. Where plain http on loopback was named in a folder that
        has no server, there is nothing to compare: whoever named the address answers for it (a tunnel).
        """
        server = self._server
        if server is not None and (server.is_secure or find_server_key(self._home) is None):
            return Sender(self._address, token, transport=self._transport, context=self.context)
        return proven(self._home, self._address, token=token, transport=self._transport)

    def _send(self, call: Call[Any]) -> Any:
        with self.proven() as client:
            return client.send(call)

    def _read_administrator(self) -> tuple[str, str]:
        path = self._home / "secrets" / "admin.json"
        try:
            document = json.loads(read_private(path))
            return str(document["username"]), str(document["password"])
        except FileNotFoundError:
            raise AuthenticationError(
                f"Nobody is logged in, and there is no {path}. Start a server here with `grid up`, "
                "or run `grid auth login`."
            ) from None
        except (ValueError, KeyError, TypeError):
            raise AuthenticationError(f"{path} is damaged; run: grid auth login") from None

    @property
    def _path(self) -> Path:
        return self._home / "secrets" / (self._server.session_file if self._server is not None else "session.json")

    def _read(self) -> _Cached | None:
        """Return what is cached for this server; a damaged file counts as none."""
        try:
            cached = _Cached(**json.loads(read_private(self._path)))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return cached if cached.address == self._address else None

    def _write(self, cached: _Cached) -> _Cached:
        write_private(self._path, json.dumps(asdict(cached)) + "\n")
        return cached

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Be the only command of this data folder that renews; a command that dies lets go."""
        path = secrets_folder(self._home) / "session.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _with_tokens(cached: _Cached, tokens: TokenOut, asked: float) -> _Cached:
    return replace(
        cached,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        expires_at=asked + tokens.expires_in,
    )


def _nothing(_response: httpx.Response) -> None:
    return None
