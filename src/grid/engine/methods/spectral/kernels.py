r"""Thin products with modes that are even or odd about the middle of their axis. Importing this module loads Numba.

Cosines and sines of an axis whose two ends are alike have the parity of their number, so a field is folded first,

.. math:: s_i = T_i + T_{n-1-i}, \qquad d_i = T_i - T_{n-1-i},

and modes 0, 2, ... depend on s alone, modes 1, 3, ... on d alone: half the work. Backwards two cells share both partial
sums. Each row is computed by the same operations whatever rows a call takes, so threads do not change a byte.
"""

from typing import Any

import numpy as np

from grid.engine.kernel_cache import njit
from grid.engine.space.measure_kernels import BLOCK, measure_blocks

COLUMNS = 256  # [-] columns of a strip of coefficients that stays in the first-level cache
MODES = 16  # [-] modes that are combined in one turn at most
Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions


@njit(cache=True, nogil=True)
def _fold(row: Array, back: Array, even: Array, odd: Array) -> None:
    for i in range(row.size // 2):
        a, b = row[i], back[i]
        even[i], odd[i] = a + b, a - b


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _dot(a: Array, b: Array, c: Array, d: Array, v: Array, w: Array) -> tuple[float, ...]:
    """The products of four rows with two modes; a named reduction, summed in the order of the vector unit."""
    a0 = a1 = b0 = b1 = c0 = c1 = d0 = d1 = 0.0
    for i in range(a.size):
        x, y = v[i], w[i]
        a0 += a[i] * x
        a1 += a[i] * y
        b0 += b[i] * x
        b1 += b[i] * y
        c0 += c[i] * x
        c1 += c[i] * y
        d0 += d[i] * x
        d1 += d[i] * y
    return a0, b0, c0, d0, a1, b1, c1, d1


@njit(cache=True, nogil=True)
def project_rows(field: Array, halves: Array, out: Array, begin: int, end: int) -> None:
    """Coefficients of the first modes of rows `begin` to `end` - 1.

    Args:
        field: Shape (rows, n).
        halves: The first half of each mode, the middle cell included, shape (modes, (n + 1) // 2).
        out: Shape (rows, modes).
    """
    n, modes, half = field.shape[1], halves.shape[0], halves.shape[1]
    folded = np.zeros((2, 4, half))
    for first in range(begin, end, 4):
        for q in range(4):
            row = field[min(first + q, end - 1)]
            _fold(row, row[::-1], folded[0, q], folded[1, q])
            if n % 2 == 1:
                folded[0, q, half - 1] = row[half - 1]
        for parity in range(min(2, modes)):
            a, b, c, d = folded[parity, 0], folded[parity, 1], folded[parity, 2], folded[parity, 3]
            for k in range(parity, modes, 4):
                other = k + 2 if k + 2 < modes else k
                sums = _dot(a, b, c, d, halves[k], halves[other])
                for q in range(min(4, end - first)):
                    out[first + q, k] = sums[q]
                    out[first + q, other] = sums[4 + q]


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _expand(near: Array, far: Array, strip: Array, v: Array, shift: float) -> None:
    """Cells of a row and of the row that mirrors it, from the coefficients of a strip and the values of the modes."""
    v0, v1, v2, v3, v4, v5, v6, v7 = v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]
    w0, w1, w2, w3, w4, w5, w6, w7 = v[8], v[9], v[10], v[11], v[12], v[13], v[14], v[15]
    for j in range(near.size):
        a = shift + v0 * strip[j]
        b = v1 * strip[COLUMNS + j]
        c = v2 * strip[2 * COLUMNS + j]
        d = v3 * strip[3 * COLUMNS + j]
        a += v4 * strip[4 * COLUMNS + j]
        b += v5 * strip[5 * COLUMNS + j]
        c += v6 * strip[6 * COLUMNS + j]
        d += v7 * strip[7 * COLUMNS + j]
        a += w0 * strip[8 * COLUMNS + j]
        b += w1 * strip[9 * COLUMNS + j]
        c += w2 * strip[10 * COLUMNS + j]
        d += w3 * strip[11 * COLUMNS + j]
        a += w4 * strip[12 * COLUMNS + j]
        b += w5 * strip[13 * COLUMNS + j]
        c += w6 * strip[14 * COLUMNS + j]
        d += w7 * strip[15 * COLUMNS + j]
        even, odd = a + c, b + d
        near[j] = even + odd
        far[j] = even - odd


@njit(cache=True, nogil=True)
def expand_pairs(weights: Array, coefficients: Array, out: Array, shift: float, begin: int, end: int) -> None:
    """Rows i and n - 1 - i of the field for i from `begin` to `end` - 1.

    Args:
        weights: Value of each mode at the first half of the cells, zeros where there are fewer modes, shape
            ((n + 1) // 2, MODES).
        coefficients: Shape (modes that are there, columns).
        out: Shape (n, columns).
        shift: Added to all.
    """
    modes, columns, n = coefficients.shape[0], out.shape[1], out.shape[0]
    strip = np.zeros(MODES * COLUMNS)
    for left in range(0, columns, COLUMNS):
        wide = min(COLUMNS, columns - left)
        for k in range(modes):
            strip[k * COLUMNS : k * COLUMNS + wide] = coefficients[k, left : left + wide]
        for i in range(begin, end):
            _expand(out[i][left : left + wide], out[n - 1 - i][left : left + wide], strip, weights[i], shift)


@njit(cache=True, nogil=True)
def expand_and_survey(
    weights: Array, coefficients: Array, out: Array, shift: float, begin: int, end: int, pivot: float, found: Array,
    is_seen: Array,
) -> None:  # fmt: skip
    """`expand_pairs`, and a survey of each block of cells as soon as its rows are complete, while it is in the cache.

    Args:
        pivot, found: See `measure_blocks`.
        is_seen: For each block whether it was surveyed; one that reaches beyond these rows is not.
    """
    n, columns = out.shape
    flat = out.reshape(-1)
    rows = max(1, BLOCK // columns)
    upper, lower = -(-begin * columns // BLOCK), (n - begin) * columns // BLOCK
    for first in range(begin, end, rows):
        stop = min(first + rows, end)
        expand_pairs(weights, coefficients, out, shift, first, stop)
        while (upper + 1) * BLOCK <= stop * columns:
            measure_blocks(flat, pivot, upper, upper + 1, found)
            is_seen[upper] = True
            upper += 1
        while lower > upper and (lower - 1) * BLOCK >= (n - stop) * columns:
            lower -= 1
            measure_blocks(flat, pivot, lower, lower + 1, found)
            is_seen[lower] = True


@njit(cache=True, nogil=True)
def survey_unseen(out: Array, pivot: float, found: Array, is_seen: Array) -> None:
    """Survey the blocks that `expand_and_survey` did not."""
    flat = out.reshape(-1)
    for block in range(is_seen.size):
        if not is_seen[block]:
            measure_blocks(flat, pivot, block, block + 1, found)
