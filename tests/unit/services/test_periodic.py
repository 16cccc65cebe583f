"""Periodic tasks: they go on after failures, come early when triggered, and pause longer only where asked to."""

import threading

import pytest
from tests.support.workers import wait_until

from grid.core.errors import UnavailableError
from grid.services.periodic import PeriodicTask


def fail_with(error: Exception):
    def act() -> None:
        raise error

    return act


def test_a_task_goes_on_after_every_kind_of_failure_and_comes_early_when_triggered():
    turns: list[int] = []

    def act() -> None:
        turns.append(len(turns))
        if len(turns) == 1:
            raise UnavailableError("away")
        if len(turns) == 2:
            raise ZeroDivisionError

    task = PeriodicTask("test", act, every_s=3600.0)
    task.start()
    for count in (1, 2, 3, 4):
        wait_until(lambda count=count: len(turns) >= count, f"turn {count} was over")
        task.trigger()
    task.stop(10.0)
    assert not task.is_alive()


def test_a_task_keeps_its_least_gap():
    turns: list[int] = []
    begun = threading.Event()

    def act() -> None:
        turns.append(1)
        begun.set()

    task = PeriodicTask("test", act, every_s=3600.0, least_gap_s=3600.0)
    task.start()
    assert begun.wait(10)
    task.trigger()
    task.stop(10.0)
    assert (len(turns), task.is_alive()) == (1, False)


@pytest.mark.parametrize(("longest_pause_s", "last"), [(30.0, 30.0), (None, 0.25), (0.1, 0.25)])
def test_pauses_grow_with_failures_in_a_row_up_to_the_limit_that_was_given(longest_pause_s, last):
    troubled = [True]

    def act() -> None:
        if troubled[0]:
            raise UnavailableError("away")

    task = PeriodicTask("test", act, every_s=0.25, longest_pause_s=longest_pause_s)
    pauses = []
    for _ in range(12):
        pauses.append(task.pause_s)
        task.take_turn()

    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.25, last)
    troubled[0] = False
    task.take_turn()
    assert task.pause_s == 0.25


def test_an_outage_is_logged_once_and_its_end_too(caplog):
    caplog.set_level("INFO")
    errors = [UnavailableError("away")] * 5

    def act() -> None:
        if errors:
            raise errors.pop()

    task = PeriodicTask("test", act, every_s=1.0)
    for _ in range(7):
        task.take_turn()

    events = [record.msg["event"] for record in caplog.records if isinstance(record.msg, dict)]
    assert events == ["periodic_task_failing", "periodic_task_recovered"]


def test_every_defect_is_logged_with_its_traceback(caplog):
    task = PeriodicTask("test", fail_with(ZeroDivisionError()), every_s=1.0)
    task.take_turn()
    task.take_turn()

    events = [record.msg["event"] for record in caplog.records if isinstance(record.msg, dict)]
    assert events == ["periodic_task_failed"] * 2


def test_stopping_twice_or_before_the_start_is_harmless():
    task = PeriodicTask("test", lambda: None, every_s=1.0)
    task.stop(1.0)
    task.stop(1.0)
    assert task.is_finishing
