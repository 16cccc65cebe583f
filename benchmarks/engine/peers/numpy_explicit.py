"""P1, P1L, P2 with NumPy's array expressions, six passes over memory a step; at most 10 steps of the large ones."""

import sys
from dataclasses import replace

import numpy as np

from benchmarks.engine.measuring import repeat, report
from benchmarks.engine.problems import EXPLICIT, FloatArray, explicit_error, explicit_start


def main(problem: str, precision: str) -> None:
    case = EXPLICIT[problem]
    case = replace(case, steps=min(case.steps, 10 if problem != "P1" else 40))
    start = explicit_start(case, np.float32 if precision == "f32" else np.float64)
    dimension, inside = start.ndim, (slice(1, -1),) * start.ndim
    sides = [
        (*inside[:axis], side, *inside[axis + 1 :])
        for axis in range(dimension)
        for side in (slice(2, None), slice(None, -2))
    ]
    near, far = start.dtype.type(case.mesh_fourier), start.dtype.type(1 - 2 * dimension * case.mesh_fourier)

    def run() -> FloatArray:
        field, spare = start.copy(), start.copy()
        total = np.empty_like(start[inside])
        for _ in range(case.steps):
            np.add(field[sides[0]], field[sides[1]], out=total)
            for side in sides[2:]:
                total += field[side]
            total *= near
            np.multiply(field[inside], far, out=spare[inside])
            spare[inside] += total
            field, spare = spare, field
        return field

    first, seconds, field = repeat(run)
    report("NumPy", problem, seconds, error=explicit_error(case, field), precision=precision, updates=case.updates,
           first=first, settings=f"{case.steps} steps", version=np.__version__)  # fmt: skip


main(*sys.argv[1:3])
