"""An engine that is killed or restarted in each step of a run: the job goes back or ends well, and nothing is left."""

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.docker_runs import Containers, open_containers, read_to_end, wait_for_start, wait_until
from tests.support.docker_worker import container_worker, list_image, submit_scripts
from tests.support.ledgers import add_owner
from tests.support.own_engine import OwnEngine, own_engine, relayed
from tests.support.workers import read_jobs, wait_for_ends

from grid.runtime.container_spec import INSTALLATION
from grid.runtime.containers import read_installation
from grid.runtime.docker_api import Engine
from grid.schemas.jobs import JobStatus, Reason

pytestmark = [pytest.mark.docker, pytest.mark.faults, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def engine(script_image: str) -> Iterator[OwnEngine]:
    with own_engine() as engine:
        yield engine


@pytest.fixture
def image_id(engine: OwnEngine, script_image: str) -> str:
    if engine.process is None or engine.process.poll() is not None:  # a test failed in the middle
        engine.start()
    return script_image


@pytest.fixture
def containers(engine: OwnEngine, image_id: str, tmp_path: Path) -> Iterator[Containers]:
    with open_containers(tmp_path / "home", engine.host, image_id) as containers:
        yield containers
        if engine.process is not None and engine.process.poll() is not None:
            engine.start()
        outcome, text = containers.end("say('next')")
        assert (outcome.reason.value, text) == ("ok", "next\n"), outcome


STEPS = [("GET", "/images/"), ("/containers/create",), ("/containers/", "/json"), ("/attach",), ("/start",)]


@pytest.mark.parametrize("step", STEPS, ids=" ".join)
def test_an_engine_that_is_killed_in_a_step_of_the_start_leaves_nothing(
    engine: OwnEngine, containers: Containers, step: tuple[str, ...]
):
    """A relay before the engine kills it when the call of the step comes by."""
    direct = containers.host
    with relayed(engine, *step) as host:
        containers.host = replace(direct, engine=host)
        run = containers.start("say('up'); time.sleep(2)")
        outcome, _ = read_to_end(run, 120.0)
    containers.host = direct
    run.kill()

    assert outcome.reason in {Reason.INFRA, Reason.OK}  # the call may have come through
    wait_until(lambda: not containers.list_all() or reap(containers), "nothing was left", 60.0)


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_an_engine_that_ends_under_a_run_gives_the_job_back(engine: OwnEngine, containers: Containers, how: str):
    run = containers.start("signal.signal(signal.SIGTERM, signal.SIG_IGN); say('up'); time.sleep(60)")
    wait_for_start(run)
    getattr(engine, how)()
    engine.start()
    outcome, _ = read_to_end(run, 90.0)

    assert outcome.reason is Reason.INFRA
    wait_until(lambda: not containers.list_all(), "the container was removed", 30.0)


def test_a_run_that_is_over_when_the_engine_comes_back_keeps_its_end(engine: OwnEngine, containers: Containers):
    run = containers.start("say('up'); time.sleep(1); (folder / 'result.csv').write_text('a')")
    wait_for_start(run)
    engine.kill()
    time.sleep(2.5)
    engine.start()
    outcome, _ = read_to_end(run, 90.0)

    assert outcome.reason in {Reason.OK, Reason.INFRA}  # some engines forget the code of what ended meanwhile


def test_a_deadline_holds_while_the_engine_is_away(engine: OwnEngine, containers: Containers):
    run = containers.start("say('up'); time.sleep(600)", wall_s=3.0)
    wait_for_start(run)
    engine.kill()
    wait_until(lambda: not run._process.is_there(), "its first process was killed", 30.0)
    engine.start()
    outcome, _ = read_to_end(run, 90.0)

    assert outcome.reason is Reason.WALL_TIMEOUT


def test_an_engine_that_hangs_holds_nobody_up(engine: OwnEngine, containers: Containers):
    run = containers.start("say('up'); time.sleep(600)")
    wait_for_start(run)
    os.kill(engine.process.pid, signal.SIGSTOP)
    try:
        run.kill()
        assert not run._watchdog.has_ended  # it waits for the engine, and the worker's loop does not wait for it
        wait_until(lambda: not run._process.is_there(), "the run was ended all the same", 10.0)
    finally:
        os.kill(engine.process.pid, signal.SIGCONT)
    wait_until(lambda: not containers.list_all(), "the container was removed", 60.0)


def test_jobs_wait_while_the_engine_is_away_and_go_on_when_it_is_back(
    engine: OwnEngine, image_id: str, sqlite_uow, tmp_path: Path
):
    uow, owner = sqlite_uow, add_owner(sqlite_uow)
    list_image(uow, image_id)
    with container_worker(uow, tmp_path / "home", engine.host):
        long = submit_scripts(uow, owner, ["time.sleep(3)"])
        wait_until(lambda: read_jobs(uow, long)[0].state is JobStatus.RUNNING, "it ran", 60.0)
        engine.kill()
        others = submit_scripts(uow, owner, ["say('x')"] * 4)
        time.sleep(12)
        assert all(job.state is JobStatus.QUEUED for job in read_jobs(uow, others))
        engine.start()
        found = wait_for_ends(uow, long + others)

    assert [job.reason for job in found] == [Reason.OK] * 5
    label = f"{INSTALLATION}={read_installation(tmp_path / 'home')}"
    filters = json.dumps({"label": [label]})
    wait_until(lambda: Engine(engine.host).get("/containers/json", all=1, filters=filters) == [], "nothing was left")


def reap(containers: Containers) -> bool:
    """Remove what is left, as the reaper does for attempts that are over."""
    for one in containers.list_all():
        containers.engine.remove(one["Id"])
    return not containers.list_all()
