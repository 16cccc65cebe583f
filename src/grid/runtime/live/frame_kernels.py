"""Compiled passes over a field for its frames. Importing this module loads Numba.

A kernel here calls no other and reads no value of its module: the cache of kernels knows the sources of the engine, and
of other kernels only their own code.
"""

from typing import Any

import numpy as np

from grid.engine.kernel_cache import njit

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions


@njit(cache=True, nogil=True)
def quantise(values: Array, offset: float, inverse: float, missing: int, codes: Array, extremes: Array) -> None:
    """Write the code of every cell, `missing` for NaN and for what is outside the range, and find the extremes.

    Args:
        values: Shape (rows, columns); only read.
        offset, inverse: The code is floor((value - offset) inverse + 1/2).
        missing: The code of cells without a value, one above the largest.
        codes: Shape (rows, columns), unsigned of 16 bits; written.
        extremes: Least and largest value, infinite and minus infinite where there is none; written.
    """
    rows, columns = values.shape
    lows, highs = np.full(columns, np.inf), np.full(columns, -np.inf)
    for r in range(rows):
        for c in range(columns):
            value = values[r, c]
            lows[c] = min(lows[c], value)
            highs[c] = max(highs[c], value)
            place = (value - offset) * inverse + 0.5
            is_inside = place >= 0.0 and place < missing  # NaN is not
            codes[r, c] = np.int32(place if is_inside else missing)
    extremes[0], extremes[1] = lows.min(), highs.max()


@njit(cache=True, nogil=True)
def predict(codes: Array, out: Array) -> None:
    """Write the differences of codes from their prediction: zigzag, low bytes, then high bytes.

    Args:
        codes: Shape (planes, rows, columns), unsigned of 16 bits; only read.
        out: Shape (2, planes, rows, columns), bytes; written.
    """
    planes, rows, columns = codes.shape
    above, row = np.zeros(columns + 1, np.int32), np.zeros(columns + 1, np.int32)  # after a zero for the edge
    for p in range(planes):
        above[:] = 0
        for r in range(rows):
            for c in range(columns):
                row[c + 1] = codes[p, r, c]
            for c in range(columns):
                difference = np.int32(row[c + 1] - row[c] - above[c + 1] + above[c])
                signed = np.int32(((difference & 0xFFFF) ^ 0x8000) - 0x8000)
                folded = np.int32((signed << 1) ^ (signed >> 15))
                out[0, p, r, c] = folded & 0xFF
                out[1, p, r, c] = (folded >> 8) & 0xFF
            above, row = row, above
            row[0] = 0


@njit(cache=True, nogil=True)
def reduce(values: Array, factor: int, kind: int, out: Array) -> None:
    """Write one value for each block of cells; NaN does not count, and a block of nothing else is NaN.

    Args:
        values: Shape (planes, rows, columns); only read.
        factor: Cells of a block along each axis; blocks at the end may have fewer.
        kind: 0 the mean, 1 the largest, 2 that of largest magnitude.
        out: Shape of the blocks; written.
    """
    planes, rows, columns = values.shape
    for p in range(out.shape[0]):
        for r in range(out.shape[1]):
            for c in range(out.shape[2]):
                total, count, largest = 0.0, 0, np.nan
                for i in range(p * factor, min(planes, (p + 1) * factor)):
                    for j in range(r * factor, min(rows, (r + 1) * factor)):
                        for k in range(c * factor, min(columns, (c + 1) * factor)):
                            value = values[i, j, k]
                            if value != value:
                                continue
                            total += value
                            count += 1
                            is_larger = abs(value) > abs(largest) if kind == 2 else value > largest
                            if is_larger or largest != largest:
                                largest = value
                out[p, r, c] = (total / count if count else np.nan) if kind == 0 else largest
