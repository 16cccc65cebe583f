"""How long the command line and the service take to be there, and what their processes weigh, beside bare ones."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.bare import running_bare
from benchmarks.empty_cli import write_empty_cli
from benchmarks.processes import find_descendants, measure_resident_mb, time_command, time_python
from benchmarks.service import GRID, Service
from benchmarks.table import Bar, Row

SCRIPT = Path(sys.executable).with_name("grid")
REST_S = 10  # after a load
STARTS = 10  # of each side, in turn
# What a worker and a slot child cannot do without: the database, and compiled kernels.
BARE_WORKER = "import psycopg, pydantic, sqlalchemy.orm"
BARE_CHILD = "import numba, numpy, pydantic, scipy.fft, scipy.sparse.linalg"


def measure(service: Service, *, repeats: int) -> list[Row]:
    """Measure `grid --help`, a second `grid up`, and resident memory of the idle service."""
    helps, empty, python, ups = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        write_empty_cli(Path(folder) / "empty_cli.py")  # imported, so that it is compiled once, as Grid's modules are
        program = [sys.executable, "-c", "from empty_cli import app; app()", "--help"]
        environment = {**service.environment, "PYTHONPATH": folder}
        for _ in range(max(STARTS, repeats)):
            helps.append(time_command([SCRIPT, "--help"], service.environment))
            empty.append(time_command(program, environment))
        for _ in range(repeats):
            ups.append(time_command([*GRID, "up", "--no-sample"], service.environment))
            python.append(time_python())
    return [
        Row("grid --help", "s", helps, "the same commands in Typer, with empty bodies", empty, Bar("at most", 1.5)),
        Row("grid up, where all runs already", "s", ups, "start and end of a bare Python", python),
        *_weigh(service, "idle"),
    ]


def measure_after(service: Service, *, repeats: int) -> list[Row]:  # noqa: ARG001 - the parts share one form
    """Measure resident memory once more, after the load of the other parts and a rest."""
    time.sleep(REST_S)
    return _weigh(service, f"{REST_S} s after all other parts,")


def _weigh(service: Service, when: str) -> list[Row]:
    pids = service.pids()
    child = max(measure_resident_mb(pid) for pid in find_descendants(pids["worker"]))
    with running_bare(service.databases) as bare:
        beside = {
            "server": ("the server of the bare route", measure_resident_mb(bare.pid)),
            "worker": (f"Python after `{BARE_WORKER}`", _weigh_python(BARE_WORKER)),
            "largest slot child": (f"Python after `{BARE_CHILD}`", _weigh_python(BARE_CHILD)),
        }
    own = {**{role: measure_resident_mb(pid) for role, pid in pids.items()}, "largest slot child": child}
    return [Row(f"{when} {role}", "MB", [own[role]], peer, [weight]) for role, (peer, weight) in beside.items()]


def _weigh_python(program: str) -> float:
    weigh = "import os; from benchmarks.processes import measure_resident_mb; print(measure_resident_mb(os.getpid()))"
    command = [sys.executable, "-c", f"{program}; {weigh}"]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
