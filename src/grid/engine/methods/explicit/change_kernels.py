"""The largest change between two fields in the places of a window. Importing this module loads Numba."""

from typing import Any

import numpy as np

from grid.engine.kernel_cache import njit

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions


@njit(cache=True, nogil=True)
def find_largest_bits(field: Array, before: Array, window: Any) -> Any:
    """Bits of the largest absolute difference of two flat arrays in the cells of a `Window`.

    Bits of numbers without a sign are in the order of the numbers, and those of NaN are above all; maxima of integers
    go by vectors, which those of numbers do not.
    """
    planes, rows, columns, plane, row, first = window
    largest = np.int64(0)
    for p in range(planes):
        for r in range(rows):
            at = first + p * plane + r * row
            for j in range(at, at + columns):
                largest = max(largest, np.float64(abs(field[j] - before[j])).view(np.int64))
    return largest


def find_largest_change(field: Array, before: Array, window: Any) -> float:
    """The largest absolute difference of two flat arrays in the cells of a `Window`; NaN if there is one."""
    return float(np.int64(find_largest_bits(field, before, tuple(window))).view(np.float64))
