"""The ledger writer: one thread that claims and concludes, groups writes, and retries those that fail for now."""

import threading
from collections.abc import Iterator, Sequence
from uuid import uuid4

import pytest
from tests.doubles.ledgers import MemoryLedger, make_batch, make_render
from tests.support.workers import wait_until

from grid.core.errors import StorageFullError, UnavailableError
from grid.runtime.messages import Rendered
from grid.schemas.jobs import Claim
from grid.services.ledger import LogChunk, Returned, Stopped, Succeeded
from grid.services.renders import GivenBack
from grid.tasks import ledger_writer as writer_module
from grid.tasks.events import ClaimReply, ClaimRequest, JobsRequeued, ThreadDied, WorkerEvent
from grid.tasks.leases import Leases
from grid.tasks.ledger_writer import LedgerWriter


class Office:
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
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setattr(writer_module, "BACKOFF_S", (0.001, 0.01))
    office = Office()
    yield office
    office.close()


def make_claim() -> Claim:
    return Claim(uuid4(), 1)


def test_what_gathers_before_the_ledger_writer_looks_is_one_transaction(office: Office):
    claims = [make_claim() for _ in range(50)]
    for claim in claims:
        office.writer.write(begun=[claim])
        office.writer.write(outcomes=[Stopped(claim)], logs=[LogChunk(claim, 0, "a line")])

    office.writer.start()
    wait_until(lambda: office.ledger.concluded, "it was written")

    ((outcomes, logs, begun),) = office.ledger.concluded
    assert [outcome.claim for outcome in outcomes] == begun == [chunk.claim for chunk in logs] == claims


def test_lines_of_a_run_that_goes_on_are_written_without_an_end(office: Office):
    claim = make_claim()
    office.writer.write(logs=[LogChunk(claim, 0, "so far so good")], progress={claim: 0.5})

    office.writer.start()
    wait_until(lambda: office.ledger.progress, "progress was written")

    assert office.ledger.logs == [LogChunk(claim, 0, "so far so good")]
    assert office.ledger.concluded == []


def test_each_claim_request_is_answered_once_and_an_empty_ledger_is_asked_no_further(office: Office):
    batch = make_batch(3)
    office.ledger.batches.append(batch)
    for generation in range(4):
        office.writer.request_claim(ClaimRequest(generation))

    office.writer.start()
    wait_until(lambda: len(office.events) == 4, "every request was answered")

    answers = [event for event in office.events if isinstance(event, ClaimReply)]
    assert [answer.batch for answer in answers] == [batch, None, None, None]
    assert sorted(office.leases.jobs()) == sorted(job.claim for job in batch.jobs)
    assert office.writer.polled_lately()
    assert not office.writer.polled_lately()


def test_the_first_claim_waits_for_nothing_and_one_soon_after_it_blocks_no_writes(
    office: Office, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(writer_module, "CLAIM_GAP_S", 3600.0)
    office.writer.start()
    office.writer.request_claim(ClaimRequest(1))
    wait_until(lambda: len(office.events) == 1, "the first request was answered")
    office.writer.request_claim(ClaimRequest(2))
    claim = make_claim()
    office.writer.write(outcomes=[Stopped(claim)])
    wait_until(lambda: office.ledger.concluded, "the end was written")
    office.writer.write(progress={claim: 0.5})
    wait_until(lambda: office.ledger.progress, "progress was written")

    assert [event.request for event in office.events if isinstance(event, ClaimReply)] == [ClaimRequest(1)]


def test_requests_for_files_go_before_jobs(office: Office):
    office.ledger.batches.append(make_batch())
    office.ledger.renders.append(make_render())
    office.writer.request_claim(ClaimRequest(1))
    office.writer.request_claim(ClaimRequest(1, only_renders=True))
    office.writer.request_claim(ClaimRequest(1))

    office.writer.start()
    wait_until(lambda: len(office.events) == 3, "every request was answered")

    kinds = [
        (event.render is not None, event.batch is not None) for event in office.events if isinstance(event, ClaimReply)
    ]
    assert kinds == [(True, False), (False, False), (False, True)]
    assert len(office.leases.renders()) == 1


@pytest.mark.parametrize("trouble", [UnavailableError("away"), StorageFullError("full")])
def test_writes_are_kept_until_the_ledger_takes_them(office: Office, trouble: Exception):
    claim, render = make_claim(), make_render()
    office.leases.hold([claim])
    office.leases.hold_render(render.claim)
    office.ledger.troubles.extend([trouble] * 5)
    office.writer.write(outcomes=[Stopped(claim)], renders=[(render.claim, Rendered(render.claim.render_id))])

    office.writer.start()
    wait_until(lambda: office.ledger.render_ends, "everything was written")

    assert [outcomes for outcomes, _, _ in office.ledger.concluded] == [[Stopped(claim)]]
    assert office.leases.count() == 0
    assert office.written.wait(10)


def test_a_claim_that_meets_trouble_is_answered_as_empty(office: Office):
    office.ledger.batches.append(make_batch())
    office.ledger.troubles.append(UnavailableError("away"))
    office.writer.request_claim(ClaimRequest(1))

    office.writer.start()
    wait_until(lambda: office.events, "the request was answered")

    assert isinstance(office.events[0], ClaimReply)
    assert office.events[0].is_empty


def test_writes_that_cannot_be_made_before_the_end_are_dropped(office: Office):
    office.ledger.troubles.extend([UnavailableError("away")] * 10_000)
    office.writer.write(outcomes=[Stopped(make_claim())])

    office.writer.start()
    office.writer.finish(0.05)
    office.writer.join(10.0)

    assert not office.writer.is_alive()
    assert office.ledger.concluded == []


def test_one_write_that_always_fails_does_not_block_the_others(office: Office):
    claims = [make_claim() for _ in range(9)]
    office.leases.hold(claims)
    office.ledger.unwritable = {claims[4]}
    office.writer.write(
        outcomes=[Stopped(claim) for claim in claims], begun=claims, logs=[LogChunk(c, 0, "x") for c in claims]
    )

    office.writer.start()
    wait_until(lambda: office.leases.count() == 0, "all were written or given up")

    written = {outcome.claim for outcomes, _, _ in office.ledger.concluded for outcome in outcomes}
    assert written == set(claims) - {claims[4]}


def test_an_unwritable_render_is_left_to_its_lease(office: Office):
    render = make_render()
    office.leases.hold_render(render.claim)
    office.ledger.troubles.append(RuntimeError("a defect"))
    office.writer.write(renders=[(render.claim, GivenBack(is_loss=True))])

    office.writer.start()
    wait_until(lambda: office.leases.count() == 0, "it was given up")

    assert office.ledger.render_ends == []


def test_results_that_come_too_late_are_named_and_jobs_that_went_back_are_looked_for(office: Office):
    late, good, back = make_claim(), make_claim(), make_claim()
    office.ledger.refused = {late}
    office.writer.write(outcomes=[Succeeded(late, {}), Succeeded(good, {}), Returned(back, "lost")])

    office.writer.start()
    wait_until(lambda: office.late, "the late result was named")

    assert [result.claim for result in office.late] == [late]
    wait_until(lambda: office.events == [JobsRequeued()], "the loop was told")


def test_a_defect_of_the_thread_is_told_to_the_loop(office: Office, monkeypatch: pytest.MonkeyPatch):
    def explode(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(office.writer, "_answer", explode)
    office.writer.request_claim(ClaimRequest(1))

    office.writer.start()
    office.writer.join(10.0)

    (event,) = office.events
    assert isinstance(event, ThreadDied)
    assert isinstance(event.error, ZeroDivisionError)
