"""`grid solve` of a rod in a fresh process, compiled code in the cache."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.engine.measuring import REPEATS, report

CASE = {
    "dimension": 1,
    "domain": {"coordinates": "cartesian", "size": [1.0]},
    "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
    "initial": {"expression": "sin(pi*x)"},
    "boundaries": {"x_min": {"type": "temperature", "value": 0.0}, "x_max": {"type": "temperature", "value": 0.0}},
    "steady": False,
    "resolution": {"cells": [101], "steps": 200, "end_time": 0.01},
}


def main() -> None:
    grid = Path(sys.executable).with_name("grid")
    with tempfile.TemporaryDirectory() as folder:
        case = Path(folder) / "rod.json"
        case.write_text(json.dumps(CASE), encoding="utf-8")
        seconds = []
        for _ in range(REPEATS + 1):
            begin = time.perf_counter()
            subprocess.run([grid, "solve", case], cwd=folder, check=True, capture_output=True)
            seconds.append(time.perf_counter() - begin)
    report("Grid", "cold", seconds[1:], error=None, first=seconds[0], settings="grid solve rod.json, 101 cells")


main()
