"""Adapters of the ports, chosen by the settings: the one place where server, worker and commands get them.

Each is imported where it is made, so that an installation without scaling out loads none of its libraries.
"""

from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from grid.core.errors import ConfigurationError
from grid.core.settings import Settings
from grid.database.uow import UnitOfWork
from grid.runtime.home import Home
from grid.runtime.spool import Spool
from grid.services.ports import ArtifactStore, BellListener, Broker, Doorbell, FrameBus, ImageCatalogue

if TYPE_CHECKING:
    from grid.runtime.live.frame_relay import FrameRelay


def make_store(settings: Settings, spool: Spool) -> ArtifactStore:
    """Return the store of results. The data folder is open: a folder of results lies in it by default.

    Args:
        settings: What the operator set.
        spool: Where results lie while they are sent to another machine.

    Raises:
        ConfigurationError: Results are in S3, and its library is not installed.
    """
    from grid.runtime.store import LocalArtifactStore

    if settings.artifacts_bucket is None:
        return LocalArtifactStore(settings.resolved_artifacts_path)
    return make_s3_store(settings, *settings.artifacts_bucket, spool)


def make_s3_store(settings: Settings, bucket: str, prefix: str, spool: Spool) -> ArtifactStore:
    """Return the store in a bucket of the server that the settings name; nothing is asked of it yet.

    Raises:
        ConfigurationError: The library is not installed.
    """
    if find_spec("boto3") is None:
        raise ConfigurationError("GRID_ARTIFACTS_URL: install grid-throughput[scale] to keep results in S3.")
    from grid.runtime.s3_client import S3Clients, S3Place
    from grid.runtime.s3_store import S3ArtifactStore

    place = S3Place(bucket, prefix, settings.grid_s3_endpoint, settings.grid_s3_checksums)
    return S3ArtifactStore(S3Clients(place), spool, is_strict=settings.grid_s3_strict)


def open_spool(settings: Settings) -> Spool:
    """Return the folder of this process for files between children and the store; the caller closes it.

    Raises:
        ConfigurationError: The folder cannot be used.
    """
    from grid.runtime.spool import make_spool

    return make_spool(settings.resolved_spool, settings.grid_spool_mb << 20)


def make_doorbell(settings: Settings, home: Home, uow: UnitOfWork) -> Doorbell:
    """Return the doorbell: through sockets in the data folder, and through Redis where it is set.

    Args:
        settings: What the operator set.
        home: The data folder.
        uow: Of the database, which is asked for the installation's identity as soon as it answers.

    Raises:
        ConfigurationError: Redis is set, and its library is not installed.
    """
    from grid.runtime.bus import UnixDoorbell

    near = UnixDoorbell(home.run)
    if not settings.rings_redis or settings.redis_url is None:
        return near
    if find_spec("redis") is None:
        raise ConfigurationError("REDIS_URL: install grid-throughput[scale] to use Redis, or set GRID_BELL=unix.")
    from grid.database.identity import read_identity
    from grid.runtime.paired_bells import PairedDoorbell, find_origin
    from grid.runtime.redis_bus import RedisDoorbell

    far = RedisDoorbell(settings.redis_url, partial(read_identity, uow), origin=find_origin(home.run))
    far.start()
    return PairedDoorbell(near, far)


def make_listener(settings: Settings, home: Home, uow: UnitOfWork, topic: str) -> BellListener:
    """Return a new listener to a topic of the doorbell; the caller closes it."""
    from grid.runtime.bus import UnixBellListener

    if not settings.rings_redis or settings.redis_url is None:
        return UnixBellListener(home.run, topic)
    from grid.database.identity import read_identity
    from grid.runtime.paired_bells import PairedListener, find_origin
    from grid.runtime.redis_bus import RedisBellListener

    make_far = partial(
        RedisBellListener, settings.redis_url, partial(read_identity, uow), topic, origin=find_origin(home.run)
    )
    return PairedListener(partial(UnixBellListener, home.run, topic), make_far)


def find_broker(doorbell: Doorbell) -> Broker | None:
    """Return what carries rings to other machines; None where nothing does."""
    broker: Broker | None = getattr(doorbell, "broker", None)
    return broker


def make_frame_bus(settings: Settings, home: Home, uow: UnitOfWork) -> FrameBus:
    """Return the carrier of frames of live runs: local sockets, and Redis for runs on other machines."""
    from grid.runtime.live.frame_bus import UnixFrameBus

    near = UnixFrameBus(home.run)
    if not settings.rings_redis or settings.redis_url is None:
        return near
    from grid.database.identity import read_identity
    from grid.runtime.live.paired_frames import PairedFrameBus
    from grid.runtime.live.redis_frames import RedisFrameBus
    from grid.runtime.paired_bells import find_origin

    far = RedisFrameBus(settings.redis_url, partial(read_identity, uow), origin=find_origin(home.run))
    return PairedFrameBus(near, far)


def start_frame_relay(settings: Settings, home: Home, uow: UnitOfWork) -> "FrameRelay | None":
    """Start what answers servers of other machines, beside a worker; None where there are none. The caller stops it."""
    if not settings.rings_redis or settings.redis_url is None or settings.grid_live_runs == 0:
        return None
    from grid.database.identity import read_identity
    from grid.runtime.live.frame_relay import FrameRelay
    from grid.runtime.paired_bells import find_origin

    relay = FrameRelay(settings.redis_url, partial(read_identity, uow), home.run, origin=find_origin(home.run))
    relay.start()
    return relay


def make_catalogue(settings: Settings, uow: UnitOfWork) -> ImageCatalogue:
    """Return the administrator's list of images."""
    from grid.services.images import ImageList

    return ImageList(uow, settings.grid_runner)
