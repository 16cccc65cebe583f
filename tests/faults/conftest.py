"""Services to break: one for each database, broken by one test after the other, or a fresh one where asked for."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.faults.service import FaultyService, Kernels, faulty_service
from tests.support.postgres import PostgresServer, start_postgres

KINDS = [
    pytest.param("sqlite", marks=pytest.mark.xdist_group("faults-sqlite")),
    pytest.param("postgresql", marks=[pytest.mark.postgres, pytest.mark.xdist_group("faults-postgresql")]),
]


@pytest.fixture(scope="session")
def seed() -> int:
    """Where the random moments come from; GRID_FAULT_SEED repeats a run."""
    return int(os.environ.get("GRID_FAULT_SEED", "20261121"))


@pytest.fixture(scope="session")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Kernels:
    """Compiled kernels for every service but the first, of all workers of pytest."""
    folder = tmp_path_factory.getbasetemp()
    return Kernels((folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "kernels")


@pytest.fixture(scope="session")
def sqlite_service(tmp_path_factory: pytest.TempPathFactory, kernels: Kernels) -> Iterator[FaultyService]:
    """A service on SQLite."""
    with faulty_service(tmp_path_factory.mktemp("sqlite"), kernels=kernels) as service:
        yield service


@pytest.fixture(scope="session")
def own_postgres(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """A PostgreSQL that no other test uses, so that it may be restarted; asked for only where there is one at all."""
    server = start_postgres()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgresql_service(
    own_postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory, kernels: Kernels
) -> Iterator[FaultyService]:
    """A service on PostgreSQL."""
    url = own_postgres.url(own_postgres.create())
    with faulty_service(tmp_path_factory.mktemp("postgresql"), url, kernels=kernels) as service:
        yield service


@pytest.fixture(params=KINDS)
def service(request: pytest.FixtureRequest, kernels: Kernels) -> Iterator[FaultyService]:
    """The service of either database, with server and worker up."""
    chosen: FaultyService = request.getfixturevalue(f"{request.param}_service")
    chosen.log.clear()
    yield chosen
    kernels.keep(chosen.home)
    missing = [name for name in ("server", "worker") if name not in chosen.running]
    if missing:  # a test that failed in the middle
        chosen.start(*missing)


@pytest.fixture(params=KINDS)
def fresh_service(request: pytest.FixtureRequest, tmp_path: Path, kernels: Kernels) -> Iterator[FaultyService]:
    """A service of the test's own, with room for many jobs."""
    url = None
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("own_postgres")
        url = server.url(server.create())
    limits = {"GRID_QUEUE_LIMIT": 1_000_000, "GRID_QUEUE_LIMIT_TOTAL": 1_000_000}
    with faulty_service(tmp_path, url, kernels=kernels, **limits) as chosen:
        yield chosen
