"""Adapters of the ports, chosen by the settings: the one place where server, worker and commands get them.

Each is imported where it is made, so that an installation without scaling out loads none of its libraries.
"""

from grid.core.errors import ConfigurationError
from grid.core.settings import Settings
from grid.database.uow import UnitOfWork
from grid.runtime.home import Home
from grid.runtime.spool import Spool
from grid.services.ports import ArtifactStore, BellListener, Doorbell, FrameBus, ImageCatalogue


def make_store(settings: Settings) -> ArtifactStore:
    """Return the store of results. The data folder is open: a folder of results lies in it by default.

    Raises:
        ConfigurationError: Results are to be in S3.
    """
    from grid.runtime.store import LocalArtifactStore

    if settings.artifacts_bucket is not None:
        raise ConfigurationError("GRID_ARTIFACTS_URL: this version of Grid keeps results in a folder alone.")
    return LocalArtifactStore(settings.resolved_artifacts_path)


def open_spool(settings: Settings) -> Spool:
    """Return the folder of this process for files between children and the store; the caller closes it.

    Raises:
        ConfigurationError: The folder cannot be used.
    """
    from grid.runtime.spool import make_spool

    return make_spool(settings.resolved_spool, settings.grid_spool_mb << 20)


def make_doorbell(settings: Settings, home: Home) -> Doorbell:
    """Return the doorbell."""
    from grid.runtime.bus import UnixDoorbell

    del settings
    return UnixDoorbell(home.run)


def make_listener(settings: Settings, home: Home, topic: str) -> BellListener:
    """Return a new listener to a topic of the doorbell; the caller closes it."""
    from grid.runtime.bus import UnixBellListener

    del settings
    return UnixBellListener(home.run, topic)


def make_frame_bus(settings: Settings, home: Home) -> FrameBus:
    """Return the carrier of frames of live runs."""
    from grid.runtime.live.frame_bus import UnixFrameBus

    del settings
    return UnixFrameBus(home.run)


def make_catalogue(settings: Settings, uow: UnitOfWork) -> ImageCatalogue:
    """Return the administrator's list of images."""
    from grid.services.images import ImageList

    return ImageList(uow, settings.grid_runner)
