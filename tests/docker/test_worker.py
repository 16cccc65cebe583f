"""Jobs in containers through a whole worker: what the ledger says of them, and what a worker leaves that is killed."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.docker_worker import container_worker, container_worker_process, list_image, submit_scripts
from tests.support.ledgers import add_owner
from tests.support.workers import read_jobs, wait_for_ends, wait_until

from grid.database.uow import UnitOfWork
from grid.runtime.container_spec import INSTALLATION
from grid.runtime.containers import read_installation
from grid.runtime.docker_api import Engine
from grid.runtime.processes import find_descendants
from grid.schemas.jobs import JobStatus, Reason
from grid.services import ledger

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

Count = Callable[[], int]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def count(docker_host, home) -> Count:
    """How many containers of this data folder there are, in whatever state."""
    label = f"{INSTALLATION}={read_installation(home)}"
    engine = Engine(docker_host)
    return lambda: len(engine.get("/containers/json", all=1, filters=json.dumps({"label": [label]})))


def test_jobs_end_with_their_results_logs_and_reasons(sqlite_uow: UnitOfWork, home, docker_host, script_image, count):
    uow, owner = sqlite_uow, add_owner(sqlite_uow)
    list_image(uow, script_image)
    scripts = [
        "say('hello'); (folder / 'meta.json').write_text(json.dumps({'results': {'answer': 42}}))",
        "sys.exit(3)",
        "kept = b'x' * (200 << 20)",
        "time.sleep(60)",
        "os.symlink('/etc/passwd', folder / 'result.csv')",
        "for at in range(20): (folder / f'{at}.npy').write_bytes(bytes(1 << 20))\ntime.sleep(60)",
    ]
    with container_worker(uow, home, docker_host):
        ids = submit_scripts(uow, owner, scripts, wall_limit_s=20.0)
        slow = submit_scripts(uow, owner, ["time.sleep(60)"], wall_limit_s=1.0)
        wait_until(lambda: read_jobs(uow, [ids[3]])[0].state is JobStatus.RUNNING, "the long one ran")
        ledger.cancel(uow, owner_id=owner, job_id=ids[3], by=Reason.CANCELLED_BY_USER)
        found = wait_for_ends(uow, ids + slow)

    reasons = [job.reason for job in found]
    assert reasons == [
        Reason.OK, Reason.NONZERO_EXIT, Reason.OOM, Reason.CANCELLED_BY_USER, Reason.BAD_OUTPUT,
        Reason.OUTPUT_TOO_LARGE, Reason.WALL_TIMEOUT,
    ]  # fmt: skip
    assert found[0].result_manifest["metrics"] == {"answer": 42}
    with uow.read() as tx:
        assert "".join(chunk.text for chunk in tx.logs.read(found[0].id)) == "hello\n"
        (attempt,) = tx.attempts.of_job(found[0].id)
    assert (attempt.usage["image_id"], len(attempt.usage["container_id"])) == (script_image, 64)
    assert count() == 0
    assert list((home / "run" / "scratch").iterdir()) == []


def test_an_image_that_left_the_engine_fails_its_job_and_no_other(sqlite_uow, home, docker_host, script_image):
    uow, owner = sqlite_uow, add_owner(sqlite_uow)
    list_image(uow, "sha256:" + "0" * 64)
    with container_worker(uow, home, docker_host):
        (missing,) = wait_for_ends(uow, submit_scripts(uow, owner, ["say('x')"]))
        list_image(uow, script_image)
        (next_one,) = wait_for_ends(uow, submit_scripts(uow, owner, ["say('x')"]))

    assert (missing.reason, next_one.reason) == (Reason.IMAGE_UNAVAILABLE, Reason.OK)


def test_without_an_engine_jobs_wait_and_none_fails(sqlite_uow, home, tmp_path, docker_host, script_image):
    uow, owner = sqlite_uow, add_owner(sqlite_uow)
    list_image(uow, script_image)
    with container_worker(uow, home, f"unix://{tmp_path}/none.sock"):
        ids = submit_scripts(uow, owner, ["say('x')"])
        time.sleep(1.5)
        (job,) = read_jobs(uow, ids)
        assert (job.state, job.epoch) == (JobStatus.QUEUED, 0)
    with container_worker(uow, home, docker_host):
        (job,) = wait_for_ends(uow, ids)
    assert (job.reason, job.infra_failures) == (Reason.OK, 0)


@pytest.mark.parametrize("with_watchdogs", [False, True])
def test_a_killed_worker_leaves_no_container_and_its_successor_ends_the_jobs(
    sqlite_database, home, docker_host, script_image, count, with_watchdogs
):
    uow = UnitOfWork(sqlite_database)
    owner = add_owner(uow)
    list_image(uow, script_image)
    url = sqlite_database.engine.url.render_as_string(hide_password=False)
    mark = "pathlib.Path('/tmp/x').touch(); time.sleep(4); (folder / 'result.csv').write_text('a')"
    ids = submit_scripts(uow, owner, [mark, mark])
    with container_worker_process(url, home, docker_host) as process:
        wait_until(lambda: all(job.state is JobStatus.RUNNING for job in read_jobs(uow, ids)), "both ran")
        victims = [process.pid, *(find_descendants(process.pid) if with_watchdogs else [])]
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        process.wait()
    if not with_watchdogs:  # they remove their containers by themselves
        wait_until(lambda: count() == 0, "no container was left")

    with container_worker(uow, home, docker_host):
        found = wait_for_ends(uow, ids)
    assert [(job.state, job.worker_losses, job.winning_epoch) for job in found] == [(JobStatus.SUCCESS, 1, 2)] * 2
    assert count() == 0


def test_a_worker_that_drains_gives_its_container_back(sqlite_uow, home, docker_host, script_image, count):
    uow, owner = sqlite_uow, add_owner(sqlite_uow)
    list_image(uow, script_image)
    ids = submit_scripts(uow, owner, ["time.sleep(60)"])
    with container_worker(uow, home, docker_host) as worker:
        wait_until(lambda: read_jobs(uow, ids)[0].state is JobStatus.RUNNING, "it ran")
        worker.stop()
        (job,) = read_jobs(uow, ids)
        assert (job.state, job.worker_losses, job.attempts_used) == (JobStatus.QUEUED, 0, 0)
        wait_until(lambda: count() == 0, "no container was left")
