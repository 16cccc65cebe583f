r"""Compiled Chebyshev recurrences on padded grids. Importing this module loads Numba.

A grid is planes x rows x vectors; a 2D problem has rows and no planes, a 1D problem one row. Levels of the recurrence
are worked through several at a time while the rows they touch are in the cache: a wave runs down a slab of rows, each
level one row behind the one before; slabs are trapezoids in time, and the gaps between them are filled afterwards (M.
Wolfe, Loops skewing, 1986; D. Wonnacott, IPDPS 2000). Slabs may run in threads. Each cell is computed once for each
level by the same operations, so neither slabs nor levels at a time change a byte.

Inside, arrays are their addresses: an array among the arguments is counted in and out at each call by atomic
operations, which took a quarter of the time of four rows.
"""

from typing import Any

import numpy as np
from numba import prange

from grid.engine.kernel_cache import njit
from grid.engine.methods.padded.rows import (
    ROW_BLOCK,
    address_of,
    advance_block,
    advance_block_and_sum,
    advance_row,
    advance_row_and_sum,
    read_number,
    write_number,
)

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions
Address = Any  # of the first element; None where there is no such array
Number = Any  # of the type of the fields


@njit(cache=True, nogil=True)
def _addresses(change: Array, grid: Array, total: Array) -> tuple[Address, ...]:
    depth, across, along, rate, _ = grid
    return (
        address_of(change),
        address_of(depth),
        address_of(across),
        address_of(along),
        address_of(rate),
        address_of(total),
    )


@njit(cache=True, nogil=True)
def _edge_addresses(edge: tuple[Array, ...]) -> tuple[Address, ...]:
    begin, coordinates, sums, means = edge
    return (address_of(begin), address_of(coordinates), address_of(sums), address_of(means))


@njit(cache=True, nogil=True)
def _find_sizes(grid: Array) -> tuple[int, ...]:
    """`Layout.sizes` as a tuple."""
    s = grid[4]
    return (s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10])


@njit(cache=True, nogil=True, forceinline=True)
def _rows(
    x: Address, o: Address, arrays: tuple[Address, ...], sizes: tuple[int, ...], low: int, high: int, base: int,
    is_summed: bool, c0: Number, c1: Number, c2: Number,
) -> None:  # fmt: skip
    """The level after `x` over the one before it, in rows `low` to `high` - 1 of a plane whose first cell is at `base`.

    Where wanted, these three levels times their weights are added to the sum.
    """
    change, depth, across, along, rate, total = arrays
    stride, plane, vectors = sizes[3], sizes[4], sizes[5]
    at = base + low * stride
    i = low
    while i + ROW_BLOCK <= high:
        if is_summed:
            advance_block_and_sum(
                x, o, change, depth, across, along, rate, total, at, stride, plane, vectors, c0, c1, c2
            )
        else:
            advance_block(x, o, change, depth, across, along, rate, total, at, stride, plane, vectors, c0, c1, c2)
        i += ROW_BLOCK
        at += ROW_BLOCK * stride
    while i < high:
        if is_summed:
            advance_row_and_sum(x, o, change, depth, across, along, rate, total, at, stride, plane, vectors, c0, c1, c2)
        else:
            advance_row(x, o, change, depth, across, along, rate, total, at, stride, plane, vectors, c0, c1, c2)
        i += 1
        at += stride


@njit(cache=True, nogil=True)
def _ends(o: Address, change: Address, zero: Number, sizes: tuple[int, ...], low: int, high: int, base: int) -> None:
    """Ghosts at the ends of rows: the other end where it joins, else nothing."""
    stride, columns, is_joined = sizes[3], sizes[2], sizes[8] == 1
    for i in range(low, high):
        at = base + i * stride
        if is_joined:
            write_number(o, at - 1, read_number(o, at + columns - 1, zero))
            write_number(o, at + columns, read_number(o, at, zero))
        else:
            write_number(o, at + columns, zero)
        if change is not None:
            write_number(change, at + columns, zero)


@njit(cache=True, nogil=True)
def _copy(o: Address, zero: Number, to: int, source: int, count: int) -> None:
    for i in range(count):
        write_number(o, to + i, read_number(o, source + i, zero))


@njit(cache=True, nogil=True)
def _ghost_rows(o: Address, zero: Number, sizes: tuple[int, ...], base: int) -> None:
    """Fill the ghosts of one plane in 3D, where its rows are joined."""
    if sizes[9] == 1:
        begin, stride, rows = base - sizes[7], sizes[3], sizes[1]
        _copy(o, zero, begin - stride, begin + (rows - 1) * stride, stride)
        _copy(o, zero, begin + rows * stride, begin, stride)


@njit(cache=True, nogil=True)
def _join(o: Address, depth: Address, zero: Number, sizes: tuple[int, ...]) -> None:
    """Ghost rows or planes of a level where the first axis is periodic."""
    if sizes[10] == 0:
        return
    unit = sizes[3] if depth is None else sizes[4]
    begin = sizes[6] - sizes[7] - (0 if depth is None else sizes[3])
    _copy(o, zero, begin - unit, begin + (sizes[0] - 1) * unit, unit)
    _copy(o, zero, begin + sizes[0] * unit, begin, unit)


@njit(cache=True, nogil=True)
def _add_means(o: Address, zero: Number, edge: tuple[Address, ...], low: int, high: int, k: int) -> None:
    """Add level k of some rows or planes to the sums of the cells behind boundaries."""
    begin, coordinates, sums, means = edge
    whole = np.int64(0)
    for e in range(read_number(begin, low, whole), read_number(begin, high, whole)):
        value = read_number(o, read_number(coordinates, e, whole), zero)
        write_number(sums, e, read_number(sums, e, 0.0) + read_number(means, k, 0.0) * value)


@njit(cache=True, nogil=True, forceinline=True)
def _units(
    x: Address, o: Address, arrays: tuple[Address, ...], sizes: tuple[int, ...], low: int, high: int, k: int,
    weights: Address, zero: Number, edge: tuple[Address, ...],
) -> None:  # fmt: skip
    """Level k of some rows (2D) or planes (3D): their cells, ghosts, and the sums of the cells behind boundaries."""
    change, depth, _, _, _, _ = arrays
    start, plane, rows, vectors, is_summed = sizes[6], sizes[4], sizes[1], sizes[5], k % 3 == 0
    has_ends = sizes[8] == 1 or sizes[2] < vectors * sizes[7]  # else nothing was written there
    c0, c1, c2 = read_number(weights, k - 2, zero), read_number(weights, k - 1, zero), read_number(weights, k, zero)
    if depth is None:
        _rows(x, o, arrays, sizes, low, high, start, is_summed, c0, c1, c2)
        if has_ends:
            _ends(o, change, zero, sizes, low, high, start)
    else:
        for p in range(low, high):
            base = start + p * plane
            _rows(x, o, arrays, sizes, 0, rows, base, is_summed, c0, c1, c2)
            if has_ends:
                _ends(o, change, zero, sizes, 0, rows, base)
            _ghost_rows(o, zero, sizes, base)
    _add_means(o, zero, edge, low, high, k)


@njit(cache=True, nogil=True)
def _slab(
    u: Address, v: Address, arrays: tuple[Address, ...], sizes: tuple[int, ...], part: int, parts: int, first: int,
    levels: int, weights: Address, zero: Number, edge: tuple[Address, ...],
) -> None:  # fmt: skip
    """Some levels of a slab, as far as they do not depend on other slabs; even levels are in `u`, odd ones in `v`."""
    bottom, top = sizes[0] * part // parts, sizes[0] * (part + 1) // parts
    block = ROW_BLOCK if arrays[1] is None else 1
    front = bottom
    while front < top + levels:
        for t in range(levels):
            low = max(front - t, bottom + (t if part > 0 else 0))
            high = min(front - t + block, top - (t if part < parts - 1 else 0))
            if low < high:
                x, o = (v, u) if (first + t) % 2 == 0 else (u, v)
                _units(x, o, arrays, sizes, low, high, first + t, weights, zero, edge)
        front += block


@njit(cache=True, nogil=True)
def _gap(
    u: Address, v: Address, arrays: tuple[Address, ...], sizes: tuple[int, ...], part: int, parts: int, first: int,
    levels: int, weights: Address, zero: Number, edge: tuple[Address, ...],
) -> None:  # fmt: skip
    """Advance the cells between a slab and the one before it, which neither has advanced."""
    middle = sizes[0] * part // parts
    for t in range(1, levels):
        x, o = (v, u) if (first + t) % 2 == 0 else (u, v)
        _units(x, o, arrays, sizes, middle - t, middle + t, first + t, weights, zero, edge)


@njit(cache=True, nogil=True)
def advance_levels(
    u: Array, v: Array, change: Array, grid: Array, total: Array, weights: Array, edge: Array, at_once: int,
    _parts: int,
) -> None:  # fmt: skip
    """Levels 2, 3, ... of a series, from level 0 in `u` and level 1 in `v` (ghosts included).

    Args:
        u, v: Flat padded fields; overwritten by the last two levels.
        change: In single precision the difference of levels 1 and 0; else None.
        grid: Conductances across planes (None in 2D), across rows and along rows, each at the cell behind the face;
            what they are multiplied with (None for 1); and the sizes, see `padded.Layout`.
        total: Sum of all levels times their weights from level 1 on, where the number of levels is 1 + 3 n.
        weights: Of the levels in the sum.
        edge: For each unit where its cells begin in the rest: places of cells behind boundaries, their sums, and the
            weights of the levels in these.
        at_once: Levels in one wave.
    """
    arrays, sizes = _addresses(change, grid, total), _find_sizes(grid)
    one, other, zero = address_of(u), address_of(v), weights.dtype.type(0.0)
    series, cells = address_of(weights), _edge_addresses(edge)
    k = 2
    while k < weights.shape[0]:
        levels = min(at_once, weights.shape[0] - k)
        _slab(one, other, arrays, sizes, 0, 1, k, levels, series, zero, cells)
        _join(one if k % 2 == 0 else other, arrays[1], zero, sizes)
        k += levels


@njit(cache=True, nogil=True, parallel=True)
def advance_levels_parallel(
    u: Array, v: Array, change: Array, grid: Array, total: Array, weights: Array, edge: Array, at_once: int,
    parts: int,
) -> None:  # fmt: skip
    """`advance_levels` with `parts` slabs shared among threads; the same bytes."""
    arrays, sizes = _addresses(change, grid, total), _find_sizes(grid)
    one, other, zero = address_of(u), address_of(v), weights.dtype.type(0.0)
    series, cells = address_of(weights), _edge_addresses(edge)
    k = 2
    while k < weights.shape[0]:
        levels = min(at_once, weights.shape[0] - k)
        for part in prange(parts):
            slab: Any = np.int64(part)
            _slab(one, other, arrays, sizes, slab, parts, k, levels, series, zero, cells)
        for part in prange(parts - 1):
            after: Any = np.int64(part) + 1
            _gap(one, other, arrays, sizes, after, parts, k, levels, series, zero, cells)
        _join(one if k % 2 == 0 else other, arrays[1], zero, sizes)
        k += levels


@njit(cache=True, nogil=True)
def first_level(u: Array, v: Array, change: Array, grid: Array) -> None:
    """Level 1 of the field in `u` into `v`, which holds zeros, and their difference into `change`; ghosts are set.

    Without a difference one level of the recurrence with nothing before it is twice level 1.
    """
    depth, sizes = grid[0], _find_sizes(grid)
    rows, planes = (sizes[0], 1) if depth is None else (sizes[1], sizes[0])
    zero = u.dtype.type(0.0)
    arrays = _addresses(change, grid, u)  # nothing is summed
    for stage in range(2):
        field = address_of(u) if stage == 0 else address_of(v)
        for p in range(planes):
            base = sizes[6] + p * sizes[4]
            _ends(field, arrays[0], zero, sizes, 0, rows, base)
            if depth is not None:
                _ghost_rows(field, zero, sizes, base)
        _join(field, arrays[1], zero, sizes)
        if stage == 0:
            for p in range(planes):
                base = sizes[6] + p * sizes[4]
                _rows(address_of(u), address_of(v), arrays, sizes, 0, rows, base, False, zero, zero, zero)
            for i in range(v.size):
                if change is None:
                    v[i] *= 0.5
                else:
                    change[i] *= 0.5
                    v[i] = u[i] + change[i]
