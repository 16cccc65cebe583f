"""What is said about processes is what the kernel says, and never guessed from a number."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from grid.runtime import processes
from grid.runtime.processes import (
    ExitReason,
    count_cgroup_oom_kills,
    find_descendants,
    find_rss_bytes,
    find_start_time,
    limit_resource,
    read_peak_rss_bytes,
    signal_group,
)
from grid.runtime.program_outcome import ProgramOutcome
from grid.runtime.programs import ProgramLimits, find_program, is_local_program
from grid.runtime.scratch import make_scratch, remove_orphaned_scratch
from grid.schemas.jobs import Reason

NOBODY = 2**22 + 1  # beyond the largest pid


def status_of(script: str) -> int:
    with subprocess.Popen([sys.executable, "-c", script]) as process:
        _, status = os.waitpid(process.pid, 0)
        process.returncode = 0
    return status


def test_an_exit_is_a_code_or_a_signal():
    code = ExitReason.of(status_of("import sys; sys.exit(137)"))
    number = ExitReason.of(status_of("import os; os.kill(os.getpid(), 9)"))

    assert (code.exit_code, code.signal) == (137, None)
    assert (number.exit_code, number.signal) == (None, 9)
    assert "137" in code.sentence
    assert "signal 9" in number.sentence
    assert "memory" in ExitReason(signal=9, is_oom=True).sentence
    assert "unknown" in ExitReason().sentence


def test_nobody_has_neither_memory_nor_start_time_nor_family():
    assert find_start_time(NOBODY) is None
    assert find_rss_bytes(NOBODY) is None
    assert find_descendants(NOBODY) == []
    assert not signal_group(NOBODY, signal.SIGTERM)


def test_this_process_is_found_with_a_plausible_memory():
    assert 1 << 20 < find_rss_bytes(os.getpid()) <= read_peak_rss_bytes() + (64 << 20)
    assert os.getpid() in find_descendants(os.getppid())


PEAK = """
from grid.runtime.processes import read_peak_rss_bytes, reset_peak_rss
block = bytearray(200 << 20)
block[::4096] = b"x" * len(block[::4096])
before = read_peak_rss_bytes()
del block
reset_peak_rss()
assert before > 200 << 20
assert read_peak_rss_bytes() < 150 << 20
"""


def test_the_peak_can_be_measured_anew():
    """A process of its own: one that another test has made undumpable may not reset its peak."""
    assert status_of(PEAK) == 0


def test_the_peak_is_known_without_proc_too(monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda *_args, **_kwargs: "")

    assert read_peak_rss_bytes() > 1 << 20


def test_a_limit_is_never_raised():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    script = (
        "import resource; from grid.runtime.processes import limit_resource; "
        "limit_resource(resource.RLIMIT_NOFILE, 100); limit_resource(resource.RLIMIT_NOFILE, 200); "
        "assert resource.getrlimit(resource.RLIMIT_NOFILE) == (100, 100)"
    )

    assert status_of(script) == 0
    limit_resource(resource.RLIMIT_CORE, 0)
    assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)


@pytest.mark.parametrize(
    ("membership", "place", "text", "expected"),
    [
        ("4:memory:/a/b\n1:cpu:/\n", "memory/a/b/memory.oom_control", "under_oom 0\noom_kill 3\n", 3),
        ("0::/user.slice\n", "user.slice/memory.events", "low 0\noom 1\noom_kill 2\n", 2),
        ("0::/user.slice\n", "elsewhere", "", None),
        ("4:memory:/a\n", "memory/a/memory.oom_control", "under_oom 0\n", None),
    ],
)
def test_the_kernels_counter_is_read_from_both_kinds_of_cgroups(
    tmp_path, monkeypatch, membership, place, text, expected
):
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_text(text)
    (tmp_path / "cgroup").write_text(membership)
    monkeypatch.setattr(processes, "OWN_CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(processes, "CGROUPS", tmp_path)

    assert count_cgroup_oom_kills() == expected


def test_scratch_of_a_living_process_stays_and_that_of_a_dead_one_goes(tmp_path):
    mine = make_scratch(tmp_path)
    for name in (f"{NOBODY}-1-aa", f"{os.getpid()}-1-bb", "not-a-pid"):
        (mine.parent / name).mkdir()

    assert remove_orphaned_scratch(tmp_path) == 2
    assert sorted(path.name for path in mine.parent.iterdir()) == sorted([mine.name, "not-a-pid"])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"cause": "cancelled", "wait_status": 0}, Reason.CANCELLED_BY_USER),
        ({"cause": "wall_timeout", "wait_status": 9}, Reason.WALL_TIMEOUT),
        ({"cause": "oom", "wait_status": 9}, Reason.OOM),
        ({"wait_status": 9}, Reason.NONZERO_EXIT),
        ({"wait_status": 9, "cpu_s": 112.0}, Reason.CPU_TIMEOUT),
        ({"wait_status": signal.SIGXCPU}, Reason.CPU_TIMEOUT),
        ({"wait_status": signal.SIGXFSZ}, Reason.OUTPUT_TOO_LARGE),
        ({"wait_status": 0, "output_bytes": 1001}, Reason.OUTPUT_TOO_LARGE),
        ({"wait_status": 0, "output_bytes": 1000}, Reason.OK),
        ({"wait_status": 256, "output_bytes": 1000}, Reason.OUTPUT_TOO_LARGE),
        ({"wait_status": 0, "written_bytes": 1001}, Reason.OUTPUT_TOO_LARGE),
        ({"wait_status": 137 << 8}, Reason.NONZERO_EXIT),
    ],
)
def test_the_reason_of_an_end_is_ours_then_the_kernels_then_the_programs(words, reason):
    known = {"cause": None, "wall_s": 1.0, "cpu_s": 1.0, "max_rss_bytes": 1, "output_bytes": 0, "written_bytes": 0}

    assert ProgramOutcome.of(known | words, ProgramLimits(wall_s=100.0, output_bytes=1000)).reason is reason


def test_the_sample_alone_is_a_local_program():
    assert is_local_program("sim:local")
    assert find_program("sim:local") is not None
    assert not is_local_program("solver:1")
    assert find_program("solver:1") is None
