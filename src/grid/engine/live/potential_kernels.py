"""Stress of a displacement potential on a grid. Importing this module loads Numba."""

import math
from typing import Any

import numpy as np

from grid.engine.kernel_cache import njit

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions


@njit(cache=True, nogil=True)
def _note_row(out: Array, above: Array, here: Array, below: Array, shear: Array, factors: Array) -> None:
    """Von Mises stress of the cells of one row but its ends; see `find_von_mises`."""
    rows, columns, corners = factors[0], factors[1], factors[2]
    left, right = here[:-2], here[2:]
    up_left, up_right, down_left, down_right = above[:-2], above[2:], below[:-2], below[2:]
    up, down, middle, inner = above[1:-1], below[1:-1], here[1:-1], out[1:-1]
    for j in range(inner.size):
        shear[j] = corners * ((down_right[j] - down_left[j]) - (up_right[j] - up_left[j]))
    for j in range(inner.size):
        twice = middle[j] + middle[j]
        sxx, syy = columns * ((left[j] + right[j]) - twice), rows * ((up[j] + down[j]) - twice)
        inner[j] = math.sqrt(sxx * sxx - sxx * syy + syy * syy + 3.0 * shear[j] * shear[j])


@njit(cache=True, nogil=True)
def _note_end(out: Array, above: Array, here: Array, below: Array, factors: Array, end: int, near: int) -> None:
    """As `_note_row` for a cell at an end of the row, whose mirror image is its neighbour beyond it."""
    side = 1.0 if near > end else -1.0
    shear = factors[2] * side * ((below[near] - below[end]) - (above[near] - above[end]))
    sxx = factors[1] * (here[near] - here[end])
    syy = factors[0] * ((above[end] + below[end]) - (here[end] + here[end]))
    out[end] = math.sqrt(sxx * sxx - sxx * syy + syy * syy + 3.0 * shear * shear)


@njit(cache=True, nogil=True)
def find_von_mises(potential: Array, factors: Array, out: Array) -> None:
    """Von Mises stress of a potential with mirror images beyond the edges, from second differences.

    Args:
        potential: Shape (rows, columns), two cells at least along each axis [m2].
        factors: 2G over the squares of the spacing along rows and columns, and over 4 times their product [Pa/m2].
        out: The same shape [Pa].
    """
    rows, columns = potential.shape
    shear = np.empty(columns - 2)
    for i in range(rows):
        above, here, below = potential[max(i - 1, 0)], potential[i], potential[min(i + 1, rows - 1)]
        _note_row(out[i], above, here, below, shear, factors)
        _note_end(out[i], above, here, below, factors, 0, 1)
        _note_end(out[i], above, here, below, factors, columns - 1, columns - 2)
