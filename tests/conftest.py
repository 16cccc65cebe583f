"""What every test may ask for: a fresh, migrated database of either kind, and owners in it."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.support.collecting import collect_in_turn
from tests.support.compiling import compile_in_turn
from tests.support.databases import Maker, PostgresMaker, SqliteMaker, opened, start_or_leave_out
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer, start_redis
from tests.support.statements import share_statements
from tests.support.tracing import compile_untraced, count_arcs, pause_coverage, pause_tracing

from grid.database.engine import Database
from grid.database.uow import UnitOfWork

# CI tries the same examples each time, so that a red run is the fault of the change; elsewhere they are new each time.
# That examples are drawn slowly is the fault of a machine that is busy.
settings.register_profile("ci", derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("busy", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci" if os.environ.get("CI", "").lower() in {"1", "true"} else "busy")

REPEATS = 2  # parameter sets without a new line after which a test is traced no more: tracing is most of some tests

# Methods are chosen as on the machine of the cost model, whatever the user's cache says of this one.
os.environ["GRID_CALIBRATION"] = "off"


@pytest.hookimpl(trylast=True)  # once there is a folder for temporary files
def pytest_configure(config: pytest.Config) -> None:
    """Let runs take as long as they do: a machine that is busy is no fault of theirs."""
    config.addinivalue_line("filterwarnings", "ignore::grid.engine.progress.SlowRunWarning")
    compile_untraced()
    share_statements()
    compile_in_turn(config)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[object]:
    """Collect once from the sources, and then, in the other workers, from what the first has compiled."""
    with collect_in_turn(session.config):
        return (yield)


repeats = Counter[str]()  # of a test: the latest parameter sets in a row that ran no line or branch for the first time


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[object]:
    """Count the lines of a test until its parameter sets add none, and on both databases once: on SQLite.

    Tests of PostgreSQL alone are counted.
    """
    params = item.callspec.params if hasattr(item, "callspec") else {}
    if params.get("database_maker") == "postgresql":
        with pause_coverage():
            return (yield)
    name = item.nodeid.partition("[")[0]
    if repeats[name] >= REPEATS:
        with pause_tracing():
            return (yield)
    before = count_arcs()
    try:
        return (yield)
    finally:
        repeats[name] = 0 if count_arcs() > before else repeats[name] + 1


@pytest.fixture
def without_coverage() -> Iterator[None]:
    """Count no lines in this process: for long tests of lines that shorter tests, or another process, cover."""
    with pause_coverage():
        yield


KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL of the test run's own; without one, the tests that ask for it are left out (a failure in CI)."""
    server = start_or_leave_out()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis of the test run's own, from a wheel; a test that breaks it starts it again."""
    server = start_redis()
    yield server
    server.stop()


@pytest.fixture
def own_redis(redis_server: RedisServer) -> Iterator[RedisServer]:
    """The Redis of the test run for a test that breaks it: it is up again behind the test."""
    yield redis_server
    redis_server.mend()


@pytest.fixture(scope="session")
def sqlite_maker(tmp_path_factory: pytest.TempPathFactory) -> SqliteMaker:
    return SqliteMaker(tmp_path_factory.mktemp("template") / "grid.db")


@pytest.fixture(scope="session")
def postgres_maker(postgres_server: PostgresServer) -> PostgresMaker:
    return PostgresMaker(postgres_server)


@pytest.fixture(params=KINDS)
def database_maker(request: pytest.FixtureRequest) -> Maker:
    """Makes fresh databases: of SQLite, and in a second test of PostgreSQL."""
    return request.getfixturevalue("sqlite_maker" if request.param == "sqlite" else "postgres_maker")


@pytest.fixture
def database_url(database_maker: Maker, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh database of either kind, migrated."""
    with database_maker.url(tmp_path) as url:
        yield url


@pytest.fixture
def database(database_maker: Maker, tmp_path: Path) -> Iterator[Database]:
    """A fresh database of either kind, migrated and open."""
    with opened(database_maker, tmp_path) as fresh:
        yield fresh


@pytest.fixture
def sqlite_database(sqlite_maker: SqliteMaker, tmp_path: Path) -> Iterator[Database]:
    """A fresh SQLite database, migrated and open: for tests that one kind suffices."""
    with opened(sqlite_maker, tmp_path) as fresh:
        yield fresh


@pytest.fixture
def uow(database: Database) -> UnitOfWork:
    """Transactions on a fresh database of either kind."""
    return UnitOfWork(database)


@pytest.fixture
def sqlite_uow(sqlite_database: Database) -> UnitOfWork:
    """Transactions on a fresh SQLite database."""
    return UnitOfWork(sqlite_database)
