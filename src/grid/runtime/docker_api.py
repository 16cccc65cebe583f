"""Calls to a Docker engine over its socket, with the standard library alone.

The SDK takes ten times as long to import as Python to begin, and every container has a watchdog of its own, so the few
calls that the life of a container needs are written here. Source: the Engine API, version 1.41
(https://docs.docker.com/reference/api/engine/version/v1.41/), which engines from 20.10 on understand.
"""

import http.client
import json
import socket
import stat
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from grid.core.errors import ConfigurationError, UnavailableError

SOCKETS = ("/var/run/docker.sock", "/run/docker.sock")  # of an engine that runs as root
TIMEOUT_S = 10.0  # [s] of one call
LEAST_VERSION = (1, 41)  # of the API: engine 20.10
ANSWER_BYTES = 16 << 20  # largest answer; a list of ten thousand containers is smaller
FRAME_HEADER = struct.Struct(">BxxxI")  # of an attached stream: which of the two, and the size of what follows
REMOVE_AGAIN_S = 0.2  # [s] between two tries to remove a container
MESSAGE_LENGTH = 500  # characters of an engine's message that are passed on


class EngineAwayError(UnavailableError):
    """The engine does not answer, or not in time."""

    code, title = "engine-away", "The Docker engine does not answer"


class EngineRefusedError(UnavailableError):
    """The engine answers, and refuses; `status` is that of HTTP."""

    code, title = "engine-refused", "The Docker engine refuses"

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status, self.message = status, message

    def __str__(self) -> str:
        return f"The Docker engine answers {self.status}: {self.message}"


class EngineUnsafeError(ConfigurationError):
    """The engine may not be used: everybody may give it orders, or it does not confine containers."""

    code, title = "engine-unsafe", "The Docker engine must not be used like that"


class Engine:
    """A Docker engine. A call has a connection of its own, so that one that was restarted is found again.

    Args:
        host: As in DOCKER_HOST: `unix:///path` or `tcp://name:port`; None: the engine's own socket.
        timeout_s: Of one call.
    """

    def __init__(self, host: str | None = None, *, timeout_s: float = TIMEOUT_S) -> None:
        self.timeout_s = timeout_s
        self.path, self.address = _read_host(host)
        self._version: str | None = None

    def get(self, path: str, **query: Any) -> Any:
        """Return what the engine answers, as JSON.

        Raises:
            EngineAwayError: It does not answer in time.
            EngineRefusedError: It refuses.
        """
        return self._call("GET", path, query)

    def post(self, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """Have the engine do something; errors are those of `get`."""
        return self._call("POST", path, query, body)

    def delete(self, path: str, **query: Any) -> Any:
        """Remove something; errors are those of `get`."""
        return self._call("DELETE", path, query)

    def require_version(self) -> str:
        """Return the version of the engine's API; asked once.

        Raises:
            EngineAwayError: It does not answer, or what answers is no engine that is new enough.
        """
        if self._version is None:
            version = self._request("GET", "/_ping", {}, None)[1].get("Api-Version", "")
            parts = version.split(".")
            if not all(part.isdigit() for part in parts) or tuple(map(int, parts)) < LEAST_VERSION:
                raise EngineAwayError(
                    f"The engine's API must be of version 1.41 at least (engine 20.10), not {version!r}."
                )
            self._version = version
        return self._version

    def put_archive(self, container: str, path: str, archive: bytes) -> None:
        """Unpack a tar archive within a container, running or not; errors are those of `get`."""
        target = f"/v{self.require_version()}/containers/{container}/archive"
        self._request("PUT", target, {"path": path}, archive)

    def remove(self, container: str, *, within_s: float = 0.0) -> bool:
        """Kill and remove a container, trying for so long [s]; False where that failed."""
        deadline = time.monotonic() + within_s
        while True:
            try:
                self.delete(f"/containers/{container}", force=1, v=1)
            except EngineRefusedError as error:
                if error.status == 404:
                    return True
            except EngineAwayError:
                pass
            else:
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(REMOVE_AGAIN_S)

    def attach(self, container: str) -> socket.socket:
        """Return the stream of a container's output, in frames (`Frames`); attach before the start.

        Raises:
            EngineAwayError, EngineRefusedError: As those of `get`.
        """
        version = self.require_version()
        connection = self._connect()
        query = urlencode({"stream": 1, "stdout": 1, "stderr": 1})
        target = f"/v{version}/containers/{quote(container)}/attach?{query}"
        try:
            connection.request("POST", target, headers={"Connection": "Upgrade", "Upgrade": "tcp"})
            stream = connection.sock
            response = connection.getresponse()  # nothing but a header can come before the start
            refusal = response.read(ANSWER_BYTES) if response.status not in (200, 101) else b""
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise EngineAwayError(_describe(error)) from error
        if response.status not in (200, 101):
            connection.close()
            raise EngineRefusedError(response.status, _read_message(refusal))
        stream = stream.dup()  # the connection's own descriptor is closed with its response
        response.close()
        connection.close()
        return stream

    def _call(self, method: str, path: str, query: Mapping[str, Any], body: Mapping[str, Any] | None = None) -> Any:
        answer, _ = self._request(method, f"/v{self.require_version()}{path}", query, body)
        try:
            return json.loads(answer) if answer else None
        except ValueError as error:
            raise EngineAwayError("The engine's answer is no JSON.") from error

    def _request(
        self, method: str, path: str, query: Mapping[str, Any], body: Mapping[str, Any] | bytes | None
    ) -> tuple[bytes, http.client.HTTPMessage]:
        connection = self._connect()
        target = path + (f"?{urlencode(query)}" if query else "")
        kind = "application/x-tar" if isinstance(body, bytes) else "application/json"
        try:
            content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, target, content, {"Content-Type": kind} if content else {})
            response = connection.getresponse()
            answer = response.read(ANSWER_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise EngineAwayError(_describe(error)) from error
        finally:
            connection.close()
        if response.status >= 400:
            raise EngineRefusedError(response.status, _read_message(answer))
        return answer, response.headers

    def _connect(self) -> http.client.HTTPConnection:
        if self.path is not None:
            return _SocketConnection(self.path, self.timeout_s)
        return http.client.HTTPConnection(*self.address, timeout=self.timeout_s)


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("docker", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def require_private_socket(engine: Engine) -> None:
    """Refuse an engine whose socket everybody may write to: that makes everybody the engine's user.

    Raises:
        EngineUnsafeError: It is so.
    """
    if engine.path is None:
        return
    with suppress(OSError):  # none there: the engine is away, which another check tells
        if Path(engine.path).stat().st_mode & stat.S_IWOTH:
            raise EngineUnsafeError(f"{engine.path} is writable by everybody, which makes everybody root.")


def require_confining(engine: Engine) -> str:
    """Return the version of an engine that confines containers as jobs need it.

    Raises:
        EngineAwayError, EngineRefusedError: It does not answer, or refuses.
        EngineUnsafeError: It runs no Linux containers, or none under seccomp, or cannot limit memory or processes.
    """
    require_private_socket(engine)
    told = engine.get("/info")
    options = told.get("SecurityOptions") or ()
    if told.get("OSType") != "linux":
        raise EngineUnsafeError("The engine runs no Linux containers.")
    if not any("name=seccomp" in option and "unconfined" not in option for option in options):
        raise EngineUnsafeError("The engine runs containers without seccomp.")
    for name, words in (("MemoryLimit", "memory"), ("PidsLimit", "the number of processes"), ("CpuCfsQuota", "CPUs")):
        if not told.get(name):
            raise EngineUnsafeError(f"The engine cannot limit {words} of containers here.")
    return str(told.get("ServerVersion", ""))


class Frames:
    """The reader of an attached stream: takes bytes as they come, yields those of the container's output."""

    def __init__(self) -> None:
        self._header = b""
        self._left = 0  # bytes of the frame that is read

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the output in these bytes; both streams alike, as a terminal shows them."""
        while data:
            if self._left:
                piece, data = data[: self._left], data[self._left :]
                self._left -= len(piece)
                yield piece
                continue
            wanted = FRAME_HEADER.size - len(self._header)
            self._header, data = self._header + data[:wanted], data[wanted:]
            if len(self._header) == FRAME_HEADER.size:
                self._left = FRAME_HEADER.unpack(self._header)[1]
                self._header = b""


def _read_host(host: str | None) -> tuple[str | None, tuple[str, int]]:
    """Return the path of the socket, or None and an address.

    Raises:
        ConfigurationError: It is neither.
    """
    nowhere = ("", 0)
    if host is None:
        return next((path for path in SOCKETS if Path(path).exists()), SOCKETS[0]), nowhere
    try:
        parts = urlsplit(host)
        if parts.scheme == "unix" and parts.path.startswith("/"):
            return parts.path, nowhere
        if parts.scheme in {"tcp", "http"} and parts.hostname and parts.port:
            return None, (parts.hostname, parts.port)
    except ValueError:
        pass
    raise ConfigurationError("DOCKER_HOST: it is neither unix:///path nor tcp://name:port.")


def _read_message(answer: bytes) -> str:
    try:
        text = str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        text = answer.decode("utf-8", "replace")
    return " ".join(text.split())[:MESSAGE_LENGTH]


def _describe(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "The Docker engine does not answer in time."
    if isinstance(error, PermissionError):
        return "This user may not use the Docker engine."
    return "The Docker engine does not answer."
