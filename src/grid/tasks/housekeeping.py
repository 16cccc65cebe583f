"""What every worker does beside its work, so that nothing hangs on one process: reap, relay, forget, check the disk."""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta

from grid.core.errors import GridError
from grid.core.logging import get_logger
from grid.database.uow import UnitOfWork
from grid.services.ledger import Succeeded
from grid.services.outbox import relay
from grid.services.ports import ArtifactStore, Doorbell
from grid.services.reaper import reap
from grid.services.renders import forget_old_renders, requeue_expired_renders
from grid.tasks.chores import Chore
from grid.tasks.events import StorageChecked, WorkerEvent
from grid.tasks.garbage import collect_garbage, discard

log = get_logger(__name__)

REAP_EVERY_S = 5.0
RELAY_EVERY_S, RELAY_GAP_S = 1.0, 0.05
COLLECT_EVERY_S = 3600.0
CHECK_STORE_EVERY_S = 5.0
RELAY_AT_ONCE = 200
EVENTS_KEPT_FOR = timedelta(hours=24)
WORKERS_KEPT_FOR = timedelta(days=7)
SESSIONS_KEPT_FOR = timedelta(days=7)  # after their end


def reaper(uow: UnitOfWork, doorbell: Doorbell) -> Chore:
    """Return the chore that gives away what silent workers held."""

    def act() -> None:
        report = reap(uow)
        renders = requeue_expired_renders(uow)
        if report.requeued or renders:
            log.info("worker.reaped", requeued=report.requeued, renders=renders)
            doorbell.ring("work")

    return Chore("reaper", act, every_s=REAP_EVERY_S)


def relayer(uow: UnitOfWork, doorbell: Doorbell) -> Chore:
    """Return the chore that numbers committed events and says that there are new ones; kicked after each change."""

    def act() -> None:
        with uow.read() as tx:
            if not tx.outbox.backlog():
                return
        while len(relay(uow, limit=RELAY_AT_ONCE)) == RELAY_AT_ONCE:
            pass
        doorbell.ring("changes")

    return Chore("relay", act, every_s=RELAY_EVERY_S, least_gap_s=RELAY_GAP_S)


def store_watch(store: ArtifactStore, post: Callable[[WorkerEvent], None]) -> Chore:
    """Return the chore that tells the loop whether results can be stored."""

    def act() -> None:
        try:
            store.check()
        except GridError:
            post(StorageChecked(is_writable=False))
            raise
        post(StorageChecked(is_writable=True))

    return Chore("store-watch", act, every_s=CHECK_STORE_EVERY_S, least_gap_s=1.0)


class Janitor:
    """Removes what nobody refers to: at once what the ledger refused, and once an hour what is a day old."""

    def __init__(self, uow: UnitOfWork, store: ArtifactStore) -> None:
        self._uow, self._store = uow, store
        self._refused: deque[Succeeded] = deque()
        self.chore = Chore("janitor", self._act, every_s=COLLECT_EVERY_S, least_gap_s=1.0)

    def refuse(self, late: Sequence[Succeeded]) -> None:
        """Take results that the ledger did not accept; never blocks."""
        self._refused.extend(late)
        self.chore.kick()

    def _act(self) -> None:
        late = [self._refused.popleft() for _ in range(len(self._refused))]
        if late:  # kicked, before its hour
            discard(self._uow, self._store, late)
            return
        collect_garbage(self._uow, self._store)
        forget_old_renders(self._uow, self._store)
        with self._uow.begin() as tx:
            tx.idempotency.purge()
            tx.outbox.purge(older_than=EVENTS_KEPT_FOR)
            tx.workers.purge(older_than=WORKERS_KEPT_FOR)
            tx.sessions.purge(older_than=SESSIONS_KEPT_FOR)
