"""Workers in namespaces of their own, without a folder in common, on one PostgreSQL, Redis and S3 server:

    python -m benchmarks.namespaces [--points 10000] [--rods 240] [--repeats 3] [--json FILE]

Each worker has a host name, a mount namespace with a data folder in memory that nobody else sees, and one slot. The
server has a data folder of its own as well. A sweep of no-ops is computed by both workers; a sweep of rods that keep a
core busy by one and by both, in turn; beside the clock stands the processor time of whichever worker had more of it,
which is what a machine with a free core for each would take. S3 is the small server of the tests, within this process:
no figure is about it. Needs root.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import text
from tests.doubles.s3_server import BUCKET, serving_s3
from tests.support.redis import start_redis

from benchmarks.databases import Databases, open_databases
from benchmarks.load import wait_for
from benchmarks.processes import find_descendants, measure_processor_s, running, wait_until_quiet
from benchmarks.runs import Run
from benchmarks.service import GRID, JOBS_PATH, Connection, Service, find_free_port
from benchmarks.table import Bar, Row, render_table
from grid.database.engine import Database, create_database

BAR = Bar("at least", 1.6)
# One line of a shell: the folder is replaced by memory that only this namespace sees.
INSIDE = 'mount -t tmpfs -o mode=700 tmpfs "$0" && hostname "$1" && shift && exec "$@"'
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "grid",
    "AWS_SECRET_ACCESS_KEY": "grid",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}
SEEN = "grid-bench-namespaces-"
ROD = {"time_steps": 100, "spatial_steps": 401, "end_time": 1.0}  # some 30 ms of a core each
FIRST_DIFFUSIVITY, LAST_DIFFUSIVITY = 0.9, 1.1


def isolate(command: Sequence[str], folder: Path, host: str) -> list[str]:
    """Return the command that runs another one under a host name of its own, with a folder that nobody else sees."""
    namespaces = ("unshare", "--mount", "--uts", "--propagation", "private", "--")
    return [*namespaces, "sh", "-c", INSIDE, str(folder), host, *command]


def can_isolate() -> bool:
    """Tell whether this user may make namespaces here."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "--mount", "--uts", "true"], capture_output=True, check=False).returncode == 0


@dataclass
class Stage:
    """The parts that all workers share, and a server.

    Args:
        service: The server.
        database: Its tables.
        folder: In whose place every worker has memory of its own.
        environment: Of a worker.
        workers: Process ids by host name.
    """

    service: Service
    database: Database
    folder: Path
    environment: Mapping[str, str]
    workers: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def worker(self, host: str) -> Iterator[None]:
        """Run a worker in namespaces of its own, and drain it at the end; it is up and idle when this begins."""
        home = self.folder / host
        command = isolate([*GRID, "worker"], self.folder, host)
        environment = {**self.environment, "GRID_HOME": str(home)}
        with running(command, environment) as pid:
            self.workers[host] = pid
            wait_for(lambda: self._has_children(host), what=f"the worker of {host}")
            wait_until_quiet({host: pid})
            if home.exists():
                raise RuntimeError(f"{home} of {host} can be seen from outside")
            yield
            del self.workers[host]

    def _has_children(self, host: str) -> bool:
        return len(find_descendants(self.workers[host])) >= 2  # fork server and child

    def used(self) -> dict[str, float]:
        """Return the processor time of each worker with its children so far [s]."""
        return {host: measure_processor_s([pid, *find_descendants(pid)]) for host, pid in self.workers.items()}

    def carry_through(self, body: bytes) -> tuple[float, dict[str, int], dict[str, float]]:
        """Have a sweep computed; return the seconds, points by host, and processor time by host [s].

        Raises:
            RuntimeError: A point did not succeed.
        """
        before = self.used()
        with closing(self.service.connect()) as connection:
            started = time.perf_counter()
            answer = connection.json("POST", JOBS_PATH, body)
            sweep = answer["sweep"]
            wait_for(lambda: _is_finished(connection, sweep), what="the sweep", limit_s=600.0, every_s=0.05)
            seconds = time.perf_counter() - started
            found = connection.json("GET", f"/api/v1/sweeps/{sweep}?page=1&size=1")
            if found["by_status"]["success"] != sum(found["by_status"].values()):
                raise RuntimeError(f"not all points succeeded: {found['by_status']}")
            path = f"{JOBS_PATH}/{answer['jobs'][0]}/artifacts/meta.json"
            status, content = connection.call("GET", path)
            if status != 200:
                raise RuntimeError(f"a result cannot be read: {status} {content[:300]!r}")
        after = self.used()
        return seconds, self._hosts(sweep), {host: after[host] - before[host] for host in after}

    def _hosts(self, sweep: str) -> dict[str, int]:
        query = (
            "SELECT attempt.host, count(*) FROM job_attempts AS attempt JOIN jobs ON jobs.id = attempt.job_id "
            "WHERE jobs.sweep_id = CAST(:sweep AS uuid) GROUP BY attempt.host ORDER BY attempt.host"
        )
        with self.database.engine.connect() as connection:
            return {host: count for host, count in connection.execute(text(query), {"sweep": sweep})}  # noqa: C416


def _is_finished(connection: Connection, sweep: str) -> bool:
    return bool(connection.json("GET", f"/api/v1/sweeps/{sweep}?page=1&size=1")["is_finished"])


@contextmanager
def staged() -> Iterator[Stage]:
    """Start PostgreSQL, Redis, S3 and a server.

    Raises:
        PostgresMissingError, RedisMissingError: There is none.
    """
    with ExitStack() as stack:
        databases: Databases = stack.enter_context(open_databases("postgresql"))
        redis = start_redis()
        stack.callback(redis.stop)
        s3 = stack.enter_context(serving_s3())
        own = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{SEEN}server-")))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=SEEN)))
        url, port = databases.make_migrated(), find_free_port()
        common = {
            **os.environ,
            **CREDENTIALS,
            "DATABASE_URL": url,
            "REDIS_URL": redis.url(),
            "GRID_BELL": "redis",
            "GRID_ARTIFACTS_URL": f"s3://{BUCKET}/namespaces",
            "GRID_S3_ENDPOINT": s3.url,
            "GRID_SLOTS": "1",
            "LOG_LEVEL": "WARNING",
        }
        environment = {**common, "GRID_HOME": str(own / ".grid"), "GRID_PORT": str(port)}
        service = Service(databases, url, port, environment)
        stack.enter_context(running([*GRID, "serve"], environment))
        database = stack.enter_context(closing(create_database(url, application="worker")))
        wait_for(lambda: _is_ready(port), what="the server")
        yield Stage(service, database, folder, common)


def _is_ready(port: int) -> bool:
    try:
        with closing(Connection(port, "")) as connection:
            return connection.call("GET", "/live")[0] == 200
    except OSError:
        return False


def make_rods(count: int) -> bytes:
    """Return a sweep of rods that keep a core busy."""
    step = (LAST_DIFFUSIVITY - FIRST_DIFFUSIVITY) / count
    points = [{**ROD, "diffusivity": FIRST_DIFFUSIVITY + index * step} for index in range(count)]
    return json.dumps({"simulation": "heat-rod", "sweep": points}).encode()


def measure(stage: Stage, *, points: int, rods: int, repeats: int) -> list[Row]:
    """Measure the sweep of no-ops with both workers, and the rods with one and with both in turn."""
    alone: list[float] = []
    both: list[float] = []
    cores: dict[int, list[float]] = {1: [], 2: []}
    busiest: dict[int, list[float]] = {1: [], 2: []}
    body = make_rods(rods)
    with stage.worker("one"):
        stage.carry_through(make_rods(8))  # compiled and calibrated
        with stage.worker("two"):
            noops = json.dumps({"simulation": "noop", "sweep": [{"payload_bytes": 64 + n % 8} for n in range(points)]})
            seconds, hosts, used = stage.carry_through(noops.encode())
            _say(f"{points} no-ops in {seconds:.1f} s; points: {hosts}; processor s: {_round(used)}")
            if set(hosts) != {"one", "two"}:
                raise RuntimeError(f"not both workers had a part of it: {hosts}")
        for _ in range(repeats):
            for workers, rates in ((1, alone), (2, both)):
                with ExitStack() as stack:
                    if workers == 2:
                        stack.enter_context(stage.worker("two"))
                    seconds, hosts, used = stage.carry_through(body)
                rates.append(rods / seconds)
                cores[workers].append(sum(used.values()) / seconds)
                busiest[workers].append(rods / max(used.values()))
                _say(f"{workers}: {rods} rods in {seconds:.1f} s; points: {hosts}; processor s: {_round(used)}")
    return [
        Row(f"{rods} rods, two namespaces", "points/s", both, "one", alone, BAR, "postgresql"),
        Row(
            f"{rods} rods by processor time of the busiest worker, two namespaces",
            "points/s",
            busiest[2],
            "one",
            busiest[1],
            None,
            "postgresql",
        ),
        Row("cores in use by workers, two namespaces", "", cores[2], "one", cores[1], None, "postgresql"),
    ]


def _round(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 1) for name, value in values.items()}


def _say(what: str) -> None:
    print(f"load {os.getloadavg()[0]:.1f}: {what}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.namespaces",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--points", type=int, default=10_000, help="no-ops")
    parser.add_argument("--rods", type=int, default=240)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the rows into this file as well")
    options = parser.parse_args()
    if not can_isolate():
        parser.error("namespaces cannot be made here: this needs root, and unshare of util-linux")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    whole = Run()
    with staged() as stage:
        rows = measure(stage, points=options.points, rods=options.rods, repeats=options.repeats)
    machine = whole.describe(f"{options.points} no-ops, {options.rods} rods")
    if options.json:
        records: list[dict[str, Any]] = [asdict(row) for row in rows]
        options.json.write_text(json.dumps({"machine": machine, "records": records}), encoding="utf-8")
    print(f"{render_table(rows)}\n\n{machine}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
