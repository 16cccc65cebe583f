"""Super-steps of RKL2 for a linear problem, all stages in one wave. Importing this module loads Numba.

Level j of a step holds the difference d_j of stage j from the field at its start (`tick_rows`). The first is a multiple
of the rate of change f_0, so levels begin with the second; the last of them gives the new field, and one more the rate
of change there, which the next step begins with. Levels run behind each other down the rows (2D) or planes (3D), as
those of the Chebyshev recurrence do (`grid.engine.methods.exponential.kernels`): each cell is computed once for each
level by the same operations, so neither slabs, nor levels at a time, nor threads change a byte.

Beyond the cells differences are zero, and so are conductances where they are arrays. What the faces of the boundary
change, and the exchange with these zeros where conductances are numbers, is one term for each face, a multiple of the
difference behind it. The differences behind faces are summed with the weights that the scheme gives to its stages, from
which follows the heat that it let through each face.
"""

from typing import Any

import numpy as np
from numba import prange

from grid.engine.kernel_cache import njit
from grid.engine.methods.padded.rows import ROW_BLOCK, address_of, read_number, write_number
from grid.engine.methods.rkl2.tick_rows import advance_block, advance_row

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions
Address = Any  # of the first element; None where there is no such array
COLUMNS = 5  # [-] numbers of a level: mu, nu, forward, weight of the conduction, weight of the level before in the heat
WHOLE = np.int64(0)


@njit(cache=True, nogil=True)
def _find_addresses(arrays: tuple[Array, ...]) -> tuple[Address, ...]:
    f, p, q, t, new, after, source = arrays
    return (
        address_of(f), address_of(p), address_of(q), address_of(t), address_of(new), address_of(after),
        address_of(source),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _find_grid(grid: tuple[Array, ...]) -> tuple[Address, ...]:
    depth, across, along, rate = grid
    return (address_of(depth), address_of(across), address_of(along), address_of(rate))


@njit(cache=True, nogil=True)
def _find_edge(edge: tuple[Array, ...]) -> tuple[Address, ...]:
    begin, places, closing, means, rate, loss, reference, imposed = edge
    return (
        address_of(begin), address_of(places), address_of(closing), address_of(means), address_of(rate),
        address_of(loss), address_of(reference), address_of(imposed),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _find_sizes(s: Array) -> tuple[int, ...]:
    """`Layout.sizes` as a tuple."""
    return (s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10])


@njit(cache=True, nogil=True, forceinline=True)
def _rows(
    x: Address, o: Address, first: Address, out: Address, grid: tuple[Address, ...], sizes: tuple[int, ...], low: int,
    high: int, base: int, weights: tuple[float, ...],
) -> None:  # fmt: skip
    """A stage of rows `low` to `high` - 1 of a plane whose first cell is at `base`."""
    depth, across, along, rate = grid
    mu, nu, forward, w0, w1, w2 = weights
    stride, plane, vectors = sizes[3], sizes[4], sizes[5]
    at = base + low * stride
    i = low
    while i + ROW_BLOCK <= high:
        advance_block(
            x, o, first, out, depth, across, along, rate, at, stride, plane, vectors, mu, nu, forward, w0, w1, w2
        )
        i += ROW_BLOCK
        at += ROW_BLOCK * stride
    while i < high:
        advance_row(
            x, o, first, out, depth, across, along, rate, at, stride, plane, vectors, mu, nu, forward, w0, w1, w2
        )
        i += 1
        at += stride


@njit(cache=True, nogil=True)
def _copy(o: Address, to: int, source: int, count: int) -> None:
    for i in range(count):
        write_number(o, to + i, read_number(o, source + i, 0.0))


@njit(cache=True, nogil=True)
def _end_rows(o: Address, sizes: tuple[int, ...], low: int, high: int, base: int) -> None:
    """Ghosts at the ends of rows: the other end where it joins, else nothing."""
    stride, columns = sizes[3], sizes[2]
    for i in range(low, high):
        at = base + i * stride
        if sizes[8] == 1:
            write_number(o, at - 1, read_number(o, at + columns - 1, 0.0))
            write_number(o, at + columns, read_number(o, at, 0.0))
        else:
            write_number(o, at + columns, 0.0)


@njit(cache=True, nogil=True)
def _join_rows(o: Address, sizes: tuple[int, ...], base: int) -> None:
    """Ghost rows of a plane in 3D whose rows are joined."""
    begin, stride, rows = base - sizes[7], sizes[3], sizes[1]
    _copy(o, begin - stride, begin + (rows - 1) * stride, stride)
    _copy(o, begin + rows * stride, begin, stride)


@njit(cache=True, nogil=True)
def _end_units(o: Address, depth: Address, sizes: tuple[int, ...], low: int, high: int) -> None:
    """Ghosts of differences or rates in some rows (2D) or planes (3D)."""
    has_ends = sizes[8] == 1 or sizes[2] < sizes[5] * sizes[7]  # else nothing was written there
    if depth is None:
        if has_ends:
            _end_rows(o, sizes, low, high, sizes[6])
    else:
        for p in range(low, high):
            base = sizes[6] + p * sizes[4]
            if has_ends:
                _end_rows(o, sizes, 0, sizes[1], base)
            if sizes[9] == 1:
                _join_rows(o, sizes, base)


@njit(cache=True, nogil=True)
def _copy_rows(t: Address, sizes: tuple[int, ...], low: int, high: int, base: int) -> None:
    """Ghosts of temperatures at the ends of rows: the other end where it joins, else the cell beside."""
    stride, columns, far = sizes[3], sizes[2], sizes[2] - 1
    for i in range(low, high):
        at = base + i * stride
        one, other = (far, 0) if sizes[8] == 1 else (0, far)
        write_number(t, at - 1, read_number(t, at + one, 0.0))
        write_number(t, at + columns, read_number(t, at + other, 0.0))


@njit(cache=True, nogil=True)
def _close_units(t: Address, depth: Address, sizes: tuple[int, ...], low: int, high: int) -> None:
    """Ghosts of temperatures in some rows or planes, and beyond the first and the last unless they join."""
    units, rows, stride, plane, begin = sizes[0], sizes[1], sizes[3], sizes[4], sizes[6] - sizes[7]
    unit = stride
    if depth is None:
        _copy_rows(t, sizes, low, high, sizes[6])
    else:
        unit, begin = plane, begin - stride
        for p in range(low, high):
            base = sizes[6] + p * plane
            _copy_rows(t, sizes, 0, rows, base)
            if sizes[9] == 1:
                _join_rows(t, sizes, base)
            else:
                row = base - sizes[7]
                _copy(t, row - stride, row, stride)
                _copy(t, row + rows * stride, row + (rows - 1) * stride, stride)
    if sizes[10] == 0 and low == 0:
        _copy(t, begin - unit, begin, unit)
    if sizes[10] == 0 and high == units:
        _copy(t, begin + units * unit, begin + (units - 1) * unit, unit)


@njit(cache=True, nogil=True)
def _join(o: Address, depth: Address, sizes: tuple[int, ...]) -> None:
    """Ghost rows or planes where the first axis is periodic."""
    if sizes[10] == 0:
        return
    unit = sizes[3] if depth is None else sizes[4]
    begin = sizes[6] - sizes[7] - (0 if depth is None else sizes[3])
    _copy(o, begin - unit, begin + (sizes[0] - 1) * unit, unit)
    _copy(o, begin + sizes[0] * unit, begin, unit)


@njit(cache=True, nogil=True)
def _exchange(
    x: Address, out: Address, edge: tuple[Address, ...], low: int, high: int, forward: float, share: float
) -> None:
    """The term of each face of some units, and its share in the sum of the differences behind it."""
    begin, places, closing, means, _, _, _, _ = edge
    for e in range(read_number(begin, low, WHOLE), read_number(begin, high, WHOLE)):
        at = read_number(places, e, WHOLE)
        value = read_number(x, at, 0.0)
        term = forward * (read_number(closing, e, 0.0) * value)
        write_number(out, at, read_number(out, at, 0.0) + term)
        write_number(means, e, read_number(means, e, 0.0) + share * value)


@njit(cache=True, nogil=True)
def _heat(t: Address, out: Address, edge: tuple[Address, ...], low: int, high: int) -> None:
    """Add what the faces of some units give to the rate of change."""
    begin, places, _, _, rate, loss, reference, imposed = edge
    for e in range(read_number(begin, low, WHOLE), read_number(begin, high, WHOLE)):
        at = read_number(places, e, WHOLE)
        rise = read_number(reference, e, 0.0) - read_number(t, at, 0.0)
        heat = read_number(loss, e, 0.0) * rise + read_number(imposed, e, 0.0)
        write_number(out, at, read_number(out, at, 0.0) + read_number(rate, e, 0.0) * heat)


@njit(cache=True, nogil=True)
def _compute(
    x: Address, o: Address, first: Address, out: Address, grid: tuple[Address, ...], sizes: tuple[int, ...], low: int,
    high: int, weights: tuple[float, ...],
) -> None:  # fmt: skip
    """A stage of some rows or planes."""
    if grid[0] is None:
        _rows(x, o, first, out, grid, sizes, low, high, sizes[6], weights)
    else:
        for p in range(low, high):
            _rows(x, o, first, out, grid, sizes, 0, sizes[1], sizes[6] + p * sizes[4], weights)


@njit(cache=True, nogil=True)
def _add(
    t: Address, change: Address, new: Address, depth: Address, sizes: tuple[int, ...], low: int, high: int
) -> None:
    """Add the last difference to the field, in some rows or planes."""
    rows = 1 if depth is None else sizes[1]
    unit = sizes[3] if depth is None else sizes[4]
    for u in range(low, high):
        for i in range(rows):
            at = sizes[6] + u * unit + i * sizes[3]
            for j in range(at, at + sizes[2]):
                write_number(new, j, read_number(t, j, 0.0) + read_number(change, j, 0.0))


@njit(cache=True, nogil=True)
def _judge(
    change: Address, before: Address, after: Address, depth: Address, sizes: tuple[int, ...], low: int, high: int,
    share: float, errors: Address,
) -> None:  # fmt: skip
    """Bits of the largest local error of each unit, 0.4 tau (f + f') - 0.8 d; see `explicit.change_kernels`."""
    rows = 1 if depth is None else sizes[1]
    unit = sizes[3] if depth is None else sizes[4]
    for u in range(low, high):
        largest = np.int64(0)
        for i in range(rows):
            at = sizes[6] + u * unit + i * sizes[3]
            for j in range(at, at + sizes[2]):
                rates = read_number(before, j, 0.0) + read_number(after, j, 0.0)
                error = share * rates - 0.8 * read_number(change, j, 0.0)
                largest = max(largest, np.float64(abs(error)).view(np.int64))
        write_number(errors, u, largest)


@njit(cache=True, nogil=True)
def _level(
    k: int, last: int, arrays: tuple[Address, ...], grid: tuple[Address, ...], sizes: tuple[int, ...], low: int,
    high: int, table: Address, scale: tuple[float, ...], edge: tuple[Address, ...], errors: Address, share: float,
) -> None:  # fmt: skip
    """Level k of some rows or planes; the one after the last is the rate of change of the new field."""
    f, p, q, t, new, after, source = arrays
    depth = grid[0]
    if k > last:
        _compute(new, source, source, after, grid, sizes, low, high, (0.0, 0.0, 1.0, scale[0], scale[1], scale[2]))
        _heat(new, after, edge, low, high)
        _end_units(after, depth, sizes, low, high)
        _judge(q, f, after, depth, sizes, low, high, share, errors)
        return
    x, o, out = (q, p, p) if k % 2 == 0 else (p, q, q)
    if k == 2:
        x, o = f, f  # stage 1 is a multiple of f
    elif k == 3:
        o = f
    at = COLUMNS * (k - 2)
    mu, nu, forward = read_number(table, at, 0.0), read_number(table, at + 1, 0.0), read_number(table, at + 2, 0.0)
    w = read_number(table, at + 3, 0.0)
    _compute(x, o, f, out, grid, sizes, low, high, (mu, nu, forward, w * scale[0], w * scale[1], w * scale[2]))
    _exchange(x, out, edge, low, high, w, read_number(table, at + 4, 0.0))
    _end_units(out, depth, sizes, low, high)
    if k == last:
        _add(t, out, new, depth, sizes, low, high)
        _close_units(new, depth, sizes, low, high)


@njit(cache=True, nogil=True)
def _join_level(k: int, last: int, arrays: tuple[Address, ...], depth: Address, sizes: tuple[int, ...]) -> None:
    """Ghosts of what level k has written, where the first axis is periodic."""
    _, p, q, _, new, after, _ = arrays
    if k > last:
        _join(after, depth, sizes)
    else:
        _join(p if k % 2 == 0 else q, depth, sizes)
        if k == last:
            _join(new, depth, sizes)


@njit(cache=True, nogil=True)
def _slab(
    arrays: tuple[Address, ...], grid: tuple[Address, ...], sizes: tuple[int, ...], part: int, parts: int, first: int,
    levels: int, last: int, table: Address, scale: tuple[float, ...], edge: tuple[Address, ...], errors: Address,
    share: float,
) -> None:  # fmt: skip
    """Some levels of a slab, as far as they do not depend on other slabs."""
    bottom, top = sizes[0] * part // parts, sizes[0] * (part + 1) // parts
    block = ROW_BLOCK if grid[0] is None else 1
    front = bottom
    while front < top + levels:
        for t in range(levels):
            low = max(front - t, bottom + (t if part > 0 else 0))
            high = min(front - t + block, top - (t if part < parts - 1 else 0))
            if low < high:
                _level(first + t, last, arrays, grid, sizes, low, high, table, scale, edge, errors, share)
        front += block


@njit(cache=True, nogil=True)
def advance(
    arrays: tuple[Array, ...], grid: tuple[Array, ...], layout: Array, table: Array, scale: tuple[float, ...],
    edge: tuple[Array, ...], errors: Array, share: float, at_once: int, _parts: int,
) -> None:  # fmt: skip
    """A super-step.

    Args:
        arrays: Flat padded fields: rate of change at the start, two for the levels, temperatures at the start and at
            the end, rate of change there, and the source over the capacity [K/s]. Ghosts of the first and the
            fourth are set; the second, third, fifth and sixth are written.
        grid: Conductances across planes, across rows and along rows, each at the cell behind the face, and 1/C; all
            None for a box of one material, but the first for any array in 3D. The first is None in 2D.
        layout: `padded.Layout.sizes`.
        table: For each level from the second on the numbers of `COLUMNS`, flat.
        scale: G/C along rows, across rows and across planes in a box of one material, else ones [1/s].
        edge: For each unit where its faces begin in the rest, and at the end their number; place of the cell behind;
            factor of the difference there in the term of the face [1/s]; the sum of differences, added to; 1/C of the
            cell; the law of the face: loss [W/K], reference and imposed heat [W].
        errors: Bits of the largest local error of each unit [K]; written.
        share: 0.4 tau.
        at_once: Levels in one wave.
    """
    places, faces, sizes, cells = _find_addresses(arrays), _find_grid(grid), _find_sizes(layout), _find_edge(edge)
    numbers, largest, last = address_of(table), address_of(errors), 1 + table.shape[0] // COLUMNS
    k = 2
    while k <= last + 1:
        levels = min(at_once, last + 2 - k)
        _slab(places, faces, sizes, 0, 1, k, levels, last, numbers, scale, cells, largest, share)
        _join_level(k, last, places, faces[0], sizes)
        k += levels


@njit(cache=True, nogil=True, parallel=True)
def advance_parallel(
    arrays: tuple[Array, ...], grid: tuple[Array, ...], layout: Array, table: Array, scale: tuple[float, ...],
    edge: tuple[Array, ...], errors: Array, share: float, at_once: int, parts: int,
) -> None:  # fmt: skip
    """`advance` with `parts` slabs shared among threads; the same bytes."""
    places, faces, sizes, cells = _find_addresses(arrays), _find_grid(grid), _find_sizes(layout), _find_edge(edge)
    numbers, largest, last = address_of(table), address_of(errors), 1 + table.shape[0] // COLUMNS
    k = 2
    while k <= last + 1:
        levels = min(at_once, last + 2 - k)
        for part in prange(parts):
            slab: Any = np.int64(part)
            _slab(places, faces, sizes, slab, parts, k, levels, last, numbers, scale, cells, largest, share)
        for part in prange(parts - 1):  # the cells between a slab and the one before it
            middle: Any = sizes[0] * (np.int64(part) + 1) // parts
            for t in range(1, levels):
                low: Any = middle - t
                _level(k + t, last, places, faces, sizes, low, middle + t, numbers, scale, cells, largest, share)
        _join_level(k, last, places, faces[0], sizes)
        k += levels


@njit(cache=True, nogil=True)
def close(field: Array, grid: tuple[Array, ...], layout: Array) -> None:
    """Set the ghosts of a field of temperatures."""
    t, depth, sizes = address_of(field), address_of(grid[0]), _find_sizes(layout)
    _close_units(t, depth, sizes, 0, sizes[0])
    _join(t, depth, sizes)


@njit(cache=True, nogil=True)
def find_rate(
    field: Array, source: Array, out: Array, grid: tuple[Array, ...], layout: Array, scale: tuple[float, ...],
    edge: tuple[Array, ...],
) -> None:  # fmt: skip
    """The rate of change of a field whose ghosts are set, as `advance` finds it, ghosts included [K/s]."""
    x, given, after = address_of(field), address_of(source), address_of(out)
    faces, sizes, cells = _find_grid(grid), _find_sizes(layout), _find_edge(edge)
    units = sizes[0]
    _compute(x, given, given, after, faces, sizes, 0, units, (0.0, 0.0, 1.0, scale[0], scale[1], scale[2]))
    _heat(x, after, cells, 0, units)
    _end_units(after, faces[0], sizes, 0, units)
    _join(after, faces[0], sizes)
