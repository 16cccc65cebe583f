"""`celery -A grid.tasks.celery_app worker` on a real Redis: it works, shows its work, and ends as it should."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.support.faults.broker import BrokerHistory
from tests.support.faults.dump import Dump, read_dump
from tests.support.faults.processes import Process, find_descendants
from tests.support.faults.task_checker import check_broker
from tests.support.faults.task_events import QUEUES, TaskRecorder, read_keys, read_queues
from tests.support.redis import RedisServer, start_redis
from tests.support.service import Service, make_service

from grid.core.settings import Settings
from grid.database import migrate
from grid.database.engine import create_database
from grid.database.uow import UnitOfWork
from grid.services.units import Publication, Unit
from grid.tasks.celery_app import TASK, TaskSender, make_app

SRC = Path(__file__).parents[2] / "src"
PATIENCE_S = 100.0
SUBMIT_EVERY_S = 3.0
pytestmark = pytest.mark.timeout(300)


def wait_until(condition: Callable[[], object], what: str, log: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}: {log()}"
        time.sleep(0.02)


@dataclass
class Workers:
    """A service whose workers are Celery's."""

    service: Service
    url: str
    home: Path
    redis: RedisServer
    running: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    @property
    def database(self) -> str:
        return f"sqlite:///{self.home / 'grid.db'}"

    @property
    def settings(self) -> Settings:
        return Settings(_env_file=None, grid_home=self.home, redis_url=self.url, grid_bell="celery", grid_slots=1)

    def start(self, **settings: Any) -> "subprocess.Popen[bytes]":
        """Start one as the documents say, and wait until its worker asks for work."""
        chosen = {
            "GRID_HOME": self.home, "REDIS_URL": self.url, "GRID_BELL": "celery", "GRID_SLOTS": 1, "GRID_POLL_S": 0.5,
            "GRID_HEARTBEAT_S": 0.5, "GRID_LEASE_S": 4, "GRID_LIVE_RUNS": 0, "GRID_COMPILE_AHEAD": False,
            "GRID_CALIBRATION": "off", "PYTHONPATH": SRC, **settings,
        }  # fmt: skip
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GRID_", "COV", "PYTEST"))}
        with (self.home / "celery.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "grid.tasks.celery_app", "worker"],
                env={**kept, **{name: str(value) for name, value in chosen.items()}}, cwd=self.home,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.running.append(process)
        wait_until(lambda: self.find_worker(process) is not None, "a worker asked for work", self.log)
        return process

    def find_worker(self, process: "subprocess.Popen[bytes]") -> Process | None:
        """Find the worker below a Celery process, once it has asked for work."""
        assert process.poll() is None, f"Celery ended by itself: {self.log()}"
        with self.service.uow.read() as tx:
            rows = tx.connection.exec_driver_sql(
                "SELECT pid FROM workers WHERE stopped_at IS NULL AND last_poll_at IS NOT NULL"
            )
            polled = {pid for (pid,) in rows}
        return next((each for each in find_descendants(process.pid) if each.pid in polled), None)

    def log(self) -> str:
        return (self.home / "celery.log").read_text(errors="replace")[-2000:]

    def submit(self, *naps_s: float) -> list[str]:
        """Submit a job for each nap, and return their ids."""
        return [str(self.service.submit(simulation="noop", params={"duration_s": nap}).job_ids[0]) for nap in naps_s]

    def dump(self) -> Dump:
        return read_dump(self.database)

    def states(self) -> set[str]:
        return {job.state for job in self.dump().jobs}

    def problems(self, recorder: TaskRecorder, **known: Any) -> list[str]:
        """Compare what tasks told with the jobs of the ledger that were shown to this recorder."""
        history = BrokerHistory(recorder.events, queues=read_queues(self.url), keys=read_keys(self.url), **known)
        began = min(event.at for event in recorder.events) - 5.0
        dump = self.dump()
        mine = tuple(job for job in dump.jobs if job.finished_at and job.finished_at.timestamp() > began)
        return check_broker(history, replace(dump, jobs=mine))


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """A service and a Redis of this module's own; no worker at the end."""
    home, redis = tmp_path_factory.mktemp("celery") / "home", start_redis()
    home.mkdir(mode=0o700)
    migrate.upgrade(f"sqlite:///{home / 'grid.db'}")
    database = create_database(f"sqlite:///{home / 'grid.db'}")
    made = Workers(make_service(UnitOfWork(database), home), redis.url(), home, redis)
    yield made
    for process in made.running:
        for each in [*find_descendants(process.pid), Process.find(process.pid)]:
            if each is not None:
                each.kill()
        process.wait()
    database.close()
    redis.stop()


@pytest.fixture
def process(workers: Workers) -> "subprocess.Popen[bytes]":
    """A Celery process that runs; the one before, unless a test has ended it."""
    if workers.redis.process.poll() is not None:
        workers.redis.restart()
    living = [process for process in workers.running if process.poll() is None]
    return living[-1] if living else workers.start()


@pytest.fixture
def recorder(workers: Workers, process: "subprocess.Popen[bytes]") -> Iterator[TaskRecorder]:
    """Records what tasks tell from here on."""
    with TaskRecorder(workers.url) as recording:
        yield recording


def test_jobs_and_sweeps_are_tasks_that_tell_the_truth_and_leave_nothing_behind(
    workers: Workers, recorder: TaskRecorder
):
    jobs = workers.submit(0.0, 0.05, 0.0)
    sweep = workers.service.submit(simulation="noop", sweep=[{"payload_bytes": 8 + n} for n in range(1005)])
    wait_until(lambda: len(recorder.answers()) >= 5, "every task was answered", workers.log)
    answers = recorder.answers()

    assert answers[f"{jobs[0]}:1"] == {"id": jobs[0], "status": "success", "reason": "ok"}
    assert answers[f"{sweep.sweep_id}/0:1"]["counts"] == {"success": 1000}
    assert answers[f"{sweep.sweep_id}/1000:1"]["counts"] == {"success": 5}
    assert len(answers) == 5
    assert workers.problems(recorder) == []


def test_forged_late_and_doubled_tasks_change_nothing_and_leave_nothing(workers: Workers, recorder: TaskRecorder):
    (job_id,) = workers.submit(0.0)
    wait_until(recorder.answers, "the job was shown")
    before = workers.dump()
    app = make_app(workers.settings)
    forged = [
        *([job_id, queue] for queue in QUEUES),
        *([str(uuid4()), queue] for queue in QUEUES),
        [], [None], [{"x": 1}, 7, 8], ["a" * 5000, "small"], [job_id, "small", {"state": "success"}],
    ]  # fmt: skip
    with app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
        for number in range(150):
            app.send_task(
                TASK, forged[number % len(forged)], {"cancel": True} if number % 3 == 0 else {},
                task_id=f"forged:{number}", queue=QUEUES[number % 5], routing_key=QUEUES[number % 5], producer=producer,
            )  # fmt: skip
    wait_until(lambda: len(recorder.answers()) >= 151, "every task was answered", workers.log)
    told = {event.result["status"] for event in recorder.of("succeeded") if event.task_id.startswith("forged")}

    after = workers.dump()
    assert (after.jobs, after.attempts, after.events) == (before.jobs, before.attempts, before.events)
    assert told <= {"unknown", "success", "handed-back"}
    assert recorder.of("failed") == []
    assert set(read_queues(workers.url).values()) == {0}
    assert [key for key in read_keys(workers.url) if not key.startswith("_kombu.binding")] == []


def test_without_redis_jobs_run_and_are_shown_when_it_is_back(workers: Workers, recorder: TaskRecorder):
    workers.redis.kill()
    workers.submit(0.0, 0.0)
    wait_until(lambda: workers.states() == {"success"}, "jobs ran without Redis", workers.log)
    workers.redis.restart()
    back = time.monotonic()
    later: set[str] = set()

    def is_one_shown() -> bool:
        """Submit until somebody sees it: what is told before recorder and Celery are both back is lost."""
        if len(later) < (time.monotonic() - back) / SUBMIT_EVERY_S:
            later.update(workers.submit(0.0))
        return any(f"{each}:1" in recorder.answers() for each in later)

    wait_until(is_one_shown, "a job was shown", workers.log)

    assert workers.problems(recorder, away=((0.0, time.time()),)) == []


def test_a_signal_drains_the_worker_and_hands_every_watcher_back(
    workers: Workers, process: "subprocess.Popen[bytes]", recorder: TaskRecorder
):
    (job_id,) = workers.submit(4.0)
    wait_until(lambda: recorder.of("started") and "running" in workers.states(), "the job was running")
    worker = workers.find_worker(process)
    process.send_signal(signal.SIGTERM)
    wait_until(recorder.answers, "the task was answered")
    code = process.wait(PATIENCE_S)

    assert code == 0
    assert worker is not None
    assert not worker.is_alive
    assert recorder.answers()[f"{job_id}:1"] == {"id": job_id, "status": "handed-back", "reason": None}
    assert workers.states() == {"success"}  # the job had time to end; nobody waited for its watcher


def test_a_worker_that_is_killed_takes_celery_along(workers: Workers, process: "subprocess.Popen[bytes]"):
    worker = workers.find_worker(process)
    assert worker is not None
    worker.kill()

    assert process.wait(PATIENCE_S) != 0


def test_a_celery_that_starts_without_redis_works_and_takes_its_worker_along_when_it_is_killed(workers: Workers):
    workers.redis.kill()
    workers.submit(0.0)
    process = workers.start()
    wait_until(lambda: "queued" not in workers.states(), "the job ran", workers.log)
    worker = workers.find_worker(process)
    assert worker is not None
    process.kill()
    process.wait()

    wait_until(lambda: not worker.is_alive, "the worker had ended")


def test_a_queue_that_nobody_empties_is_not_filled_without_end(
    workers: Workers, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("grid.tasks.celery_app.MOST_QUEUED", 50)
    send = TaskSender(make_app(workers.settings.model_copy(update={"redis_url": redis_server.url(7)})))
    for _ in range(20):
        send([Publication(Unit(uuid4()), "small", 1) for _ in range(10)])

    assert read_queues(redis_server.url(7))["small"] == 50
    send.close()
