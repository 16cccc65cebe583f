"""The service at one moment, for administrators: living workers, queues of users, room on the disk."""

import shutil
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from grid.core.settings import Settings
from grid.database.queues import NamedQueue
from grid.database.uow import UnitOfWork
from grid.database.workers import WorkerRecord
from grid.services.ports import ArtifactStore

MOST_QUEUES: Final = 100  # of one answer


@dataclass(frozen=True)
class Disk:
    """Room of the file system with the results [B]."""

    free: int
    used: int


@dataclass(frozen=True)
class SystemState:
    """Workers, queues, events on their way and the disk, as one look at the database saw them."""

    workers: list[WorkerRecord]
    queues: list[NamedQueue]
    outbox_backlog: int
    disk: Disk | None  # None where results are not in a folder


def read_system(uow: UnitOfWork, store: ArtifactStore, settings: Settings) -> SystemState:
    """Look at the service."""
    with uow.read() as tx:
        workers = tx.workers.living(within=timedelta(seconds=3 * settings.grid_heartbeat_s + 5))
        queues = tx.queues.list_busy(limit=MOST_QUEUES)
        backlog = tx.outbox.backlog()
    return SystemState(workers, queues, backlog, _look_at_disk(settings) if store.kind == "local" else None)


def _look_at_disk(settings: Settings) -> Disk | None:
    try:
        usage = shutil.disk_usage(settings.resolved_artifacts_path)
    except OSError:  # `/ready` says what is wrong with the folder
        return None
    return Disk(usage.free, usage.used)
