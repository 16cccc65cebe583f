"""Transfers: made in threads, told in the loop, repeated while the store is away, given up when it hangs."""

import queue
import threading
import time
from collections.abc import Iterator

import pytest
from tests.support.workers import wait_until

from grid.core.errors import StorageFullError, UnavailableError
from grid.tasks.transfers import THREADS, TransferEnded, Transfers, limit_of


class Loop:
    """Transfers, and what their loop hears."""

    def __init__(self) -> None:
        self.events: queue.SimpleQueue[TransferEnded] = queue.SimpleQueue()
        self.transfers = Transfers(self.events.put)
        self.told: list[object] = []

    def submit(self, work, **words):
        return self.transfers.submit(work, self.told.append, self.told.append, **words)

    def turn(self) -> None:
        while not self.events.empty():
            self.events.get().deliver()
        self.transfers.tick(time.monotonic())

    def wait_for(self, number: int) -> list[object]:
        def heard() -> bool:
            self.turn()
            return len(self.told) >= number

        wait_until(heard, f"{number} transfers had ended")
        return self.told


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.transfers.finish()


def test_the_loop_is_told_the_result_or_the_error(loop: Loop):
    def refuse():
        raise StorageFullError("no room")

    loop.submit(lambda: 7)
    assert loop.wait_for(1) == [7]
    loop.submit(refuse)
    assert isinstance(loop.wait_for(2)[1], StorageFullError)


def test_a_store_that_is_away_is_asked_again_until_it_answers(loop: Loop):
    tries = []

    def work():
        tries.append(1)
        if len(tries) < 3:
            raise UnavailableError("away")
        return "stored"

    loop.submit(work)
    assert loop.wait_for(1) == ["stored"]


def test_one_that_stays_away_ends_the_transfer_with_its_error(loop: Loop):
    def work():
        raise UnavailableError("away")

    loop.submit(work, within_s=0.3)
    (error,) = loop.wait_for(1)
    assert isinstance(error, UnavailableError)


def test_one_that_hangs_is_given_up_and_does_not_hold_up_the_next(loop: Loop):
    hang, undone = threading.Event(), []
    for _ in range(THREADS):
        loop.submit(lambda: hang.wait(30.0), within_s=0.1, undo=lambda: undone.append(1))
    loop.submit(lambda: "the next")
    told = loop.wait_for(THREADS + 1)
    assert sum(isinstance(one, UnavailableError) and "0 s" in str(one) for one in told) == THREADS
    assert told[-1] == "the next"

    hang.set()
    wait_until(lambda: len(undone) == THREADS, "what they left was removed")
    loop.turn()
    assert len(told) == THREADS + 1  # nobody is told twice


def test_an_abandoned_transfer_is_undone_and_nobody_is_told(loop: Loop):
    go, undone = threading.Event(), []
    transfer = loop.submit(go.wait, undo=lambda: undone.append(1))
    transfer.abandon()
    go.set()
    wait_until(lambda: undone, "it was undone")
    loop.turn()
    assert loop.told == []


def test_one_that_was_abandoned_and_hangs_does_not_cost_a_thread(loop: Loop):
    hang = threading.Event()
    for _ in range(THREADS):
        transfer = loop.submit(lambda: hang.wait(30.0), within_s=0.1)
        wait_until(lambda one=transfer: one.began_at is not None, "it had begun")
        transfer.abandon()
    loop.submit(lambda: "while they hang")
    assert loop.wait_for(1) == ["while they hang"]
    hang.set()
    loop.submit(lambda: "after that")
    assert loop.wait_for(2)[1] == "after that"


def test_what_cannot_be_undone_is_left_to_the_collector_and_the_thread_goes_on(loop: Loop):
    def undo():
        raise UnavailableError("away")

    for _ in range(THREADS + 1):
        loop.submit(lambda: None, undo=undo).abandon()
    loop.submit(lambda: "the next")
    assert loop.wait_for(1)[-1] == "the next"


def test_a_large_file_has_longer_than_a_small_one():
    assert limit_of(0) == 30.0
    assert limit_of(60 << 20) == 90.0
