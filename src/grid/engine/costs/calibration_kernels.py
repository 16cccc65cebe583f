"""Kernels that a calibration times, one for each group of operations; importing this loads SciPy and Numba.

Each resembles the operations that dominate the engine's time in its group: calls of NumPy on few cells, expressions
over arrays, compiled sweeps over fields within the last cache and beyond it, products of small matrices, sparse factors
with their solves, and transforms. None of them is part of a method, so a faster method changes its own constants
(`grid.engine.costs.table`) and not the measure of a machine.
"""

import time
from collections.abc import Callable

import numpy as np
from scipy import fft, sparse
from scipy.sparse.linalg import splu

from grid.engine.kernel_cache import njit
from grid.engine.values.operations import FloatArray

ROUNDS, BUDGET = 12, 0.22  # [-], [s] most runs of each kernel, and time after which they end; the quickest run counts
CALLS, FEW = 200, 16  # [-] calls of NumPy in a run, and the cells of each
ARRAY = 200_000  # [-] cells of an array: a few megabytes in all
# [-] cells of fields within the last cache and beyond it: 2 MB in all, and 66 MB
INSIDE, BEYOND = (48, 48, 48), (160, 160, 160)
# [-] rows of a matrix, below the size from which products share threads, and products in a run
MATRIX, PRODUCTS = 60, 60
PLANE = 56  # [-] cells along each side of the plane that is factorised
TRANSFORMED = (128, 128)  # [-] cells of the field that is transformed

# [s] of one run on the machine of the cost model: one core of an AMD EPYC (Zen 4, 3.6 GHz), otherwise idle
REFERENCE_SECONDS = {
    "call": 9.6e-4,
    "array": 2.4e-4,
    "stencil": 9.2e-4,
    "memory": 1.0e-2,
    "dense": 5.3e-4,
    "sparse": 4.6e-3,
    "transform": 1.58e-4,
}


def time_groups() -> dict[str, float]:
    """Time each kernel: seconds of the quickest of several runs."""
    return {
        "call": _find_least(_call),
        "array": _find_least(_make_arrays()),
        "stencil": _find_least(_make_sweep(INSIDE, 8)),
        "memory": _find_least(_make_sweep(BEYOND, 1)),
        "dense": _find_least(_make_products()),
        "sparse": _find_least(_make_factors()),
        "transform": _find_least(_make_transform()),
    }


def _find_least(run: Callable[[], object]) -> float:
    """Find the least time of this thread that a run takes [s]; the first run is not counted."""
    run()
    least, begun = np.inf, time.perf_counter()
    for _ in range(ROUNDS):
        before = time.perf_counter(), time.thread_time()
        run()
        after = time.perf_counter(), time.thread_time()
        # threads of the BLAS are not in the time of this one, and other processes' work is in the wall-clock time
        least = min(least, after[1] - before[1])
        if after[0] - begun > BUDGET:
            break
    return max(float(least), 1e-9)


def _call() -> float:
    few, total = np.arange(1.0, FEW + 1.0), 0.0
    for _ in range(CALLS):
        both = np.concatenate([few, few * 0.5])
        total += float(np.where(both > 2.0, both, 0.0).sum()) + float(both.max())
    return total


def _make_arrays() -> Callable[[], object]:
    one, other = np.linspace(1.0, 2.0, ARRAY), np.linspace(2.0, 3.0, ARRAY)

    change, found = np.empty(ARRAY), np.empty(ARRAY)  # reused by all runs, so no pages are fetched while timed

    def run() -> None:
        np.multiply(one, other, out=change)
        np.add(change, one, out=change)
        np.maximum(change, other, out=found)
        np.divide(found, one, out=found)
        np.subtract(found, change, out=found)

    return run


@njit(cache=True, nogil=True, fastmath={"contract"})
def sweep(field: FloatArray, out: FloatArray, weight: float) -> None:  # pragma: no cover - compiled
    """Compute one weighted sum of each inner cell and its six neighbours."""
    for i in range(1, field.shape[0] - 1):
        for j in range(1, field.shape[1] - 1):
            for k in range(1, field.shape[2] - 1):
                beside = field[i - 1, j, k] + field[i + 1, j, k] + field[i, j - 1, k] + field[i, j + 1, k]
                beside += field[i, j, k - 1] + field[i, j, k + 1]
                out[i, j, k] = field[i, j, k] + weight * (beside - 6.0 * field[i, j, k])


def _make_sweep(shape: tuple[int, ...], turns: int) -> Callable[[], object]:
    field, out = np.ones(shape), np.zeros(shape)

    def run() -> None:
        for _ in range(turns):
            sweep(field, out, 0.1)
            sweep(out, field, 0.1)

    return run


def _make_products() -> Callable[[], object]:
    matrix = np.cos(np.arange(MATRIX * MATRIX, dtype=np.float64)).reshape(MATRIX, MATRIX) / MATRIX

    def run() -> FloatArray:
        found = matrix
        for _ in range(PRODUCTS):
            found = found @ matrix
        return found

    return run


def _make_factors() -> Callable[[], object]:
    line = sparse.diags([-1.0, 2.1, -1.0], [-1, 0, 1], shape=(PLANE, PLANE))
    matrix, right = sparse.kronsum(line, line).tocsc(), np.ones(PLANE * PLANE)

    def run() -> FloatArray:
        factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        found = right
        for _ in range(10):
            found = factors.solve(found)
        return found

    return run


def _make_transform() -> Callable[[], object]:
    field = np.cos(np.arange(TRANSFORMED[0] * TRANSFORMED[1], dtype=np.float64)).reshape(TRANSFORMED)
    return lambda: fft.idctn(fft.dctn(field, type=2), type=2)
