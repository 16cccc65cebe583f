"""Procrastinate beside Grid: its worker and a bare FastAPI route that defers jobs, on the same PostgreSQL."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from benchmarks.bare import connect_postgresql
from benchmarks.databases import Databases
from benchmarks.engine.environments import prepare
from benchmarks.load import Endpoint, is_listening, wait_for
from benchmarks.processes import running
from benchmarks.service import find_free_port

PINS = Path(__file__).parent / "peers"
PROGRAM = ("-c", "import procrastinate_service as p; p.main()")  # in the folder of the pins
NAME = "Procrastinate"

_OPEN = "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
_FAILED = "SELECT count(*) FROM procrastinate_jobs WHERE status NOT IN ('todo', 'doing', 'succeeded')"
_STARTS = """
    SELECT extract(epoch FROM started.at - deferred.at)
    FROM procrastinate_events AS deferred JOIN procrastinate_events AS started USING (job_id)
    WHERE deferred.type = 'deferred' AND started.type = 'started' AND job_id > %s
"""


@dataclass
class Procrastinate:
    """Where its route answers, its processes, and a look into its tables."""

    port: int
    pids: dict[str, int]
    connection: "psycopg.Connection[Any]"
    name: str = NAME
    _forgotten: int = 0  # number of the last job that is not asked about any more

    def endpoint(self, body: bytes) -> Endpoint:
        """Return where jobs are submitted."""
        return Endpoint(self.port, "/jobs", body)

    def wait_until_done(self, jobs: int) -> None:  # noqa: ARG002 - others count what has ended
        """Wait until every job has ended.

        Raises:
            RuntimeError: One failed, or they did not end.
        """
        wait_for(lambda: self._ask(_OPEN) == 0, what="Procrastinate's jobs")
        if self._ask(_FAILED):
            raise RuntimeError("jobs of Procrastinate failed")

    def forget(self) -> None:
        """Leave the jobs so far out: `start_latencies` tells of later ones."""
        self._forgotten = self._ask("SELECT coalesce(max(id), 0) FROM procrastinate_jobs")

    def start_latencies(self) -> list[float]:
        """Return for each job since `forget` the time from its making to its start [s]."""
        return [float(row[0]) for row in self.connection.execute(_STARTS, (self._forgotten,))]

    def _ask(self, query: str) -> int:
        row = self.connection.execute(query).fetchone()  # type: ignore[call-overload]
        return int(row[0]) if row is not None else 0


@contextmanager
def running_procrastinate(databases: Databases) -> Iterator[Procrastinate]:
    """Run route and worker on a database of their own.

    Raises:
        EnvironmentMissingError: It cannot be installed here.
    """
    command = [prepare("procrastinate", PINS).python, *PROGRAM]
    environment = {**os.environ, "PYTHONPATH": str(PINS)}
    url = make_url(databases.make())
    conninfo = f"host={url.host} port={url.port} user={url.username} dbname={url.database}"
    subprocess.run([*command, "schema", conninfo], env=environment, check=True)
    port = find_free_port()
    with ExitStack() as stack:
        connection = stack.enter_context(connect_postgresql(url, autocommit=True))
        worker = stack.enter_context(running([*command, "work", conninfo], environment))
        server = stack.enter_context(running([*command, "serve", conninfo, str(port)], environment))
        wait_for(lambda: is_listening(port), what="Procrastinate's route")
        yield Procrastinate(port, {"server": server, "worker": worker}, connection)
