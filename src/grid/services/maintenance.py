"""The server's share of keeping the ledger in order: the reaper every few seconds, the outbox as events come.

Workers do the same; two at once are harmless. It runs without any worker, so that what a dead worker held is given back
and what was accepted is announced while the next worker starts.
"""

import threading
import time
from collections.abc import Callable

from grid.core.errors import GridError
from grid.core.logging import get_logger
from grid.database.uow import UnitOfWork
from grid.services.outbox import relay
from grid.services.ports import Doorbell
from grid.services.reaper import ReapReport, reap
from grid.services.renders import requeue_expired_renders

log = get_logger(__name__)

REAP_EVERY_S = 5.0
REAP_LIMIT = 100  # jobs of one transaction
RELAY_EVERY_S = 0.25
LONGEST_PAUSE_S = 30.0  # between tries while the database does not answer
STOP_PATIENCE_S = 15.0  # longer than any statement may take


class Maintenance:
    """One thread that works until stopped, whatever happens to the database meanwhile."""

    def __init__(
        self, uow: UnitOfWork, doorbell: Doorbell, *, on_reaped: Callable[[ReapReport], None] = lambda _: None
    ) -> None:
        self.uow, self.doorbell, self.on_reaped = uow, doorbell, on_reaped
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="maintenance")
        self._failures = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the round in progress and end the thread; harmless when repeated or never started."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_PATIENCE_S)

    def _run(self) -> None:
        next_reap = time.monotonic()
        while not self._stop.is_set():
            try:
                if time.monotonic() >= next_reap:
                    next_reap = time.monotonic() + REAP_EVERY_S
                    self.reap_once()
                self.relay_once()
                self._recovered()
            except Exception as error:  # noqa: BLE001 - a thread that dies quietly would leave jobs behind for good
                self._failed(error)
            self._stop.wait(self.pause_s)

    def reap_once(self) -> None:
        """Give back what silent workers held, jobs and requests for files; a full round is followed by the next one."""
        if requeue_expired_renders(self.uow):
            self.doorbell.ring("work")
        while True:
            report = reap(self.uow, limit=REAP_LIMIT)
            self.on_reaped(report)
            if report.requeued:
                self.doorbell.ring("work")
            if report.total < REAP_LIMIT or self._stop.is_set():
                return

    def relay_once(self) -> None:
        """Announce what has been committed, until nothing is left."""
        while self.has_events() and relay(self.uow):
            self.doorbell.ring("changes")
            if self._stop.is_set():
                return

    def has_events(self) -> bool:
        """Look without writing: a quiet server takes no write lock."""
        with self.uow.read() as tx:
            return tx.outbox.backlog() > 0

    @property
    def pause_s(self) -> float:
        """The time to the next round: longer after each failure in a row."""
        return min(RELAY_EVERY_S * 2.0 ** min(self._failures, 10), LONGEST_PAUSE_S)

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        known = isinstance(error, GridError)
        if self._failures == 1 or not known:
            log.error("maintenance_failed", reason=str(error) if known else None, exc_info=None if known else error)

    def _recovered(self) -> None:
        if self._failures:
            log.info("maintenance_recovered", after_failures=self._failures)
            self._failures = 0
