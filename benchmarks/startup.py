"""How long the command line and the service take to be there, and what they weigh when idle."""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.service import GRID, Service
from benchmarks.table import Row

LIMITS_MB = {"server": 200, "worker": 150}
SCRIPT = Path(sys.executable).with_name("grid")


def measure(service: Service, *, repeats: int) -> list[Row]:
    """Measure `grid --help`, a second `grid up`, and resident memory after a rest."""
    time.sleep(5)
    helps = [_time([str(SCRIPT), "--help"], service) for _ in range(max(5, repeats))]
    seconds = [_time([*GRID, "up", "--no-sample"], service) for _ in range(repeats)]
    bare = [_time([sys.executable, "-c", "pass"], service) for _ in range(5)]
    rows = [
        Row("grid --help", helps, "s", "< 0.4 s", median(helps) < 0.4, f"bare Python: {median(bare):.3f} s"),
        Row("second `grid up`", seconds, "s", "<= 5 s", median(seconds) <= 5),
    ]
    return rows + _weigh(service, "idle")


def measure_after(service: Service, *, repeats: int) -> list[Row]:  # noqa: ARG001 - the parts share one form
    """Measure resident memory once more, after the load of the other parts and a rest."""
    time.sleep(10)
    return _weigh(service, "at rest after all that,")


def _weigh(service: Service, when: str) -> list[Row]:
    rows = []
    pids = service.pids()
    for role, limit in LIMITS_MB.items():
        weight = _rss_mb(pids[role])
        rows.append(Row(f"{when} {role} ({service.database})", [weight], "MB", f"< {limit} MB", weight < limit))
    children = [_rss_mb(pid) for pid in _descendants(pids["worker"])]
    largest = max(children)
    rows.append(Row(f"{when} largest slot child ({service.database})", [largest], "MB", "< 300 MB", largest < 300))
    return rows


def _time(command: list[str], service: Service) -> float:
    started = time.perf_counter()
    subprocess.run(command, env=service.environment, check=True, capture_output=True)
    return time.perf_counter() - started


def _rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text(encoding="ascii").split():
            found += [int(child), *_descendants(int(child))]
    return found
