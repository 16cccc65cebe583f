"""The loop: when it asks for work, when it does not, and how it ends."""

import selectors
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.doubles.bells import MemoryDoorbell
from tests.doubles.children import MemoryFactory
from tests.doubles.ledgers import MemoryLedger, make_batch, make_render
from tests.doubles.transfers import make_files
from tests.support.workers import wait_until

from grid.core.errors import UnavailableError
from grid.runtime.messages import Render, RenderFinished, Solve, SolveFinished
from grid.services.ledger import Returned, Succeeded
from grid.tasks.children import Children, Slot
from grid.tasks.dispatcher import PREFETCH_WITHIN_S, Dispatcher, WorkerLimits
from grid.tasks.events import EventQueue, StorageChecked, ThreadDied, WorkerEvent
from grid.tasks.heartbeat import Heartbeat
from grid.tasks.leases import Leases
from grid.tasks.ledger_writer import LedgerWriter
from grid.tasks.supervisor import Supervisor


class NoPrograms:
    """No program ever runs here."""

    tokens_used = 0

    def runs(self) -> list[object]:
        return []

    def tick(self, now: float) -> None:
        pass


class SupervisorHarness:
    """A supervisor over doubles, in a thread; its children answer by themselves unless they are told to be slow."""

    def __init__(self, folder: Path) -> None:
        self.ledger, self.leases, self.bell = MemoryLedger(), Leases(), MemoryDoorbell()
        self.events: EventQueue[WorkerEvent] = EventQueue()
        self.factory = MemoryFactory()
        selector = selectors.DefaultSelector()
        self.writer = LedgerWriter(self.ledger, self.leases, self.events.put)
        self.children = Children(self.factory, selector, small=1, on_readable=self.on_readable)
        self.dispatcher = Dispatcher(
            self.children,
            NoPrograms(),  # type: ignore[arg-type]
            self.writer,
            self.leases,
            WorkerLimits(1),
            files=make_files(folder),
            on_storage_full=self.fill,
        )
        self.sign_outs: list[int] = []
        self.sign_out_error: Exception | None = None
        self.supervisor = Supervisor(
            selector=selector,
            events=self.events,
            dispatcher=self.dispatcher,
            children=self.children,
            writer=self.writer,
            heartbeat=Heartbeat(self.ledger, self.leases, self.events.put, every_s=3600.0),
            tasks=(),
            bell=self.bell.listen("work"),
            sign_out=self.sign_out,
            poll_s=3600.0,
            drain_s=0.1,
        )
        self.codes: list[int] = []
        self.thread = threading.Thread(target=lambda: self.codes.append(self.supervisor.run()))

    def on_readable(self, slot: Slot) -> None:
        self.dispatcher.on_readable(slot)

    def fill(self) -> None:
        self.supervisor.storage_is_full()

    def sign_out(self) -> None:
        self.sign_outs.append(1)
        if self.sign_out_error is not None:
            raise self.sign_out_error

    def open(self) -> None:
        self.thread.start()
        wait_until(lambda: self.factory.children, "a child was started")
        self.factory.children[0].be_ready()
        wait_until(self.children.idle_small, "the child was up")

    def close(self) -> int:
        if self.thread.ident is not None:
            self.supervisor.stop()
            self.thread.join(20.0)
            assert not self.thread.is_alive()
        return self.codes[0] if self.codes else -1

    def sent(self, kind: type) -> list[object]:
        return [message for message in self.factory.children[0].sent if isinstance(message, kind)]


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[SupervisorHarness]:
    harness = SupervisorHarness(tmp_path)
    yield harness
    harness.close()


def test_a_ring_brings_work_without_waiting_for_the_next_look(harness: SupervisorHarness):
    harness.open()
    harness.ledger.batches.append(make_batch(3))
    harness.bell.ring("work")
    wait_until(lambda: harness.sent(Solve), "the batch was handed to the child")
    harness.factory.children[0].solve()
    wait_until(lambda: harness.leases.count() == 0, "the ends were written")

    outcomes = [outcome for outcomes, _, _ in harness.ledger.concluded for outcome in outcomes]
    assert len(outcomes) == 3
    assert all(isinstance(outcome, Succeeded) for outcome in outcomes)
    assert harness.close() == 0
    assert harness.sign_outs == [1]


def test_work_left_in_the_ledger_is_fetched_without_another_ring(harness: SupervisorHarness):
    harness.open()
    harness.ledger.batches.extend(make_batch() for _ in range(5))
    harness.bell.ring("work")
    for count in range(1, 6):
        wait_until(lambda count=count: len(harness.sent(Solve)) == count, f"batch {count} was handed to the child")
        harness.factory.children[0].solve()
    wait_until(lambda: harness.leases.count() == 0, "the ends were written")


def test_a_claim_that_took_all_that_was_queued_is_followed_by_none_until_a_ring(harness: SupervisorHarness):
    """An empty claim would take the lock of the database, which whoever submits waits for."""
    harness.open()
    wait_until(lambda: harness.ledger.shares, "it looked at its start")
    harness.ledger.shares.clear()
    for count in (1, 2):
        harness.ledger.batches.append(replace(make_batch(), is_last=True))
        harness.bell.ring("work")
        wait_until(lambda count=count: len(harness.sent(Solve)) == count, "the batch was handed to the child")
        harness.factory.children[0].solve()
        wait_until(lambda: harness.leases.count() == 0, "its end was written")
        wait_until(lambda: harness.dispatcher.is_quiet, "nothing is left")

    assert len(harness.ledger.shares) == 2  # one claim for each ring


def test_files_that_somebody_waits_for_wait_for_no_batch(harness: SupervisorHarness):
    harness.open()
    harness.ledger.batches.extend(make_batch() for _ in range(2))
    harness.bell.ring("work")
    wait_until(lambda: harness.sent(Solve), "the child worked")
    harness.ledger.renders.append(make_render())
    harness.bell.ring("work")
    wait_until(lambda: len(harness.factory.children) == 2, "a child of their own was started")

    child, own = harness.factory.children
    own.be_ready()
    wait_until(lambda: own.sent, "the request was handed over")
    (request,) = own.sent
    assert isinstance(request, Render)
    own.say(RenderFinished(request.render_id))
    wait_until(lambda: harness.ledger.render_ends, "the files were recorded")
    assert len(harness.sent(Solve)) == 1
    child.solve()
    wait_until(lambda: len(harness.sent(Solve)) == 2, "the batch that waited came next")
    child.solve()


def test_work_of_others_is_asked_for_once_long_work_holds_every_token(harness: SupervisorHarness):
    harness.open()
    harness.ledger.batches.extend(make_batch() for _ in range(2))
    harness.bell.ring("work")
    wait_until(lambda: harness.leases.count() == 2, "one batch ran and one was claimed ahead")
    assert set(harness.ledger.shares) == {("any",)}

    wait_until(lambda: ("guest", "short") in harness.ledger.shares, "guests were asked for")

    assert time.monotonic() - (harness.dispatcher._running()[0].started_at or 0.0) >= PREFETCH_WITHIN_S
    harness.factory.children[0].solve()
    wait_until(lambda: len(harness.sent(Solve)) == 2, "the batch that waited came next")
    harness.factory.children[0].solve()


def test_nothing_is_claimed_while_the_store_is_full(harness: SupervisorHarness):
    harness.open()
    harness.ledger.batches.append(make_batch())
    harness.bell.ring("work")
    wait_until(lambda: harness.sent(Solve), "the child worked")
    solve = harness.sent(Solve)[0]
    full = SolveFinished(solve.batch_id, (), 0.1, 0, "no room", is_storage_full=True)  # type: ignore[attr-defined]
    harness.factory.children[0].say(full)
    wait_until(lambda: harness.leases.count() == 0, "the job was given back")
    assert [type(outcome) for outcomes, _, _ in harness.ledger.concluded for outcome in outcomes] == [Returned]

    harness.ledger.batches.append(make_batch())
    harness.bell.ring("work")
    harness.events.put(StorageChecked(is_writable=False))
    wait_until(lambda: not harness.supervisor._is_store_writable, "the loop knew")
    assert len(harness.ledger.batches) == 1

    harness.events.put(StorageChecked(is_writable=True))
    wait_until(lambda: len(harness.sent(Solve)) == 2, "the next batch was handed to the child")


def test_a_drain_that_takes_too_long_gives_the_work_back(harness: SupervisorHarness):
    harness.open()
    batch = make_batch()
    harness.ledger.batches.append(batch)
    harness.bell.ring("work")
    wait_until(lambda: harness.sent(Solve), "the child worked")
    harness.sign_out_error = UnavailableError("the database is away")

    assert harness.close() == 0

    ((outcome,), _, _) = harness.ledger.concluded[-1]
    assert isinstance(outcome, Returned)
    assert (outcome.claim, outcome.why) == (batch.jobs[0].claim, "drain")
    assert harness.factory.children[0].was_killed
    assert harness.sign_outs == [1]


def test_a_worker_whose_thread_died_ends_with_an_error(harness: SupervisorHarness):
    harness.open()
    harness.ledger.batches.append(make_batch())
    harness.bell.ring("work")
    wait_until(lambda: harness.sent(Solve), "the child worked")

    harness.events.put(ThreadDied("ledger-writer", ZeroDivisionError()))
    harness.thread.join(20.0)

    assert harness.codes == [1]
    assert harness.factory.children[0].was_killed
