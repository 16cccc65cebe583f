"""The loop: when it asks for work, when it does not, and how it ends."""

import selectors
import threading
import time
from collections.abc import Iterator

import pytest
from tests.doubles.bells import MemoryDoorbell
from tests.doubles.children import MemoryFactory
from tests.doubles.ledgers import MemoryLedger, make_batch, make_render
from tests.support.workers import wait_until

from grid.core.errors import UnavailableError
from grid.runtime.messages import Render, Rendered, Solve, Solved
from grid.services.ledger import Returned, Succeeded
from grid.tasks.children import Children, Seat
from grid.tasks.desk import PREFETCH_WITHIN_S, Desk, Limits
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


class Shop:
    """A supervisor over doubles, in a thread; its children answer by themselves unless they are told to be slow."""

    def __init__(self) -> None:
        self.ledger, self.leases, self.bell = MemoryLedger(), Leases(), MemoryDoorbell()
        self.events: EventQueue[WorkerEvent] = EventQueue()
        self.factory = MemoryFactory()
        selector = selectors.DefaultSelector()
        self.writer = LedgerWriter(self.ledger, self.leases, self.events.put)
        self.children = Children(self.factory, selector, small=1, on_readable=self.hear)
        self.desk = Desk(
            self.children,
            NoPrograms(),  # type: ignore[arg-type]
            self.writer,
            self.leases,
            Limits(1),
            on_storage_full=self.fill,
        )
        self.goodbyes: list[int] = []
        self.farewell: Exception | None = None
        self.supervisor = Supervisor(
            selector=selector,
            events=self.events,
            desk=self.desk,
            children=self.children,
            writer=self.writer,
            heartbeat=Heartbeat(self.ledger, self.leases, self.events.put, every_s=3600.0),
            chores=(),
            bell=self.bell.listen("work"),
            sign_out=self.sign_out,
            poll_s=3600.0,
            drain_s=0.1,
        )
        self.codes: list[int] = []
        self.thread = threading.Thread(target=lambda: self.codes.append(self.supervisor.run()))

    def hear(self, seat: Seat) -> None:
        self.desk.hear(seat)

    def fill(self) -> None:
        self.supervisor.storage_is_full()

    def sign_out(self) -> None:
        self.goodbyes.append(1)
        if self.farewell is not None:
            raise self.farewell

    def open(self) -> None:
        self.thread.start()
        wait_until(lambda: self.factory.children, "a child was born")
        self.factory.children[0].be_ready()
        wait_until(self.children.idle_small, "the child was up")

    def close(self) -> int:
        if self.thread.ident is not None:
            self.supervisor.stop()
            self.thread.join(20.0)
            assert not self.thread.is_alive()
        return self.codes[0] if self.codes else -1

    def told(self, kind: type) -> list[object]:
        return [message for message in self.factory.children[0].told if isinstance(message, kind)]


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.close()


def test_a_ring_brings_work_without_waiting_for_the_next_look(shop: Shop):
    shop.open()
    shop.ledger.batches.append(make_batch(3))
    shop.bell.ring("work")
    wait_until(lambda: shop.told(Solve), "the batch was handed to the child")
    shop.factory.children[0].solve()
    wait_until(lambda: shop.leases.count() == 0, "the ends were written")

    outcomes = [outcome for outcomes, _, _ in shop.ledger.concluded for outcome in outcomes]
    assert len(outcomes) == 3
    assert all(isinstance(outcome, Succeeded) for outcome in outcomes)
    assert shop.close() == 0
    assert shop.goodbyes == [1]


def test_work_left_in_the_ledger_is_fetched_without_another_ring(shop: Shop):
    shop.open()
    shop.ledger.batches.extend(make_batch() for _ in range(5))
    shop.bell.ring("work")
    for count in range(1, 6):
        wait_until(lambda count=count: len(shop.told(Solve)) == count, f"batch {count} was handed to the child")
        shop.factory.children[0].solve()
    wait_until(lambda: shop.leases.count() == 0, "the ends were written")


def test_files_that_somebody_waits_for_wait_for_no_batch(shop: Shop):
    shop.open()
    shop.ledger.batches.extend(make_batch() for _ in range(2))
    shop.bell.ring("work")
    wait_until(lambda: shop.told(Solve), "the child worked")
    shop.ledger.renders.append(make_render())
    shop.bell.ring("work")
    wait_until(lambda: len(shop.factory.children) == 2, "a child of their own was born")

    child, own = shop.factory.children
    own.be_ready()
    wait_until(lambda: own.told, "the request was handed over")
    (request,) = own.told
    assert isinstance(request, Render)
    own.say(Rendered(request.render_id))
    wait_until(lambda: shop.ledger.render_ends, "the files were recorded")
    assert len(shop.told(Solve)) == 1
    child.solve()
    wait_until(lambda: len(shop.told(Solve)) == 2, "the batch that waited came next")
    child.solve()


def test_work_of_others_is_asked_for_once_long_work_holds_every_token(shop: Shop):
    shop.open()
    shop.ledger.batches.extend(make_batch() for _ in range(2))
    shop.bell.ring("work")
    wait_until(lambda: shop.leases.count() == 2, "one batch ran and one was claimed ahead")
    assert set(shop.ledger.shares) == {("any",)}

    wait_until(lambda: ("guest", "short") in shop.ledger.shares, "guests were asked for")

    assert time.monotonic() - (shop.desk._running()[0].started_at or 0.0) >= PREFETCH_WITHIN_S
    shop.factory.children[0].solve()
    wait_until(lambda: len(shop.told(Solve)) == 2, "the batch that waited came next")
    shop.factory.children[0].solve()


def test_nothing_is_claimed_while_the_store_is_full(shop: Shop):
    shop.open()
    shop.ledger.batches.append(make_batch())
    shop.bell.ring("work")
    wait_until(lambda: shop.told(Solve), "the child worked")
    solve = shop.told(Solve)[0]
    full = Solved(solve.batch_id, (), 0.1, 0, "no room", is_storage_full=True)  # type: ignore[attr-defined]
    shop.factory.children[0].say(full)
    wait_until(lambda: shop.leases.count() == 0, "the job was given back")
    assert [type(outcome) for outcomes, _, _ in shop.ledger.concluded for outcome in outcomes] == [Returned]

    shop.ledger.batches.append(make_batch())
    shop.bell.ring("work")
    shop.events.put(StorageChecked(is_writable=False))
    wait_until(lambda: not shop.supervisor._is_store_writable, "the loop knew")
    assert len(shop.ledger.batches) == 1

    shop.events.put(StorageChecked(is_writable=True))
    wait_until(lambda: len(shop.told(Solve)) == 2, "the next batch was handed to the child")


def test_a_drain_that_takes_too_long_gives_the_work_back(shop: Shop):
    shop.open()
    batch = make_batch()
    shop.ledger.batches.append(batch)
    shop.bell.ring("work")
    wait_until(lambda: shop.told(Solve), "the child worked")
    shop.farewell = UnavailableError("the database is away")

    assert shop.close() == 0

    ((outcome,), _, _) = shop.ledger.concluded[-1]
    assert isinstance(outcome, Returned)
    assert (outcome.claim, outcome.why) == (batch.jobs[0].claim, "drain")
    assert shop.factory.children[0].was_killed
    assert shop.goodbyes == [1]


def test_a_worker_whose_thread_died_ends_with_an_error(shop: Shop):
    shop.open()
    shop.ledger.batches.append(make_batch())
    shop.bell.ring("work")
    wait_until(lambda: shop.told(Solve), "the child worked")

    shop.events.put(ThreadDied("ledger-writer", ZeroDivisionError()))
    shop.thread.join(20.0)

    assert shop.codes == [1]
    assert shop.factory.children[0].was_killed
