"""P1, P1L, P2 with Devito: generated C with OpenMP and loop blocking."""

import os
import sys
import time

os.environ.setdefault("DEVITO_LANGUAGE", "openmp")
os.environ.setdefault("DEVITO_ARCH", "gcc")
os.environ.setdefault("DEVITO_LOGGING", "ERROR")

import devito
import numpy as np

from benchmarks.engine.measuring import REPEATS, peak_bytes, report, resident_bytes
from benchmarks.engine.problems import EXPLICIT, explicit_error, explicit_start


def main(problem: str, precision: str) -> None:
    case, dtype = EXPLICIT[problem], np.float32 if precision == "f32" else np.float64
    start = explicit_start(case, dtype)
    before = resident_bytes()
    began = time.perf_counter()
    grid = devito.Grid(shape=case.shape, extent=[count - 1.0 for count in case.shape], dtype=dtype)
    field = devito.TimeFunction(name="u", grid=grid, space_order=2, time_order=1)
    fourier = devito.Constant(name="F", dtype=dtype)
    fourier.data = case.mesh_fourier
    step = devito.Eq(field.forward, field + fourier * field.laplace, subdomain=grid.interior)
    operator = devito.Operator([step], opt=("advanced", {"openmp": True}))
    seconds, first = [], 0.0
    for turn in range(REPEATS + 1):
        field.data[0], field.data[1] = start, start
        at = time.perf_counter()
        operator.apply(time_m=0, time_M=case.steps - 1)
        if turn:
            seconds.append(time.perf_counter() - at)
        else:
            first = time.perf_counter() - began
    per_cell = max(peak_bytes() - before, 0) / (case.updates / case.steps)
    error = explicit_error(case, field.data[case.steps % 2])
    report("Devito", problem, seconds, error=error, precision=precision, updates=case.updates, first=first,
           bytes_per_cell=per_cell, settings="advanced, OpenMP", version=devito.__version__)  # fmt: skip


main(*sys.argv[1:3])
