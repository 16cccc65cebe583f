"""Spans of attempts: the wait in the queue, the attempt from claim to conclusion, and what ran in it.

They are recorded when the ledger has answered to the outcome, in the trace of the request that made the job. Jobs of a
batch that came with one request share their spans, which say how many there are: a sweep of ten thousand points is a
handful of spans, not ten thousand. Without a tracer nothing is kept.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence

from grid.core.ids import find_creation
from grid.core.logging import get_logger
from grid.core.tracing import Attribute, FinishedSpan, find_tracer, trace_id_of
from grid.schemas.jobs import Claim
from grid.services.ledger import ClaimedJob, Failed, Outcome, Returned, Stopped
from grid.tasks.leases import Leases
from grid.tasks.runs import AttemptNotes, Run

log = get_logger(__name__)

RUNS = {"program": "program.run", "docker": "container.run"}  # spans of what runs no slot child
LOOK_AT = 20_000  # claims that are followed before those without a lease are looked for and forgotten


class AttemptTraces:
    """The traced claims of a worker. The loop and the ledger writer call it, each from its thread.

    Args:
        leases: The claims that the worker holds: a followed one that it holds no more was dropped without an outcome.
        worker: Name of this worker.
    """

    def __init__(self, leases: Leases, worker: str = "") -> None:
        self._leases, self._worker = leases, worker
        self._lock = threading.Lock()
        self._runs: dict[Claim, Run] = {}
        self._look_at = LOOK_AT

    def follow(self, run: Run) -> None:
        """Follow the jobs of a claimed batch that came with a context."""
        if find_tracer() is None:
            return
        traced = {claim: run for claim, job in run.open.items() if job.traceparent is not None}
        if traced:
            run.notes = AttemptNotes()
            with self._lock:
                self._runs.update(traced)
                if len(self._runs) > self._look_at:
                    self._forget_dropped(traced.keys())

    def record(self, outcomes: Sequence[Outcome], accepted: frozenset[Claim]) -> None:
        """Record the attempts that these outcomes end; the ledger has taken those that are `accepted`."""
        tracer = find_tracer()
        with self._lock:
            ended = [(run, o) for o in outcomes if (run := self._runs.pop(o.claim, None)) is not None]
        if tracer is None:
            return
        groups: dict[tuple[Run, str], list[tuple[ClaimedJob, Outcome]]] = {}
        jobs = {id(run): {job.claim: job for job in run.batch.jobs} for run, _ in ended}
        for run, outcome in ended:
            job = jobs[id(run)][outcome.claim]
            groups.setdefault((run, job.traceparent or ""), []).append((job, outcome))
        now, shift = time.monotonic(), time.time() - time.monotonic()
        for (run, traceparent), members in groups.items():
            counts = Counter(_word(outcome, accepted) for _, outcome in members)
            for span in self._spans(run, [job for job, _ in members], counts, now, shift):
                tracer.record(span, traceparent)
            log.info(
                "worker.attempt_ended",
                trace_id=trace_id_of(traceparent),
                job=str(members[0][0].id),
                jobs=len(members),
                outcomes=dict(counts),
            )

    def _forget_dropped(self, fresh: Iterable[Claim]) -> None:
        held = {*self._leases.jobs(), *fresh}
        self._runs = {claim: run for claim, run in self._runs.items() if claim in held}
        self._look_at = max(LOOK_AT, 2 * len(self._runs))

    def _spans(
        self, run: Run, jobs: Sequence[ClaimedJob], counts: Counter[str], now: float, shift: float
    ) -> Iterable[FinishedSpan]:
        """Yield the wait of a job that was claimed for the first time, and its attempt.

        `now` is monotonic, `shift` what Unix time is ahead of it [s].
        """
        first = jobs[0]
        claimed = shift + run.claimed_at
        name: dict[str, Attribute] = {"grid.job.id": str(first.id), "grid.jobs": len(jobs)}
        if run.batch.sweep_id is not None:
            name["grid.sweep.id"] = str(run.batch.sweep_id)
        if first.epoch == 1:
            yield FinishedSpan("job.queue", min(claimed, find_creation(first.id).timestamp()), claimed, name)
        attributes = {
            **name,
            "grid.attempt": first.epoch,
            "grid.batch.id": str(run.batch.batch_id),
            "grid.worker": self._worker,
            "grid.runs": run.batch.simulation or run.batch.image or "",
            **{f"grid.outcome.{word}": count for word, count in counts.items()},
        }
        is_error = any(word not in ("success", "cancelled", "drain") for word in counts)
        yield FinishedSpan(
            "job.attempt", claimed, shift + now, attributes, children=tuple(_inside(run, now, shift)), is_error=is_error
        )


def _inside(run: Run, now: float, shift: float) -> Iterable[FinishedSpan]:
    """Yield what happened within an attempt: the wait for a child, the run, the conclusion."""
    notes = run.notes or AttemptNotes()
    started = run.started_at
    if started is None:
        yield FinishedSpan("attempt.wait", shift + run.claimed_at, shift + now)
        return
    ended = notes.ended_at if notes.ended_at is not None else now
    yield FinishedSpan("attempt.wait", shift + run.claimed_at, shift + started)
    kind = RUNS.get(run.batch.slot, "child.run")
    yield FinishedSpan(
        kind, shift + started, shift + ended, {"grid.slot": run.batch.slot}, tuple(notes.events), tuple(notes.stages)
    )
    yield FinishedSpan("ledger.conclude", shift + ended, shift + now)


def _word(outcome: Outcome, accepted: frozenset[Claim]) -> str:
    """Return an outcome as one word of the ledger: a state, a reason to return, or `late`."""
    if isinstance(outcome, Returned):
        return outcome.why
    if isinstance(outcome, Stopped):
        return "cancelled"
    if outcome.claim not in accepted:
        return "late"
    return outcome.state.value if isinstance(outcome, Failed) else "success"
