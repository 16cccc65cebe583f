"""One side of a row in a process of its own: `python -m benchmarks.engineers.worker E1 Grid` runs once for each line.

What is measured goes from the case (Grid) or the numbers (peers) to the fields at the output times; imports are not in
it, compilation is in the first run alone. The error is found outside of it.
"""

import json
import sys
import time
from typing import Any

import numpy as np

from benchmarks.engine.tools import GRID
from benchmarks.engineers.cases import ROWS, error_of, problem
from benchmarks.engineers.finite_volumes import FloatArray

Found = tuple[FloatArray, dict[str, Any]]


def run_grid(name: str) -> Found:
    """Solve with default settings: fields of the body at the output times, and what the plan says."""
    from grid.engine import solve

    case, times, tolerance = problem(name)
    solution = solve(case, tolerance=tolerance, **({"times": times} if times else {}))
    body = slice(None) if solution.body is None else solution.body.reshape(-1)
    fields = [field.reshape(-1)[body] for field in solution.snapshots[-max(len(times), 1) :]]
    needed = solution.plan.estimate
    return np.stack(fields), {
        "settings": solution.plan.method, "steps": solution.metrics["steps"], "estimate": needed.work_s,
        "estimated_steps": needed.steps, "is_accepted": solution.is_accepted,
        "rejected_by": [audit.name for audit in solution.audits if audit.verdict == "failed"],
    }  # fmt: skip


def run_peer(name: str, peer: str) -> Found:
    """The peer at its chosen settings."""
    found = ROWS[name].peers[peer]
    answer = found.run()
    return answer.fields, {"settings": found.what, "steps": answer.steps}


def measure(name: str, side: str) -> dict[str, Any]:
    """One run: processor seconds of all threads, wall seconds, error, and how."""
    wall, processor = time.perf_counter(), time.process_time()
    fields, more = run_grid(name) if side == GRID else run_peer(name, side)
    processor, wall = time.process_time() - processor, time.perf_counter() - wall
    return {"processor": processor, "wall": wall, "error": error_of(name, fields), **more}


def main(name: str, side: str) -> None:
    for _ in sys.stdin:
        print(json.dumps(measure(name, side)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
