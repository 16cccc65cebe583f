"""The dispatcher: queue of claimed batches, assignment to slots, and ends of runs. All calls come from the loop."""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from grid.core.logging import get_logger
from grid.runtime.messages import ChildReady, Render, RenderFinished, SolveFinished, SolveProgress, SolveStarted
from grid.schemas.jobs import Claim, Share
from grid.services.ledger import Stopped
from grid.services.renders import RenderReturned
from grid.tasks.children import Children, Slot
from grid.tasks.events import ClaimReply, LeasesRenewed, OutputCollected
from grid.tasks.leases import Leases
from grid.tasks.ledger_writer import LedgerWriter
from grid.tasks.programs import Programs
from grid.tasks.runs import RenderRun, Run
from grid.tasks.storing import MOST_WAITING, ResultStorage
from grid.tasks.termination import MakeOutcome, RunTerminator, overdue
from grid.tasks.transfers import ResultFiles

log = get_logger(__name__)

PREFETCH_WITHIN_S = 3.0  # [s] a child that began its batch less than this ago gets the next one claimed ahead
READY_LIMIT_S = 20.0  # [s] a claimed batch that waited so long for a child is requeued, for other workers
LARGE_WAIT_S = 10.0  # [s] a large job that waited so long starts with the tokens that are free
PROGRESS_S = 1.0  # [s] between two writes of the progress of a batch
LARGE_TOKENS = 2  # core tokens of a large job, and threads of its child
PROGRAM_SLOTS = ("program", "docker")  # without a child: what runs has a process or a container of its own
ROUNDING = 1e-6  # [cores] of a sum of shares
GUEST_AFTER_S = 3.0  # [s] a claimed batch of an owner without a running job then starts without a core token


@dataclass(frozen=True)
class WorkerLimits:
    """Core tokens of a worker, and its time limits [s]."""

    tokens: int
    lease_s: float = 30.0
    start_s: float = 60.0


class Dispatcher:
    """Assigns claimed work to children and programs, and hands their outcomes to the ledger writer.

    Args:
        children: The slot children.
        programs: Runs of local programs.
        writer: Writes ends, beginnings and logs.
        leases: Where claims that were dropped without an outcome are released.
        limits: Tokens and times.
        files: Where results of children go.
        on_storage_full: Called when a result could not be stored: no room, or the store does not answer.
        live_cores: Cores that the live runs of this worker take; whole ones are kept from jobs, all but one.
        on_claimed: Called with each batch that is to be run, to trace it.
    """

    def __init__(
        self,
        children: Children,
        programs: Programs,
        writer: LedgerWriter,
        leases: Leases,
        limits: WorkerLimits,
        *,
        files: ResultFiles,
        on_storage_full: Callable[[], None] = lambda: None,
        live_cores: Callable[[], float] = lambda: 0.0,
        on_claimed: Callable[[Run], None] = lambda _: None,
    ) -> None:
        self._live_cores, self._on_claimed = live_cores, on_claimed
        self._children, self._programs, self._writer, self._leases = children, programs, writer, leases
        self._limits, self._on_storage_full = limits, on_storage_full
        self._terminator = RunTerminator(children, writer, leases, lease_s=limits.lease_s, start_s=limits.start_s)
        self._storage = ResultStorage(files, writer, on_storage_full)
        self._ready: deque[Run] = deque()
        self._renders: deque[RenderRun] = deque()

    @property
    def is_quiet(self) -> bool:
        """True where nothing waits, nothing runs and nothing is being stored."""
        is_idle = not (self._ready or self._renders or self._children.busy() or self._programs.runs())
        return is_idle and self._storage.is_quiet

    @property
    def busy(self) -> int:
        """Core tokens in use, by jobs and by live runs; one token is for jobs always."""
        live = min(self._limits.tokens - 1, math.ceil(self._live_cores() - ROUNDING))
        return self._children.tokens_used + self._programs.tokens_used + max(0, live)

    @property
    def wants_renders(self) -> bool:
        """True where a further request for files may be claimed."""
        return len(self._renders) + len(self._storage.renders()) < self._limits.tokens

    @property
    def _is_ahead_of_store(self) -> bool:
        return len(self._storage.runs()) >= MOST_WAITING * self._limits.tokens

    def capacity(self, now: float) -> int:
        """Return how many more batches to claim: one for each idle child, and one ahead for each that is soon done.

        Before the first child is up, one for each core token: only what needs no child is claimed then (`make_slots`).
        None while so many results wait to be stored that children are ahead of the store.
        """
        if self._is_ahead_of_store:
            return 0
        room = self._limits.tokens - self.busy
        if self._children.has_ready:
            room = min(room, len(self._children.idle_small()))
        return max(0, room) + self._soon_done(now) - len(self._ready)

    def extra_shares(self, now: float) -> tuple[Share, ...]:
        """Return the shares that may be claimed without core tokens, once long work holds all of them.

        One batch of each owner of whom nothing runs, as many of those as there are tokens, and one batch of little
        work of anybody: so the long jobs of one owner do not delay those of another. Such runs share the cores.
        """
        if self._is_ahead_of_store:
            return ()
        is_held = (self.busy >= self._limits.tokens or bool(self._ready)) and self.capacity(now) <= 0
        if not is_held or self._soon_done(now):
            return ()
        taken = [run.extra_share for run in self._all_running()] + [run.batch.share for run in self._ready]
        shares: list[Share] = ["guest"] if taken.count("guest") < self._limits.tokens else []
        return (*shares, "short") if "short" not in taken else tuple(shares)

    def accept(self, event: ClaimReply) -> None:
        """Queue the work that the ledger writer claimed."""
        if event.batch is not None:
            self._ready.append(Run(event.batch, lease_ok_at=event.asked_at, claimed_at=event.asked_at))
            self._on_claimed(self._ready[-1])
        if event.render is not None:
            self._storage.fetch_record(RenderRun(event.render, lease_ok_at=event.asked_at), self._renders.append)

    def dispatch(self, now: float) -> None:
        """Start work: files first, then batches strictly in order, so that a large one is not starved.

        Files have an extra slot where no core token is free; batches of owners without a running job, and the
        short one, do not wait for a token.
        """
        while self._renders and self.busy < self._limits.tokens and self._children.idle_small():
            self._start_render(self._renders.popleft(), self._children.idle_small()[0], now)
        if self._renders and self.busy >= self._limits.tokens and not self._has_extra_render():
            self._start_render(self._renders.popleft(), self._children.extra_slot("small"), now)
        while self._ready and self._start(self._ready[0], now):
            self._ready.popleft()
        for run in list(self._ready):
            share = self._extra_share(run, now)
            if share is not None:
                self._ready.remove(run)
                self._start_extra(run, share, now)

    def on_readable(self, slot: Slot) -> None:
        """Read the messages of a child; end of file means that it has died."""
        try:
            while slot.child is not None and slot.child.poll():
                self._on_message(slot, slot.child.receive())
        except EOFError:
            self._terminator.on_child_died(slot)

    def on_leases_renewed(self, event: LeasesRenewed) -> None:
        """Apply the answer to a heartbeat: renewed leases, and claims to end early."""
        renewal = event.renewal
        held = renewal.kept | renewal.cancelled | renewal.overdue
        for run in [*self._ready, *self._all_running(), *self._storage.runs()]:
            if not held.isdisjoint(run.open):
                run.lease_ok_at = event.sent_at
        for render in [*self._renders, *self._storage.renders()]:
            if render.claimed.claim in event.renders_kept:
                render.lease_ok_at = event.sent_at
        for slot in self._children.busy():
            if isinstance(slot.work, RenderRun):
                self._render_renewed(slot, slot.work, event)
        for claims, outcome in ((renewal.cancelled, Stopped), (renewal.overdue, overdue), (renewal.lost, None)):
            if claims:
                self._stop(claims, outcome)

    def on_output_collected(self, event: OutputCollected) -> None:
        """Record that the output of a program was stored, or could not be."""
        self._programs.on_output_collected(event)
        if event.is_storage_full:
            self._on_storage_full()

    def tick(self, now: float) -> None:
        """Check every timer."""
        self._children.refill(now)
        for slot in self._children.over_memory(now):
            self._terminator.on_memory_exceeded(slot)
        for slot in self._children.busy():
            self._terminator.enforce_limits(slot, now)
        for run in list(self._ready):
            self._check_waiting(run, now)
        for render in [render for render in self._renders if self._terminator.is_fenced(render, now)]:
            self._renders.remove(render)
            self._terminator.forget(render)
        for run in self._programs.runs():
            if self._terminator.is_fenced(run, now):
                self._programs.kill(run)
                self._terminator.forget(run)
        self._programs.tick(now)
        self._check_storage(now)

    def return_waiting(self) -> None:
        """Return waiting work to the queue: the worker drains."""
        for run in self._ready:
            self._writer.write(outcomes=run.return_open("drain", "The worker is being stopped."))
        for render in self._renders:
            self._writer.write(renders=[(render.claimed.claim, RenderReturned(is_loss=False))])
        self._ready.clear()
        self._renders.clear()

    def return_running(self) -> None:
        """End running work and return it to the queue: the time to drain is over."""
        for slot in self._children.busy():
            work = slot.work
            self._children.terminate(slot)
            if isinstance(work, Run):
                self._writer.write(outcomes=work.return_open("drain", "The worker was stopped."))
            elif work is not None:
                self._writer.write(renders=[(work.claimed.claim, RenderReturned(is_loss=False))])
        for run in self._programs.runs():
            self._programs.kill(run)
            self._writer.write(outcomes=run.return_open("drain", "The worker was stopped."))
        self._storage.return_all()

    def close(self) -> None:
        """End the threads that store results; one that is stuck is not waited for."""
        self._storage.close()

    # -- starting ------------------------------------------------------------------------------------------------------

    def _start(self, run: Run, now: float) -> bool:
        """Start a run; False where it has to wait, and everything behind it too."""
        free = self._limits.tokens - self.busy
        if free < 1:
            return False
        if run.batch.slot in PROGRAM_SLOTS:
            run.started_at = now
            self._programs.start(run)
            return True
        if run.batch.slot == "large":
            return self._start_large(run, free, now)
        idle = self._children.idle_small()
        if idle:
            self._send(run, idle[0], now)
        return bool(idle)

    def _extra_share(self, run: Run, now: float) -> Share | None:
        """Return the share by which a waiting batch may start without a core token; None where it has to wait."""
        running = self._all_running()
        taken = [one.extra_share for one in running]
        if run.batch.share == "short":
            return "short" if "short" not in taken else None
        waits_long = run.batch.share == "guest" or now - run.claimed_at >= GUEST_AFTER_S
        is_guest = run.batch.owner_id not in {one.batch.owner_id for one in running}
        return "guest" if waits_long and is_guest and taken.count("guest") < self._limits.tokens else None

    def _start_extra(self, run: Run, share: Share, now: float) -> None:
        run.extra_share, run.started_at = share, now
        if run.batch.slot == "program" or run.batch.slot == "docker":
            self._programs.start(run)
            return
        slot = self._children.extra_slot(run.batch.slot)
        slot.work = run
        if slot.is_ready:
            self._send(run, slot, now)

    def _start_large(self, run: Run, free: int, now: float) -> bool:
        wanted = min(LARGE_TOKENS, self._limits.tokens)
        if free < wanted and now - run.claimed_at < LARGE_WAIT_S:
            return False
        slot = self._children.large_slot(min(wanted, free))
        slot.work, run.started_at = run, now
        if slot.is_ready:
            self._send(run, slot, now)
        return True

    def _send(self, run: Run, slot: Slot, now: float) -> None:
        slot.work, run.started_at = run, now
        if slot.child is not None:
            slot.child.send(run.solve(f"packs/{datetime.now(UTC):%Y%m%d}/{run.batch.batch_id}.npy"))

    def _start_render(self, render: RenderRun, slot: Slot, now: float) -> None:
        slot.work, render.started_at = render, now
        if slot.is_ready:
            self._send_render(render, slot)

    def _send_render(self, render: RenderRun, slot: Slot) -> None:
        claimed = render.claimed
        if slot.child is not None:
            slot.child.send(
                Render(
                    claimed.claim.render_id,
                    claimed.job_id,
                    claimed.simulation,
                    claimed.params,
                    render.manifest if render.manifest is not None else claimed.manifest,
                    claimed.names,
                    claimed.key_prefix,
                )
            )

    # -- messages of children ---------------------------------------------------------------------------------------

    def _on_message(self, slot: Slot, message: object) -> None:
        work = slot.work
        if isinstance(message, ChildReady):
            self._children.became_ready(slot, message.simulations)
            if isinstance(work, Run):  # a large job, or one without core tokens, waited for this child
                self._send(work, slot, work.started_at or work.claimed_at)
            elif work is not None:
                self._send_render(work, slot)
        elif isinstance(message, RenderFinished):
            if isinstance(work, RenderRun) and work.claimed.claim.render_id == message.render_id:
                self._children.free(slot)
                self._storage.store_render(work, message)
        elif isinstance(message, SolveStarted | SolveProgress | SolveFinished):
            if isinstance(work, Run) and work.batch.batch_id == message.batch_id:
                self._on_run_message(slot, work, message)
        else:
            log.warning("worker.unknown_message", kind=type(message).__name__)

    def _on_run_message(self, slot: Slot, run: Run, message: SolveStarted | SolveProgress | SolveFinished) -> None:
        now = time.monotonic()
        if isinstance(message, SolveStarted):
            run.begun_at = run.progress_at = now
            self._writer.write(begun=list(run.open))
        elif isinstance(message, SolveProgress):
            if now - run.progress_at >= PROGRESS_S:
                run.progress_at = now
                self._writer.write(progress=dict.fromkeys(run.open, message.fraction))
        else:
            run.note_end(message.stages)
            self._children.free(slot)
            self._storage.store_batch(run, message)

    # -- ends ----------------------------------------------------------------------------------------------------------

    def _running(self) -> list[Run]:
        """Return the batches on children."""
        return [slot.work for slot in self._children.busy() if isinstance(slot.work, Run)]

    def _all_running(self) -> list[Run]:
        """Return the batches on children, and the programs."""
        return [*self._running(), *self._programs.runs()]

    def _has_extra_render(self) -> bool:
        return any(slot.tokens == 0 and isinstance(slot.work, RenderRun) for slot in self._children.busy())

    def _soon_done(self, now: float) -> int:
        """Count the batches that hold a core token and began so lately that they may end at any moment."""
        running = (run for run in self._running() if run.extra_share is None and run.started_at is not None)
        return sum(1 for run in running if now - (run.started_at or now) < PREFETCH_WITHIN_S)

    def _render_renewed(self, slot: Slot, render: RenderRun, event: LeasesRenewed) -> None:
        if render.claimed.claim in event.renders_lost:
            self._terminator.drop(slot)
        elif render.claimed.claim in event.renders_kept:
            render.lease_ok_at = event.sent_at

    def _stop(self, claims: frozenset[Claim], outcome: MakeOutcome | None) -> None:
        """End these jobs wherever they are."""
        for run in list(self._ready):
            self._terminator.stop_waiting(run, claims, outcome)
            if not run.open:
                self._ready.remove(run)
        for run in self._storage.runs():
            self._terminator.stop_waiting(run, claims, outcome)
            if not run.open:
                self._storage.forget_run(run)
        for slot in self._children.busy():
            self._terminator.stop(slot, claims, outcome)
        for run in self._programs.runs():
            for claim in claims & run.open.keys():
                if outcome is not None:
                    self._programs.stop(run, outcome(claim))
                else:
                    self._programs.kill(run)
                    self._terminator.forget(run)

    def _check_storage(self, now: float) -> None:
        for run in [run for run in self._storage.runs() if self._terminator.is_fenced(run, now)]:
            self._storage.forget_run(run)
            self._terminator.forget(run)
        for render in [render for render in self._storage.renders() if self._terminator.is_fenced(render, now)]:
            self._storage.forget_render(render)
            self._terminator.forget(render)
        self._storage.tick(now)

    def _check_waiting(self, run: Run, now: float) -> None:
        if self._terminator.is_fenced(run, now):
            self._ready.remove(run)
            self._terminator.forget(run)
        elif now - run.claimed_at > READY_LIMIT_S:
            self._ready.remove(run)
            self._writer.write(outcomes=run.return_open("drain", "The worker that claimed the job had no free core."))
