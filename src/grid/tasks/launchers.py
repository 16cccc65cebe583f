"""What a worker starts images with, and which kinds of slot it serves, by the settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grid.core.settings import Settings
from grid.database.uow import UnitOfWork
from grid.runtime.watched_run import WatchedRun
from grid.schemas.jobs import SlotKind
from grid.services.ledger import ClaimedBatch, ClaimedJob
from grid.tasks.containers import ContainerLauncher, EngineWatch
from grid.tasks.programs import Launcher, ProgramLauncher


@dataclass(frozen=True)
class ImageLauncher:
    """Starts an image where its job was submitted to run."""

    programs: Launcher | None
    containers: Launcher | None

    def launch(self, batch: ClaimedBatch, job: ClaimedJob) -> WatchedRun | None:
        """Start it; None where this worker has no runner for it."""
        launcher = self.containers if batch.slot == "docker" else self.programs
        return launcher.launch(batch, job) if launcher is not None else None


def make_launcher(settings: Settings) -> ImageLauncher:
    """Return what starts images."""
    return ImageLauncher(
        ProgramLauncher.from_settings(settings) if settings.grid_runner != "docker" else None,
        ContainerLauncher.from_settings(settings) if settings.grid_runner != "local" else None,
    )


def make_engine_watch(settings: Settings, uow: UnitOfWork) -> EngineWatch | None:
    """Return what looks after the engine and its containers; None where no container may run."""
    if settings.grid_runner == "local":
        return None
    host = ContainerLauncher.from_settings(settings).host
    return EngineWatch(uow, host, is_expected=settings.grid_runner == "docker")


def make_slots(
    settings: Settings, watch: EngineWatch | None, has_child: Callable[[], bool] = lambda: True
) -> Callable[[], Sequence[SlotKind]]:
    """Return what tells the kinds of slot that a worker can serve now.

    Containers only while the engine can be used; what is computed in children once the first of them is up, which takes
    minutes where kernels have to be compiled: programs and containers do not wait for it.
    """

    def find_slots() -> Sequence[SlotKind]:
        slots: list[SlotKind] = ["small", "large"] if has_child() else []
        if settings.grid_runner != "docker":
            slots.append("program")
        if watch is not None and watch.is_ready:
            slots.append("docker")
        return slots

    return find_slots
