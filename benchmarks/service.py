"""A service of its own for a benchmark: a fresh data folder, a free loopback port, stopped at the end."""

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GRID = (sys.executable, "-m", "grid.cli.main")


@dataclass(frozen=True)
class Service:
    """Where the service under test answers, and with which token."""

    database: str
    home: Path
    port: int
    token: str
    environment: dict[str, str]

    def connect(self) -> "Connection":
        """Return one kept-alive connection."""
        return Connection(self.port, self.token)

    def pids(self) -> dict[str, int]:
        """Return the process ids of server and worker."""
        document = json.loads(self.grid("status", "--json"))
        return {role: int(pid) for role, pid in document["processes"].items()}

    def grid(self, *arguments: str) -> str:
        """Run a command of the CLI against this service."""
        done = subprocess.run([*GRID, *arguments], env=self.environment, check=True, capture_output=True, text=True)
        return done.stdout


class Connection:
    """A bare HTTP connection: the load generator should cost little on a machine that it shares with the service."""

    def __init__(self, port: int, token: str) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._http.connect()
        self._http.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Send one request and return status and body."""
        content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        self._http.request(method, path, body=content, headers=self._headers)
        response = self._http.getresponse()
        return response.status, response.read()

    def json(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request that must succeed and return its document."""
        status, content = self.call(method, path, body)
        if status >= 300:
            raise RuntimeError(f"{method} {path}: {status} {content[:300]!r}")
        return json.loads(content)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


def find_free_port() -> int:
    """Return a loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_service(database: str, **settings: str) -> Iterator[Service]:
    """Start a service on SQLite or PostgreSQL, with environment variables of its own, and stop it at the end."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="grid-bench-"))
        home, port = Path(folder) / ".grid", find_free_port()
        environment = {**os.environ, "GRID_HOME": str(home), "GRID_PORT": str(port), "LOG_LEVEL": "WARNING"}
        environment |= settings
        environment.pop("DATABASE_URL", None)
        if database == "postgresql":
            from tests.support.postgres import start_postgres

            server = start_postgres(durable=True)
            stack.callback(server.stop)
            environment["DATABASE_URL"] = server.url(server.create())
        subprocess.run([*GRID, "up", "--no-sample"], env=environment, check=True, cwd=folder, stdout=subprocess.DEVNULL)
        stack.callback(
            subprocess.run, [*GRID, "down"], env=environment, check=False, cwd=folder, stdout=subprocess.DEVNULL
        )
        token = subprocess.run([*GRID, "auth", "token"], env=environment, check=True, capture_output=True, text=True)
        yield Service(database, home, port, token.stdout.strip(), environment)
