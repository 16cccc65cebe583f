"""The heartbeat: renews every lease of the worker in one statement, from a thread of its own."""

import time
from collections.abc import Callable

from grid.services.ledger import Renewal
from grid.services.periodic import PeriodicTask
from grid.tasks.events import LeasesRenewed, WorkerEvent
from grid.tasks.leases import Leases
from grid.tasks.ledger import WorkerLedger

HASTE_LIMIT = 256  # claims; with more, a ring does not bring the heartbeat forward
HASTE_GAP_S = 1.0  # [s] between two heartbeats at least, however often the bell rings
NOTHING = Renewal(frozenset(), frozenset(), frozenset(), frozenset())


class Heartbeat:
    """Renews leases and posts the ledger's answer to the loop: claims lost, cancelled or past their deadline.

    Args:
        ledger: Used from this thread alone, hence with its own connection.
        leases: The claims to renew.
        post: Takes the answer.
        sign_in: Writes the worker's row; called at each beat.
        every_s: Seconds between beats.
    """

    def __init__(
        self,
        ledger: WorkerLedger,
        leases: Leases,
        post: Callable[[WorkerEvent], None],
        *,
        sign_in: Callable[[], object] = lambda: None,
        every_s: float,
    ) -> None:
        self._ledger, self._leases, self._post, self._sign_in = ledger, leases, post, sign_in
        self._task = PeriodicTask("heartbeat", self.beat, every_s=every_s, least_gap_s=min(HASTE_GAP_S, every_s))

    def start(self) -> None:
        """Start the thread."""
        self._task.start()

    def hasten(self) -> None:
        """Renew soon, because a ring may be about a cancel; not with many leases, whose renewal costs too much."""
        if 0 < self._leases.count() <= HASTE_LIMIT:
            self._task.trigger()

    def finish(self) -> None:
        """End after the beat in progress."""
        self._task.finish()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the thread's end."""
        self._task.join(timeout)

    def beat(self) -> None:
        """Renew once."""
        jobs, renders = self._leases.jobs(), self._leases.renders()
        sent_at = time.monotonic()  # before the statement, so that the lease ends no earlier than this worker assumes
        renewal = self._ledger.renew(jobs) if jobs else NOTHING
        kept = self._ledger.renew_renders(renders) if renders else frozenset()
        if jobs or renders:
            self._post(LeasesRenewed(renewal, kept, frozenset(renders) - kept, sent_at))
        self._sign_in()
