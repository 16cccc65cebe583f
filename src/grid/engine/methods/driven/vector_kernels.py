"""Compiled passes over the vectors of a Krylov basis. Importing this module loads Numba.

Vectors stand in the rows of one array, in single or double precision; all sums are made in double, block by block in
one order, so their bytes depend on nothing but the vectors.
"""

from typing import Any

import numpy as np

from grid.engine.kernel_cache import njit

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions
BLOCK = 4096  # [-] cells that stay in the first-level cache while all vectors are read
FEW = 1024  # [-] as `BLOCK`, while all vectors are read for several sums
FEWEST = 8  # [-] number of cells up to which they are the inner loop over a vector


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def _weigh(a: Array, b: Array) -> float:
    """Sum of products, in the order that suits the machine; it depends on the length alone."""
    total = 0.0
    for i in range(a.shape[0]):
        total += a[i] * b[i]
    return total


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def _sum(a: Array) -> float:
    total = 0.0
    for i in range(a.shape[0]):
        total += a[i]
    return total


@njit(cache=True, nogil=True)
def _scale(out: Array, a: Array, b: Array) -> None:
    for i in range(a.shape[0]):
        out[i] = a[i] * b[i]


@njit(cache=True, nogil=True)
def project(vectors: Array, field: Array, weight: Array) -> Any:
    """Sums of `weight field`, alone and with each vector: shape (1 + vectors,)."""
    count = vectors.shape[0]
    sums, buffer = np.zeros(1 + count), np.empty(BLOCK)
    for low in range(0, field.shape[0], BLOCK):
        high = min(low + BLOCK, field.shape[0])
        part = buffer[: high - low]
        _scale(part, field[low:high], weight[low:high])
        sums[0] += _sum(part)
        for j in range(count):
            sums[1 + j] += _weigh(vectors[j, low:high], part)
    return sums


@njit(cache=True, nogil=True)
def project_both(vectors: Array, field: Array, weight: Array, flow: Array) -> Any:
    """Sums of `weight field`, alone and with each vector, and of a flow with each; twice shape (1 + vectors,)."""
    count = vectors.shape[0]
    sums, flows, buffer = np.zeros(1 + count), np.zeros(1 + count), np.empty(FEW)
    for low in range(0, field.shape[0], FEW):
        high = min(low + FEW, field.shape[0])
        part = buffer[: high - low]
        _scale(part, field[low:high], weight[low:high])
        sums[0] += _sum(part)
        for j in range(count):
            sums[1 + j] += _weigh(vectors[j, low:high], part)
            flows[1 + j] += _weigh(vectors[j, low:high], flow[low:high])
    return sums, flows


@njit(cache=True, nogil=True)
def _add(part: Array, vector: Array, coefficient: float) -> None:
    for i in range(part.shape[0]):
        part[i] += coefficient * vector[i]


@njit(cache=True, nogil=True)
def _add_four(part: Array, a: Array, b: Array, c: Array, d: Array, factors: Array) -> None:
    """Add four vectors in one pass, one after the other."""
    one, two, three, four = factors[0], factors[1], factors[2], factors[3]
    for i in range(part.shape[0]):
        part[i] = (((part[i] + one * a[i]) + two * b[i]) + three * c[i]) + four * d[i]


@njit(cache=True, nogil=True)
def _collect(part: Array, vectors: Array, constant: float, coefficients: Array, low: int) -> None:
    """The sum of a constant and of all vectors times their coefficients, on one block; four vectors at a time."""
    part[:] = constant
    high, count = low + part.shape[0], vectors.shape[0]
    for j in range(0, count - 3, 4):
        _add_four(
            part, vectors[j, low:high], vectors[j + 1, low:high], vectors[j + 2, low:high], vectors[j + 3, low:high],
            coefficients[j : j + 4],
        )  # fmt: skip
    for j in range(count - count % 4, count):
        _add(part, vectors[j, low:high], coefficients[j])


@njit(cache=True, nogil=True)
def _put(out: Array, base: Array, part: Array, factor: float) -> None:
    for i in range(out.shape[0]):
        out[i] = factor * (base[i] + part[i])


@njit(cache=True, nogil=True)
def combine(out: Array, base: Array, vectors: Array, coefficients: Array, factor: float) -> None:
    """Compute out = factor (base + constant + sum of vectors times their coefficients)."""
    buffer = np.empty(BLOCK)
    for low in range(0, out.shape[0], BLOCK):
        high = min(low + BLOCK, out.shape[0])
        part = buffer[: high - low]
        _collect(part, vectors, coefficients[0], coefficients[1:], low)
        _put(out[low:high], base[low:high], part, factor)


@njit(cache=True, nogil=True)
def combine_all(out: Array, base: Array, vectors: Array, constants: Array, coefficients: Array) -> None:
    """Compute out = base + constant + sum of vectors times their coefficients, of each row of coefficients."""
    buffer = np.empty(FEW)
    for low in range(0, out.shape[1], FEW):
        high = min(low + FEW, out.shape[1])
        part = buffer[: high - low]
        for row in range(out.shape[0]):
            _collect(part, vectors, constants[row], coefficients[row], low)
            _put(out[row, low:high], base[low:high], part, 1.0)


@njit(cache=True, nogil=True)
def combine_at(out: Array, vectors: Array, coordinates: Array, constants: Array, coefficients: Array) -> None:
    """Compute out = constant + sum of vectors times their coefficients at some cells, of each row of coefficients."""
    count, cells = vectors.shape[0], coordinates.shape[0]
    if cells <= FEWEST:
        turned = np.empty((cells, count))
        for i in range(cells):
            for j in range(count):
                turned[i, j] = vectors[j, coordinates[i]]
        for row in range(out.shape[0]):
            for i in range(cells):
                out[row, i] = constants[row] + _weigh(turned[i], coefficients[row])
        return
    buffer = np.empty((count, FEW))
    for low in range(0, cells, FEW):
        high = min(low + FEW, cells)
        for j in range(count):
            for i in range(low, high):
                buffer[j, i - low] = vectors[j, coordinates[i]]
        for row in range(out.shape[0]):
            _collect(out[row, low:high], buffer, constants[row], coefficients[row], 0)


@njit(cache=True, nogil=True)
def find_largest(vectors: Array, constants: Array, coefficients: Array, inside: Array) -> float:
    """The largest size of a constant plus vectors times their coefficients, of all rows and of cells that count.

    Args:
        inside: Which cells count; without entries all do.
    """
    buffer, largest = np.empty(FEW), 0.0
    for low in range(0, vectors.shape[1], FEW):
        part = buffer[: min(FEW, vectors.shape[1] - low)]
        for row in range(coefficients.shape[0]):
            _collect(part, vectors, constants[row], coefficients[row], low)
            for i in range(part.shape[0]):
                if inside.shape[0] == 0 or inside[low + i]:
                    largest = max(largest, abs(part[i]))
    return largest


@njit(cache=True, nogil=True)
def find_extremes(base: Array, vectors: Array, constants: Array, coefficients: Array, inside: Array) -> Any:
    """The lowest and the highest cell of a field and of it plus a constant plus vectors times their coefficients.

    Args:
        inside: Which cells count; without entries all do.
    """
    buffer, lowest, highest = np.empty(FEW), np.inf, -np.inf
    for low in range(0, base.shape[0], FEW):
        part = buffer[: min(FEW, base.shape[0] - low)]
        for row in range(-1, coefficients.shape[0]):
            if row < 0:
                part[:] = 0.0
            else:
                _collect(part, vectors, constants[row], coefficients[row], low)
            for i in range(part.shape[0]):
                if inside.shape[0] == 0 or inside[low + i]:
                    value = base[low + i] + part[i]
                    lowest, highest = min(lowest, value), max(highest, value)
    return lowest, highest


@njit(cache=True, nogil=True)
def take_out(right: Array, capacity: Array, guess: Array, gamma: float, flow: Array) -> None:
    """Compute `right -= capacity guess + gamma flow`."""
    for i in range(right.shape[0]):
        right[i] = (right[i] - capacity[i] * guess[i]) - gamma * flow[i]
