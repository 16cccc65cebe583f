"""What no-op jobs cost the database alone: one process that runs their statements, without routes, workers, children.

Twice, in groups as large as those that the service made: by Grid's own calls (store a submission with its events and
its audit entry, claim, conclude), and by the driver alone. For the latter the statements of the calls are recorded with
their parameters and run again on a second database that began as the first did: they find and change the same rows.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, Self
from unittest.mock import patch

from sqlalchemy import Engine, event, text
from sqlalchemy.engine import make_url
from tests.doubles.bells import MemoryDoorbell, MemoryImageCatalogue
from tests.support.ledgers import add_owner, claim

from benchmarks.bare import connect_postgresql, connect_sqlite
from benchmarks.databases import Databases
from grid.core.settings import Settings
from grid.database import prepared
from grid.database.engine import Database, create_database
from grid.database.prepared import execute_on_driver
from grid.database.uow import UnitOfWork
from grid.plugins.registry import load_registry
from grid.schemas.jobs import Claim, JsonObject, Manifest
from grid.schemas.wire import SubmissionIn
from grid.services import ledger
from grid.services.ledger import LogChunk, Succeeded
from grid.services.submission_store import PendingSubmission, QueueLimits, store_submissions
from grid.services.submissions import SubmissionService

JOBS = 1_000
WARM_UP = 200  # jobs: statements are compiled and prepared, and the tables have some rows
LIMITS = QueueLimits(10**6, 10**6)


@dataclass(frozen=True)
class GroupSizes:
    """How many jobs one transaction took, on average."""

    stored: float
    claimed: float
    concluded: float

    def __str__(self) -> str:
        return f"{self.stored:.1f} stored, {self.claimed:.1f} claimed, {self.concluded:.1f} concluded"


@dataclass(frozen=True)
class Counts:
    """Jobs and transactions that the tables of a database tell of: each transaction has one time, each claim an id."""

    jobs: int
    stored: int
    claimed: int
    concluded: int

    @classmethod
    def of(cls, database: Database) -> "Counts":
        """Read them."""
        queries = (
            "SELECT count(*), count(DISTINCT created_at) FROM jobs",
            "SELECT count(DISTINCT batch_id), count(DISTINCT ended_at) FROM job_attempts",
        )
        with database.engine.connect() as connection:
            return cls(*[number for query in queries for number in connection.execute(text(query)).one()])

    def sizes_since(self, earlier: "Counts") -> GroupSizes:
        """Return the mean sizes of the groups that came after an earlier count."""
        jobs = self.jobs - earlier.jobs
        stored, claimed, concluded = (
            getattr(self, name) - getattr(earlier, name) for name in ("stored", "claimed", "concluded")
        )
        return GroupSizes(jobs / stored, jobs / claimed, jobs / concluded)


@dataclass(frozen=True)
class Sample:
    """What a finished no-op of the service left: stored again for each job here."""

    params: JsonObject
    manifest: Manifest
    usage: JsonObject
    log: str


Step = tuple[Literal["store", "claim", "conclude"], int]


def make_schedule(jobs: int, sizes: GroupSizes) -> list[Step]:
    """Return the transactions of that many jobs: each kind in groups of nearly equal sizes, none before its time."""
    stores, claims = iter(_split(jobs, sizes.stored)), iter(_split(jobs, sizes.claimed))
    steps: list[Step] = []
    stored = claimed = concluded = 0
    for ending in _split(jobs, sizes.concluded):
        while claimed < concluded + ending:
            claiming = next(claims)
            while stored < claimed + claiming:
                storing = next(stores)
                steps.append(("store", storing))
                stored += storing
            steps.append(("claim", claiming))
            claimed += claiming
        steps.append(("conclude", ending))
        concluded += ending
    return steps


def _split(jobs: int, size: float) -> list[int]:
    groups = max(1, round(jobs / size))
    return [jobs * (i + 1) // groups - jobs * i // groups for i in range(groups)]


class Process:
    """One process that does what server and worker do to the database, by the same calls."""

    def __init__(self, database: Database, sample: Sample, *, owner: str = "ada") -> None:
        self._uow, self._sample = UnitOfWork(database), sample
        self._owner = add_owner(self._uow, owner)
        settings, images = Settings(_env_file=None), MemoryImageCatalogue()
        self._service = SubmissionService(self._uow, load_registry(), images, settings, MemoryDoorbell())
        self._claims: list[Claim] = []

    def make_submissions(self, count: int) -> list[PendingSubmission]:
        """Check and price submissions: no statement belongs to that."""
        submission = SubmissionIn(simulation="noop", params=self._sample.params)
        return [PendingSubmission(self._owner, self._service.validate(submission), LIMITS) for _ in range(count)]

    def run(self, schedule: Sequence[Step], submissions: Iterator[PendingSubmission]) -> float:
        """Run a schedule; return the seconds it took."""
        started = time.perf_counter()
        for kind, count in schedule:
            if kind == "store":
                with self._uow.begin() as tx:
                    store_submissions(tx, [next(submissions) for _ in range(count)])
            elif kind == "claim":
                self._claim(count)
            else:
                self._conclude(count)
        return time.perf_counter() - started

    def _claim(self, count: int) -> None:
        batch = claim(self._uow, max_jobs=count)
        if batch is None or len(batch.jobs) != count:
            raise RuntimeError(f"{count} jobs were there to be claimed")
        self._claims += [job.claim for job in batch.jobs]

    def _conclude(self, count: int) -> None:
        ending, self._claims = self._claims[:count], self._claims[count:]
        sample = self._sample
        outcomes = [Succeeded(one, sample.manifest, sample.usage) for one in ending]
        logs = [LogChunk(one, 0, sample.log) for one in ending] if sample.log else []
        if len(ledger.conclude(self._uow, outcomes, logs, ending)) != count:
            raise RuntimeError(f"{count} jobs were there to be concluded")


def measure_calls(databases: Databases, sizes: GroupSizes, sample: Sample, *, jobs: int = JOBS) -> tuple[float, float]:
    """Carry no-op jobs through by Grid's own calls; return jobs a second, and ms of processor time for each.

    The processor time is that of this process, without PostgreSQL's.
    """
    with closing(create_database(databases.make_migrated())) as database:
        process = Process(database, sample)
        process.run(make_schedule(WARM_UP, sizes), iter(process.make_submissions(WARM_UP)))
        submissions = iter(process.make_submissions(jobs))
        used = time.process_time()
        seconds = process.run(make_schedule(jobs, sizes), submissions)
        return jobs / seconds, (time.process_time() - used) / jobs * 1e3


def measure_statements(databases: Databases, sizes: GroupSizes, sample: Sample, *, jobs: int = JOBS) -> float:
    """Return how many no-op jobs a second one process carries through by the statements alone."""
    first, second = databases.make_migrated(), databases.make_migrated()
    with closing(create_database(first)) as database:
        warm_up, measured = Recording(database.engine), Recording(database.engine)
        with warm_up:
            process = Process(database, sample)
            process.run(make_schedule(WARM_UP, sizes), iter(process.make_submissions(WARM_UP)))
        submissions = iter(process.make_submissions(jobs))
        with measured:
            process.run(make_schedule(jobs, sizes), submissions)
        ended = count_successes(database)
    with closing(open_driver(second)) as driver:
        replay(driver, warm_up.steps)
        seconds = replay(driver, measured.steps)
    with closing(create_database(second)) as database:
        if count_successes(database) != ended or ended != WARM_UP + jobs:
            raise RuntimeError("the statements did not do again what the calls had done")
    return jobs / seconds


def count_successes(database: Database) -> int:
    """Count the jobs that succeeded."""
    with database.engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM jobs WHERE state = 'success'")).scalar_one())


BEGIN = "BEGIN IMMEDIATE"  # of SQLite; the driver of PostgreSQL begins by itself
COMMIT = "COMMIT"
Recorded = tuple[str, Any, bool]  # a statement, its parameters as the driver takes them, and whether there are many


class Recording:
    """Every statement that an engine runs within the block, with its parameters; ends of transactions among them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._patch = patch.object(prepared, "execute_on_driver", self._execute)
        self.steps: list[Recorded] = []

    def __enter__(self) -> Self:
        event.listen(self._engine, "begin", self._begin)
        event.listen(self._engine, "before_cursor_execute", self._record)
        event.listen(self._engine, "commit", self._commit)
        self._patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(self._engine, "begin", self._begin)
        event.remove(self._engine, "before_cursor_execute", self._record)
        event.remove(self._engine, "commit", self._commit)
        self._patch.stop()

    def _execute(self, driver: Any, sql: str, parameters: Any, *, many: bool = False) -> Any:
        """Record what goes by the driver alone."""
        self.steps.append((sql, parameters, many))
        return execute_on_driver(driver, sql, parameters, many=many)

    def _begin(self, connection: Any) -> None:
        if connection.dialect.name == "sqlite":
            self.steps.append((BEGIN, (), False))

    def _record(self, _connection: Any, _cursor: Any, statement: str, given: Any, _context: Any, many: bool) -> None:
        if statement != BEGIN:
            self.steps.append((statement, given, many))

    def _commit(self, _connection: Any) -> None:
        self.steps.append((COMMIT, (), False))


class Driver(Protocol):
    """A connection of a driver, as far as a replay needs it."""

    def cursor(self) -> Any:
        """Return a cursor."""
        ...

    def commit(self) -> None:
        """End the transaction; it is on the disk when this returns."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


def open_driver(url: str) -> Driver:
    """Open a connection with Grid's settings, without SQLAlchemy."""
    target = make_url(url)
    if target.get_backend_name() == "sqlite":
        return connect_sqlite(str(Path(target.database or "")))
    return connect_postgresql(target, autocommit=False)


def replay(driver: Driver, steps: Sequence[Recorded]) -> float:
    """Run recorded statements, read what they return, commit where it was committed; return the seconds it took."""
    cursor = driver.cursor()
    started = time.perf_counter()
    for statement, given, many in steps:
        if statement is COMMIT:
            driver.commit()
        elif many:
            cursor.executemany(statement, given)
        else:
            cursor.execute(statement, given)
            if cursor.description is not None:
                cursor.fetchall()
    return time.perf_counter() - started
