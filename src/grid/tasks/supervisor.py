"""The supervisor: one loop that makes every decision, and threads that wait for disks and databases instead of it.

The loop owns the children and what they work on. It never touches the database: the ledger writer claims and
concludes, the heartbeat renews, periodic tasks reap, relay and collect; they answer with events. See `docs/worker.md`.
"""

import random
import selectors
import time
from collections.abc import Callable, Sequence

from grid.core.errors import GridError
from grid.core.logging import get_logger
from grid.services.periodic import PeriodicTask
from grid.services.ports import BellListener
from grid.tasks.children import Children
from grid.tasks.dispatcher import Dispatcher
from grid.tasks.events import (
    ClaimReply,
    ClaimRequest,
    EventQueue,
    JobsRequeued,
    LeasesRenewed,
    OutputCollected,
    StorageChecked,
    ThreadDied,
    WorkerEvent,
)
from grid.tasks.heartbeat import Heartbeat
from grid.tasks.ledger_writer import LedgerWriter
from grid.tasks.live.supervisor import LiveSupervisor
from grid.tasks.transfers import TransferEnded

log = get_logger(__name__)

TICK_S = 0.1  # [s] between two checks of the timers while there is work
QUIET_TICK_S = 0.5  # [s] the same while there is none
RENDER_GAP_S = 0.05  # [s] between two claims of requests for files while every child is busy
WRITER_TIMEOUT_S = 4.0  # [s] at the end, for what is still to be written; the rest is dropped and its leases lapse
LIVE_TIMEOUT_S = 10.0  # [s] at the end, for the last snapshots of live runs
THREAD_TIMEOUT_S = 2.0  # [s] at the end, for a thread to finish its turn


class Supervisor:
    """The loop of one worker. `run` blocks; `stop` may come from a signal handler or another thread.

    Args:
        selector: Where children and programs are registered, each with a callable for when it is readable.
        events: Where the threads put their events.
        dispatcher: Hands work out and takes ends in.
        children: The slot children, started and ended here.
        writer: Claims and concludes.
        heartbeat: Renews.
        tasks: Further threads, started and ended here.
        bell: Rings when there may be something in the database.
        live: Live runs, beside the jobs; None where the worker takes none.
        sign_out: Called at the very end, to mark the worker as stopped.
        poll_s: How often to look without a ring.
        drain_s: How long work may go on after `stop`.
    """

    def __init__(
        self,
        *,
        selector: selectors.BaseSelector,
        events: EventQueue[WorkerEvent],
        dispatcher: Dispatcher,
        children: Children,
        writer: LedgerWriter,
        heartbeat: Heartbeat,
        tasks: Sequence[PeriodicTask],
        bell: BellListener,
        live: LiveSupervisor | None = None,
        sign_out: Callable[[], object] = lambda: None,
        poll_s: float = 2.0,
        drain_s: float = 10.0,
    ) -> None:
        self._selector, self._events, self._dispatcher, self._children = selector, events, dispatcher, children
        self._writer, self._heartbeat, self._tasks, self._bell = writer, heartbeat, tasks, bell
        self._poll_s, self._drain_s, self._sign_out, self._live = poll_s, drain_s, sign_out, live
        self._generation = 0  # counts the reasons to look: rings and polls
        self._may_have_jobs = True  # there may be jobs
        self._may_have_renders = True  # there may be requests for files
        self._open_requests = 0
        self._may_have_extra = True  # there may be jobs to run without core tokens
        self._is_extra_request_open = False
        self._render_request_at = 0.0
        self._is_render_request_open = False
        self._poll_at = self._tick_at = 0.0
        self._is_store_writable = True
        self._is_stopping = False
        self._drain_until: float | None = None
        self._defect: BaseException | None = None

    @property
    def is_draining(self) -> bool:
        """True once it was asked to stop: no more work is claimed."""
        return self._is_stopping

    def stop(self) -> None:
        """Drain: claim no more, let short work finish, give back the rest, end. Safe in a signal handler."""
        self._is_stopping = True
        self._events.wake()

    def run(self) -> int:
        """Work until stopped; return 0, or 1 where a defect ended the worker."""
        self._begin()
        try:
            while not self._is_over():
                self._turn()
        finally:
            self._end()
        return 0 if self._defect is None else 1

    def _begin(self) -> None:
        self._selector.register(self._events, selectors.EVENT_READ, self._on_events)
        self._selector.register(self._bell, selectors.EVENT_READ, self._on_bell)
        self._writer.start()
        self._heartbeat.start()
        if self._live is not None:
            self._live.start()
        for task in self._tasks:
            task.start()

    def _turn(self) -> None:
        for key, _ in self._selector.select(
            QUIET_TICK_S if self._dispatcher.is_quiet and not self._is_stopping else TICK_S
        ):
            key.data()
        now = time.monotonic()
        if now >= self._poll_at:
            self._poll_at = now + self._poll_s * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret
            self.look_again()
        if now >= self._tick_at:
            self._tick_at = now + TICK_S
            self._dispatcher.tick(now)
        if self._is_stopping:
            self._drain(now)
        self._dispatcher.dispatch(now)
        self._request_claims(now)

    def _request_claims(self, now: float) -> None:
        """Request as many batches as can be started now or soon."""
        if self._is_stopping or not self._may_have_jobs or not self._is_store_writable:
            return
        for _ in range(self._dispatcher.capacity(now) - self._open_requests):
            self._open_requests += 1
            self._writer.request_claim(ClaimRequest(self._generation))
        if self._open_requests == 0 and self._may_have_extra and not self._is_extra_request_open:
            self._request_extra_shares(now)
        if (
            self._open_requests == 0
            and self._may_have_renders
            and not self._is_render_request_open
            and now >= self._render_request_at
        ):
            self._request_renders(now)

    def _request_extra_shares(self, now: float) -> None:
        """Long jobs hold every core token: request work of an owner without a running job, and a short job."""
        shares = self._dispatcher.extra_shares(now)
        if shares:
            self._is_extra_request_open = True
            self._writer.request_claim(ClaimRequest(self._generation, shares=shares))

    def _request_renders(self, now: float) -> None:
        """Every child is busy: request files, for which a user waits."""
        if self._dispatcher.wants_renders:
            self._render_request_at, self._is_render_request_open = now + RENDER_GAP_S, True
            self._writer.request_claim(ClaimRequest(self._generation, only_renders=True))

    def look_again(self) -> None:
        """Take it that there is work that can be claimed now. Called from the loop."""
        self._generation += 1
        self._may_have_jobs = self._may_have_renders = self._may_have_extra = True

    def _on_bell(self) -> None:
        self._bell.drain()
        self.look_again()
        self._heartbeat.hasten()  # the ring may be about a cancel

    def _on_events(self) -> None:
        for event in self._events.take():
            if isinstance(event, ClaimReply):
                self._on_claim_reply(event)
            elif isinstance(event, LeasesRenewed):
                self._dispatcher.on_leases_renewed(event)
            elif isinstance(event, StorageChecked):
                self._is_store_writable = event.is_writable
            elif isinstance(event, JobsRequeued):
                self.look_again()
            elif isinstance(event, OutputCollected):
                self._dispatcher.on_output_collected(event)
            elif isinstance(event, TransferEnded):
                event.deliver()
            else:
                self._on_thread_died(event)

    def _on_claim_reply(self, event: ClaimReply) -> None:
        is_latest = event.request.generation == self._generation
        if event.request.only_renders:
            self._is_render_request_open = False
        elif "any" not in event.request.shares:
            self._is_extra_request_open = False
            if event.is_empty and is_latest:
                self._may_have_extra = False
        else:
            self._open_requests -= 1
            is_last = event.batch is not None and event.batch.is_last
            if (event.is_empty or is_last) and is_latest:
                self._may_have_jobs = False
        if event.render is None and is_latest:  # every request claims files first
            self._may_have_renders = False
        self._dispatcher.accept(event)

    def _on_thread_died(self, event: ThreadDied) -> None:
        log.critical("worker.thread_died", thread=event.name, exc_info=event.error)
        self._defect = event.error

    def storage_is_full(self) -> None:
        """Claim no more until the storage probe finds that results can be stored again."""
        self._is_store_writable = False

    def _drain(self, now: float) -> None:
        if self._drain_until is None:
            log.info("worker.draining", busy=self._dispatcher.busy)
            self._drain_until = now + self._drain_s
            if self._live is not None:
                self._live.drain()
        self._dispatcher.return_waiting()
        if now >= self._drain_until:
            self._dispatcher.return_running()

    def _is_over(self) -> bool:
        if self._defect is not None:
            return True
        if self._drain_until is None or not self._dispatcher.is_quiet:
            return False
        if self._live is not None and not self._live.is_over and time.monotonic() < self._drain_until:
            return False
        return self._open_requests == 0 or time.monotonic() >= self._drain_until + THREAD_TIMEOUT_S

    def _end(self) -> None:
        """End children and threads; flush pending writes."""
        if not self._dispatcher.is_quiet:  # a defect: running work is dropped, and its leases lapse
            self._dispatcher.return_running()
        if self._live is not None:
            self._live.drain()
            self._live.join(LIVE_TIMEOUT_S)  # before the fork server, which takes its children along
        self._children.close()
        self._dispatcher.close()
        for task in self._tasks:
            task.finish()
        self._writer.finish(WRITER_TIMEOUT_S)
        self._writer.join(WRITER_TIMEOUT_S + THREAD_TIMEOUT_S)
        self._heartbeat.finish()  # last: until here it held what the ledger writer was writing
        self._heartbeat.join(THREAD_TIMEOUT_S)
        for task in self._tasks:
            task.join(THREAD_TIMEOUT_S)
        self._try_sign_out()
        self._bell.close()
        self._selector.close()
        self._events.close()

    def _try_sign_out(self) -> None:
        try:
            self._sign_out()
        except GridError as error:
            log.warning("worker.sign_out_failed", code=error.code)
