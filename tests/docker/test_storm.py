"""Processes, watchdogs and containers killed in the middle of a run: nothing is lost, doubled, stuck or left."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.docker_storm import container_service, run_container_storm
from tests.support.faults.service import FaultyService
from tests.support.faults.storm import Victim
from tests.support.postgres import PostgresServer, start_postgres
from tests.support.redis import RedisServer, start_redis

pytestmark = [pytest.mark.docker, pytest.mark.faults, pytest.mark.timeout(900)]

VICTIMS: tuple[Victim, ...] = ("worker", "watchdog", "redis", "worker-2", "server", "postgres", "slot", "watchdog")


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL that may be crashed."""
    server = start_postgres()
    yield server
    server.stop()


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis that may be killed."""
    server = start_redis()
    yield server
    server.stop()


@pytest.fixture
def service(own_postgres: PostgresServer, own_redis: RedisServer, tmp_path: Path) -> Iterator[FaultyService]:
    """A server and two workers."""
    with container_service(tmp_path, own_postgres, own_redis) as service:
        yield service


def test_three_hundred_jobs_thirty_of_them_in_containers_survive_a_storm(
    service: FaultyService, own_postgres: PostgresServer, own_redis: RedisServer, tmp_path: Path
) -> None:
    report = run_container_storm(
        service, own_postgres, own_redis, tmp_path, jobs=300, containers=30, victims=VICTIMS, seed=20261201
    )

    print(report)
    assert report.problems == ()
    assert report.container_losses > 0, "the kills met no container at work"
