"""Spans of attempts: in the trace of the request, one for all jobs that came with it, and none without a tracer."""

import time
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import pytest
from structlog.testing import capture_logs
from tests.doubles.ledgers import make_batch
from tests.doubles.tracers import CONTEXT, MemoryTracer, tracing_to_memory

from grid.core.ids import new_id
from grid.core.tracing import FinishedSpan
from grid.schemas.jobs import Claim, JobStatus, Reason
from grid.services.ledger import ClaimedBatch, Failed, Outcome, Returned, Stopped, Succeeded
from grid.tasks import attempt_traces
from grid.tasks.attempt_traces import AttemptTraces
from grid.tasks.leases import Leases
from grid.tasks.runs import Run

OTHER = "00-11111111111111111111111111111111-2222222222222222-01"
MANIFEST = {"numerics_version": "toy-1", "files": []}


@pytest.fixture
def tracer() -> Iterator[MemoryTracer]:
    with tracing_to_memory() as found:
        yield found


def batch_of(*contexts: str | None, epoch: int = 1, sweep_id: UUID | None = None, slot="small") -> ClaimedBatch:
    batch = make_batch(len(contexts), slot=slot, image=None if slot == "small" else "sim:local")
    jobs = (
        job._replace(id=new_id(), traceparent=context, epoch=epoch)
        for job, context in zip(batch.jobs, contexts, strict=True)
    )
    return replace(batch, jobs=tuple(jobs), sweep_id=sweep_id)


def start(traces: AttemptTraces, batch: ClaimedBatch) -> Run:
    now = time.monotonic()
    run = Run(batch, lease_ok_at=now, claimed_at=now - 0.02)
    traces.follow(run)
    run.started_at = now - 0.01
    return run


def succeed(run: Run) -> list[Outcome]:
    return [Succeeded(claim, MANIFEST) for claim in run.remove(list(run.open))]  # type: ignore[arg-type]


def record(traces: AttemptTraces, outcomes: list[Outcome]) -> None:
    traces.record(outcomes, frozenset(outcome.claim for outcome in outcomes))


def test_one_attempt_is_a_wait_a_run_and_a_conclusion_in_the_trace_of_its_request(tracer: MemoryTracer):
    traces = AttemptTraces(Leases(), "worker-1")
    run = start(traces, batch_of(CONTEXT))
    stage = FinishedSpan("solver.solve", time.time(), time.time(), {"grid.solver.steps": 200})
    assert run.solve("packs/a.npy").is_traced
    run.note_end([stage])
    with capture_logs() as lines:
        record(traces, succeed(run))

    assert [(span.name, parent) for span, parent in tracer.recorded] == [
        ("job.queue", CONTEXT),
        ("job.attempt", CONTEXT),
    ]
    attempt = tracer.spans()["job.attempt"]
    assert [child.name for child in attempt.children] == ["attempt.wait", "child.run", "ledger.conclude"]
    assert attempt.children[1].children == (stage,)
    assert attempt.attributes["grid.job.id"] == str(run.batch.jobs[0].id)
    assert (attempt.attributes["grid.worker"], attempt.attributes["grid.outcome.success"]) == ("worker-1", 1)
    assert not attempt.is_error
    edges = [time for child in attempt.children for time in (child.start_s, child.end_s)]
    assert edges == sorted(edges)
    (line,) = lines
    assert (line["event"], line["trace_id"]) == ("worker.attempt_ended", CONTEXT.split("-")[1])


def test_a_sweep_is_one_attempt_and_each_other_request_of_the_batch_its_own(tracer: MemoryTracer):
    traces, sweep_id = AttemptTraces(Leases()), new_id()
    run = start(traces, batch_of(CONTEXT, CONTEXT, OTHER, None, CONTEXT, sweep_id=sweep_id))
    outcomes = succeed(run)
    outcomes[1] = Failed(outcomes[1].claim, JobStatus.FAILED, Reason.DIVERGED)
    record(traces, outcomes)

    attempts = {parent: span for span, parent in tracer.recorded if span.name == "job.attempt"}
    assert attempts.keys() == {CONTEXT, OTHER}
    of_sweep = attempts[CONTEXT].attributes
    assert (of_sweep["grid.jobs"], of_sweep["grid.outcome.success"], of_sweep["grid.outcome.failed"]) == (3, 2, 1)
    assert of_sweep["grid.sweep.id"] == str(sweep_id)
    assert (attempts[CONTEXT].is_error, attempts[OTHER].is_error) == (True, False)


@pytest.mark.parametrize(
    ("make", "is_accepted", "word", "is_error"),
    [
        (lambda claim: Returned(claim, "lost"), True, "lost", True),
        (lambda claim: Returned(claim, "drain"), True, "drain", False),
        (Stopped, True, "cancelled", False),
        (lambda claim: Succeeded(claim, MANIFEST), False, "late", True),
        (lambda claim: Failed(claim, JobStatus.TIMED_OUT, Reason.WALL_TIMEOUT), True, "timed_out", True),
    ],
)
def test_ends_have_a_word_each(tracer: MemoryTracer, make, is_accepted, word, is_error):
    traces = AttemptTraces(Leases())
    run = start(traces, batch_of(CONTEXT, epoch=2))
    (claim,) = run.open
    traces.record([make(claim)], frozenset([claim] if is_accepted else []))

    ((attempt, _),) = tracer.recorded  # no wait in the queue: it was claimed before
    assert (attempt.attributes[f"grid.outcome.{word}"], attempt.attributes["grid.attempt"]) == (1, 2)
    assert attempt.is_error is is_error


@pytest.mark.parametrize(("slot", "name"), [("program", "program.run"), ("docker", "container.run")])
def test_progress_is_events_of_the_run_and_what_never_started_only_waited(tracer: MemoryTracer, slot: str, name: str):
    traces = AttemptTraces(Leases())
    run = start(traces, batch_of(CONTEXT, slot=slot))
    run.note_progress(0.5)
    run.note_end()
    record(traces, succeed(run))
    assert [event.attributes["grid.fraction"] for event in tracer.spans()[name].events] == [0.5]

    waiting = Run(batch_of(CONTEXT), lease_ok_at=0.0, claimed_at=time.monotonic())
    traces.follow(waiting)
    record(traces, waiting.return_open("drain", "The worker is being stopped."))
    assert [child.name for child in tracer.recorded[-1][0].children] == ["attempt.wait"]


def test_without_a_tracer_or_a_context_nothing_is_kept(tracer: MemoryTracer):
    traces = AttemptTraces(Leases())
    run = start(traces, batch_of(None))
    assert run.notes is None
    assert not run.solve("packs/a.npy").is_traced
    record(traces, succeed(run))
    assert tracer.recorded == []


def test_tracing_that_is_off_follows_nothing():
    traces = AttemptTraces(Leases())
    run = start(traces, batch_of(CONTEXT))

    assert (run.notes, traces._runs) == (None, {})
    record(traces, succeed(run))


def test_claims_that_were_dropped_are_forgotten(tracer: MemoryTracer, monkeypatch: pytest.MonkeyPatch):
    leases = Leases()
    traces = AttemptTraces(leases)
    dropped, held = start(traces, batch_of(CONTEXT, CONTEXT)), start(traces, batch_of(CONTEXT))
    leases.hold(held.open)
    monkeypatch.setattr(attempt_traces, "LOOK_AT", 3)
    traces._look_at = 3
    fresh = start(traces, batch_of(CONTEXT))  # claimed, and its lease held since before the loop heard of it

    assert traces._runs.keys() == {*held.open, *fresh.open}
    traces.record([Stopped(claim) for claim in dropped.open], frozenset())
    assert tracer.recorded == []
    assert isinstance(next(iter(fresh.open)), Claim)
