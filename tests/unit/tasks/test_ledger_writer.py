"""The ledger writer: one thread that claims and concludes, groups writes, and retries those that fail for now."""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from uuid import uuid4

import pytest
from tests.doubles.ledgers import MemoryLedger, make_batch, make_render
from tests.support.workers import wait_until

from grid.core.errors import StorageFullError, UnavailableError
from grid.runtime.messages import RenderFinished
from grid.schemas.jobs import Claim
from grid.services.ledger import LogChunk, Returned, Stopped, Succeeded
from grid.services.renders import RenderReturned
from grid.tasks import ledger_writer as writer_module
from grid.tasks.events import ClaimReply, ClaimRequest, JobsRequeued, ThreadDied, WorkerEvent
from grid.tasks.leases import Leases
from grid.tasks.ledger_writer import LedgerWriter, find_gap


class WriterHarness:
    """A ledger writer with everything around it."""

    def __init__(self) -> None:
        self.ledger, self.leases = MemoryLedger(), Leases()
        self.events: list[WorkerEvent] = []
        self.late: list[Succeeded] = []
        self.written = threading.Event()
        self.writer = LedgerWriter(
            self.ledger,
            self.leases,
            self.events.append,
            on_written=self.written.set,
            on_rejected=self._reject,
        )

    def _reject(self, late: Sequence[Succeeded]) -> None:
        self.late += late

    def close(self) -> None:
        if self.writer.ident is not None:
            self.writer.finish(1.0)
            self.writer.join(10.0)
            assert not self.writer.is_alive()


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> Iterator[WriterHarness]:
    monkeypatch.setattr(writer_module, "BACKOFF_S", (0.001, 0.01))
    harness = WriterHarness()
    yield harness
    harness.close()


def make_claim() -> Claim:
    return Claim(uuid4(), 1)


def test_what_gathers_before_the_ledger_writer_looks_is_one_transaction(harness: WriterHarness):
    claims = [make_claim() for _ in range(50)]
    for claim in claims:
        harness.writer.write(begun=[claim])
        harness.writer.write(outcomes=[Stopped(claim)], logs=[LogChunk(claim, 0, "a line")])

    harness.writer.start()
    wait_until(lambda: harness.ledger.concluded, "it was written")

    ((outcomes, logs, begun),) = harness.ledger.concluded
    assert [outcome.claim for outcome in outcomes] == begun == [chunk.claim for chunk in logs] == claims


def test_a_run_began_when_it_was_told_and_not_when_it_was_written(harness: WriterHarness):
    claim = make_claim()
    harness.writer.write(begun=[claim])
    told_at = harness.writer._pending.begun[claim]
    started_at = time.monotonic()
    harness.ledger.troubles.append(UnavailableError("database"))  # tried again later, for the same beginning
    harness.writer.start()
    wait_until(lambda: harness.ledger.concluded, "it was written")

    assert 0 <= started_at - told_at <= harness.ledger.began_ago_s[claim] <= time.monotonic() - told_at


def test_lines_of_a_run_that_goes_on_are_written_without_an_end(harness: WriterHarness):
    claim = make_claim()
    harness.writer.write(logs=[LogChunk(claim, 0, "so far so good")], progress={claim: 0.5})

    harness.writer.start()
    wait_until(lambda: harness.ledger.progress, "progress was written")

    assert harness.ledger.logs == [LogChunk(claim, 0, "so far so good")]
    assert harness.ledger.concluded == []


def test_each_claim_request_is_answered_once_and_an_empty_ledger_is_asked_no_further(harness: WriterHarness):
    batch = make_batch(3)
    harness.ledger.batches.append(batch)
    for generation in range(4):
        harness.writer.request_claim(ClaimRequest(generation))

    harness.writer.start()
    wait_until(lambda: len(harness.events) == 4, "every request was answered")

    answers = [event for event in harness.events if isinstance(event, ClaimReply)]
    assert [answer.batch for answer in answers] == [batch, None, None, None]
    assert sorted(harness.leases.jobs()) == sorted(job.claim for job in batch.jobs)
    assert harness.writer.polled_lately()
    assert not harness.writer.polled_lately()


def test_the_first_claim_waits_for_nothing_and_one_soon_after_it_blocks_no_writes(
    harness: WriterHarness, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(writer_module, "JOB_GAP_S", 3600.0)
    monkeypatch.setattr(writer_module, "LONGEST_GAP_S", 3600.0)
    harness.writer.start()
    harness.writer.request_claim(ClaimRequest(1))
    wait_until(lambda: len(harness.events) == 1, "the first request was answered")
    harness.writer.request_claim(ClaimRequest(2))
    claim = make_claim()
    harness.writer.write(outcomes=[Stopped(claim)])
    wait_until(lambda: harness.ledger.concluded, "the end was written")
    harness.writer.write(progress={claim: 0.5})
    wait_until(lambda: harness.ledger.progress, "progress was written")

    assert [event.request for event in harness.events if isinstance(event, ClaimReply)] == [ClaimRequest(1)]


@pytest.mark.parametrize(
    ("sizes", "is_last", "gap_s"),
    [
        ([], True, 0.005),
        ([1], True, 0.005),
        ([3, 1], True, 0.02),
        ([8], True, 0.04),
        ([500], True, 0.04),
        ([1], False, 0),
    ],
)
def test_the_next_claim_waits_the_longer_the_more_jobs_came_unless_more_are_there(sizes, is_last, gap_s):
    batches = [replace(make_batch(size), is_last=is_last) for size in sizes]
    replies = [ClaimReply(ClaimRequest(1), 0.0, batch) for batch in batches]

    assert find_gap([*replies, ClaimReply(ClaimRequest(1), 0.0)]) == pytest.approx(gap_s)


def test_requests_for_files_go_before_jobs(harness: WriterHarness):
    harness.ledger.batches.append(make_batch())
    harness.ledger.renders.append(make_render())
    harness.writer.request_claim(ClaimRequest(1))
    harness.writer.request_claim(ClaimRequest(1, only_renders=True))
    harness.writer.request_claim(ClaimRequest(1))

    harness.writer.start()
    wait_until(lambda: len(harness.events) == 3, "every request was answered")

    kinds = [
        (event.render is not None, event.batch is not None) for event in harness.events if isinstance(event, ClaimReply)
    ]
    assert kinds == [(True, False), (False, False), (False, True)]
    assert len(harness.leases.renders()) == 1


@pytest.mark.parametrize("trouble", [UnavailableError("away"), StorageFullError("full")])
def test_writes_are_kept_until_the_ledger_takes_them(harness: WriterHarness, trouble: Exception):
    claim, render = make_claim(), make_render()
    harness.leases.hold([claim])
    harness.leases.hold_render(render.claim)
    harness.ledger.troubles.extend([trouble] * 5)
    harness.writer.write(outcomes=[Stopped(claim)], renders=[(render.claim, RenderFinished(render.claim.render_id))])

    harness.writer.start()
    wait_until(lambda: harness.ledger.render_ends, "everything was written")

    assert [outcomes for outcomes, _, _ in harness.ledger.concluded] == [[Stopped(claim)]]
    assert harness.leases.count() == 0
    assert harness.written.wait(10)


def test_a_claim_that_meets_trouble_is_answered_as_empty(harness: WriterHarness):
    harness.ledger.batches.append(make_batch())
    harness.ledger.troubles.append(UnavailableError("away"))
    harness.writer.request_claim(ClaimRequest(1))

    harness.writer.start()
    wait_until(lambda: harness.events, "the request was answered")

    assert isinstance(harness.events[0], ClaimReply)
    assert harness.events[0].is_empty


def test_writes_that_cannot_be_made_before_the_end_are_dropped(harness: WriterHarness):
    harness.ledger.troubles.extend([UnavailableError("away")] * 10_000)
    harness.writer.write(outcomes=[Stopped(make_claim())])

    harness.writer.start()
    harness.writer.finish(0.05)
    harness.writer.join(10.0)

    assert not harness.writer.is_alive()
    assert harness.ledger.concluded == []


def test_one_write_that_always_fails_does_not_block_the_others(harness: WriterHarness):
    claims = [make_claim() for _ in range(9)]
    harness.leases.hold(claims)
    harness.ledger.unwritable = {claims[4]}
    harness.writer.write(
        outcomes=[Stopped(claim) for claim in claims], begun=claims, logs=[LogChunk(c, 0, "x") for c in claims]
    )

    harness.writer.start()
    wait_until(lambda: harness.leases.count() == 0, "all were written or given up")

    written = {outcome.claim for outcomes, _, _ in harness.ledger.concluded for outcome in outcomes}
    assert written == set(claims) - {claims[4]}


def test_an_unwritable_render_is_left_to_its_lease(harness: WriterHarness):
    render = make_render()
    harness.leases.hold_render(render.claim)
    harness.ledger.troubles.append(RuntimeError("a defect"))
    harness.writer.write(renders=[(render.claim, RenderReturned(is_loss=True))])

    harness.writer.start()
    wait_until(lambda: harness.leases.count() == 0, "it was given up")

    assert harness.ledger.render_ends == []


def test_results_that_come_too_late_are_named_and_jobs_that_went_back_are_looked_for(harness: WriterHarness):
    late, good, back = make_claim(), make_claim(), make_claim()
    harness.ledger.refused = {late}
    harness.writer.write(outcomes=[Succeeded(late, {}), Succeeded(good, {}), Returned(back, "lost")])

    harness.writer.start()
    wait_until(lambda: harness.late, "the late result was named")

    assert [result.claim for result in harness.late] == [late]
    wait_until(lambda: harness.events == [JobsRequeued()], "the loop was told")


def test_a_defect_of_the_thread_is_told_to_the_loop(harness: WriterHarness, monkeypatch: pytest.MonkeyPatch):
    def explode(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(harness.writer, "_answer", explode)
    harness.writer.request_claim(ClaimRequest(1))

    harness.writer.start()
    harness.writer.join(10.0)

    (event,) = harness.events
    assert isinstance(event, ThreadDied)
    assert isinstance(event.error, ZeroDivisionError)
