"""Containers of a worker: started where the engine can be used, and removed where nobody runs them any more."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Self

from grid.core.errors import GridError
from grid.core.logging import get_logger
from grid.core.settings import Settings
from grid.database.uow import UnitOfWork
from grid.runtime.containers import (
    ContainerHost,
    ContainerLimits,
    ContainerRun,
    FoundContainer,
    UserIds,
    list_containers,
)
from grid.runtime.docker_api import Engine, EngineAwayError, require_confining, require_private_socket
from grid.runtime.programs import ProgramMissingError
from grid.runtime.watched_run import WatchedRun
from grid.schemas.jobs import Claim
from grid.services.ledger import ClaimedBatch, ClaimedJob
from grid.services.periodic import PeriodicTask
from grid.tasks.programs import GRACE_S

log = get_logger(__name__)

LOOK_EVERY_S = 5.0  # [s] between two looks at the engine and at its containers
REMOVE_WITHIN_S = 10.0  # [s] for the engine to remove one
LEASE_SLACK = timedelta(seconds=30)  # a lease that has lapsed for so long is nobody's


@dataclass(frozen=True)
class ContainerLauncher:
    """Starts images in containers, by their digests."""

    host: ContainerHost
    caps: ContainerLimits

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return a launcher with the engine, folder and caps of the settings."""
        caps = ContainerLimits(
            wall_s=float(settings.max_job_timeout),
            memory_bytes=settings.grid_docker_memory_mb << 20,
            output_bytes=settings.grid_output_mb << 20,
            cpus=settings.grid_docker_cpus,
            pids=settings.grid_docker_pids,
            tmp_bytes=settings.grid_docker_tmp_mb << 20,
            grace_s=GRACE_S,
        )
        ids = UserIds(settings.grid_home, settings.docker_uids)
        return cls(ContainerHost(settings.docker_host, settings.grid_home, ids), caps)

    def launch(self, batch: ClaimedBatch, job: ClaimedJob) -> WatchedRun:
        """Start it behind a watchdog of its own.

        Raises:
            ProgramMissingError: The image was taken off the list, or has no digest any more.
            NoUserIdError: Every user id is in use.
        """
        if batch.pin is None or batch.pin.content is None:
            raise ProgramMissingError(f"{batch.image} is not on the list of images any more.")
        limits = replace(self.caps, wall_s=min(job.wall_limit_s, self.caps.wall_s))
        return ContainerRun(self.host, batch.pin, job.claim, job.params, limits)


class EngineWatch:
    """Whether the engine can be used now, and the reaper of containers that nobody runs any more.

    The task looks first and then removes, so that a worker claims nothing for containers before those of a worker that
    was killed are gone.

    Args:
        uow: Where the jobs are.
        host: Whose containers they are.
        is_expected: False where it is no trouble that there is no engine; once it has answered, it is.
    """

    def __init__(self, uow: UnitOfWork, host: ContainerHost, *, is_expected: bool = True) -> None:
        self._uow, self._engine, self._host, self._is_expected = uow, Engine(host.engine), host, is_expected
        self._ready = threading.Event()
        self.detail = "The Docker engine was not asked yet."
        self.task = PeriodicTask("containers", self.look, every_s=LOOK_EVERY_S, least_gap_s=1.0)

    @property
    def is_ready(self) -> bool:
        """True where containers can be started."""
        return self._ready.is_set()

    def look(self) -> None:
        """Ask the engine, and remove containers without an owner.

        Raises:
            GridError: It does not answer, or may not be used.
        """
        try:
            if self._ready.is_set():
                require_private_socket(self._engine)
            else:
                self.detail = f"Docker {require_confining(self._engine)}"
            reap(self._uow, self._engine, self._host.installation)
        except GridError as error:
            self.detail = str(error)
            self._ready.clear()
            if self._is_expected or not isinstance(error, EngineAwayError):
                raise
            return
        self._is_expected = True
        self._ready.set()


def reap(uow: UnitOfWork, engine: Engine, installation: str) -> int:
    """Kill and remove the containers of this installation whose attempt is over; return how many.

    Raises:
        EngineAwayError, EngineRefusedError: The engine does not answer, or refuses.
    """
    found = list_containers(engine, installation)
    held = find_held(uow, [one.claim for one in found if one.claim is not None])
    orphans = [one for one in found if one.claim is None or one.claim not in held]
    removed = sum(1 for one in orphans if _remove(engine, one))
    if removed:
        log.warning("worker.containers_removed", containers=removed)
    return removed


def find_held(uow: UnitOfWork, claims: Sequence[Claim]) -> frozenset[Claim]:
    """Return the claims that hold their job now: by their epoch, and by a lease that has not lapsed for long."""
    if not claims:
        return frozenset()
    with uow.read() as tx:
        jobs = tx.jobs.find_many([claim.job_id for claim in claims])
        least = tx.now() - LEASE_SLACK
    return frozenset(
        Claim(job.id, job.epoch) for job in jobs if job.lease_until is not None and job.lease_until > least
    )


def _remove(engine: Engine, container: FoundContainer) -> bool:
    return engine.remove(container.id, within_s=REMOVE_WITHIN_S)
