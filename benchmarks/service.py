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

from benchmarks.databases import Databases
from benchmarks.load import Endpoint
from benchmarks.processes import wait_until_quiet

GRID = (sys.executable, "-m", "grid.cli.main")
JOBS_PATH = "/api/v1/jobs"


@dataclass(frozen=True)
class Service:
    """Where the service under test answers, and where further databases of its kind are made."""

    databases: Databases
    url: str  # of its database
    port: int
    environment: dict[str, str]

    @property
    def kind(self) -> str:
        """Which database it has."""
        return self.databases.kind

    @property
    def token(self) -> str:
        """A token that is valid for some minutes from now; takes a command of the CLI each time."""
        return self.grid("auth", "token").strip()

    def connect(self) -> "Connection":
        """Return one kept-alive connection."""
        return Connection(self.port, self.token)

    def endpoint(self, body: bytes) -> Endpoint:
        """Return where jobs are submitted."""
        return Endpoint(self.port, JOBS_PATH, body, self.token)

    def pids(self) -> dict[str, int]:
        """Return the process ids of server and worker."""
        command = [
            *GRID,
            "status",
            "--json",
        ]  # its exit code says whether all parts are ready, which is not the question
        done = subprocess.run(command, env=self.environment, check=False, capture_output=True, text=True)
        return {role: int(pid) for role, pid in json.loads(done.stdout)["processes"].items()}

    def grid(self, *arguments: str) -> str:
        """Run a command of the CLI against this service."""
        done = subprocess.run([*GRID, *arguments], env=self.environment, check=True, capture_output=True, text=True)
        return done.stdout


class Connection:
    """One kept-alive connection for requests of any kind."""

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
def running_service(databases: Databases, **settings: str) -> Iterator[Service]:
    """Start a service, wait until it has compiled what it compiles ahead of need, and stop it at the end.

    Args:
        databases: Where its database is made.
        settings: Environment variables of its own.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="grid-bench-"))
        port, url = find_free_port(), databases.make()
        environment = {**os.environ, "GRID_HOME": str(Path(folder) / ".grid"), "GRID_PORT": str(port)}
        environment |= {"LOG_LEVEL": "WARNING", "DATABASE_URL": url, **settings}

        service = Service(databases, url, port, environment)
        stack.callback(service.grid, "down")
        service.grid("up", "--no-sample")
        print(
            f"{databases.kind}: waiting until kernels are compiled ahead and the service is idle ...", file=sys.stderr
        )
        print(f"{databases.kind}: idle after {wait_until_quiet(service.pids()):.0f} s", file=sys.stderr, flush=True)
        yield service
