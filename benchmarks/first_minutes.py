"""The first minutes with an empty cache of kernels: `python -m benchmarks.first_minutes [--ahead]`.

Prints how long the first `heat-rod` job takes on a fresh machine beside the compile time of its own kernels, measured
in a process of its own in the same run, and that a second data folder compiles nothing; with `--ahead`, what compiling
ahead costs as well.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.service import GRID
from benchmarks.table import Row, print_table
from grid.runtime.processes import find_cpu_seconds, find_descendants

MOST = 3.0  # times the compile time of its own kernels
OWN_KERNELS = """
import time
from grid.plugins.builtin.rod import HeatRod
rod = HeatRod()
point = [rod.params_model()]
def run():
    started = time.perf_counter()
    rod.solve(point, lambda _: frozenset())
    return time.perf_counter() - started
first = run()
print(first - min(run() for _ in range(5)))
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_minutes", description=__doc__)
    parser.add_argument("--ahead", action="store_true", help="wait for compiling ahead as well (minutes)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        own = measure_own_kernels(folder)
        with service(folder, "first", ahead=options.ahead) as environment:
            answered = measure_first_job(environment)
            rows = [
                Row(
                    "first job on a fresh machine", [answered], "s", f"<= {MOST} times that", answered <= MOST * own,
                    f"compile time of its own kernels: {own:.2f} s",
                )
            ]  # fmt: skip
            if options.ahead:
                rows += measure_ahead(environment)
        before = find_kernels(folder)
        with service(folder, "second", ahead=options.ahead) as environment:
            measure_first_job(environment)
        new = len(find_kernels(folder) - before)
        rows.append(Row("kernels that a second data folder compiles", [new], "", "0", new == 0))
    print_table(rows)
    return 0 if all(row.is_met is not False for row in rows) else 1


def measure_own_kernels(folder: Path) -> float:
    """Return the compile time of the kernels of a rod, in a process of its own without a cache [s]."""
    environment = {**os.environ, "GRID_KERNEL_CACHE": "off", "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", OWN_KERNELS], env=environment, cwd=folder, check=True, capture_output=True, text=True
    )
    return float(done.stdout)


@contextmanager
def service(folder: Path, name: str, *, ahead: bool) -> Iterator[dict[str, str]]:
    """Run a service on a data folder of its own, with the kernels of `folder`; lend its environment."""
    environment = {
        **os.environ,
        "GRID_HOME": str(folder / name),
        "GRID_PORT": "8791",
        "GRID_KERNEL_CACHE": str(folder / "kernels"),
        "GRID_CALIBRATION": str(folder / "calibration") if ahead else "off",
    }
    subprocess.run([*GRID, "up", "--no-sample"], env=environment, check=True, capture_output=True)
    try:
        yield environment
    finally:
        subprocess.run([*GRID, "down"], env=environment, check=True, capture_output=True)


def measure_first_job(environment: dict[str, str]) -> float:
    """Return how long a rod takes from its submission to its end [s]."""
    command = [*GRID, "jobs", "submit", "--sim", "heat-rod", "--wait", "--json"]
    job: dict[str, Any] = json.loads(
        subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    )
    ended, created = (datetime.fromisoformat(job[name]) for name in ("finished_at", "created_at"))
    return (ended - created).total_seconds()


def measure_ahead(environment: dict[str, str]) -> list[Row]:
    """Wait until compiling ahead is over; return what it cost."""
    worker = json.loads((Path(environment["GRID_HOME"]) / "run" / "worker.pid").read_text(encoding="ascii"))["pid"]
    seconds = peak = 0.0
    started = time.monotonic()
    while pid := next(filter(_is_compiler, find_descendants(worker)), None):
        seconds, peak = max(seconds, find_cpu_seconds(pid)), max(peak, _peak_mb(pid))
        time.sleep(0.2)
    waited = time.monotonic() - started
    return [
        Row("compiling ahead", [seconds], "s of processor time", "", None, f"{waited:.0f} s of time"),
        Row("its memory at most", [peak], "MB", "<= 600 MB", peak <= 600),
    ]


def _is_compiler(pid: int) -> bool:
    try:
        return b"grid.runtime.compiling" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _peak_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def find_kernels(folder: Path) -> set[Path]:
    return set((folder / "kernels").rglob("*.kernel"))


if __name__ == "__main__":
    sys.exit(main())
