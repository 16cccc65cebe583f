"""How long the command line and the service take to be there, and what they weigh when idle."""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.service import GRID, Service
from benchmarks.table import Row

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
    limits = {"server": 200, "worker": 150}
    pids = service.pids()
    for role, limit in limits.items():
        weight = _rss_mib(pids[role])
        rows.append(Row(f"idle {role} ({service.database})", [weight], "MiB", f"< {limit} MB", weight < limit))
    children = [_rss_mib(pid) for pid in _descendants(pids["worker"])]
    rows.append(
        Row(
            f"largest child of the worker ({service.database})", [max(children)], "MiB", "< 300 MB", max(children) < 300
        )
    )
    return rows


def _time(command: list[str], service: Service) -> float:
    started = time.perf_counter()
    subprocess.run(command, env=service.environment, check=True, capture_output=True)
    return time.perf_counter() - started


def _rss_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text(encoding="ascii").split():
            found += [int(child), *_descendants(int(child))]
    return found
