"""Processes of this machine, read from /proc: who descends from whom, what they weigh, what they have used."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
QUIET_S = 4  # seconds in a row without work
QUIET_SHARE = 0.05  # of a core: what idle loops use
STOP_S = 15.0


def find_descendants(pid: int) -> list[int]:
    """Return the processes below one, children first."""
    found: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                found += [int(child), *find_descendants(int(child))]
    return found


def measure_resident_mb(pid: int) -> float:
    """Return the resident memory of one process."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE / 1e6


def measure_processor_s(pids: Iterable[int]) -> float:
    """Return the processor time of these processes so far, user and system, with that of children that ended."""
    total = 0
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime
    return total * TICK_S


def wait_until_quiet(pids: Mapping[str, int], *, limit_s: float = 1800.0) -> float:
    """Wait until nothing is at work in or below these processes; return how long that took [s].

    A worker compiles kernels and measures its machine beside its jobs when it is new: a figure taken meanwhile would
    be one of that.

    Raises:
        RuntimeError: They are still at work after the limit.
    """
    started, quiet, after = time.monotonic(), 0, _used(pids)
    while quiet < QUIET_S:
        time.sleep(1.0)
        before, after = after, _used(pids)
        busy = [name for name in pids if after[name] - before[name] > QUIET_SHARE]
        quiet = 0 if busy else quiet + 1
        if time.monotonic() - started > limit_s:
            raise RuntimeError(f"Still at work after {limit_s:.0f} s: {', '.join(busy)}.")
    return time.monotonic() - started


def _used(pids: Mapping[str, int]) -> dict[str, float]:
    return {name: measure_processor_s([pid, *find_descendants(pid)]) for name, pid in pids.items()}


def time_command(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> float:
    """Run a command that must succeed; return the seconds until its end."""
    started = time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


def time_python() -> float:
    """Return the seconds of a bare Python, from its start to its end."""
    return time_command([sys.executable, "-c", "pass"])


@contextmanager
def running(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Iterator[int]:
    """Run a process for the length of the block; yield its id."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
