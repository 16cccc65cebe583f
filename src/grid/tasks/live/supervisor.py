"""The live runs of one worker: a loop in a thread of its own, which owns their children and never waits for a database.

It stands beside the loop of jobs, so that neither waits for the other. Calls to the ledger are made by `LiveWriter`,
renewals by a periodic task; both answer with events.
"""

import math
import selectors
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from grid.core.logging import get_logger
from grid.runtime.processes import find_cpu_seconds
from grid.runtime.spool import Spool
from grid.schemas.live import RunClaim
from grid.services.live import ClaimedRun, LiveRenewal, Look
from grid.services.periodic import PeriodicTask
from grid.services.ports import BellListener
from grid.tasks.children import Child, Factory
from grid.tasks.events import EventQueue
from grid.tasks.live.files import LiveFiles
from grid.tasks.live.ledger import LiveLedger
from grid.tasks.live.runs import LiveRuns
from grid.tasks.live.writer import Answer, LiveWriter
from grid.tasks.transfers import ResultFiles, TransferEnded, Transfers

log = get_logger(__name__)

TURN_S = 0.25  # [s] between two checks of the timers
POLL_S = 1.0  # [s] between two looks for runs and commands without a ring
WRITE_S = 1.0  # [s] between two writes of ticks and samples
WRITER_TIMEOUT_S = 4.0  # [s] at the end, for what is still to be written
SNAPSHOT_TIMEOUT_S = 3.0  # [s] at the end, for the last snapshots


@dataclass(frozen=True)
class RenewedRuns:
    """The ledger answered a heartbeat that was sent at `sent_at` (monotonic) [s]."""

    renewal: LiveRenewal
    sent_at: float


class LiveSupervisor:
    """The loop of live runs. `start` makes its threads; `drain` gives the runs back, and `is_over` says when.

    Args:
        ledger: Its calls.
        factory: Starts children.
        bell: Rings when there may be a run or a command.
        spool: Where children leave what is stored in the ledger's store.
        socket_of: Path at which a run's child answers servers of viewers.
        heartbeat_s: How often leases are renewed [s].
        on_change: Called with the living children after each start and end, to record them.
        on_written: Called after what others wait for was written, to ring and relay; never blocks.
    """

    def __init__(
        self,
        ledger: LiveLedger,
        factory: Factory,
        bell: BellListener,
        *,
        spool: Spool,
        socket_of: Callable[[RunClaim], str],
        heartbeat_s: float,
        on_change: Callable[[list[Child]], None] = lambda _: None,
        on_written: Callable[[], None] = lambda: None,
    ) -> None:
        self._ledger, self._bell, self._on_written = ledger, bell, on_written
        self._events: EventQueue[Answer | RenewedRuns | TransferEnded] = EventQueue()
        self._transfers = Transfers(self._events.put)
        self._files = LiveFiles(ResultFiles(self._transfers, ledger.store, spool))
        self._writer = LiveWriter(self._events.put)
        self._heartbeat = PeriodicTask("live-heartbeat", self._beat, every_s=heartbeat_s)
        self._selector = selectors.DefaultSelector()
        self._held = LiveRuns(
            ledger, self._writer, self._files, factory, self._selector,
            socket_of=socket_of, on_change=on_change, on_written=on_written, on_room=self._look_for_work,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._loop, name="live", daemon=True)
        self._is_claiming = False
        self._polled = self._wrote = 0.0
        self._is_writing = False
        self._drain_until: float | None = None
        self._is_finishing = False

    # -- the life of the loop, called from outside -------------------------------------------------------------------

    def start(self) -> None:
        """Start the threads."""
        self._writer.start()
        self._heartbeat.start()
        self._thread.start()

    def drain(self) -> None:
        """Claim no more, store and give back every run, then end."""
        self._is_finishing = True
        self._events.wake()

    @property
    def is_over(self) -> bool:
        """True once every run is given back and the loop has ended."""
        return not self._thread.is_alive()

    def join(self, timeout_s: float) -> None:
        """Wait for the loop, then end the other threads; children that are left are ended."""
        self._thread.join(timeout_s)
        for run in self._held.all():
            if run.child is not None:
                run.child.kill()
        self._heartbeat.stop(1.0)
        self._bell.close()
        self._events.close()

    @property
    def cores(self) -> float:
        """Cores that its runs take: measured, or as they were priced."""
        return math.fsum(run.cores for run in self._held.all())

    @property
    def runs(self) -> int:
        """Runs that are held."""
        return len(self._held)

    # -- the loop ----------------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        self._selector.register(self._events, selectors.EVENT_READ, self._on_events)
        self._selector.register(self._bell, selectors.EVENT_READ, self._on_bell)
        try:
            while not self._has_drained():
                self._turn()
        except Exception:
            log.exception("live.loop_failed")  # leases lapse, and other workers go on with the runs
        finally:
            for run in self._held.all():
                self._held.drop(run)
            self._transfers.finish()
            self._writer.finish(WRITER_TIMEOUT_S)
            self._writer.join(WRITER_TIMEOUT_S + 1.0)
            self._selector.close()

    def _turn(self) -> None:
        for key, _ in self._selector.select(TURN_S):
            key.data()
        now = time.monotonic()
        self._files.tick(now)
        for run in self._held.all():
            self._held.check(run, now)
        if now - self._wrote >= WRITE_S and not self._is_writing:
            self._write_looks(now)
        if now - self._polled >= POLL_S and not self._is_finishing:
            self._polled = now
            self._look_for_work()
        if self._is_finishing and self._drain_until is None:
            self._begin_drain(now)

    def _on_events(self) -> None:
        for event in self._events.take():
            if isinstance(event, RenewedRuns):
                self._on_renewed(event)
            else:
                event.deliver()

    def _on_bell(self) -> None:
        self._bell.drain()
        self._look_for_work()

    def _look_for_work(self) -> None:
        for run in self._held.all():
            self._held.read_commands(run)
        if not self._is_claiming and not self._is_finishing:
            self._is_claiming = True
            self._writer.submit(self._ledger.claim, self._on_claimed, self._on_claim_failed)

    def _on_claimed(self, claimed: ClaimedRun | None) -> None:
        self._is_claiming = False
        if claimed is None:
            return
        if self._is_finishing:
            self._writer.submit(lambda: self._ledger.hand_back([claimed.claim]))
            return
        self._held.hold(claimed)
        self._on_written()
        self._look_for_work()

    def _on_claim_failed(self, error: Exception) -> None:
        self._is_claiming = False
        log.warning("live.claim_failed", exc_info=error)

    # -- leases ------------------------------------------------------------------------------------------------------

    def _beat(self) -> None:
        claims = sorted(self._held.claims)
        if claims:
            sent_at = time.monotonic()  # before the statement, so that the lease ends no earlier than assumed
            self._events.put(RenewedRuns(self._ledger.renew(claims), sent_at))

    def _on_renewed(self, event: RenewedRuns) -> None:
        for claim in event.renewal.lost:
            if (run := self._held.find(claim)) is not None and not run.has_ended:
                log.warning("live.run_lost", run_id=str(claim.run_id), epoch=claim.epoch)
                self._held.drop(run)
        for claim, row in event.renewal.held.items():
            if (run := self._held.find(claim)) is not None:
                run.lease_ok_at, run.speed = max(run.lease_ok_at, event.sent_at), row.speed

    def _write_looks(self, now: float) -> None:
        """Write ticks and samples of all runs in one transaction."""
        self._wrote = now
        looks, runs = [], []
        for run in self._held.all():
            if run.is_caught_up and not run.has_ended and (run.tick != run.written or run.rows):
                if run.child is not None and run.is_ready:
                    run.measure(now, find_cpu_seconds(run.child.pid))
                rows, run.rows = tuple(run.rows), []
                looks.append(Look(run.claim, run.tick, run.load, rows))
                runs.append((run, run.tick))
        if not looks:
            return
        self._is_writing = True

        def done(held: frozenset[RunClaim]) -> None:
            self._is_writing = False
            for run, tick in runs:
                if run.claim in held:
                    run.written = tick

        def fail(error: Exception) -> None:
            self._is_writing = False
            log.error("live.looks_failed", exc_info=error)

        self._writer.submit(lambda: self._ledger.write_looks(looks), done, fail)

    # -- drain -------------------------------------------------------------------------------------------------------

    def _begin_drain(self, now: float) -> None:
        self._drain_until = now + SNAPSHOT_TIMEOUT_S
        for run in self._held.all():
            if run.is_caught_up and not run.has_ended:
                run.is_parking = True  # the last snapshot is on its way
                self._held.ask_for_snapshot(run)

    def _has_drained(self) -> bool:
        if self._drain_until is None:
            return False
        waiting = [run for run in self._held.all() if run.has_ended or run.is_parking]
        if waiting and time.monotonic() < self._drain_until:
            return False
        claims = [run.claim for run in self._held.all() if not run.has_ended]
        if claims:
            for run in self._held.all():
                self._held.flush(run)
                self._held.close(run)
            self._writer.submit(lambda: self._ledger.hand_back(claims))
        return True
