"""Compiled Cholesky factors of sparse symmetric matrices over the cells of a grid. Importing this module loads Numba.

Cells are eliminated in blocks, see `grid.engine.linear.cholesky`. A block of n cells with r rows below it has a panel
of n columns, one after the other, each of `height` numbers: n of the block, r of the rows, and zeros up to a multiple
of `LANES`. Rows are padded as well, with the number of all cells, which stands for a place that is never read.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.engine.kernel_cache import njit
from grid.engine.values.operations import FloatArray

Indices = NDArray[Any]
Panels = NDArray[np.floating[Any]]
LEAF = 12  # [-] cells up to which a part is one block
WIDTH = 32  # [-] columns of a block of a separator
LANES = 8  # [-] numbers in one vector of the processor


@njit(cache=True, nogil=True)
def _find_cut(coordinates: Indices, order: Indices, low: int, high: int, counts: Indices) -> tuple[int, int]:
    """Find axis and plane that cut a part with fewest cells on the plane over the product of both sides; or -1."""
    best_axis, best_plane, least, total = -1, 0, np.inf, float(high - low)
    for axis in range(coordinates.shape[1]):
        begin = end = coordinates[order[low], axis]
        for at in range(low, high):
            place = coordinates[order[at], axis]
            begin, end = min(begin, place), max(end, place)
        if end - begin < 2:
            continue
        counts[: end - begin + 1] = 0
        for at in range(low, high):
            counts[coordinates[order[at], axis] - begin] += 1
        below = 0.0
        for plane in range(1, end - begin):
            below += counts[plane - 1]
            score = counts[plane] / (below * (total - below - counts[plane]))
            if score < least:
                best_axis, best_plane, least = axis, begin + plane, score
    return best_axis, best_plane


@njit(cache=True, nogil=True)
def _part(
    coordinates: Indices, order: Indices, low: int, high: int, axis: int, plane: int, beside: Indices
) -> tuple[int, int]:
    """Put the cells of a part below a plane first and those on it last; return where those above it begin and end."""
    middle, above, on = low, 0, beside.size
    for at in range(low, high):
        cell = order[at]
        place = coordinates[cell, axis]
        if place < plane:
            order[middle] = cell
            middle += 1
        elif place > plane:
            beside[above] = cell
            above += 1
        else:
            on -= 1
            beside[on] = cell
    last = middle + above
    for at in range(above):
        order[middle + at] = beside[at]
    for at in range(beside.size - on):
        order[last + at] = beside[beside.size - 1 - at]
    return middle, last


@njit(cache=True, nogil=True)
def dissect(coordinates: Indices, order: Indices, is_first: Indices) -> None:
    """Order cells by nested dissection with planes across the axes (A. George, SIAM J. Numer. Anal. 10, 1973).

    Args:
        coordinates: Places of the cells on the grid, not negative, shape (cells, axes).
        order: Cells in the order in which they are eliminated; written.
        is_first: True where a block begins; written.
    """
    size = order.size
    for at in range(size):
        order[at] = at
    is_first[:] = False
    beside, counts = np.empty(size, order.dtype), np.empty(coordinates.max() + 1, np.int64)
    ends, top = np.empty((80, 2), np.int64), 1  # the smaller part first, so that few wait
    ends[0, 0], ends[0, 1] = 0, size
    while top > 0:
        top -= 1
        low, high = ends[top, 0], ends[top, 1]
        axis, plane = -1, 0
        if high - low > LEAF:
            axis, plane = _find_cut(coordinates, order, low, high, counts)
        if axis < 0:
            for at in range(low, high, WIDTH):
                is_first[at] = True
            continue
        middle, last = _part(coordinates, order, low, high, axis, plane, beside)
        for at in range(last, high, WIDTH):
            is_first[at] = True
        is_left_larger = middle - low > last - middle
        for part in range(2):
            is_left = is_left_larger == (part == 0)
            ends[top, 0], ends[top, 1] = (low, middle) if is_left else (middle, last)
            top += 1


@njit(cache=True, nogil=True)
def find_rows(
    firsts: Indices, owners: Indices, order: Indices, inverse: Indices, starts: Indices, cells: Indices,
    row_starts: Indices, row_counts: Indices,
) -> Indices:  # fmt: skip
    """Find the rows below each block, increasing and padded: those of its own entries and of the blocks it follows.

    Args:
        firsts, owners: First place in the order of each block, and block of each place.
        order, inverse: Cell at each place, and place of each cell.
        starts, cells: Entries of each cell in the matrix.
        row_starts, row_counts: First row of each block, and the number of its rows without padding; written.
    """
    size, blocks = order.size, row_counts.size
    rows, used = np.empty(4 * size + 64, np.int32), 0
    seen, found = np.full(size, -1, np.int32), np.empty(size, np.int32)
    child, sibling = np.full(blocks, -1, np.int32), np.full(blocks, -1, np.int32)
    row_starts[0] = 0
    for block in range(blocks):
        end, count = firsts[block + 1], 0
        for at in range(firsts[block], end):
            cell = order[at]
            for entry in range(starts[cell], starts[cell + 1]):
                row = inverse[cells[entry]]
                if row >= end and seen[row] != block:
                    seen[row], found[count] = block, row
                    count += 1
        below = child[block]
        while below >= 0:
            for entry in range(row_starts[below], row_starts[below] + row_counts[below]):
                row = rows[entry]
                if row >= end and seen[row] != block:
                    seen[row], found[count] = block, row
                    count += 1
            below = sibling[below]
        own = end - firsts[block]
        padded = -(-(own + count) // LANES) * LANES - own
        while used + padded > rows.size:
            rows = np.append(rows, np.empty_like(rows))
        rows[used : used + count] = np.sort(found[:count])
        rows[used + count : used + padded] = size
        if count > 0:
            parent = owners[rows[used]]
            sibling[block], child[parent] = child[parent], block
        used += padded
        row_starts[block + 1], row_counts[block] = used, count
    return rows[:used].copy()


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})
def _subtract(
    out: FloatArray, to: int, panels: FloatArray, at: int, height: int, factors: FloatArray, count: int, length: int
) -> None:
    """Subtract columns of a panel times factors from some numbers; the first begins at `at`, in four at a time.

    Indices are unsigned: those that may be negative count from the end, and testing them prevents vectorised loops.
    """
    done, begin, size = 0, np.uint64(to), np.uint64(length)
    while done + 4 <= count:
        a, step = np.uint64(at + done * height), np.uint64(height)
        b, c, d = a + step, a + step + step, a + step + step + step
        p, q, r, s = factors[done], factors[done + 1], factors[done + 2], factors[done + 3]
        for i in range(size):
            out[begin + i] -= (p * panels[a + i] + q * panels[b + i]) + (r * panels[c + i] + s * panels[d + i])
        done += 4
    while done < count:
        a, p = np.uint64(at + done * height), factors[done]
        for i in range(size):
            out[begin + i] -= p * panels[a + i]
        done += 1


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})
def _combine(sums: Panels, panels: Panels, at: int, height: int, x: Panels, first: int, own: int) -> None:
    """Add up the columns of a panel times some numbers."""
    size, step, column = np.uint64(height), np.uint64(height), 0
    for i in range(size):
        sums[i] = 0.0
    while column + 4 <= own:
        a = np.uint64(at + column * height)
        b, c, d = a + step, a + step + step, a + step + step + step
        p, q, r, s = x[first + column], x[first + column + 1], x[first + column + 2], x[first + column + 3]
        for i in range(np.uint64(column - column % LANES), size):
            sums[i] += (p * panels[a + i] + q * panels[b + i]) + (r * panels[c + i] + s * panels[d + i])
        column += 4
    while column < own:
        a, p = np.uint64(at + column * height), x[first + column]
        for i in range(np.uint64(column - column % LANES), size):
            sums[i] += p * panels[a + i]
        column += 1


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})
def _project(sums: Panels, panels: Panels, at: int, height: int, x: Panels, first: int, own: int, zero: Any) -> None:
    """Compute the products of the columns of a panel with some numbers; `zero` is of their precision."""
    size, step, column = np.uint64(height), np.uint64(height), 0
    while column + 4 <= own:
        a = np.uint64(at + column * height)
        b, c, d = a + step, a + step + step, a + step + step + step
        p = q = r = s = zero
        for i in range(np.uint64(column - column % LANES), size):
            value = sums[i]
            p += value * panels[a + i]
            q += value * panels[b + i]
            r += value * panels[c + i]
            s += value * panels[d + i]
        x[first + column], x[first + column + 1], x[first + column + 2], x[first + column + 3] = p, q, r, s
        column += 4
    while column < own:
        a, p = np.uint64(at + column * height), zero
        for i in range(np.uint64(column - column % LANES), size):
            p += sums[i] * panels[a + i]
        x[first + column] = p
        column += 1


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})
def _eliminate(panels: FloatArray, at: int, own: int, height: int, factors: FloatArray) -> int:
    """Factorise a block and its rows below; return the column whose pivot is not positive, or -1."""
    for column in range(own):
        line = at + column * height + column
        for before in range(column):
            factors[before] = panels[at + before * height + column]
        _subtract(panels, line, panels, at + column, height, factors, column, height - column)
        pivot = panels[line]
        if not pivot > 0.0:
            return column
        scale = 1.0 / math.sqrt(pivot)
        for i in range(height - column):
            panels[line + i] *= scale
    return -1


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})
def _invert(panels: FloatArray, at: int, own: int, height: int, factors: FloatArray) -> None:
    """Replace a block by the inverse of its factor, and the rows below by their product with it."""
    for column in range(own - 1, -1, -1):
        line, rest = at + column * height, own - 1 - column
        scale = 1.0 / panels[line + column]
        for after in range(rest):
            factors[after] = panels[line + column + 1 + after]
            panels[line + column + 1 + after] = 0.0
        panels[line + column] = 1.0
        _subtract(
            panels, line + column + 1, panels, line + height + column + 1, height, factors, rest, height - column - 1
        )  # fmt: skip
        for i in range(column, height):
            panels[line + i] *= scale


@njit(cache=True, nogil=True)
def _spread(
    firsts: Indices, owners: Indices, row_starts: Indices, row_counts: Indices, rows: Indices, panel_starts: Indices,
    panels: FloatArray, block: int, local: Indices, factors: FloatArray, sums: FloatArray,
) -> None:  # fmt: skip
    """Subtract the contributions of a block's rows from the panels of the blocks to which they belong."""
    own, count, begin = firsts[block + 1] - firsts[block], row_counts[block], row_starts[block]
    height, at = own + row_starts[block + 1] - begin, panel_starts[block]
    done = 0
    while done < count:
        other = owners[rows[begin + done]]
        first, end = firsts[other], firsts[other + 1]
        wide, beyond = end - first, row_starts[other]
        tall = wide + row_starts[other + 1] - beyond
        for i in range(done, count):  # both lists of rows increase
            row = rows[begin + i]
            if row < end:
                local[i] = row - first
            else:
                while rows[beyond] != row:
                    beyond += 1
                local[i] = wide + beyond - row_starts[other]
        while done < count and rows[begin + done] < end:
            length = count - done
            for column in range(own):
                factors[column] = panels[at + column * height + own + done]
            for i in range(length):
                sums[i] = 0.0
            _subtract(sums, 0, panels, at + own + done, height, factors, own, length)
            line = panel_starts[other] + local[done] * tall
            for i in range(length):
                panels[line + local[done + i]] += sums[i]
            done += 1


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})
def factorise(
    firsts: Indices, owners: Indices, order: Indices, inverse: Indices, starts: Indices, cells: Indices,
    values: FloatArray, row_starts: Indices, row_counts: Indices, rows: Indices, panel_starts: Indices,
    panels: FloatArray,
) -> int:  # fmt: skip
    """Fill the panels, which are zeros at first; return the place of a pivot that is not positive, or -1.

    For a block with the factor L and the rows B below it, which become B L^-T, a panel has L^-1 and B L^-T L^-1: with
    these both passes of a solution are products.

    Args:
        values: Values of the entries, see `find_rows`, which has the other arguments.
        panel_starts: First number of the panel of each block.
    """
    size, blocks = order.size, row_counts.size
    place, local = np.empty(size + 1, np.int32), np.empty(size + 1, np.int32)
    factors, sums = np.empty(max(WIDTH, LEAF) + 4), np.empty(size + LANES)
    for block in range(blocks):
        first, end = firsts[block], firsts[block + 1]
        own, count, begin, at = end - first, row_counts[block], row_starts[block], panel_starts[block]
        height = own + row_starts[block + 1] - begin
        for row in range(own):
            place[first + row] = row
        for row in range(count):
            place[rows[begin + row]] = own + row
        for column in range(own):
            cell, line = order[first + column], at + column * height
            for entry in range(starts[cell], starts[cell + 1]):
                row = inverse[cells[entry]]
                if row >= first + column:
                    panels[line + place[row]] += values[entry]
        failed = _eliminate(panels, at, own, height, factors)
        if failed >= 0:
            return int(first) + failed
        _spread(firsts, owners, row_starts, row_counts, rows, panel_starts, panels, block, local, factors, sums)
        _invert(panels, at, own, height, factors)
    return -1


@njit(cache=True, nogil=True, fastmath={"contract", "nsz", "reassoc"})
def solve(
    right: FloatArray, out: FloatArray, scale: float, back: float, firsts: Indices, order: Indices, row_starts: Indices,
    rows: Indices, panel_starts: Indices, panels: Panels, x: Panels, sums: Panels,
) -> None:  # fmt: skip
    """Compute out = back times the solution for `scale` times the right-hand side.

    Args:
        x: Working array, one more than cells, of the precision of the panels.
        sums: Working array, as high as the highest panel.
    """
    size, blocks = order.size, firsts.size - 1
    for at in range(size):
        x[at] = right[order[at]] * scale
    x[size] = 0.0
    for block in range(blocks):
        first, begin = firsts[block], row_starts[block]
        own = firsts[block + 1] - first
        height = own + row_starts[block + 1] - begin
        _combine(sums, panels, panel_starts[block], height, x, first, own)
        for i in range(own):
            x[first + i] = sums[i]
        for i in range(height - own):
            x[rows[begin + i]] -= sums[own + i]
    for block in range(blocks - 1, -1, -1):
        first, begin = firsts[block], row_starts[block]
        own = firsts[block + 1] - first
        height = own + row_starts[block + 1] - begin
        for i in range(own):
            sums[i] = x[first + i]
        for i in range(height - own):
            sums[own + i] = -x[rows[begin + i]]
        _project(sums, panels, panel_starts[block], height, x, first, own, x[size])
    for at in range(size):
        out[order[at]] = x[at] * back
