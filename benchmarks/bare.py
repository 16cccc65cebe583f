"""What a submission costs at least: a bare FastAPI route that inserts one row, and the insert without a route.

    python -m benchmarks.bare URL PORT

Like Grid's server it is one process of uvicorn with h11, its route runs in a thread and answers 202 once the row is on
the disk, and each connection to the database has Grid's settings. It asks for no login, checks nothing but the form of
the body, and uses the driver without SQLAlchemy.
"""

import json
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID, uuid4

import psycopg
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy.engine import URL, make_url

from benchmarks.databases import Databases
from benchmarks.load import is_listening, wait_for
from benchmarks.processes import running
from benchmarks.service import find_free_port
from grid.database.engine import POSTGRESQL_SESSION, SQLITE_PRAGMAS

Values = tuple[UUID, str, str]  # id, simulation, parameters as JSON


class Store(Protocol):
    """One table of one database; its methods may be called from any thread."""

    def create(self) -> None:
        """Make the table."""
        ...

    def insert(self, rows: Sequence[Values]) -> None:
        """Insert rows in one transaction; they are on the disk when this returns."""
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


C = TypeVar("C", bound="sqlite3.Connection | psycopg.Connection[Any]")


class PerThread(Generic[C]):
    """One connection for each thread."""

    def __init__(self, connect: Callable[[], C]) -> None:
        self._connect, self._local = connect, threading.local()
        self._all: list[C] = []

    def get(self) -> C:
        """Return the connection of the calling thread."""
        if not hasattr(self._local, "connection"):
            self._local.connection = self._connect()
            self._all.append(self._local.connection)
        connection: C = self._local.connection
        return connection

    def close(self) -> None:
        """Close the connections of all threads."""
        for connection in self._all:
            connection.close()


class SqliteStore:
    """One writer at a time: waiting for the lock of the file would cost pauses."""

    def __init__(self, url: URL) -> None:
        self._connections = PerThread(lambda: connect_sqlite(url.database or ""))
        self._lock = threading.Lock()
        self.close = self._connections.close

    def create(self) -> None:
        """Make the table."""
        columns = "id TEXT PRIMARY KEY, simulation TEXT NOT NULL, params TEXT NOT NULL"
        self._connections.get().execute(f"CREATE TABLE bare_jobs ({columns})")

    def insert(self, rows: Sequence[Values]) -> None:
        """Insert rows in one transaction."""
        connection = self._connections.get()
        with self._lock, connection:  # committed at its end
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO bare_jobs VALUES (?, ?, ?)", [(one.hex, *rest) for one, *rest in rows])


class PostgresqlStore:
    """A row that is alone is a transaction of its own, in one round trip."""

    def __init__(self, url: URL) -> None:
        self._connections = PerThread(lambda: connect_postgresql(url, autocommit=True))
        self.close = self._connections.close

    def create(self) -> None:
        """Make the table."""
        columns = "id uuid PRIMARY KEY, simulation text NOT NULL, params jsonb NOT NULL"
        self._connections.get().execute(f"CREATE TABLE bare_jobs ({columns})")

    def insert(self, rows: Sequence[Values]) -> None:
        """Insert rows in one transaction."""
        connection = self._connections.get()
        statement = "INSERT INTO bare_jobs VALUES (%s, %s, %s)"
        if len(rows) == 1:
            connection.execute(statement, rows[0])
        else:
            with connection.transaction(), connection.cursor() as cursor:
                cursor.executemany(statement, rows)


def connect_sqlite(path: str) -> sqlite3.Connection:
    """Open a connection with the settings of Grid's own, whose transactions are written out."""
    connection = sqlite3.connect(path, timeout=5, isolation_level=None, cached_statements=256, check_same_thread=False)
    for pragma in SQLITE_PRAGMAS:
        connection.execute(pragma)
    return connection


def connect_postgresql(url: URL, *, autocommit: bool) -> "psycopg.Connection[Any]":
    """Open a connection with the settings of Grid's own."""
    return psycopg.connect(
        host=url.host,
        port=url.port,
        user=url.username,
        dbname=url.database,
        options=POSTGRESQL_SESSION,
        autocommit=autocommit,
    )


def open_store(url: str) -> Store:
    """Return the table of the database at an SQLAlchemy URL."""
    target = make_url(url)
    return SqliteStore(target) if target.get_backend_name() == "sqlite" else PostgresqlStore(target)


class Submission(BaseModel):
    """What Grid's route takes of a job."""

    simulation: str
    params: dict[str, Any]


class Sweep(BaseModel):
    """What Grid's route takes of a sweep."""

    simulation: str
    sweep: list[dict[str, Any]]


def make_app(store: Store) -> FastAPI:
    """Return the application."""
    app = FastAPI(openapi_url=None)

    @app.post("/jobs", status_code=202)
    def submit_job(body: Submission) -> dict[str, UUID]:
        job = uuid4()
        store.insert([(job, body.simulation, json.dumps(body.params))])
        return {"job": job}

    @app.post("/sweeps", status_code=202)
    def submit_sweep(body: Sweep) -> dict[str, list[UUID]]:
        jobs = [uuid4() for _ in body.sweep]
        store.insert([(job, body.simulation, json.dumps(point)) for job, point in zip(jobs, body.sweep, strict=True)])
        return {"jobs": jobs}

    return app


@dataclass(frozen=True)
class BareServer:
    """Where the bare route answers, its process, and its database."""

    port: int
    pid: int
    url: str


@contextmanager
def running_bare(databases: Databases) -> Iterator[BareServer]:
    """Serve the bare route in a process and a database of its own."""
    url, port = databases.make(), find_free_port()
    with closing(open_store(url)) as store:
        store.create()
    with running([sys.executable, "-m", "benchmarks.bare", url, str(port)]) as pid:
        wait_for(lambda: is_listening(port), what="the bare route")
        yield BareServer(port, pid, url)


def measure_commit_rate(databases: Databases, *, seconds: float = 2.0) -> float:
    """Return how many rows a second one connection inserts and commits, one after the other, without a route."""
    row = '{"payload_bytes": 1024}'
    with closing(open_store(databases.make())) as store:
        store.create()
        store.insert([(uuid4(), "noop", row)])
        count, started = 0, time.perf_counter()
        while time.perf_counter() - started < seconds:
            store.insert([(uuid4(), "noop", row)])
            count += 1
        return count / (time.perf_counter() - started)


if __name__ == "__main__":
    uvicorn.run(
        make_app(open_store(sys.argv[1])),
        port=int(sys.argv[2]),
        http="h11",
        loop="asyncio",
        access_log=False,
        log_level="warning",
    )
