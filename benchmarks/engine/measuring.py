"""What runs inside a measured process: repeat, take the time, print a record."""

import json
import os
import resource
import time
from collections.abc import Callable
from typing import Any

REPEATS = int(os.environ.get("BENCH_REPEATS", "5"))
THREADS = int(os.environ.get("BENCH_THREADS", "2"))


def repeat(call: Callable[[], Any], repeats: int = REPEATS) -> tuple[float, list[float], Any]:
    """Return the seconds of the first call, which may compile, those of `repeats` further ones, and the last result."""
    seconds = []
    result = None
    for _ in range(repeats + 1):
        start = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - start)
    return seconds[0], seconds[1:], result


def resident_bytes() -> int:
    """What the process holds now."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 a pseudo-file, on every peer's Python
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak_bytes() -> int:
    """The most that the process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def report(tool: str, problem: str, seconds: list[float], *, error: float | None, **more: Any) -> None:
    """Print one record: who, what, all times [s], the error as the problem defines it, and whatever explains them."""
    record = {
        "tool": tool, "problem": problem, "seconds": seconds, "error": error, "threads": THREADS,
        "load": os.getloadavg()[0], **more,
    }  # fmt: skip
    print(json.dumps(record), flush=True)
