"""`noop`: it takes the time that it was told, and fails as it was told."""

import hashlib
import json
import subprocess
import sys
import time

import pytest

from grid.plugins.builtin.noop import Noop, NoopParams, make_payload
from grid.schemas.jobs import Reason

noop = Noop()


def keep_all(_fraction):
    return frozenset()


def test_it_sleeps_for_the_duration_and_tells_its_progress_on_the_way():
    told = []
    started = time.monotonic()
    noop.solve([NoopParams(duration_s=0.2)], lambda fraction: told.append(fraction) or frozenset())

    assert time.monotonic() - started >= 0.2
    assert len(told) >= 4
    assert told == sorted(told)


def test_the_payload_follows_from_the_parameters_alone(tmp_path):
    points = [NoopParams(payload_bytes=100, duration_s=duration) for duration in (0.0, 0.001)]
    records = noop.solve(points, keep_all).records
    noop.render(["meta.json"], points[0], records[0], tmp_path)
    meta = json.loads((tmp_path / "meta.json").read_text())

    assert records[0]["payload"].tobytes() == make_payload(points[0])
    assert records[0]["payload"].tobytes() != records[1]["payload"].tobytes()
    assert meta["payload"] == {"size": 100, "sha256": hashlib.sha256(make_payload(points[0])).hexdigest()}
    assert meta["parameters"] == points[0].model_dump()


def test_an_empty_payload_leaves_a_record_that_is_not_empty():
    batch = noop.solve([NoopParams(payload_bytes=0)], keep_all)

    assert batch.outcomes[0].reason is Reason.OK
    assert batch.records.dtype.itemsize > 0


@pytest.mark.parametrize(("fail", "reason"), [("raise", Reason.NONZERO_EXIT), ("diverge", Reason.DIVERGED)])
def test_a_poisonous_point_fails_alone(fail, reason):
    good, bad = NoopParams(), NoopParams(fail=fail)
    batch = noop.solve([good, bad, good], keep_all)

    assert noop.batch_key(good) == noop.batch_key(bad)
    assert [outcome.reason for outcome in batch.outcomes] == [Reason.OK, reason, Reason.OK]
    assert batch.outcomes[1].message
    assert not any(batch.records[1].tobytes())
    assert batch.records[0].tobytes() == batch.records[2].tobytes()


def test_exit_ends_the_whole_process_at_once():
    code = (
        "from grid.plugins.builtin.noop import Noop, NoopParams\n"
        "try: Noop().solve([NoopParams(fail='exit')], lambda f: frozenset())\n"
        "finally: print('cleaned up')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 3
    assert done.stdout == ""


def test_memory_is_really_taken_and_too_much_of_it_is_told():
    code = """
import re, resource
from pathlib import Path
from grid.plugins.builtin.noop import Noop, NoopParams
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
Noop().solve([NoopParams()], lambda f: frozenset())  # NumPy is loaded now
before = peak()
assert Noop().solve([NoopParams(memory_mb=80)], lambda f: frozenset()).outcomes[0].reason == "ok"
assert peak() - before >= 75e6, peak() - before
resource.setrlimit(resource.RLIMIT_AS, (peak() + 3 * 10**9,) * 2)
batch = Noop().solve([NoopParams(memory_mb=8192), NoopParams()], lambda f: frozenset())
assert [outcome.reason for outcome in batch.outcomes] == ["oom", "ok"]
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_point_left_out_stops_sleeping():
    started = time.monotonic()
    batch = noop.solve([NoopParams(duration_s=60.0), NoopParams()], lambda _fraction: frozenset({0}))

    assert [outcome.reason for outcome in batch.outcomes] == [Reason.CANCELLED_BY_USER, Reason.OK]
    assert time.monotonic() - started < 30


def test_the_price_is_the_duration():
    assert noop.estimate(NoopParams(duration_s=5.0)).work_s == pytest.approx(5.0, abs=0.01)
    assert noop.estimate(NoopParams(payload_bytes=1_000_000)).memory_bytes >= 1_000_000
