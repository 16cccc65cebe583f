"""Turns of a thread are as short as it asks for, where the system knows such a thing, and those of others stay."""

import os
import platform
from concurrent.futures import ThreadPoolExecutor

import pytest

from grid.runtime.live import turns


def test_turns_of_one_thread_are_short_and_its_nice_value_and_those_of_others_stay() -> None:
    before = turns.find_turn()
    with ThreadPoolExecutor(1) as thread:
        nice = thread.submit(os.getpriority, os.PRIO_PROCESS, 0).result()
        is_short = thread.submit(turns.shorten_turns, 1e-3).result()
        found = thread.submit(turns.find_turn).result()
        assert thread.submit(os.getpriority, os.PRIO_PROCESS, 0).result() == nice

    assert (found == 1e-3) is is_short
    assert turns.find_turn() == before


def test_a_turn_that_is_too_short_for_the_system_is_not_what_was_asked_for() -> None:
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(turns.shorten_turns, 1e-9).result() is False


def test_a_machine_whose_calls_are_not_known_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = turns.find_turn()
    monkeypatch.setattr(platform, "machine", lambda: "vax")

    assert turns.shorten_turns(1e-3) is False
    assert turns.find_turn() is None
    monkeypatch.undo()
    assert turns.find_turn() == before
