"""A whole worker in a thread of the test: real children with toy simulations, a real database, a real store."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.doubles.bells import MemoryDoorbell

from grid.core.ids import new_id
from grid.core.settings import Settings
from grid.database.jobs import JobRecord, NewJob, NewJobs
from grid.database.queues import Delta
from grid.database.uow import UnitOfWork
from grid.runtime.slots import SlotFactory
from grid.runtime.spool import Spool
from grid.runtime.store import LocalArtifactStore
from grid.runtime.watched_run import WatchedRun
from grid.schemas.jobs import SlotKind
from grid.services.ledger import ClaimedBatch, ClaimedJob
from grid.services.ports import ArtifactStore
from grid.tasks.assembly import WorkerDependencies, assemble
from grid.tasks.containers import EngineWatch
from grid.tasks.programs import Launcher
from grid.tasks.supervisor import Supervisor

ROOT = Path(__file__).parents[2]
TOYS = "tests.doubles.simulations:load_registry"
PATIENCE_S = 60.0


class NoPrograms:
    """A machine on which no program can run."""

    def launch(self, batch: ClaimedBatch, job: ClaimedJob) -> WatchedRun | None:
        return None


@dataclass
class RunningWorker:
    """A worker at work, and what a test wants to look at."""

    uow: UnitOfWork
    store: ArtifactStore
    spool: Spool
    bell: MemoryDoorbell
    supervisor: Supervisor
    thread: threading.Thread
    codes: list[int]

    def children(self) -> list[int]:
        """Return the pids of the children that are up."""
        return [slot.child.pid for slot in self.supervisor._children if slot.child is not None and slot.is_ready]

    def stop(self) -> int:
        """Drain, and return the exit code."""
        self.supervisor.stop()
        self.thread.join(30.0)
        assert not self.thread.is_alive(), "the worker does not end"
        return self.codes[0]


@contextmanager
def working(
    uow: UnitOfWork,
    home: Path,
    *,
    launcher: Launcher | None = None,
    engine: EngineWatch | None = None,
    memory_bytes: int | None = None,
    store: ArtifactStore | None = None,
    **settings: Any,
) -> Iterator[RunningWorker]:
    """Run a worker on `uow` until the end of the block; it then drains."""
    chosen = {"grid_slots": 2, "grid_poll_s": 0.1, "grid_heartbeat_s": 0.2, "grid_lease_s": 4.0, **settings}
    (home / "run").mkdir(parents=True, exist_ok=True)
    bell = MemoryDoorbell()
    store, spool = store or LocalArtifactStore(home / "artifacts"), Spool(home / "spool")
    dependencies = WorkerDependencies(
        uow=uow,
        store=store,
        spool=spool,
        factory=SlotFactory(home, spool.root, registry=TOYS, memory_bytes=memory_bytes, extra_path=(ROOT,)),
        launcher=launcher or NoPrograms(),
        doorbell=bell,
        bell=bell.listen("work"),
        live_bell=bell.listen("live"),
        run_folder=home / "run",
        engine=engine,
    )
    supervisor = assemble(Settings(_env_file=None, grid_home=home, **chosen), dependencies)
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(supervisor.run()), name="worker")
    thread.start()
    worker = RunningWorker(uow, store, spool, bell, supervisor, thread, codes)
    try:
        yield worker
    finally:
        worker.stop()


def submit_points(
    uow: UnitOfWork,
    owner: UUID,
    points: Sequence[Mapping[str, Any]],
    *,
    simulation: str | None = "toy",
    slot: SlotKind = "small",
    wall_limit_s: float = 60.0,
    max_attempts: int = 1,
    batch_key: str = "all",
) -> list[UUID]:
    """Insert one job for each set of parameters; several of them are a sweep."""
    ids = [new_id() for _ in points]
    sweep_id = new_id() if len(points) > 1 else None
    image = None if simulation else "sim:local"
    with uow.begin() as tx:
        tx.queues.lock(owner)
        if sweep_id is not None:
            tx.sweeps.add(sweep_id, owner_id=owner, total=len(ids), simulation=simulation, image=image)
        shared = NewJobs(
            owner_id=owner,
            simulation=simulation,
            image=image,
            slot=slot,
            wall_limit_s=wall_limit_s,
            available_at=tx.now(),
            expires_at=tx.now() + timedelta(days=1),
            sweep_id=sweep_id,
            max_attempts=max_attempts,
        )
        rows = [
            NewJob(job, dict(point), "ef" * 32, batch_key, 0.001, place if sweep_id else None)
            for place, (job, point) in enumerate(zip(ids, points, strict=True))
        ]
        tx.jobs.add(shared, rows)
        tx.queues.change({owner: Delta(queued=len(ids))})
    return ids


def read_jobs(uow: UnitOfWork, ids: Sequence[UUID]) -> list[JobRecord]:
    """Read jobs in the order of their ids."""
    with uow.read() as tx:
        return tx.jobs.find_many(list(ids))


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait until the condition holds; a generous limit turns a hang into a failure."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.02)


def wait_for_ends(uow: UnitOfWork, ids: Sequence[UUID]) -> list[JobRecord]:
    """Wait until every job is terminal, and return them."""
    wait_until(lambda: all(job.state.is_terminal for job in read_jobs(uow, ids)), "every job had ended")
    return read_jobs(uow, ids)
