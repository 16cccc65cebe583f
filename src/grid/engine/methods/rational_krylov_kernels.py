"""Compiled passes over the vectors of a Krylov basis. Importing this module loads Numba.

Vectors stand in the rows of one array, in single or double precision; all sums are made in double, block by block in
one order, so their bytes depend on nothing but the vectors.
"""

from typing import Any

import numpy as np
from numba import njit

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions
BLOCK = 4096  # cells that stay in the first cache while all vectors are gone through


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
def project_plain(vectors: Array, field: Array) -> Any:
    """Sums of a field with each vector, shape (vectors,)."""
    sums = np.zeros(vectors.shape[0])
    for low in range(0, field.shape[0], BLOCK):
        high = min(low + BLOCK, field.shape[0])
        for j in range(vectors.shape[0]):
            sums[j] += _weigh(vectors[j, low:high], field[low:high])
    return sums


@njit(cache=True, nogil=True)
def _add(part: Array, vector: Array, coefficient: float) -> None:
    for i in range(part.shape[0]):
        part[i] += coefficient * vector[i]


@njit(cache=True, nogil=True)
def _collect(part: Array, vectors: Array, coefficients: Array, low: int) -> None:
    """The sum of a constant and of all vectors times their coefficients, on one block."""
    part[:] = coefficients[0]
    for j in range(vectors.shape[0]):
        _add(part, vectors[j, low : low + part.shape[0]], coefficients[1 + j])


@njit(cache=True, nogil=True)
def _put(out: Array, base: Array, part: Array, factor: float) -> None:
    for i in range(out.shape[0]):
        out[i] = factor * (base[i] + part[i])


@njit(cache=True, nogil=True)
def combine(out: Array, base: Array, vectors: Array, coefficients: Array, factor: float) -> None:
    """out = factor (base + constant + sum of vectors times their coefficients)."""
    buffer = np.empty(BLOCK)
    for low in range(0, out.shape[0], BLOCK):
        high = min(low + BLOCK, out.shape[0])
        part = buffer[: high - low]
        _collect(part, vectors, coefficients, low)
        _put(out[low:high], base[low:high], part, factor)


@njit(cache=True, nogil=True)
def find_largest(vectors: Array, coefficients: Array) -> float:
    """The largest size of a constant plus vectors times their coefficients."""
    buffer, largest = np.empty(BLOCK), 0.0
    for low in range(0, vectors.shape[1], BLOCK):
        part = buffer[: min(BLOCK, vectors.shape[1] - low)]
        _collect(part, vectors, coefficients, low)
        largest = max(largest, np.abs(part).max())
    return largest
