"""Identifiers: version 7, in the order of their making, never twice."""

import threading
import time
from uuid import RFC_4122

from grid.core.ids import new_id


def test_ids_are_of_version_7_and_carry_the_time():
    before = time.time_ns() // 1_000_000
    made = new_id()
    after = time.time_ns() // 1_000_000

    assert (made.version, made.variant) == (7, RFC_4122)
    assert before <= made.int >> 80 <= after + 1


def test_ids_of_one_process_increase():
    made = [new_id() for _ in range(20_000)]

    assert made == sorted(set(made))


def test_ids_of_many_threads_differ():
    made: list[list[object]] = [[] for _ in range(8)]

    def make(into):
        into.extend(new_id() for _ in range(2_000))

    threads = [threading.Thread(target=make, args=(one,)) for one in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({identifier for one in made for identifier in one}) == 16_000
    assert all(one == sorted(one) for one in made)


def test_a_clock_that_goes_back_does_not_turn_the_order(monkeypatch):
    first = new_id()
    monkeypatch.setattr("grid.core.ids.time.time_ns", lambda: 0)

    assert new_id() > first


def test_the_text_sorts_as_the_value_does():
    made = [new_id() for _ in range(100)]

    assert sorted(made, key=str) == made
