"""What is read from /proc of processes, and the wait until they are idle."""

import os
import sys
from itertools import accumulate, chain, repeat

import pytest
from benchmarks import processes
from benchmarks.processes import (
    find_descendants,
    measure_processor_s,
    measure_resident_mb,
    running,
    time_python,
    wait_until_quiet,
)


def test_a_process_is_found_below_its_parent_and_weighs_something():
    with running([sys.executable, "-c", "import time; time.sleep(60)"]) as pid:
        assert pid in find_descendants(os.getpid())
        assert find_descendants(pid) == []
        assert measure_resident_mb(pid) > 0

    assert pid not in find_descendants(os.getpid())
    assert measure_processor_s([pid]) == 0.0


def test_children_that_have_ended_count_as_used():
    before = measure_processor_s([os.getpid()])

    time_python()

    assert measure_processor_s([os.getpid()]) >= before


def test_the_wait_ends_after_quiet_seconds_in_a_row(monkeypatch):
    seconds = [0.9, 0.01, 0.0, 0.3]  # processor time of each second; quiet from the fifth on
    used = accumulate(chain([0.0], seconds, repeat(0.0)))
    looks = []
    monkeypatch.setattr(processes, "_used", lambda _: looks.append(None) or {"worker": next(used)})
    monkeypatch.setattr(processes.time, "sleep", lambda _: None)

    wait_until_quiet({"worker": 1})

    assert len(looks) == 1 + len(seconds) + processes.QUIET_S


def test_a_service_that_never_rests_is_named(monkeypatch):
    used = accumulate(repeat(0.5))
    monkeypatch.setattr(processes, "_used", lambda _: {"worker": next(used)})
    monkeypatch.setattr(processes.time, "sleep", lambda _: None)

    with pytest.raises(RuntimeError, match="worker"):
        wait_until_quiet({"worker": 1}, limit_s=0.0)
