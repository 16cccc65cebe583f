"""Redis and Celery killed in the middle of a run: nothing is lost, nothing happens twice, and tasks told the truth."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.faults.broker import BrokerHistory
from tests.support.faults.service import FaultyService, Kernels, faulty_service, wait_until
from tests.support.faults.storm import Victim, run_storm
from tests.support.faults.task_checker import check_broker
from tests.support.faults.task_events import TaskRecorder, read_keys, read_queues
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer, start_redis

pytestmark = [pytest.mark.timeout(900), pytest.mark.postgres, pytest.mark.xdist_group("faults-postgresql")]

AWAY_S = 1.5
VICTIMS: tuple[Victim, ...] = ("redis", "celery", "server", "redis")


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A Redis that no other test uses."""
    server = start_redis()
    yield server
    server.stop()


@pytest.fixture
def celery_service(
    own_postgres: PostgresServer, redis: RedisServer, tmp_path: Path, kernels: Kernels
) -> Iterator[FaultyService]:
    """A server, and Celery's worker, on PostgreSQL and Redis."""
    settings = {"REDIS_URL": redis.url(), "GRID_BELL": "celery", "GRID_LIVE_RUNS": 0}
    url = own_postgres.url(own_postgres.create())
    with faulty_service(tmp_path, url, kernels=kernels, worker="celery", **settings) as service:
        yield service


def run(service: FaultyService, redis: RedisServer, folder: Path, *, jobs: int, victims: tuple[Victim, ...], seed: int):
    """Run a storm, and return its report and what the checker of tasks says."""
    away: list[tuple[float, float]] = []

    def kill_redis() -> None:
        began = time.time()
        redis.kill()
        time.sleep(AWAY_S)
        redis.restart()
        away.append((began, time.time()))

    with TaskRecorder(redis.url()) as recorder:
        report = run_storm(service, folder, jobs=jobs, victims=victims, seed=seed, others={"redis": kill_redis})
        wait_until(lambda: sum(read_queues(redis.url()).values()) == 0, "every task was taken", within_s=60.0)
        seen = len(recorder.answers())
    history = BrokerHistory(
        recorder.events, away=away, killed=frozenset({event.worker for event in recorder.events}),
        queues=read_queues(redis.url()), keys=read_keys(redis.url()),
    )  # fmt: skip
    return report, seen, check_broker(history, service.dump())


def test_redis_and_celery_are_killed_and_no_promise_is_broken(
    celery_service: FaultyService, redis: RedisServer, tmp_path: Path, seed: int
) -> None:
    report, seen, told = run(celery_service, redis, tmp_path, jobs=300, victims=VICTIMS, seed=seed + 7)

    print(report, f"{seen} tasks answered")
    assert report.problems == ()
    assert told == []
    assert seen > 0


@pytest.mark.faults
def test_three_deaths_of_redis_in_two_thousand_jobs_break_no_promise(
    celery_service: FaultyService, redis: RedisServer, tmp_path: Path, seed: int
) -> None:
    victims: tuple[Victim, ...] = (*VICTIMS, "redis", "celery", "celery", "server")
    report, seen, told = run(celery_service, redis, tmp_path, jobs=2_000, victims=victims, seed=seed + 8)

    print(report, f"{seen} tasks answered")
    assert report.problems == ()
    assert told == []
