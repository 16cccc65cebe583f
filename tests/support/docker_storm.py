"""A storm with containers: some of the jobs run in them, and their watchdogs are among the victims."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.support.docker_runs import HEAD, NAME, build_image
from tests.support.faults.clients import Submission
from tests.support.faults.processes import Process, find_users
from tests.support.faults.service import FaultyService, Kernels, faulty_service, wait_until
from tests.support.faults.storm import Report, Victim, run_storm
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer

from grid.runtime.container_spec import INSTALLATION
from grid.runtime.containers import read_installation
from grid.runtime.docker_api import Engine

AWAY_S = 1.5
EACH_S = 1.5  # [s] of one core for a job in a container, its watchdog and the engine's part included
GONE_WITHIN_S = 60.0  # the last container, after the last job
POINTS = 10  # of one submission
WORKERS = ("worker", "worker-2")
WATCHDOG = b"grid.runtime.container_watchdog"
SCRIPT = """
(folder / 'result.csv').write_text(f'a\\n{json.load(open("/grid/params.json"))["number"]}\\n')
(folder / 'meta.json').write_text(json.dumps({'results': {'answer': 42}}))
"""


@dataclass(frozen=True)
class ContainerReport:
    """What a storm with containers came to."""

    storm: Report
    containers: int  # jobs in containers
    container_losses: int  # their claims that ended with their worker or watchdog
    orphans: int  # containers that were left
    gone_s: float  # from the last job's end until the last container was gone

    @property
    def problems(self) -> tuple[str, ...]:
        """Broken promises."""
        left = [f"{self.orphans} containers were left {GONE_WITHIN_S:.0f} s after the end"] if self.orphans else []
        return (*self.storm.problems, *left)


@contextmanager
def container_service(
    folder: Path, server: PostgresServer, redis: RedisServer, kernels: Kernels | None = None
) -> Iterator[FaultyService]:
    """Lend a server and two workers on PostgreSQL and Redis, and on this machine's engine."""
    build_image()
    settings = {
        "REDIS_URL": redis.url(), "GRID_BELL": "redis", "GRID_LIVE_RUNS": 0, "GRID_RUNNER": "docker",
        "GRID_DOCKER_MEMORY_MB": 96, "GRID_QUEUE_LIMIT": 1_000_000, "GRID_QUEUE_LIMIT_TOTAL": 1_000_000,
    }  # fmt: skip
    with faulty_service(folder, server.url(server.create()), kernels=kernels, **settings) as service:
        command = [sys.executable, "-m", "grid.cli.main", "images", "add", NAME]
        subprocess.run(command, env=service.environment, cwd=service.home, check=True, capture_output=True)
        service.start(*WORKERS[1:])
        yield service


def make_container_submissions(seed: int, jobs: int) -> list[Submission]:
    """Sweeps of ten jobs in containers, each of which writes a number of its own."""
    submissions = []
    for first in range(0, jobs, POINTS):
        key, numbers = f"containers-{seed}-{first}", range(first, min(first + POINTS, jobs))
        points = [{"script": HEAD + SCRIPT, "number": number} for number in numbers]
        body = {"container_image": NAME, "sweep": points, "metadata": {"key": key}}
        submissions.append(Submission(key, body, len(points)))
    return submissions


def run_container_storm(
    service: FaultyService,
    server: PostgresServer,
    redis: RedisServer,
    folder: Path,
    *,
    jobs: int,
    containers: int,
    victims: Sequence[Victim],
    seed: int,
    patience_s: float = 240.0,
) -> ContainerReport:
    """Run jobs, some of them in containers, while the victims are killed; check every promise, and what is left."""
    more = make_container_submissions(seed, containers)
    others = {
        "watchdog": lambda: kill_watchdog(service, Random(seed)),
        "redis": lambda: kill_redis(redis),
        "postgres": lambda: crash_postgres(server),
    }
    storm = run_storm(
        service, folder, jobs=jobs, victims=victims, seed=seed, others=others, more=more, more_s=EACH_S,
        until=0.95, patience_s=patience_s,
    )  # fmt: skip
    began = time.monotonic()
    while count_containers(service) and time.monotonic() - began < GONE_WITHIN_S:
        time.sleep(0.2)
    gone_s = time.monotonic() - began
    keys = {submission.key for submission in more}
    dump = service.dump()
    ids = {job.id for job in dump.jobs if job.meta.get("key") in keys}
    losses = sum(attempt.job_id in ids and attempt.outcome not in {"ok", None} for attempt in dump.attempts)
    return ContainerReport(storm, containers, losses, count_containers(service), round(gone_s, 1))


def count_containers(service: FaultyService) -> int:
    """Return how many containers of the service there are, in whatever state."""
    label = f"{INSTALLATION}={read_installation(service.home)}"
    return len(Engine(None).get("/containers/json", all=1, filters=json.dumps({"label": [label]})))


def kill_watchdog(service: FaultyService, random: Random) -> None:
    """SIGKILL the watchdog of a container, once there is one."""

    def kill_one() -> bool:
        found = find_watchdogs(service)
        return bool(found) and random.choice(found).kill()

    wait_until(kill_one, "there was a container")
    service.note("killed", watchdog=True)


def find_watchdogs(service: FaultyService) -> list[Process]:
    """Return the watchdogs of containers."""
    found = []
    for one in find_users(service.home):
        with suppress(OSError):  # it may end meanwhile
            if WATCHDOG in Path(f"/proc/{one.pid}/cmdline").read_bytes():
                found.append(one)
    return found


def kill_redis(redis: RedisServer) -> None:
    """SIGKILL Redis, and start it again a moment later."""
    redis.kill()
    time.sleep(AWAY_S)
    redis.restart()


def crash_postgres(server: PostgresServer) -> None:
    """Crash PostgreSQL, and start it again a moment later."""
    server.crash()
    time.sleep(AWAY_S)
    server.restart()
