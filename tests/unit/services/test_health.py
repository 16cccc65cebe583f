"""Each part of the service, as `/ready` and the metrics see it."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from tests.doubles.artifacts import MemoryArtifactStore
from tests.support.service import open_service

from grid.core.errors import StorageFullError, UnavailableError
from grid.runtime.home import open_home
from grid.runtime.store import LocalArtifactStore
from grid.schemas.images import FoundImage
from grid.schemas.jobs import JobStatus
from grid.services import health
from grid.services.health import check_parts, read_figures
from grid.services.images import add_image
from grid.services.store_watch import StoreWatch


@pytest.fixture
def service(tmp_path):
    with open_service(tmp_path / "home_of_data") as opened:
        yield opened


@pytest.fixture(autouse=True)
def folder(tmp_path):
    (tmp_path / "home_of_data").mkdir(mode=0o700)


@pytest.fixture
def home(tmp_path):
    return open_home(tmp_path / "home")


@pytest.fixture
def store(tmp_path):
    return LocalArtifactStore(tmp_path / "artifacts")


def parts_of(service, store, home) -> dict[str, health.Part]:
    return {part.name: part for part in check_parts(service.uow, store, home, service.settings)}


def beat(service, *, polled: bool = True) -> None:
    with service.uow.begin() as tx:
        tx.workers.beat("w1", host="here", pid=1, details={}, polled=polled)


def test_everything_is_ready_once_a_worker_looks_for_work(service, store, home):
    beat(service)
    parts = parts_of(service, store, home)

    assert {name: part.state for name, part in parts.items()} == dict.fromkeys(parts, "ready")
    assert list(parts) == ["database", "worker", "bus", "artifacts"]
    assert parts["worker"].detail.startswith("1 alive")


def test_a_worker_that_said_goodbye_is_not_there(service, store, home):
    beat(service)
    with service.uow.begin() as tx:
        tx.workers.stop("w1")

    assert not parts_of(service, store, home)["worker"].is_ready


def test_a_worker_that_was_not_heard_of_is_not_there(service, store, home, monkeypatch):
    beat(service)
    with service.uow.read() as tx:
        now = tx.now()
    monkeypatch.setattr(service.uow.database, "clock", lambda: now + timedelta(minutes=5))

    assert not parts_of(service, store, home)["worker"].is_ready


def test_a_worker_that_lives_and_does_not_look_for_work_is_named(service, store, home, monkeypatch):
    beat(service)
    with service.uow.read() as tx:
        now = tx.now()
    monkeypatch.setattr(service.uow.database, "clock", lambda: now + timedelta(minutes=5))
    beat(service, polled=False)
    worker = parts_of(service, store, home)["worker"]

    assert not worker.is_ready
    assert "300 s ago" in worker.detail


@pytest.mark.parametrize(
    "failure", [StorageFullError("The disk is full."), UnavailableError("Away."), OSError("/path")]
)
def test_a_store_in_trouble_is_a_state_and_never_an_error(service, store, home, monkeypatch, failure):
    def check():
        raise failure

    monkeypatch.setattr(store, "check", check)
    part = parts_of(service, store, home)["artifacts"]

    assert part.state == "unavailable"
    assert "/path" not in part.detail


def test_a_bus_without_its_folder_is_named(service, store, home):
    home.run.rmdir()

    assert not parts_of(service, store, home)["bus"].is_ready


@dataclass
class FarBell:
    """A broker in trouble, or not."""

    problem: str
    kind: str = "redis"
    lost: int = 0

    def close(self) -> None: ...


@pytest.mark.parametrize(("problem", "state"), [("", "ready"), ("Redis cannot be reached.", "degraded")])
def test_a_broker_that_is_away_makes_the_service_slower_and_not_unready(service, store, home, problem, state):
    beat(service)
    parts = check_parts(service.uow, store, home, service.settings, FarBell(problem))

    assert (parts[-1].name, parts[-1].kind, parts[-1].state, parts[-1].detail) == ("broker", "redis", state, problem)
    assert all(part.is_ready for part in parts)


def test_a_database_that_is_away_is_named_and_the_worker_cannot_be_known(service, store, home):
    service.uow.database.close()
    service.settings.grid_home.joinpath("grid.db").rename(service.settings.grid_home / "elsewhere.db")
    service.settings.grid_home.joinpath("grid.db").mkdir()
    parts = parts_of(service, store, home)

    assert (parts["database"].state, parts["worker"].state) == ("unavailable", "unavailable")
    assert parts["artifacts"].is_ready


def test_figures_count_jobs_by_state_events_and_workers(service):
    service.submit(simulation="noop")
    service.submit(simulation="noop", sweep=[{}, {}])
    beat(service)
    figures = read_figures(service.uow, service.settings)

    assert figures.jobs == {**dict.fromkeys(JobStatus, 0), JobStatus.QUEUED: 3}
    assert (figures.outbox_backlog, figures.workers) == (2, 1)


@pytest.mark.parametrize(
    ("told", "state", "words"),
    [
        ([], "degraded", "No worker has an engine"),
        ([None], "degraded", "No worker has an engine"),
        ([{"is_ready": False, "detail": "It is away."}], "degraded", "It is away."),
        (
            [{"is_ready": False, "detail": "It is away."}, {"is_ready": True, "detail": "Docker 20"}],
            "ready",
            "Docker 20",
        ),
    ],
)
def test_engines_are_a_part_where_a_listed_image_needs_one_and_the_service_is_ready_without(
    service, store, home, told, state, words
):
    add_image(service.uow, "built:1", FoundImage("sha256:" + "ab" * 32, None, None), by="ada")
    beat(service)
    with service.uow.begin() as tx:
        for place, docker in enumerate(told):
            tx.workers.beat(f"w-{place}", host="here", pid=1, details={"docker": docker}, polled=True)
    part = parts_of(service, store, home)["docker"]

    assert (part.state, part.is_ready, words in part.detail) == (state, True, True)


class FarStore(MemoryArtifactStore):
    """A store on another machine."""

    kind = "s3"


def test_results_on_another_machine_that_is_away_degrade_the_service_and_do_not_unready_it(service, home):
    store = FarStore()
    watch = StoreWatch(store)

    def look() -> health.Part:
        parts = check_parts(service.uow, store, home, service.settings, None, watch)
        return next(part for part in parts if part.name == "artifacts")

    assert (look().state, look().detail) == ("degraded", "It was not looked at yet.")
    watch.look()
    assert (look().kind, look().state, look().detail) == ("s3", "ready", "")
    store.is_full = True
    assert look().state == "ready"  # what was seen last; nobody waits for the other machine
    watch.look()
    assert (look().state, look().is_ready) == ("degraded", True)
    assert look().detail == "The double is full. Jobs are taken, and wait."
    assert parts_of(service, store, home)["artifacts"].state == "degraded"
    store.is_full, store.check = False, lambda: "It has gaps."
    watch.look()
    assert (look().state, look().detail) == ("ready", "It has gaps.")
