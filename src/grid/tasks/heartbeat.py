"""The heartbeat: renews every lease of the worker in one statement, from a thread of its own."""

import time
from collections.abc import Callable

from grid.services.ledger import Renewal
from grid.services.periodic import PeriodicTask
from grid.tasks.events import LeasesRenewed, WorkerEvent
from grid.tasks.leases import Leases
from grid.tasks.ledger import Ledger

HASTE_LIMIT = 256  # claims: with more, a ring does not bring the heartbeat forward
HASTE_GAP_S = 1.0
NOTHING = Renewal(frozenset(), frozenset(), frozenset(), frozenset())


class Heartbeat:
    """Renews leases and tells the loop what the ledger answered: what is lost, cancelled or past its deadline.

    Args:
        ledger: Used from this thread alone, hence with its own connection.
        leases: The claims to renew.
        post: Takes the answer.
        sign_in: Writes the worker's row; called at each beat.
        every_s: Seconds between beats.
    """

    def __init__(
        self,
        ledger: Ledger,
        leases: Leases,
        post: Callable[[WorkerEvent], None],
        *,
        sign_in: Callable[[], object] = lambda: None,
        every_s: float,
    ) -> None:
        self._ledger, self._leases, self._post, self._sign_in = ledger, leases, post, sign_in
        self._task = PeriodicTask("heartbeat", self.beat, every_s=every_s, least_gap_s=min(HASTE_GAP_S, every_s))

    def start(self) -> None:
        """Begin to beat."""
        self._task.start()

    def hasten(self) -> None:
        """Beat soon: a bell rang, and it may be about a cancel. Not with thousands of leases, which would cost more."""
        if 0 < self._leases.count() <= HASTE_LIMIT:
            self._task.trigger()

    def finish(self) -> None:
        """Stop beating."""
        self._task.finish()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the thread's end."""
        self._task.join(timeout)

    def beat(self) -> None:
        """Renew once."""
        jobs, renders = self._leases.jobs(), self._leases.renders()
        sent_at = time.monotonic()  # before the statement: the lease is never younger than we believe
        renewal = self._ledger.renew(jobs) if jobs else NOTHING
        kept = self._ledger.renew_renders(renders) if renders else frozenset()
        if jobs or renders:
            self._post(LeasesRenewed(renewal, kept, frozenset(renders) - kept, sent_at))
        self._sign_in()
