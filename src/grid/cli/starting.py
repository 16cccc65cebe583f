"""Start, watch and stop the two processes of the embedded service: a server and a worker."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

from grid.cli.waiting import Patience
from grid.client import calls
from grid.client.client import GridClient, address_of, find_address
from grid.client.errors import CertificateError, ProblemError, ServerUnreachableError
from grid.client.folder import read_address, write_address
from grid.client.remote import find_server
from grid.core.errors import ConfigurationError, UnavailableError
from grid.core.logging import turn_over
from grid.core.settings import Settings
from grid.runtime.home import Home, find_running, open_home, write_pid_file
from grid.runtime.processes import find_descendants, find_start_time

Say = Callable[[str], None]

STOP_S = 30.0  # a worker drains within 20 s
# One arena of glibc's allocator for many threads, given back early: after a burst the processes shrink again.
FRUGAL = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": str(2**20), "MALLOC_MMAP_THRESHOLD_": str(2**17)}
ROLES = ("server", "worker")
COMMANDS = {"server": ("-m", "grid.api"), "worker": ("-m", "grid.cli.main", "worker")}
CELERY_WORKER = ("-m", "celery", "-A", "grid.tasks.celery_app", "worker", "--loglevel", "info")
Stack = Literal["embedded", "services"]


class StartError(UnavailableError):
    """A process ended before it was ready; the sentence names its log."""

    code, title = "start-failed", "Grid did not start"


@dataclass(frozen=True)
class Started:
    """A process that this command started, so that Ctrl-C can take it back."""

    role: str
    process: subprocess.Popen[bytes]


def start_service(*, say: Say, settings: Settings | None = None, stack: Stack = "embedded") -> dict[str, Any]:
    """Start what does not run yet, and wait until `/ready` says yes.

    With the stack `services`, PostgreSQL and Redis are started too, and the worker is Celery's; GRID_FLOWER=1 in the
    environment adds Flower.

    Raises:
        ConfigurationError: The port is taken, the data folder cannot be used, or its server runs elsewhere; one
            sentence says which.
        StartError: A process ended before it was ready.
        StalledError: Nothing happens any more, and it is not ready.
    """
    settings = settings or Settings()
    require_own_server(settings)
    home = open_home(settings.grid_home)
    if stack == "services":
        settings = _start_services(home, settings, say)
    running = [role for role in ROLES if find_running(home, role) is not None]
    address = read_address(home.root) or address_of(settings)
    if address != find_address(settings):
        raise ConfigurationError(
            f"The server of this data folder answers at {address} already; `grid down` stops it, so that it can move."
        )
    if "server" not in running:
        require_free_port(settings)
        _upgrade(settings, say)
        write_address(home.root, address)
    started: list[Started] = []
    try:
        for role in ROLES:
            if role not in running:
                say(f"starting the {role}")
                started.append(_start(role, home, CELERY_WORKER if stack == "services" and role == "worker" else None))
        wait_until_ready(settings, started, say=say, address=address)
    except BaseException:  # Ctrl-C as well: nothing half-started stays behind
        for one in started:
            _end(one.process.pid)
        raise
    return {"address": address, "home": str(home.root), "started": [one.role for one in started]}


def require_own_server(settings: Settings) -> None:
    """Refuse to start a server that no later command would use: they were told to use one elsewhere.

    Raises:
        ConfigurationError: GRID_URL is set, or somebody logged in to another server.
    """
    elsewhere = find_server(settings)
    if elsewhere is not None:
        way_back = "unset GRID_URL" if settings.grid_url is not None else "run `grid auth logout`"
        raise ConfigurationError(
            f"Commands of this data folder use the server {elsewhere.address}; {way_back} to start one here."
        )


def _start_services(home: Home, settings: Settings, say: Say) -> Settings:
    """Start what Grid stands on, and return the settings with its addresses; children get them by the environment."""
    from grid.cli.backing import start_backing

    if settings.database_url or settings.redis_url:
        raise ConfigurationError(
            "DATABASE_URL or REDIS_URL is set, and the stack `services` starts a database and a Redis of its own; "
            "unset them, or use `grid up` alone with yours."
        )
    environment = start_backing(home, say=say, with_flower=os.environ.get("GRID_FLOWER", "") in ("1", "true"))
    os.environ.update(environment)
    return settings.model_copy(
        update={"database_url": environment["DATABASE_URL"], "redis_url": environment["REDIS_URL"]}
    )


def require_free_port(settings: Settings) -> None:
    """Refuse a port on which somebody else listens."""
    family = socket.AF_INET6 if ":" in settings.grid_host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.grid_host, settings.grid_port))
        except OSError as error:
            raise ConfigurationError(
                f"{settings.grid_host}:{settings.grid_port} cannot be used ({error.strerror}); "
                "stop the program that listens there, or set GRID_PORT to another port."
            ) from error


def _upgrade(settings: Settings, say: Say) -> None:
    from grid.database import migrate

    url = settings.resolved_database_url
    if not migrate.is_current(url):
        say("preparing the database")
        migrate.upgrade(url)


def _start(role: str, home: Home, command: Sequence[str] | None = None) -> Started:
    log = home.logs / f"{role}.log"
    if log.exists():
        turn_over(log)  # it turns itself over while it runs
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            [sys.executable, *(command or COMMANDS[role])],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            env={**os.environ, **FRUGAL, "GRID_HOME": str(home.root)},
        )
    finally:
        os.close(descriptor)
    write_pid_file(home, role, process.pid)  # so that `grid down` finds it, also before it can say so itself
    return Started(role, process)


def wait_until_ready(settings: Settings, started: Sequence[Started], *, say: Say, address: str | None = None) -> None:
    """Wait for `/ready` as long as the processes work towards it; end early where one that we started is gone."""
    patience = Patience(
        say, lambda: find_service_processes(settings), find_hint=lambda: _last_words(settings.grid_home, "worker")
    )
    pause = 0.05
    with GridClient(address or find_address(settings)) as client:
        while waiting_for := _missing_parts(client):
            for one in started:
                if one.process.poll() is not None:
                    raise StartError(f"The {one.role} ended at once. {_last_words(settings.grid_home, one.role)}")
            patience.look(waiting_for)
            time.sleep(pause)
            pause = min(1.0, pause * 1.1)


def find_service_processes(settings: Settings) -> list[int]:
    """Return the server, the worker and all that they started."""
    roots = [pid for role in ROLES if (pid := find_running(Home(settings.grid_home), role)) is not None]
    return [pid for root in roots for pid in (root, *find_descendants(root))]


def _missing_parts(client: GridClient) -> str:
    try:
        client.send(calls.ready())
    except ServerUnreachableError:
        return "the server"
    except ProblemError as error:
        return ", ".join(_unready(error.problem)) or "the service"
    return ""


def _unready(document: dict[str, Any]) -> list[str]:
    parts = document.get("parts") or []
    return [str(part.get("name")) for part in parts if isinstance(part, dict) and part.get("state") != "ready"]


def _last_words(home: Path, role: str) -> str:
    log = home / "logs" / f"{role}.log"
    try:
        lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    return f"Its log says: {lines[-1][:500]}" if lines else f"Its log is {log}."


def stop_service(*, say: Say, settings: Settings | None = None) -> list[str]:
    """Stop the worker, then the server; return what was stopped. Processes that are not ours are never touched."""
    settings = settings or Settings()
    stopped = []
    for role in reversed(ROLES):
        pid = find_running(Home(settings.grid_home), role)
        if pid is not None:
            say(f"stopping the {role}")
            _end(pid)
            stopped.append(role)
    from grid.cli.backing import stop_backing

    return stopped + stop_backing(Home(settings.grid_home), say=say)


def _end(pid: int) -> None:
    """Ask a process to stop, and insist after `STOP_S`."""
    for number, patience in ((signal.SIGTERM, STOP_S), (signal.SIGKILL, 5.0)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if _is_gone(pid):
                return
            time.sleep(0.02)


def _is_gone(pid: int) -> bool:
    from contextlib import suppress

    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # where it is our own child, so that it does not stay as a zombie
    return find_start_time(pid) is None


def describe_service(settings: Settings | None = None) -> dict[str, Any]:
    """Return the parts of the service and their states, also where none answers."""
    settings = settings or Settings()
    processes = {role: find_running(Home(settings.grid_home), role) for role in ROLES}
    elsewhere = find_server(settings)
    document: dict[str, Any] = {
        "address": elsewhere.address if elsewhere is not None else find_address(settings),
        "home": str(settings.grid_home),
        "processes": processes,
        "is_ready": False,
        "parts": [],
    }
    context = elsewhere.make_context() if elsewhere is not None else None
    with GridClient(str(document["address"]), context=context) as client:
        try:
            answer = client.send(calls.ready())
            document.update(is_ready=True, parts=answer.get("parts", []))
        except ProblemError as error:
            document["parts"] = error.problem.get("parts", [])
        except (ServerUnreachableError, CertificateError) as error:
            detail = str(error) if isinstance(error, CertificateError) else error.cause
            document["parts"] = [{"name": "server", "kind": "http", "state": "down", "detail": detail}]
    return document


def print_logs(*, lines: int, follow: bool, settings: Settings | None = None) -> None:
    """Print the last lines of both logs, then what comes where `follow` is set, each line with its process."""
    settings = settings or Settings()
    with _open_logs(settings.grid_home) as logs:
        if not logs:
            raise ConfigurationError(f"There are no logs in {settings.grid_home / 'logs'} yet.")
        for role, log in logs.items():
            for line in log.readlines()[-lines:]:
                sys.stdout.write(f"{role:<6} | {line}")
        while follow:
            sys.stdout.flush()
            fresh = [(role, line) for role, log in logs.items() for line in _read_on(log)]
            for role, line in fresh:
                sys.stdout.write(f"{role:<6} | {line}")
            if not fresh:
                time.sleep(0.2)


def _read_on(log: TextIO) -> list[str]:
    """Return the lines that came, from the beginning where the log was turned over meanwhile."""
    if os.fstat(log.fileno()).st_size < log.tell():
        log.seek(0)
    return log.readlines()


@contextmanager
def _open_logs(home: Path) -> Iterator[dict[str, TextIO]]:
    paths = {role: home / "logs" / f"{role}.log" for role in ROLES}
    logs: dict[str, TextIO] = {
        role: path.open(encoding="utf-8", errors="replace") for role, path in paths.items() if path.exists()
    }
    try:
        yield logs
    finally:
        for log in logs.values():
            log.close()
