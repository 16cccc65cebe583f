"""Containers of a worker: who starts them, when, and which of them are removed."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update
from tests.doubles.docker_engine import IMAGE, MemoryContainer, MemoryEngine
from tests.doubles.ledgers import make_batch
from tests.support.ledgers import add_owner, claim, submit

from grid.core.errors import GridError
from grid.core.settings import Settings
from grid.database.jobs import jobs
from grid.runtime.containers import ContainerHost, ContainerLimits, UserIds, read_installation
from grid.runtime.docker_api import EngineAwayError, EngineUnsafeError
from grid.runtime.programs import ProgramMissingError
from grid.runtime.watched_run import ProgramEnded
from grid.schemas.images import ImagePin
from grid.schemas.jobs import Reason
from grid.tasks.containers import ContainerLauncher, EngineWatch, find_held


@pytest.fixture
def memory() -> Iterator[MemoryEngine]:
    folder = Path(tempfile.mkdtemp(prefix="engine"))
    engine = MemoryEngine(folder)
    yield engine
    engine.close()
    shutil.rmtree(folder)


@pytest.fixture
def host(memory: MemoryEngine, tmp_path: Path) -> ContainerHost:
    return ContainerHost(memory.host, tmp_path, UserIds(tmp_path, range(200_000, 200_008)))


def add_container(memory: MemoryEngine, installation: str, job: UUID, epoch: int | str) -> str:
    name = uuid4().hex
    labels = {"grid.installation": installation, "grid.job": str(job), "grid.epoch": str(epoch)}
    memory.containers[name] = MemoryContainer(name, name, {"Labels": labels})
    return name


def test_containers_of_held_jobs_stay_and_all_others_of_the_installation_go(uow, memory, host):
    ours, owner = read_installation(host.home), add_owner(uow)
    held, queued = (submit(uow, owner, 1, simulation=None, slot="docker", batch_key=key)[0] for key in "ab")
    batch = claim(uow, slots=("docker",), hint=held)
    assert batch is not None
    assert batch.jobs[0].id == held
    kept = add_container(memory, ours, held, 1)
    theirs = add_container(memory, "f" * 16, uuid4(), 1)
    for job, epoch in ((held, 0), (held, 2), (queued, 1), (uuid4(), 1), (held, "none")):
        add_container(memory, ours, job, epoch)

    EngineWatch(uow, host).look()

    assert set(memory.containers) == {kept, theirs}


def test_a_lease_that_lapsed_long_ago_holds_nothing_and_one_that_just_lapsed_does(uow, host):
    (job,) = submit(uow, add_owner(uow), 1, simulation=None, slot="docker", batch_key="a")
    (held,) = (one.claim for one in claim(uow, slots=("docker",)).jobs)

    def set_lease(seconds: float) -> None:
        with uow.begin() as tx:
            values = {"lease_until": tx.now() + timedelta(seconds=seconds)}
            tx.connection.execute(update(jobs).where(jobs.c.id == job).values(**values))

    set_lease(-10.0)
    assert find_held(uow, [held]) == {held}
    set_lease(-31.0)
    assert find_held(uow, [held]) == frozenset()


def test_the_engine_is_ready_only_after_a_look_that_went_well(sqlite_uow, memory, host):
    watch = EngineWatch(sqlite_uow, host)
    assert not watch.is_ready
    watch.look()
    assert (watch.is_ready, watch.detail) == (True, "Docker 20.10.24")

    memory.go_away()
    with pytest.raises(EngineAwayError):
        watch.look()
    assert not watch.is_ready
    memory.come_back()
    watch.look()
    assert watch.is_ready


def test_an_engine_that_becomes_unsafe_is_used_no_more(sqlite_uow, memory, host):
    watch = EngineWatch(sqlite_uow, host)
    watch.look()
    memory.path.chmod(0o666)

    with pytest.raises(EngineUnsafeError):
        watch.look()
    assert (watch.is_ready, "everybody" in watch.detail) == (False, True)


def test_an_engine_that_does_not_confine_is_never_ready(sqlite_uow, memory, host):
    memory.info["SecurityOptions"] = []
    watch = EngineWatch(sqlite_uow, host)

    with pytest.raises(GridError, match="seccomp"):
        watch.look()
    assert not watch.is_ready


def test_a_launcher_starts_what_is_pinned_within_the_caps(memory, host):
    seen: list[MemoryContainer] = []

    def program(container: MemoryContainer) -> None:
        seen.append(container)
        container.exit(0)

    memory.program = program
    launcher = ContainerLauncher(host, ContainerLimits(wall_s=30.0, pids=5))
    batch = replace(make_batch(slot="docker", image="solver:1"), pin=ImagePin("solver:1", None, IMAGE))
    run = launcher.launch(batch, batch.jobs[0])
    while not isinstance(message := run.receive(), ProgramEnded):
        pass
    run.close()

    assert message.outcome.reason is Reason.OK
    assert run.limits.wall_s == 30.0
    assert seen[0].body["HostConfig"]["PidsLimit"] == 5


@pytest.mark.parametrize("pin", [None, ImagePin("solver:1", None, None)])
def test_an_image_that_left_the_list_is_missing(host, pin):
    batch = replace(make_batch(slot="docker", image="solver:1"), pin=pin)

    with pytest.raises(ProgramMissingError, match="solver:1"):
        ContainerLauncher(host, ContainerLimits(wall_s=30.0)).launch(batch, batch.jobs[0])


def test_caps_are_those_of_the_settings(tmp_path):
    settings = Settings(
        _env_file=None, grid_home=tmp_path, grid_docker_cpus=0.5, grid_docker_memory_mb=128, grid_docker_pids=9,
        grid_docker_tmp_mb=3, grid_output_mb=7, max_job_timeout=60, docker_host="unix:///x.sock",
    )  # fmt: skip
    launcher = ContainerLauncher.from_settings(settings)

    assert launcher.host.engine == "unix:///x.sock"
    assert launcher.caps == ContainerLimits(60.0, 128 << 20, 7 << 20, 0.5, 9, 3 << 20)
