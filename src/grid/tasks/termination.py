"""Ends of work on a child before its answer: cancelled, out of time, out of memory, dead, or fenced off."""

from collections.abc import Callable

from grid.core.logging import get_logger
from grid.runtime.messages import CancelPoints
from grid.schemas.jobs import Claim, Reason
from grid.services.ledger import Outcome
from grid.services.renders import RenderReturned
from grid.tasks.children import Children, Slot
from grid.tasks.leases import Leases, fence_margin_s
from grid.tasks.ledger_writer import LedgerWriter
from grid.tasks.runs import RenderRun, Run, failed

log = get_logger(__name__)

RENDER_LIMIT_S = 600.0  # [s] for the files of one request; the child is then ended and the request counts a loss

MakeOutcome = Callable[[Claim], Outcome]


def overdue(claim: Claim) -> Outcome:
    """Return the end of a job whose total time, retries included, is over."""
    return failed(claim, Reason.WALL_TIMEOUT, "The time for all tries of the job together is over.")


class RunTerminator:
    """Ends work on children, and hands outcomes to the ledger writer. `Children.refill` replaces a killed child."""

    def __init__(
        self, children: Children, writer: LedgerWriter, leases: Leases, *, lease_s: float, start_s: float
    ) -> None:
        self._children, self._writer, self._leases = children, writer, leases
        self._fence_s = lease_s - fence_margin_s(lease_s)
        self._start_s = start_s

    def is_fenced(self, work: Run | RenderRun, now: float) -> bool:
        """Return whether the lease may end soon by this worker's clock, so that the work must stop."""
        return now > work.lease_ok_at + self._fence_s

    def on_child_died(self, slot: Slot) -> None:
        """The child died by itself."""
        work = slot.work
        reason = self._children.terminate(slot, kill=False)
        if isinstance(work, Run):
            log.warning("worker.child_died", batch=str(work.batch.batch_id), jobs=len(work.batch.jobs))
            self._writer.write(outcomes=work.end_with_process(reason))
        elif work is not None:
            self._writer.write(renders=[(work.claimed.claim, RenderReturned(is_loss=True))])

    def on_memory_exceeded(self, slot: Slot) -> None:
        """Kill the child that holds more memory than a job may."""
        work = slot.work
        reason = self._children.terminate(slot, is_oom=True)
        if isinstance(work, Run):
            self._writer.write(outcomes=work.end_with_process(reason))
        elif work is not None:
            self._writer.write(renders=[(work.claimed.claim, RenderReturned(is_loss=True))])

    def enforce_limits(self, slot: Slot, now: float) -> None:
        """End the slot's work where one of its times is over."""
        work = slot.work
        if work is None or work.started_at is None:
            return
        if self.is_fenced(work, now):
            self.drop(slot)
        elif isinstance(work, RenderRun):
            if now - work.started_at > RENDER_LIMIT_S:
                self._children.terminate(slot)
                self._writer.write(renders=[(work.claimed.claim, RenderReturned(is_loss=True))])
        elif work.begun_at is None:
            if now - work.started_at > self._start_s:
                self._children.terminate(slot)
                self._writer.write(outcomes=work.end_at_start())
        elif now - work.begun_at > work.wall_limit_s:
            self._children.terminate(slot)
            self._writer.write(outcomes=work.end_at_wall())

    def stop(self, slot: Slot, claims: frozenset[Claim], outcome: MakeOutcome | None) -> None:
        """End some jobs of the slot's batch: cancel their points, or kill the child. No outcome: they are lost."""
        run = slot.work
        if not isinstance(run, Run):
            return
        taken = run.remove(claims & run.open.keys())
        if not taken:
            return
        if run.open and slot.child is not None:
            slot.child.send(CancelPoints(run.batch.batch_id, frozenset(claim.job_id for claim in taken)))
        else:
            self._children.terminate(slot)
        self._write_outcomes(taken, outcome)

    def stop_waiting(self, run: Run, claims: frozenset[Claim], outcome: MakeOutcome | None) -> None:
        """End some jobs of a batch that has not started."""
        self._write_outcomes(run.remove(claims & run.open.keys()), outcome)

    def drop(self, slot: Slot) -> None:
        """Kill the child and drop its work without writing to the ledger: another worker may hold the lease by now."""
        work = slot.work
        self._children.terminate(slot)
        if work is not None:
            self.forget(work)

    def forget(self, work: Run | RenderRun) -> None:
        """Release claims whose lease may be over; the reaper requeues their jobs."""
        if isinstance(work, RenderRun):
            self._leases.release_render(work.claimed.claim)
            return
        log.warning("worker.lease_fenced", batch=str(work.batch.batch_id), jobs=len(work.open))
        self._leases.release(work.remove(list(work.open)))

    def _write_outcomes(self, claims: list[Claim], outcome: MakeOutcome | None) -> None:
        if outcome is None:
            self._leases.release(claims)
        elif claims:
            self._writer.write(outcomes=[outcome(claim) for claim in claims])
