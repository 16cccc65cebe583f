"""Periodic tasks of a worker beside the maintenance of the ledger: storage probe and garbage collector."""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta

from grid.core.errors import GridError
from grid.database.uow import UnitOfWork
from grid.runtime.spool import Spool
from grid.services.ledger import Succeeded
from grid.services.periodic import PeriodicTask
from grid.services.ports import ArtifactStore
from grid.services.renders import forget_old_renders
from grid.tasks.events import StorageChecked, WorkerEvent
from grid.tasks.garbage import collect_garbage, discard

COLLECT_EVERY_S = 3600.0  # [s] garbage is a day old before it is removed, so an hour more is little
PROBE_EVERY_S = 5.0  # [s] so long a worker waits at most before it claims again after a full disk was freed
LEAST_GAP_S = 1.0  # [s] between two turns, however often they are triggered
EVENTS_KEPT_FOR = timedelta(hours=24)  # in the numbered stream
WORKERS_KEPT_FOR = timedelta(days=7)  # after their last heartbeat
SPOOLED_FOR = timedelta(hours=6)  # files that a child left and whose end nobody heard of
SESSIONS_KEPT_FOR = timedelta(days=7)  # after their end


def make_storage_probe(
    store: ArtifactStore, post: Callable[[WorkerEvent], None], *, spool: Spool | None = None
) -> PeriodicTask:
    """Return the task that tells the loop whether results can be left in the spool and stored."""

    def act() -> None:
        try:
            if spool is not None:
                spool.check()
            store.check()
        except GridError:
            post(StorageChecked(is_writable=False))
            raise
        post(StorageChecked(is_writable=True))

    return PeriodicTask("storage-probe", act, every_s=PROBE_EVERY_S, least_gap_s=LEAST_GAP_S)


class GarbageCollector:
    """Removes outputs that nobody refers to: at once those the ledger refused, and once an hour those a day old."""

    def __init__(self, uow: UnitOfWork, store: ArtifactStore, *, spool: Spool | None = None) -> None:
        self._uow, self._store, self._spool = uow, store, spool
        self._rejected: deque[Succeeded] = deque()
        self.task = PeriodicTask("garbage-collector", self._act, every_s=COLLECT_EVERY_S, least_gap_s=LEAST_GAP_S)

    def reject(self, late: Sequence[Succeeded]) -> None:
        """Queue the outputs of results that the ledger rejected for removal; never blocks."""
        self._rejected.extend(late)
        self.task.trigger()

    def _act(self) -> None:
        late = [self._rejected.popleft() for _ in range(len(self._rejected))]
        if late:  # triggered, before its hour
            discard(self._uow, self._store, late)
            return
        collect_garbage(self._uow, self._store)
        if self._spool is not None:
            self._spool.remove_old(SPOOLED_FOR.total_seconds())
        forget_old_renders(self._uow, self._store)
        with self._uow.begin() as tx:
            tx.idempotency.purge()
            tx.outbox.purge(older_than=EVENTS_KEPT_FOR)
            tx.workers.purge(older_than=WORKERS_KEPT_FOR)
            tx.sessions.purge(older_than=SESSIONS_KEPT_FOR)
