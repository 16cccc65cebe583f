r"""One pass over the cells of a flat array for extremes, heat and gradient. Importing this module loads Numba.

.. math:: |\nabla T|^2 = \sum_{axes} \max\Big(\frac{T_{+} - T}{d},\ \frac{T - T_{-}}{d}\Big)^2

with the larger of the two one-sided differences of a cell along each axis, and the only one at an edge of the body:
exact where the field is linear, the same for a field and its mirror image, and never below the central difference.

Rows go by strips of `STRIP` columns. A column of a strip has a sum of its own, so the loops have no reduction whose
order a compiler may choose; the sums of a plane are added up from left to right, those of the planes with compensation.
Extremes are found by counting the cells beyond the last one, and a strip is searched only if there are any.
"""

from typing import Any

import numpy as np

from grid.engine.kernel_cache import njit

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions
STRIP = 512  # [-] columns of a strip
SUM, STEEP = 0, STRIP  # [-] places of the sums and of the squares of gradients in the scratch array
LOWEST, HIGHEST, RISE, GRADIENT, COLDEST, HOTTEST = range(6)  # [-] entries of the result


@njit(cache=True, nogil=True)
def _note_edge(
    values: Array, at: int, near: int, up: int, down: int, behind: int, ahead: int, scale: Array, scratch: Array, j: int
) -> None:
    """Square of the gradient of the first or last cell of a row, which has one neighbour in it, `near`."""
    v = values[at]
    along = (values[near] - v) * (values[near] - v)
    a, b = values[down] - v, v - values[up]
    across = max(a * a, b * b)
    a, b = values[ahead] - v, v - values[behind]
    scratch[STEEP + j] = along * scale[2] + across * scale[1] + max(a * a, b * b) * scale[0]


@njit(cache=True, nogil=True)
def _note_steepness(
    values: Array, at: int, up: int, down: int, behind: int, ahead: int, scale: Array, scratch: Array, first: int,
    last: int, count: int,
) -> None:  # fmt: skip
    """Squares of the gradients of a strip; `first` and `last` are 1 where its ends are those of the row."""
    flat, level, deep = scale[2], scale[1], scale[0]
    size = max(0, count - first - last)
    begin, end, out = at + first, at + first + size, scratch[STEEP + first : STEEP + first + size]
    middle, after, before = values[begin:end], values[begin + 1 : end + 1], values[begin - 1 : end - 1]
    above, below = values[up + first : up + first + size], values[down + first : down + first + size]
    front, back = values[behind + first : behind + first + size], values[ahead + first : ahead + first + size]
    for j in range(out.size):  # slices, since the compiler asks of each index into a whole array whether it is negative
        v = middle[j]
        a, b = after[j] - v, v - before[j]
        a, b = a * a, b * b
        along = max(b, a)
        a, b = below[j] - v, v - above[j]
        a, b = a * a, b * b
        across = max(b, a)
        a, b = back[j] - v, v - front[j]
        a, b = a * a, b * b
        out[j] = along * flat + across * level + max(b, a) * deep
    if first:
        near = at + 1 if count > 1 else at
        _note_edge(values, at, near, up, down, behind, ahead, scale, scratch, 0)
    if last and (count > 1 or not first):
        j = count - 1
        _note_edge(values, at + j, at + j - 1, up + j, down + j, behind + j, ahead + j, scale, scratch, j)


@njit(cache=True, nogil=True)
def _add_pair(out: Array, here: Array, near: Array, far: Array, is_near: Array, is_far: Array, factor: float) -> None:
    """Add the larger square of the differences to two neighbours, as far as they belong to the body."""
    for j in range(out.size):
        v = here[j]
        a, b = v - near[j] if is_near[j] else 0.0, far[j] - v if is_far[j] else 0.0
        a, b = a * a, b * b
        out[j] += max(b, a) * factor


@njit(cache=True, nogil=True)
def _note_masked(
    values: Array, at: int, shifts: Array, active: Array, cell: int, moves: Array, scale: Array, scratch: Array,
    first: int, last: int, count: int,
) -> None:  # fmt: skip
    """As `_note_steepness`, with differences between cells of the body alone; -1 outside it.

    Args:
        shifts: From a cell to its neighbours before and behind along columns, rows and planes; 0 where there are none.
        moves: The same in the array of active cells.
    """
    out, here, own = scratch[STEEP : STEEP + count], values[at : at + count], active[cell : cell + count]
    out[:] = 0.0
    begin, end, step = 0, first, 1 if count > 1 else 0  # the first cell of a row has no neighbour before it
    for part in range(3):
        low, high = (0 if part == 0 else 1), (0 if part == 2 else step if part == 0 else 1)
        if end > begin:
            near, far = slice(at + begin - low, at + end - low), slice(at + begin + high, at + end + high)
            is_near, is_far = slice(cell + begin - low, cell + end - low), slice(cell + begin + high, cell + end + high)
            mine = here[begin:end]
            _add_pair(out[begin:end], mine, values[near], values[far], active[is_near], active[is_far], scale[2])
        begin, end = end, (count - last if part == 0 else count)
    for axis in range(2):
        low, high, back, front = shifts[2 * axis], shifts[2 * axis + 1], moves[2 * axis], moves[2 * axis + 1]
        near, far = values[at - low : at - low + count], values[at + high : at + high + count]
        is_near, is_far = active[cell - back : cell - back + count], active[cell + front : cell + front + count]
        _add_pair(out, here, near, far, is_near, is_far, scale[1 - axis])
    for j in range(count):
        out[j] = out[j] if own[j] else -1.0


@njit(cache=True, nogil=True)
def _add_rises(values: Array, at: int, pivot: float, weights: Array, cell: int, scratch: Array, count: int) -> None:
    """Add T - pivot of the cells of a strip, or C (T - pivot) where C is not 0, to the sums of its columns."""
    part, sums = values[at : at + count], scratch[SUM : SUM + count]
    if weights.size == 0:
        for j in range(count):
            sums[j] += part[j] - pivot
    else:
        share = weights[cell : cell + count]
        for j in range(count):
            sums[j] += share[j] * (part[j] - pivot) if share[j] > 0.0 else 0.0


@njit(cache=True, nogil=True)
def _count_beyond(values: Array, at: int, scratch: Array, found: Array, count: int) -> Any:
    """Count the cells of a strip below the lowest, above the highest and steeper than all before."""
    low, high, steep = found[LOWEST], found[HIGHEST], found[GRADIENT]
    below, above, steeper = 0, 0, 0
    part, squares = values[at : at + count], scratch[STEEP : STEEP + count]
    for j in range(count):
        below += 1 if part[j] < low else 0
        above += 1 if part[j] > high else 0
        steeper += 1 if squares[j] > steep else 0
    return below, above, steeper


@njit(cache=True, nogil=True)
def _search(values: Array, at: int, active: Array, cell: int, scratch: Array, found: Array, count: int) -> None:
    """Find the extremes among the cells of a strip; of equal ones the first counts."""
    for j in range(count):
        v = values[at + j]
        if scratch[STEEP + j] > found[GRADIENT]:
            found[GRADIENT] = scratch[STEEP + j]
        if active.size > 0 and active[cell + j] == 0:
            continue
        if v < found[LOWEST]:
            found[LOWEST], found[COLDEST] = v, cell + j
        if v > found[HIGHEST]:
            found[HIGHEST], found[HOTTEST] = v, cell + j


@njit(cache=True, nogil=True)
def _add_up(scratch: Array, total: float, lost: float) -> Any:
    """Add the sums of the columns, from left to right, to a compensated sum (Neumaier), and clear them."""
    plane = 0.0
    for j in range(STRIP):
        plane += scratch[SUM + j]
        scratch[SUM + j] = 0.0
    after = total + plane
    lost += (total - after) + plane if abs(total) >= abs(plane) else (plane - after) + total
    return after, lost


@njit(cache=True, nogil=True)
def look_cells(
    values: Array, window: Any, scale: Array, weights: Array, active: Array, pivot: float, found: Array
) -> None:
    """Extremes, heat and steepest gradient of the cells of a window.

    A NaN or an infinity leaves the rise not finite, and the rest without a meaning.

    Args:
        values: Flat, with the cells at the places of the window.
        window: Planes, rows, columns, the steps from one plane and one row to the next, the place of the first cell.
        scale: Inverse squares of the spacing along planes, rows and columns.
        weights: Of each cell, C order; empty where each counts 1.
        active: 1 in cells of the body, C order; empty where all belong to it.
        pivot: Temperature above which heat is summed.
        found: See `LOWEST`; cells are numbered in C order.
    """
    planes, rows, columns, plane, row, start = window
    scratch = np.zeros(2 * STRIP)
    shifts, moves = np.empty(4, np.int64), np.empty(4, np.int64)
    found[LOWEST], found[HIGHEST], found[GRADIENT] = np.inf, -np.inf, -1.0
    found[COLDEST], found[HOTTEST] = -1.0, -1.0
    total, lost = 0.0, 0.0
    for p in range(planes):
        back, front = (plane if p > 0 else 0), (plane if p < planes - 1 else 0)
        for r in range(rows):
            above, below = (row if r > 0 else 0), (row if r < rows - 1 else 0)
            for c in range(0, columns, STRIP):
                count = min(STRIP, columns - c)
                at, cell = start + p * plane + r * row + c, (p * rows + r) * columns + c
                first, last = (1 if c == 0 else 0), (1 if c + count == columns else 0)
                if active.size > 0:
                    shifts[0], shifts[1], shifts[2], shifts[3] = above, below, back, front
                    moves[0], moves[1] = (columns if above else 0), (columns if below else 0)
                    moves[2], moves[3] = (rows * columns if back else 0), (rows * columns if front else 0)
                    _note_masked(values, at, shifts, active, cell, moves, scale, scratch, first, last, count)
                else:
                    _note_steepness(
                        values, at, at - above, at + below, at - back, at + front, scale, scratch, first, last, count
                    )
                _add_rises(values, at, pivot, weights, cell, scratch, count)
                less, more, steeper = _count_beyond(values, at, scratch, found, count)
                if less + more + steeper > 0:
                    _search(values, at, active, cell, scratch, found, count)
        total, lost = _add_up(scratch, total, lost)
    found[RISE] = total + lost
