"""Adapters chosen by settings: server and worker get the same, and what cannot be is refused by its setting."""

import pytest

from grid.core.errors import ConfigurationError
from grid.core.settings import Settings
from grid.runtime.bus import UnixBellListener, UnixDoorbell
from grid.runtime.home import open_home
from grid.runtime.store import LocalArtifactStore
from grid.services import adapters
from grid.services.container import make_container
from grid.services.ports import ArtifactStore, BellListenerFactory, Doorbell
from grid.tasks.launchers import make_launcher
from grid.tasks.programs import ProgramLauncher


def make(tmp_path, **values) -> Settings:
    return Settings(_env_file=None, grid_home=tmp_path / "home", **values)


def test_without_settings_everything_is_of_this_machine(tmp_path):
    settings = make(tmp_path)
    with_server = make_container(settings)
    home = open_home(settings.grid_home)
    listener = with_server.get(BellListenerFactory)("work")
    adapters.make_doorbell(settings, home).ring("work")

    assert listener.drain() == 1
    assert isinstance(listener, UnixBellListener)
    assert isinstance(with_server.get(Doorbell), UnixDoorbell)
    assert isinstance(with_server.get(ArtifactStore), LocalArtifactStore)
    assert isinstance(make_launcher(settings), ProgramLauncher)
    listener.close()
    with_server.close()


def test_results_in_s3_are_refused_and_not_put_elsewhere(tmp_path):
    with pytest.raises(ConfigurationError, match="GRID_ARTIFACTS_URL"):
        adapters.make_store(make(tmp_path, grid_artifacts_url="s3://results"))


def test_images_in_docker_alone_are_refused_and_not_run_otherwise(tmp_path):
    with pytest.raises(ConfigurationError, match="GRID_RUNNER"):
        make_launcher(make(tmp_path, grid_runner="docker"))
