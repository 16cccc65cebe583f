"""One pass over a large field for its extremes and its sum above a pivot. Importing this module loads Numba.

A field is cut into blocks of `BLOCK` cells, and a block into `LANES` lanes that are combined in pairs at its end,
so that rounding grows within a block about as it does in NumPy's sums. Every block has its own place for the results,
so neither the blocks of one call nor their order change a byte.
"""

from typing import Any

import numpy as np

from grid.engine.kernel_cache import njit

BLOCK = 1 << 15  # [-] cells of a block
LANES = 512  # [-] partial sums of a block
Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions


@njit(cache=True, nogil=True)
def _take_four(lows: Array, highs: Array, sums: Array, pivot: float, a: Array, b: Array, c: Array, d: Array) -> None:
    """Add four rows of cells to the lanes; a NaN may be missing in the extremes, never in the sums."""
    for j in range(a.size):
        p, q, r, s = a[j], b[j], c[j], d[j]
        sums[j] += ((p - pivot) + (q - pivot)) + ((r - pivot) + (s - pivot))
        low, high = min(q, p), max(q, p)
        other = min(s, r)
        low = min(other, low)
        lows[j] = min(lows[j], low)
        other = max(s, r)
        high = max(other, high)
        highs[j] = max(highs[j], high)


@njit(cache=True, nogil=True)
def _take(lows: Array, highs: Array, sums: Array, pivot: float, low: Array, high: Array, total: Array) -> None:
    """Add the results of other lanes, or one row of cells."""
    for j in range(low.size):
        sums[j] += total[j] - pivot
        lows[j] = min(lows[j], low[j])
        highs[j] = max(highs[j], high[j])


@njit(cache=True, nogil=True)
def measure_blocks(field: Array, pivot: float, begin: int, end: int, found: Array) -> None:
    """Find the smallest and the largest cell of blocks `begin` to `end` - 1, and the sum of all less the pivot each.

    Args:
        found: Shape (3, blocks); the columns of these blocks are written.
    """
    lows, highs, sums = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for block in range(begin, end):
        part = field[block * BLOCK : (block + 1) * BLOCK]
        lows[:], highs[:], sums[:] = part[0], part[0], 0.0
        at, row = 0, LANES
        while at + 4 * row <= part.size:
            _take_four(
                lows, highs, sums, pivot, part[at : at + row], part[at + row : at + 2 * row],
                part[at + 2 * row : at + 3 * row], part[at + 3 * row : at + 4 * row],
            )  # fmt: skip
            at += 4 * row
        while at < part.size:
            rest = part[at : at + row]
            _take(lows, highs, sums, pivot, rest, rest, rest)
            at += row
        half = row // 2
        while half > 0:
            near, far = slice(0, half), slice(half, 2 * half)
            _take(lows[near], highs[near], sums[near], 0.0, lows[far], highs[far], sums[far])
            half //= 2
        found[0, block], found[1, block], found[2, block] = lows[0], highs[0], sums[0]
