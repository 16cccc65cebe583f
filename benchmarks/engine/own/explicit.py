"""P1, P1L, P2 by `diffuse`: the kernels that the explicit method of plain boxes runs, on points like the peers'."""

import sys
import time

import numpy as np

from benchmarks.engine.measuring import REPEATS, peak_bytes, report, resident_bytes
from benchmarks.engine.problems import EXPLICIT, explicit_error, explicit_start
from grid.engine.methods.explicit.box import diffuse


def main(problem: str, precision: str) -> None:
    case = EXPLICIT[problem]
    start = explicit_start(case, np.float32 if precision == "f32" else np.float64)
    small = np.zeros((8,) * start.ndim, start.dtype)
    begin = time.perf_counter()
    diffuse(
        small, case.mesh_fourier, 2, is_parallel=True
    )  # compiled, or loaded from the cache, before memory is counted
    first = time.perf_counter() - begin
    before = resident_bytes() - start.nbytes  # the field that is advanced counts
    spare, end = np.empty_like(start), start
    seconds = []
    for turn in range(REPEATS + 1):
        if turn:
            start[...] = explicit_start(case, start.dtype)
        begin = time.perf_counter()
        end = diffuse(start, case.mesh_fourier, case.steps, spare=spare)
        seconds.append(time.perf_counter() - begin)
        if not turn:
            per_cell = (peak_bytes() - before) / start.size
    report("Grid", problem, seconds[1:], error=explicit_error(case, end), precision=precision, updates=case.updates,
           first=first, bytes_per_cell=per_cell, settings="diffuse")  # fmt: skip


main(*sys.argv[1:3])
