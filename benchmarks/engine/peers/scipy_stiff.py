"""P3 with SciPy: Crank-Nicolson on one sparse LU, at its best ordering, started by four half steps of backward Euler.

The fewest steps of a ladder that meet the error count. The matrix is made outside the measured time.
"""

import time

import numpy as np
import scipy
from scipy import sparse
from scipy.sparse import linalg

from benchmarks.engine.measuring import REPEATS, report
from benchmarks.engine.problems import (
    STIFF_TIME,
    STIFF_TOLERANCE,
    FloatArray,
    face_conductances,
    relative_error,
    stiff_conductivity,
    stiff_right_side,
    triplets,
)
from benchmarks.engine.references import load_reference

LADDER = (6, 8, 10, 12, 16, 24, 32)


def main() -> None:
    gx, gy = face_conductances(stiff_conductivity())
    rows, columns, values = triplets(gx, gy)
    size = gx.shape[1] ** 2
    matrix = sparse.csr_matrix((values, (rows, columns)), shape=(size, size))
    known, unit = stiff_right_side(gx), sparse.identity(size, format="csc")
    reference = load_reference("P3")

    def run(steps: int) -> tuple[FloatArray, float, float]:
        begin, step = time.perf_counter(), STIFF_TIME / steps
        factors = linalg.splu(
            (unit - step / 2 * matrix).tocsc(),
            permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True},
        )  # fmt: skip
        factored = time.perf_counter() - begin
        field = np.zeros(size)
        for _ in range(4):
            field = factors.solve(field + step / 2 * known)
        for _ in range(steps - 2):
            field = factors.solve(field + step / 2 * (matrix @ field) + step * known)
        return field, time.perf_counter() - begin, factored

    for steps in LADDER:
        field, first, factored = run(steps)
        error = relative_error(field, reference)
        if error <= STIFF_TOLERANCE:
            seconds = [run(steps)[1] for _ in range(REPEATS)]
            settings = f"{steps} steps; LU {factored:.2f} s (MMD_AT_PLUS_A, symmetric mode)"
            report("SciPy CN + splu", "P3", seconds, error=error, first=first, settings=settings,
                   version=scipy.__version__)  # fmt: skip
            return
    raise SystemExit("no number of steps of the ladder met the error")


main()
