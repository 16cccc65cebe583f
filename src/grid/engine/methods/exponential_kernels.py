r"""Compiled Chebyshev recurrences on padded grids. Importing this module loads Numba.

A grid is planes x rows x vectors; a 2D problem has rows and no planes, a 1D problem one row. Levels of the recurrence
are worked through several at a time while the rows they touch are in the cache: a wave runs down a slab of rows, each
level one row behind the one before; slabs are trapezoids in time, and the gaps between them are filled afterwards (M.
Wolfe, Loops skewing, 1986; D. Wonnacott, IPDPS 2000). Slabs may run in threads. Each cell is computed once for each
level by the same operations, so neither slabs nor levels at a time change a byte.
"""

from typing import Any

import numpy as np
from numba import njit, prange

from grid.engine.methods.stencil_rows import (
    ROW_BLOCK,
    advance_block,
    advance_block_and_sum,
    advance_row,
    advance_row_and_sum,
)

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions


@njit(cache=True, nogil=True)
def _rows(
    a: Array, o: Array, change: Array, grid: Array, total: Array, low: int, high: int, base: int, weights: Array, k: int
) -> None:
    """Level k of rows `low` to `high` - 1 of a plane that starts at `base`; every third level adds to the sum."""
    depth, across, along, rate, sizes = grid
    stride, plane, vectors = sizes[3], sizes[4], sizes[5]
    c0, c1, c2 = weights[k - 2], weights[k - 1], weights[k]
    i = low
    while i < high:
        at = base + i * stride
        if i + ROW_BLOCK <= high:
            if k % 3 == 0:
                advance_block_and_sum(
                    a, o, change, depth, across, along, rate, total, at, stride, plane, vectors, c0, c1, c2
                )
            else:
                advance_block(a, o, change, depth, across, along, rate, total, at, stride, plane, vectors, c0, c1, c2)
            i += ROW_BLOCK
        else:
            if k % 3 == 0:
                advance_row_and_sum(
                    a, o, change, depth, across, along, rate, total, at, stride, plane, vectors, c0, c1, c2
                )
            else:
                advance_row(a, o, change, depth, across, along, rate, total, at, stride, plane, vectors, c0, c1, c2)
            i += 1


@njit(cache=True, nogil=True)
def _ends(o: Array, change: Array, sizes: Array, low: int, high: int, base: int) -> None:
    """Ghosts at the ends of rows: the other end where it joins, else nothing."""
    stride, columns, is_joined = sizes[3], sizes[2], sizes[8] == 1
    for i in range(low, high):
        at = base + i * stride
        if is_joined:
            o[at - 1] = o[at + columns - 1]
            o[at + columns] = o[at]
        else:
            o[at + columns] = 0.0
        if change is not None:
            change[at + columns] = 0.0


@njit(cache=True, nogil=True)
def _copy(o: Array, to: int, source: int, count: int) -> None:
    for i in range(count):
        o[to + i] = o[source + i]


@njit(cache=True, nogil=True)
def _ghost_rows(o: Array, sizes: Array, base: int) -> None:
    """Of one plane in 3D, where its rows are joined."""
    if sizes[9] == 1:
        begin, stride, rows = base - sizes[7], sizes[3], sizes[1]
        _copy(o, begin - stride, begin + (rows - 1) * stride, stride)
        _copy(o, begin + rows * stride, begin, stride)


@njit(cache=True, nogil=True)
def _units(
    u: Array, v: Array, change: Array, grid: Array, total: Array, low: int, high: int, k: int, weights: Array,
    edge: Array,
) -> None:  # fmt: skip
    """Level k of some rows (2D) or planes (3D): their cells, ghosts, and the sums of the cells behind boundaries.

    Even levels are in `u`, odd ones in `v`.
    """
    a, o = u, v
    if k % 2 == 0:
        a, o = v, u
    depth, _, _, _, sizes = grid
    start, plane, rows = sizes[6], sizes[4], sizes[1]
    if depth is None:
        _rows(a, o, change, grid, total, low, high, start, weights, k)
        _ends(o, change, sizes, low, high, start)
    else:
        for p in range(low, high):
            base = start + p * plane
            _rows(a, o, change, grid, total, 0, rows, base, weights, k)
            _ends(o, change, sizes, 0, rows, base)
            _ghost_rows(o, sizes, base)
    begin, places, sums, means = edge
    for e in range(begin[low], begin[high]):
        sums[e] += means[k] * o[places[e]]


@njit(cache=True, nogil=True)
def _slab(
    u: Array, v: Array, change: Array, grid: Array, total: Array, part: int, parts: int, first: int, levels: int,
    weights: Array, edge: Array,
) -> None:  # fmt: skip
    units = grid[4][0]
    low, high = units * part // parts, units * (part + 1) // parts
    front = low
    while front < high + levels:
        for t in range(levels):
            begin = max(front - t, low + (t if part > 0 else 0))
            end = min(front - t + ROW_BLOCK, high - (t if part < parts - 1 else 0))
            if begin < end:
                _units(u, v, change, grid, total, begin, end, first + t, weights, edge)
        front += ROW_BLOCK


@njit(cache=True, nogil=True)
def _gap(
    u: Array, v: Array, change: Array, grid: Array, total: Array, part: int, parts: int, first: int, levels: int,
    weights: Array, edge: Array,
) -> None:  # fmt: skip
    middle = grid[4][0] * part // parts
    for t in range(1, levels):
        _units(u, v, change, grid, total, middle - t, middle + t, first + t, weights, edge)


@njit(cache=True, nogil=True)
def _join(u: Array, v: Array, grid: Array, k: int) -> None:
    """Ghost rows or planes of level k where the first axis is periodic."""
    depth, sizes = grid[0], grid[4]
    if sizes[10] == 0:
        return
    o = u if k % 2 == 0 else v
    unit = sizes[3] if depth is None else sizes[4]
    begin = sizes[6] - sizes[7] - (0 if depth is None else sizes[3])
    _copy(o, begin - unit, begin + (sizes[0] - 1) * unit, unit)
    _copy(o, begin + sizes[0] * unit, begin, unit)


@njit(cache=True, nogil=True)
def advance_levels(
    u: Array, v: Array, change: Array, grid: Array, total: Array, weights: Array, edge: Array, at_once: int, _parts: int
) -> None:
    """Levels 2, 3, ... of a series, from level 0 in `u` and level 1 in `v` (ghosts included).

    Args:
        u, v: Flat padded fields; overwritten by the last two levels.
        change: In single precision the difference of levels 1 and 0; else None.
        grid: Conductances across planes (None in 2D), across rows and along rows, each at the cell behind the face;
            what they are multiplied with (None for 1); and the sizes, see `exponential.Layout`.
        total: Sum of all levels times their weights from level 1 on, where the number of levels is 1 + 3 n.
        weights: Of the levels in the sum.
        edge: For each unit where its cells begin in the rest: places of cells behind boundaries, their sums, and the
            weights of the levels in these.
        at_once: Levels in one wave.
    """
    k = 2
    while k < weights.shape[0]:
        levels = min(at_once, weights.shape[0] - k)
        _slab(u, v, change, grid, total, 0, 1, k, levels, weights, edge)
        _join(u, v, grid, k)
        k += levels


@njit(cache=True, nogil=True, parallel=True)
def advance_levels_parallel(
    u: Array, v: Array, change: Array, grid: Array, total: Array, weights: Array, edge: Array, at_once: int, parts: int
) -> None:
    """`advance_levels` with `parts` slabs shared among threads; the same bytes."""
    k = 2
    while k < weights.shape[0]:
        levels = min(at_once, weights.shape[0] - k)
        for part in prange(parts):
            _slab(u, v, change, grid, total, np.int64(part), parts, k, levels, weights, edge)  # type: ignore[arg-type]
        for part in prange(parts - 1):
            _gap(u, v, change, grid, total, np.int64(part) + 1, parts, k, levels, weights, edge)  # type: ignore[arg-type]
        _join(u, v, grid, k)
        k += levels


@njit(cache=True, nogil=True)
def first_level(u: Array, v: Array, change: Array, grid: Array) -> None:
    """Level 1 of the field in `u` into `v`, which holds zeros, and their difference into `change`; ghosts are set.

    Without a difference one level of the recurrence with nothing before it is twice level 1.
    """
    depth, sizes = grid[0], grid[4]
    rows, planes = (sizes[0], 1) if depth is None else (sizes[1], sizes[0])
    weights, total = np.zeros(5, u.dtype), np.zeros(1)
    for stage in range(2):
        field = u if stage == 0 else v
        for p in range(planes):
            base = sizes[6] + p * sizes[4]
            _ends(field, change, sizes, 0, rows, base)
            if depth is not None:
                _ghost_rows(field, sizes, base)
        _join(u, v, grid, stage)
        if stage == 0:
            for p in range(planes):
                _rows(u, v, change, grid, total, 0, rows, sizes[6] + p * sizes[4], weights, 4)
            for i in range(v.size):
                if change is None:
                    v[i] *= 0.5
                else:
                    change[i] *= 0.5
                    v[i] = u[i] + change[i]
