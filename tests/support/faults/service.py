"""The real service, started as an init system would: whoever is killed is started again.

Server and workers are processes of their own over loopback, with a data folder and a port of their own. Nothing is ever
killed that was not started here, or found as a child of what was.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from tests.support.faults.checker import Sight, check_all
from tests.support.faults.clients import Caller
from tests.support.faults.dump import (
    TERMINAL,
    Dump,
    check_file,
    connected,
    read_clock,
    read_document,
    read_dump,
    read_time,
)
from tests.support.faults.history import History
from tests.support.faults.observer import Observer
from tests.support.faults.processes import Process, find_descendants, find_slot_children, find_users
from tests.support.processes import find_free_port

from grid.database import migrate

COMMANDS = {
    "server": ("-m", "grid.api"),
    "worker": ("-m", "grid.cli.main", "worker"),
    "celery": ("-m", "celery", "-A", "grid.tasks.celery_app", "worker"),
}
LEASE_S = 3.0
SLOTS = 2
PATIENCE_S = 240.0  # turns a hang into a failure


@dataclass
class FaultyService:
    """A service to be broken. `url` names its database, `store` its folder of artifacts."""

    home: Path
    url: str
    store: Path
    environment: dict[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    history: History = field(default_factory=History)
    sights: defaultdict[UUID, list[Sight]] = field(default_factory=lambda: defaultdict(list))
    expected: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return int(self.environment["GRID_PORT"])

    def call(self) -> Caller:
        """Return a client of its own, which logs in by itself."""
        return Caller(self.port, self.home / "secrets" / "admin.json")

    # -- processes -----------------------------------------------------------------------------------------------------

    def start(self, *names: str) -> None:
        """Start processes by name: `server`, `worker`, `worker-2`, `celery`..., and wait until they do their work."""
        for name in names:
            self._spawn(name)
        self.wait_until_back(*names)

    def kill(self, *names: str) -> None:
        """SIGKILL, at the same moment as far as that is possible, and collect the dead."""
        processes = [self.running.pop(name) for name in names]
        for process in processes:
            os.kill(process.pid, signal.SIGKILL)
        for process in processes:
            process.wait()
        self.note("killed", **{name: process.pid for name, process in zip(names, processes, strict=True)})

    def kill_slot_child(self, choose: Callable[[list[Process]], Process], worker: str = "worker") -> bool:
        """SIGKILL one of the worker's computing children; False where it has none."""
        children = find_slot_children(self.running[worker].pid)
        chosen = choose(children) if children else None
        is_killed = chosen is not None and chosen.kill()
        if is_killed:
            self.note("killed", slot=chosen.pid if chosen else None)
        return is_killed

    def signal(self, name: str, number: int, *, with_children: bool = False) -> None:
        """Send a signal to a process, and to its descendants where asked for."""
        own = Process.find(self.running[name].pid)
        group = find_descendants(self.running[name].pid) if with_children else []
        for process in [own, *group]:
            if process is not None:
                process.send(number)
        if number == signal.SIGSTOP and own is not None:  # a thread in the kernel stops a little later
            wait_until(lambda: set(own.states()) <= {"T"}, f"the {name} had stopped", within_s=30.0)
        self.note(signal.Signals(number).name, **{name: self.running[name].pid})

    def stop(self, *names: str) -> None:
        """SIGTERM, and wait for the end; insist where that takes too long."""
        chosen = [self.running.pop(name) for name in names or tuple(reversed(self.running)) if name in self.running]
        for process in chosen:
            process.send_signal(signal.SIGTERM)
        for process in chosen:
            try:
                process.wait(45)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise AssertionError(f"process {process.args} did not end within 45 s of SIGTERM") from None

    def leftovers(self) -> list[Process]:
        """Return processes that still use the data folder."""
        return find_users(self.home)

    def end_leftovers(self) -> None:
        """Kill whatever is left, so that a failed test leaves nothing running."""
        for process in self.running.values():
            process.kill()
            process.wait()
        self.running.clear()
        for process in self.leftovers():
            process.kill()

    def _spawn(self, name: str) -> None:
        log = self.home / "logs" / f"{name}.log"
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with log.open("ab") as output:
            self.running[name] = subprocess.Popen(
                [sys.executable, *COMMANDS[name.partition("-")[0]]],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env=self.environment, cwd=self.home, start_new_session=True,
            )  # fmt: skip

    # -- waiting -------------------------------------------------------------------------------------------------------

    def wait_until_back(self, *names: str) -> None:
        """Wait until the server answers, and the worker has looked for work."""
        for name in names:
            process = self.running[name]
            is_back = self._answers if name == "server" else lambda pid=process.pid: self._has_polled_below(pid)
            try:
                wait_until(is_back, f"the {name} was back", lambda name=name: self._require_alive(name))
            except AssertionError as error:
                raise AssertionError(f"{error}; {self._describe(name)}") from None

    def _require_alive(self, name: str) -> None:
        code = self.running[name].poll()
        if code is not None:
            raise AssertionError(f"the {name} ended by itself with {code}: {self._last_lines(name, 1)}")

    def _describe(self, name: str) -> str:
        """Say what every process is doing, and what this one logged last: a hang may not come again."""
        threads = {each: Process(process.pid, 0).states() for each, process in self.running.items()}
        return f"threads {threads}, children {find_descendants(self.running[name].pid)}, {self._last_lines(name, 8)}"

    def _last_lines(self, name: str, count: int) -> list[str]:
        return (self.home / "logs" / f"{name}.log").read_text(errors="replace").strip().splitlines()[-count:]

    def _answers(self) -> bool:
        with self.call() as caller, suppress(OSError):
            return caller.send("GET", "/live", is_public=True).status == 200
        return False

    def can_compute(self) -> bool:
        """Whether the worker has a child that knows its simulations: a cold one compiles kernels first."""
        with connected(self.url) as connection:
            details = connection.execute(text("SELECT details FROM workers WHERE stopped_at IS NULL")).scalars()
            return any(read_document(each)["simulations"] for each in details)

    def _has_polled_below(self, pid: int) -> bool:
        return any(self._has_polled(each) for each in (pid, *(child.pid for child in find_descendants(pid))))

    def _has_polled(self, pid: int) -> bool:
        query = text(
            "SELECT count(*) FROM workers WHERE pid = :pid AND stopped_at IS NULL AND last_poll_at IS NOT NULL"
        )
        with suppress(OperationalError), connected(self.url) as connection:
            return bool(connection.execute(query, {"pid": pid}).scalar_one())
        return False

    # -- the ledger ----------------------------------------------------------------------------------------------------

    def clock(self) -> datetime:
        """Return the database's time."""
        with connected(self.url) as connection:
            return read_clock(connection)

    def dump(self) -> Dump:
        return read_dump(self.url)

    def watch(self) -> Observer:
        """Return an observer, to be used as a context manager; what it sees is checked by `check`."""
        return Observer(self.url, self.sights)

    def check(self) -> list[str]:
        """Check every promise about everything that was ever done with this service; all of it must have ended."""
        wait_until(lambda: self.ask("SELECT count(*) FROM outbox") == 0, "every event had left")
        problems = check_all(self.history, self.dump(), self.store, self.sights, expected=self.expected)
        said = check_file(self.url)
        return problems if said == "ok" else [*problems, f"the database file: {said}"]

    def count(self, key: str, *states: str) -> int:
        """Count the jobs of a submission, in these states where some are named."""
        chosen = f"AND state IN ({', '.join(repr(state) for state in states)})" if states else ""
        return int(self.ask(f"SELECT count(*) FROM jobs WHERE metadata->>'key' = :key {chosen}", key=key))

    def is_over(self) -> bool:
        """Whether every job has ended."""
        states = ", ".join(repr(state) for state in sorted(TERMINAL))
        return self.ask(f"SELECT count(*) FROM jobs WHERE state NOT IN ({states})") == 0

    def ask(self, query: str, **parameters: Any) -> Any:
        """Return one value of the database."""
        with connected(self.url) as connection:
            return connection.execute(text(query), parameters).scalar_one()

    def times(self, query: str, **parameters: Any) -> list[datetime]:
        """Return times, one for each row."""
        with connected(self.url) as connection:
            rows = connection.execute(text(query), parameters).scalars()
            return [time for row in rows if (time := read_time(row)) is not None]

    def note(self, event: str, **words: Any) -> None:
        """Write into the log of faults."""
        self.log.append(f"{time.strftime('%H:%M:%S')} {event} {words}")


@dataclass(frozen=True)
class Kernels:
    """Compiled kernels, kept in a folder from one service for the next."""

    folder: Path

    def lend(self, home: Path) -> None:
        """Give them to a new service, where there are any."""
        if self.folder.is_dir():
            shutil.copytree(self.folder, home / "cache")

    def keep(self, home: Path) -> None:
        """Take those of a service that has computed something, unless there are some."""
        if self.folder.is_dir():
            return
        draft = Path(tempfile.mkdtemp(dir=self.folder.parent))
        shutil.copytree(home / "cache", draft, dirs_exist_ok=True)
        try:
            draft.rename(self.folder)
        except OSError:  # there are: a folder that is not empty is not replaced
            shutil.rmtree(draft)


@contextmanager
def faulty_service(
    folder: Path,
    url: str | None = None,
    *,
    store: Path | None = None,
    kernels: "Kernels | None" = None,
    worker: str = "worker",
    **settings: object,
) -> Iterator[FaultyService]:
    """Lend a service that runs; at the end it is stopped, and must leave no process behind.

    Args:
        folder: Of its data.
        url: Of a fresh database, not migrated; SQLite in `folder` where there is none.
        store: The folder of artifacts, where it is not in the data folder.
        kernels: Compiled by an earlier service, to save their compilation.
        worker: What runs the work: `worker`, or `celery`.
        settings: By their environment names.
    """
    home = folder / ".grid"
    home.mkdir(mode=0o700, parents=True)
    if kernels is not None:
        kernels.lend(home)
    chosen = url or f"sqlite:///{home / 'grid.db'}"
    migrate.upgrade(chosen)
    service = FaultyService(home, chosen, store or home / "artifacts", _environment(home, url, store, settings))
    try:
        service.start("server", worker)
        wait_until(service.can_compute, "kernels were compiled")
        yield service
        service.stop()
        wait_until(lambda: not service.leftovers(), "no process of the service was left", within_s=5.0)
        if kernels is not None:
            kernels.keep(home)
    finally:
        service.end_leftovers()


def wait_until(
    condition: Callable[[], object],
    what: str,
    meanwhile: Callable[[], object] = lambda: None,
    *,
    within_s: float = PATIENCE_S,
) -> None:
    """Wait until the condition holds.

    Raises:
        AssertionError: It does not, for too long.
    """
    deadline = time.monotonic() + within_s
    while not condition():
        meanwhile()
        assert time.monotonic() < deadline, f"waited {within_s:.0f} s in vain until {what}"
        time.sleep(0.05)


def _environment(home: Path, url: str | None, store: Path | None, settings: dict[str, object]) -> dict[str, str]:
    own = {
        "GRID_HOME": home, "GRID_PORT": find_free_port(), "GRID_SLOTS": SLOTS, "GRID_LEASE_S": LEASE_S,
        "GRID_HEARTBEAT_S": 0.3, "GRID_POLL_S": 0.3, "LOG_LEVEL": "INFO",
        "GRID_COMPILE_AHEAD": False, "GRID_CALIBRATION": "off", **settings,
    }  # fmt: skip
    if url is not None:
        own["DATABASE_URL"] = url
    if store is not None:
        own["ARTIFACTS_PATH"] = store
    # Coverage of processes that are killed is lost anyway, and slows down those that are not.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GRID_", "COV", "PYTEST"))}
    for name in ("DATABASE_URL", "ARTIFACTS_PATH"):
        kept.pop(name, None)
    return {**kept, **{name: str(value) for name, value in own.items()}}
