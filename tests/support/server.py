"""A real server in a process of its own, on a free loopback port and a data folder of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

START_S = 60.0


@dataclass
class Server:
    """A server process and where to find it."""

    process: subprocess.Popen[bytes]
    url: str
    home: Path
    log: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def log_in(self, username: str | None = None, password: str | None = None) -> str:
        """Return an access token; of the administrator unless somebody else is named."""
        if username is None or password is None:
            credential = json.loads((self.home / "secrets" / "admin.json").read_text())
            username, password = credential["username"], credential["password"]
        answer = httpx.post(f"{self.url}/api/v1/auth/login", json={"username": username, "password": password})
        answer.raise_for_status()
        return answer.json()["access_token"]


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(home: Path, port: int) -> dict[str, str]:
    """Return an environment in which nothing but the data folder and the port is set."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
    kept |= {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    return {
        **kept,
        "GRID_HOME": str(home),
        "GRID_PORT": str(port),
        "GRID_COMPILE_AHEAD": "false",
        "GRID_CALIBRATION": "off",
    }


@contextmanager
def serve(home: Path, *command: str, returncode: int = 0, is_counted: bool = True, **extra: str) -> Iterator[Server]:
    """Run `python -m grid.api`, or another command that serves, until the end of the block; it must end in order.

    A `{port}` in the command stands for the port. A server that is not counted serves in half the time.
    """
    port = free_port()
    home.parent.mkdir(parents=True, exist_ok=True)
    log = home.parent / f"{home.name}-server.log"
    variables = environment(home, port) | extra
    if not is_counted:
        variables.pop("COVERAGE_PROCESS_START", None)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *(part.format(port=port) for part in command or ("grid.api",))],
            env=variables,
            cwd=home.parent,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    server = Server(process, f"http://127.0.0.1:{port}", home, log)
    try:
        _wait_until_live(server)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=START_S)
    assert process.returncode == returncode, log.read_text()
    assert '"event": "server_stopped"' in log.read_text()


def _wait_until_live(server: Server) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            httpx.get(f"{server.url}/live")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the server did not come up: {server.log.read_text()}")
