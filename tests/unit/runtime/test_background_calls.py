"""Calls beside a loop: one of a kind at a time, answers in the loop, trouble as an answer."""

import select
import threading

from grid.core.errors import UnavailableError
from grid.runtime.background_calls import BackgroundCalls


def take(calls: BackgroundCalls) -> None:
    assert select.select([calls], [], [], 10)[0]
    calls.take()


def test_an_answer_wakes_the_loop_and_is_passed_on_there():
    calls, seen = BackgroundCalls(), []

    assert calls.start("look", threading.get_ident, seen.append)
    take(calls)

    assert seen != [threading.get_ident()]
    assert (len(seen), calls.is_running("look"), select.select([calls], [], [], 0)[0]) == (1, False, [])


def test_one_call_of_a_kind_runs_at_a_time_and_others_beside_it():
    calls, seen, gate = BackgroundCalls(), [], threading.Event()

    assert calls.start("look", lambda: gate.wait(10), seen.append)
    assert not calls.start("look", lambda: 2, seen.append)
    assert calls.start("kill", lambda: 3, seen.append)
    take(calls)
    assert (seen, calls.is_running("look")) == ([3], True)
    gate.set()
    take(calls)

    assert seen == [3, True]
    assert calls.start("look", lambda: 4, seen.append)
    take(calls)


def test_trouble_is_an_answer():
    calls, seen = BackgroundCalls(), []

    def fail() -> None:
        raise UnavailableError("away")

    calls.start("look", fail, seen.append)
    take(calls)

    assert [str(one) for one in seen] == ["away"]
