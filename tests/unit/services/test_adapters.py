"""Adapters chosen by settings: server and worker get the same, and what cannot be is refused by its setting."""

import pytest
from tests.doubles.ledgers import make_batch

from grid.core.errors import ConfigurationError
from grid.core.settings import Settings
from grid.database.uow import UnitOfWork
from grid.runtime.bus import UnixBellListener, UnixDoorbell
from grid.runtime.home import open_home
from grid.runtime.s3_client import S3Place
from grid.runtime.s3_store import S3ArtifactStore
from grid.runtime.spool import Spool
from grid.runtime.store import LocalArtifactStore
from grid.services import adapters
from grid.services.container import make_container
from grid.services.ports import ArtifactStore, BellListenerFactory, Doorbell
from grid.tasks.launchers import make_engine_watch, make_launcher, make_slots
from grid.tasks.programs import ProgramLauncher


def make(tmp_path, **values) -> Settings:
    return Settings(_env_file=None, grid_home=tmp_path / "home", **values)


def test_without_settings_everything_is_of_this_machine(tmp_path):
    settings = make(tmp_path)
    with_server = make_container(settings)
    home, uow = open_home(settings.grid_home), with_server.get(UnitOfWork)
    listener = with_server.get(BellListenerFactory)("work")
    doorbell = adapters.make_doorbell(settings, home, uow)
    doorbell.ring("work")

    assert listener.drain() == 1
    assert adapters.find_broker(doorbell) is None
    assert isinstance(listener, UnixBellListener)
    assert isinstance(with_server.get(Doorbell), UnixDoorbell)
    assert isinstance(with_server.get(ArtifactStore), LocalArtifactStore)
    assert isinstance(make_launcher(settings).programs, ProgramLauncher)
    listener.close()
    with_server.close()


def test_with_redis_rings_go_through_it_as_well_and_its_trouble_is_told(tmp_path):
    settings = make(tmp_path, redis_url="redis://:canary@127.0.0.1:1/1")
    with_server = make_container(settings)
    broker = adapters.find_broker(with_server.get(Doorbell))
    listener = with_server.get(BellListenerFactory)("work")
    with_server.get(Doorbell).ring("work")

    assert listener.drain() == 1
    assert broker is not None
    assert broker.kind == "redis"
    assert "canary" not in broker.problem
    listener.close()
    with_server.close()


def test_local_sockets_alone_may_be_asked_for(tmp_path):
    settings = make(tmp_path, redis_url="redis://127.0.0.1:1/1", grid_bell="unix")
    with_server = make_container(settings)

    assert isinstance(with_server.get(Doorbell), UnixDoorbell)
    with_server.close()


def test_results_go_to_the_bucket_that_is_set(tmp_path):
    words = {"grid_s3_endpoint": "http://127.0.0.1:9", "grid_s3_checksums": "when_required"}
    spool = Spool(tmp_path / "spool")
    store = adapters.make_store(make(tmp_path, grid_artifacts_url="s3://results/of/grid/", **words), spool)

    assert isinstance(store, S3ArtifactStore)
    assert store.place == S3Place("results", "of/grid", "http://127.0.0.1:9", "when_required")
    assert not (tmp_path / "home" / "artifacts").exists()


def test_results_in_s3_without_its_library_are_refused_and_not_put_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(adapters, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match="GRID_ARTIFACTS_URL"):
        adapters.make_store(make(tmp_path, grid_artifacts_url="s3://results"), Spool(tmp_path / "spool"))


@pytest.mark.parametrize(
    ("runner", "programs", "containers", "slots"),
    [
        ("auto", True, True, ["small", "large", "program"]),
        ("local", True, False, ["small", "large", "program"]),
        ("docker", False, True, ["small", "large"]),
    ],
)
def test_images_run_where_the_setting_lets_them(tmp_path, sqlite_uow, runner, programs, containers, slots):
    settings = make(tmp_path, grid_runner=runner, docker_host=f"unix://{tmp_path}/none.sock")
    launcher, watch = make_launcher(settings), make_engine_watch(settings, sqlite_uow)

    assert (launcher.programs is not None, launcher.containers is not None, watch is not None) == (
        programs, containers, containers,
    )  # fmt: skip
    assert list(make_slots(settings, watch)()) == slots  # none for containers before the engine has answered
    assert list(make_slots(settings, watch, lambda: False)()) == slots[2:]  # while no child is up
    batch = make_batch(slot="docker" if runner == "local" else "program", image="sim:local")
    if runner != "auto":
        assert launcher.launch(batch, batch.jobs[0]) is None
