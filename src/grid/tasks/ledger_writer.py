"""The ledger writer: one thread that alone claims and concludes, so that a slow disk never blocks the loop.

Writes that arrive during a transaction go into the next one. Writes that the ledger cannot take now (full disk,
database unavailable) are kept and retried with growing pauses; a claim that meanwhile lost its lease is refused then by
its epoch, and does no harm.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from grid.core.errors import GridError, StorageFullError, UnavailableError
from grid.core.logging import get_logger
from grid.runtime.messages import RenderFinished
from grid.schemas.jobs import Claim
from grid.services.ledger import LogChunk, Outcome, Returned, Succeeded
from grid.services.renders import ClaimedRender, RenderClaim, RenderReturned
from grid.tasks.events import ClaimReply, ClaimRequest, JobsRequeued, ThreadDied, WorkerEvent
from grid.tasks.leases import Leases
from grid.tasks.ledger import WorkerLedger

log = get_logger(__name__)

BATCH_WINDOW_S = 0.02  # [s] starts, progress and log lines wait this long to share a transaction; outcomes never wait
# [s] From a claim that took all that was queued to the next, for each job that it took, and at most. Above 200 jobs a
# second the claims grow to what comes within the longest gap; below, hardly a job waits. The first claim never does.
JOB_GAP_S, LONGEST_GAP_S = 0.005, 0.04
BACKOFF_S = (0.1, 5.0)  # [s] first and longest pause while the ledger is unavailable


@dataclass
class PendingWrites:
    """Writes that wait for the next transaction."""

    outcomes: list[Outcome] = field(default_factory=list)
    begun: dict[Claim, float] = field(default_factory=dict)  # monotonic: when each began
    logs: list[LogChunk] = field(default_factory=list)
    progress: dict[Claim, float] = field(default_factory=dict)
    renders: list[tuple[RenderClaim, RenderFinished | RenderReturned]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.outcomes or self.begun or self.logs or self.progress or self.renders)

    @property
    def is_urgent(self) -> bool:
        """True where a user waits for one of these: the outcome of a job, or files."""
        return bool(self.outcomes or self.renders)


class LedgerWriter(threading.Thread):
    """Writes for the loop. Its answers come as events through `post`.

    Args:
        ledger: The calls, each one transaction.
        leases: Claims are held here from their commit to their conclusion.
        post: Takes an event for the loop; never blocks.
        on_written: Called after each flush that changed jobs, to ring and relay; never blocks.
        on_rejected: Called with the results that came too late, whose outputs are garbage; never blocks.
        on_settled: Called with outcomes that the ledger has answered to, and the claims it has taken; never blocks.
    """

    def __init__(
        self,
        ledger: WorkerLedger,
        leases: Leases,
        post: Callable[[WorkerEvent], None],
        *,
        on_written: Callable[[], None] = lambda: None,
        on_rejected: Callable[[Sequence[Succeeded]], None] = lambda _: None,
        on_settled: Callable[[Sequence[Outcome], frozenset[Claim]], None] = lambda *_: None,
    ) -> None:
        super().__init__(name="ledger-writer", daemon=True)  # the loop joins it with a time limit
        self._ledger, self._leases, self._post = ledger, leases, post
        self._on_written, self._on_rejected, self._on_settled = on_written, on_rejected, on_settled
        self._changed = threading.Condition()
        self._pending = PendingWrites()
        self._batch_since: float | None = None
        self._requests: list[ClaimRequest] = []
        self._claim_at = 0.0  # monotonic: no claim before
        self._stop_at: float | None = None  # monotonic: after it, what cannot be written is given up
        self._is_well = True
        self._pause_s = 0.0
        self._has_polled = False

    def write(
        self,
        *,
        outcomes: Sequence[Outcome] = (),
        begun: Sequence[Claim] = (),
        logs: Sequence[LogChunk] = (),
        progress: Mapping[Claim, float] | None = None,
        renders: Sequence[tuple[RenderClaim, RenderFinished | RenderReturned]] = (),
    ) -> None:
        """Queue writes; return at once. Claims that are `begun` have begun now."""
        now = time.monotonic()
        with self._changed:
            self._pending.outcomes += outcomes
            self._pending.begun.update(dict.fromkeys(begun, now))
            self._pending.logs += logs
            self._pending.progress.update(progress or {})
            self._pending.renders += renders
            if self._batch_since is None:
                self._batch_since = now
            self._changed.notify()

    def request_claim(self, request: ClaimRequest) -> None:
        """Ask for one claim; it is answered by exactly one `ClaimReply`."""
        with self._changed:
            self._requests.append(request)
            self._changed.notify()

    def polled_lately(self) -> bool:
        """Return whether the ledger answered a claim since the last call."""
        polled, self._has_polled = self._has_polled, False
        return polled

    def finish(self, within_s: float) -> None:
        """Write what is there and end, at the latest after `within_s`."""
        with self._changed:
            self._stop_at = time.monotonic() + within_s
            self._requests.clear()
            self._changed.notify()

    def run(self) -> None:
        """Flush writes and answer claim requests until told to finish."""
        try:
            while True:
                pending, requests, is_over = self._next()
                if pending:
                    self._flush(pending)
                if requests:
                    self._answer(requests)
                if is_over and not pending:
                    return
        except BaseException as error:  # noqa: BLE001 - the loop must learn of every failure
            self._post(ThreadDied(self.name, error))

    def _next(self) -> tuple[PendingWrites, list[ClaimRequest], bool]:
        with self._changed:
            while not self._is_due():
                self._changed.wait(self._time_to_flush())
            pending, self._pending, self._batch_since = self._pending, PendingWrites(), None
            requests: list[ClaimRequest] = []
            if time.monotonic() >= self._claim_at:
                requests, self._requests = self._requests, []
            return pending, requests, self._stop_at is not None

    def _is_due(self) -> bool:
        return self._stop_at is not None or self._pending.is_urgent or self._time_to_flush() == 0.0

    def _time_to_flush(self) -> float | None:
        """Return the time to wait for further writes to join [s]; None where nothing is pending."""
        due = [self._batch_since + BATCH_WINDOW_S] if self._batch_since is not None else []
        if self._requests:
            due.append(self._claim_at)
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _flush(self, pending: PendingWrites) -> None:
        """Write each kind in one transaction; retry until told to finish while the ledger is unavailable."""
        has_written = False
        while pending:
            try:
                has_written |= self._write_once(pending)
            except (UnavailableError, StorageFullError) as error:
                if not self._wait_out(error):
                    log.warning("worker.writes_dropped", outcomes=len(pending.outcomes), renders=len(pending.renders))
                    break
            else:
                self._recover()
        if has_written:
            self._on_written()

    def _write_once(self, pending: PendingWrites) -> bool:
        """Write each kind and remove it from `pending`; return whether a job or a render changed."""
        has_changed = bool(pending.outcomes or pending.begun or pending.renders)
        if pending.outcomes or pending.begun:
            self._conclude(pending)
            ended = {outcome.claim for outcome in pending.outcomes}
            pending.logs = [chunk for chunk in pending.logs if chunk.claim not in ended]
            pending.outcomes, pending.begun = [], {}
        if pending.logs:  # of runs that go on
            self._guard("log", lambda: self._ledger.append_logs(pending.logs))
            pending.logs = []
        while pending.renders:
            self._conclude_render(*pending.renders[0])
            del pending.renders[0]
        if pending.progress:
            self._guard("progress", lambda: self._ledger.report_progress(pending.progress))
            pending.progress = {}
        return has_changed

    def _conclude(self, pending: PendingWrites) -> None:
        try:
            ended = {outcome.claim for outcome in pending.outcomes}
            logs = [chunk for chunk in pending.logs if chunk.claim in ended]
            now = time.monotonic()
            ago_s = {claim: now - began_at for claim, began_at in pending.begun.items()}
            accepted = self._ledger.conclude(pending.outcomes, logs, ago_s)
        except (UnavailableError, StorageFullError):
            raise
        except Exception:
            log.exception("worker.conclude_failed", outcomes=len(pending.outcomes), begun=len(pending.begun))
            self._conclude_apart(pending)
        else:
            self._settle(pending.outcomes, accepted)

    def _conclude_apart(self, pending: PendingWrites) -> None:
        """Write each half alone, so that one write that always fails does not block the others."""
        claims = list(dict.fromkeys([*(outcome.claim for outcome in pending.outcomes), *pending.begun]))
        if len(claims) <= 1:
            self._leases.release(outcome.claim for outcome in pending.outcomes)  # the reaper gives the job to another
            return
        for part in _split(pending, claims):
            self._conclude(part)

    def _conclude_render(self, claim: RenderClaim, end: RenderFinished | RenderReturned) -> None:
        self._guard("render", lambda: self._ledger.conclude_render(claim, end))
        self._leases.release_render(claim)

    def _guard(self, kind: str, write: Callable[[], object]) -> None:
        """Write; a failure that a retry cannot mend is logged, and the claim is left to the reaper."""
        try:
            write()
        except (UnavailableError, StorageFullError):
            raise
        except Exception:
            log.exception("worker.write_failed", kind=kind)

    def _settle(self, outcomes: Sequence[Outcome], accepted: frozenset[Claim]) -> None:
        self._leases.release(outcome.claim for outcome in outcomes)
        self._on_settled(outcomes, accepted)
        late = [o for o in outcomes if isinstance(o, Succeeded) and o.claim not in accepted]
        if late:
            log.warning("worker.late_results_rejected", jobs=len(late))
            self._on_rejected(late)
        if any(isinstance(outcome, Returned) and outcome.why != "infra" for outcome in outcomes):
            self._post(JobsRequeued())

    def _answer(self, requests: Sequence[ClaimRequest]) -> None:
        """Claim once for each request, until the ledger has nothing left."""
        is_empty, began_at, replies = False, time.monotonic(), list[ClaimReply]()
        for request in requests:
            asked_at = time.monotonic()
            reply = ClaimReply(request, asked_at) if is_empty else self._claim(request, asked_at)
            is_empty = is_empty or (reply.is_empty and not request.only_renders and "any" in request.shares)
            replies.append(reply)
            self._post(reply)
        self._claim_at = began_at + find_gap(replies)

    def _claim(self, request: ClaimRequest, asked_at: float) -> ClaimReply:
        """Claim a request for files, else a batch; nothing where the ledger is unavailable (the loop asks again)."""
        try:
            work = self._ledger.claim_render() if request.only_renders else self._ledger.claim(request.shares)
        except GridError as error:
            self._report_unavailable(error)
            return ClaimReply(request, asked_at)
        self._recover()
        self._has_polled = True
        if isinstance(work, ClaimedRender):
            self._leases.hold_render(work.claim)
            return ClaimReply(request, asked_at, render=work)
        if work is not None:
            self._leases.hold(Claim(job.id, job.epoch) for job in work.jobs)
            self._on_written()
        return ClaimReply(request, asked_at, batch=work)

    def _wait_out(self, error: GridError) -> bool:
        """Pause after a refusal, longer each time; False once the time to finish is over."""
        self._report_unavailable(error)
        first, longest = BACKOFF_S
        self._pause_s = min(longest, max(first, self._pause_s * 2))
        end = time.monotonic() + self._pause_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        with self._changed:
            while time.monotonic() < end and (self._stop_at is None or time.monotonic() < self._stop_at):
                self._changed.wait(min(0.25, max(0.0, end - time.monotonic())))
            return self._stop_at is None or time.monotonic() < self._stop_at

    def _report_unavailable(self, error: GridError) -> None:
        if self._is_well:
            log.warning("worker.ledger_unavailable", code=error.code, detail=str(error))
            self._is_well = False

    def _recover(self) -> None:
        self._pause_s = 0.0
        if not self._is_well:
            self._is_well = True
            log.info("worker.ledger_recovered")


def find_gap(replies: Sequence[ClaimReply]) -> float:
    """Return how long after these claims the next one is due, so that it takes several jobs where they come fast [s].

    Not where more is queued than they took, as of a sweep: nothing would be gained.
    """
    batches = [reply.batch for reply in replies if reply.batch is not None]
    if batches and not batches[-1].is_last:
        return 0.0
    return min(LONGEST_GAP_S, JOB_GAP_S * max(1, sum(len(batch.jobs) for batch in batches)))


def _split(pending: PendingWrites, claims: Sequence[Claim]) -> list[PendingWrites]:
    """Split pending writes into two by claim; a job's beginning and log stay with its outcome."""
    first = set(claims[: len(claims) // 2])
    return [
        PendingWrites(
            outcomes=[o for o in pending.outcomes if (o.claim in first) is chosen],
            begun={claim: at for claim, at in pending.begun.items() if (claim in first) is chosen},
            logs=[chunk for chunk in pending.logs if (chunk.claim in first) is chosen],
        )
        for chosen in (True, False)
    ]
