r"""Several steps of a homogeneous box in one pass through memory. Importing this module loads Numba.

A pass advances `levels` steps. The planes normal to the first axis are cut into slabs, one for each thread; within a
slab level t + 1 follows level t at a distance of a few planes (a wavefront), so that a plane stays in the cache for all
levels. Towards a neighbouring slab a level ends one plane earlier than the one before; when all slabs are done, the
triangles that are left between them are filled (split tiling). Within a plane, columns are cut into blocks that shift
back by as much as a level reaches, if a plane is too large for the cache. Two arrays take turns: level t + 1
overwrites level t - 1, which nothing needs any more.

Every boundary is a layer of ghosts, T_ghost = slope T + shift with the cell beside it
(`grid.engine.methods.explicit.box`), filled as soon as the cell is new. The differences T_ghost - T are summed for each
face in the order of time: they are the heat through it. So neither fields nor sums depend on slabs, blocks, levels or
threads, to the last bit.

References:
    T. Grosser et al., Split Tiling for GPUs: Automatic Parallelization Using Trapezoidal Tiles, GPGPU-6 (2013).
    M. Wittmann, G. Hager, G. Wellein, Multicore-aware parallel temporal blocking of stencil codes for shared and
    distributed memory, LSPP (2010).
"""

from typing import Any

from grid.engine.kernel_cache import njit
from grid.engine.methods.explicit.tiled_rows import JAM, VECTOR_BYTES, make_sweep

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions

sweep_many = make_sweep(JAM)
sweep_one = make_sweep(1)
SLOPE, SHIFT, INTO, AWAY = 0, 1, 2, 3  # [-] row numbers of the second axis of the faces' arrays


@njit(cache=True, nogil=True)
def face_row(ghost: Array, inside: Array, face: Array, first: int, stop: int) -> None:
    """Fill ghosts beside cells that lie in one row, and book their differences; `face` has shape (4, cells)."""
    slope, shift, into, away = face[SLOPE], face[SHIFT], face[INTO], face[AWAY]
    for k in range(first, stop):
        value = slope[k] * inside[k + 1] + shift[k]
        ghost[k + 1] = value
        difference = value - inside[k + 1]
        into[k] += max(difference, 0.0)
        away[k] -= min(difference, 0.0)


@njit(cache=True, nogil=True)
def face_end(row: Array, ghost: int, inside: int, face: Array, k: int) -> None:
    """Fill the ghost at one end of a row, and book the difference."""
    value = face[SLOPE, k] * row[inside] + face[SHIFT, k]
    row[ghost] = value
    difference = value - row[inside]
    face[INTO, k] += max(difference, 0.0)
    face[AWAY, k] -= min(difference, 0.0)


@njit(cache=True, nogil=True)
def fill_2d(field: Array, faces: Array, lawful: Array, i0: int, i1: int, j0: int, j1: int) -> None:
    """Fill and book the ghosts beside the cells i0 <= i < i1, j0 <= j < j1 of a field with ghosts."""
    face_x, face_y = faces
    rows, columns = field.shape
    if lawful[1]:
        for i in range(i0, i1):
            if j0 == 1:
                face_end(field[i], 0, 1, face_y[0], i - 1)
            if j1 == columns - 1:
                face_end(field[i], columns - 1, columns - 2, face_y[1], i - 1)
    if lawful[0]:
        if i0 == 1:
            face_row(field[0], field[1], face_x[0], j0 - 1, j1 - 1)
        if i1 == rows - 1:
            face_row(field[rows - 1], field[rows - 2], face_x[1], j0 - 1, j1 - 1)


@njit(cache=True, nogil=True)
def fill_3d(field: Array, faces: Array, lawful: Array, i0: int, i1: int, j0: int, j1: int) -> None:
    """The same in 3D, for whole rows along z."""
    face_x, face_y, face_z = faces
    planes, rows, columns = field.shape
    for i in range(i0, i1):
        if lawful[2]:
            for j in range(j0, j1):
                face_end(field[i, j], 0, 1, face_z[0, :, i - 1], j - 1)
                face_end(field[i, j], columns - 1, columns - 2, face_z[1, :, i - 1], j - 1)
        if lawful[1]:
            if j0 == 1:
                face_row(field[i, 0], field[i, 1], face_y[0, :, i - 1], 0, columns - 2)
            if j1 == rows - 1:
                face_row(field[i, rows - 1], field[i, rows - 2], face_y[1, :, i - 1], 0, columns - 2)
    if lawful[0]:
        for j in range(j0, j1):
            if i0 == 1:
                face_row(field[0, j], field[1, j], face_x[0, :, j - 1], 0, columns - 2)
            if i1 == planes - 1:
                face_row(field[planes - 1, j], field[planes - 2, j], face_x[1, :, j - 1], 0, columns - 2)


@njit(cache=True, nogil=True)
def block_2d(out: Array, inp: Array, source: Array, weights: Array, i0: int, i1: int, j0: int, j1: int) -> None:
    """Advance the cells i0 <= i < i1, j0 <= j < j1 by one step.

    Below every row that advances lies another one, so that a vector may be loaded from beyond its end.
    """
    columns = inp.shape[1]
    i = i0
    while i + JAM <= i1:
        sweep_many(out, inp, source, i * columns, columns, 0, j0, j1, 2 * columns, weights)
        i += JAM
    while i < i1:
        sweep_one(out, inp, source, i * columns, columns, 0, j0, j1, 2 * columns, weights)
        i += 1


@njit(cache=True, nogil=True)
def block_3d(out: Array, inp: Array, source: Array, weights: Array, i0: int, i1: int, j0: int, j1: int) -> None:
    """Advance the rows i0 <= i < i1, j0 <= j < j1 by one step."""
    _, rows, columns = inp.shape
    plane = rows * columns
    for i in range(i0, i1):
        j = j0
        while j + JAM <= j1:
            sweep_many(out, inp, source, i * plane + j * columns, columns, plane, 1, columns - 1, 2 * columns, weights)
            j += JAM
        while j < j1:
            sweep_one(out, inp, source, i * plane + j * columns, columns, plane, 1, columns - 1, 2 * columns, weights)
            j += 1


@njit(cache=True, nogil=True)
def tile_2d(
    u: Array, v: Array, source: Array, weights: Array, faces: Array, lawful: Array,
    low: int, high: int, low_grows: int, high_grows: int, levels: int, width: int, fills: int,
) -> None:  # fmt: skip
    """Advance rows low + t low_grows <= i < high + t high_grows by level t, for all levels; even levels are in `u`.

    Ghosts are filled for the first `fills` new levels.
    """
    columns, lanes = u.shape[1], VECTOR_BYTES // u.itemsize
    first, last = low + min(low_grows, 0) * levels, high + max(high_grows, 0) * levels
    for left in range(0, columns + lanes * levels, width):
        for front in range(first, last + levels, JAM):
            for t in range(levels):
                i0, i1 = max(front - t, low + t * low_grows), min(front - t + JAM, high + t * high_grows)
                j0, j1 = max(left - lanes * t, 1), min(left + width - lanes * t, columns - 1)
                if i0 < i1 and j0 < j1:
                    out, inp = (v, u) if t % 2 == 0 else (u, v)
                    block_2d(out, inp, source, weights, i0, i1, j0, j1)
                    if t < fills:
                        fill_2d(out, faces, lawful, i0, i1, j0, j1)


@njit(cache=True, nogil=True)
def tile_3d(
    u: Array, v: Array, source: Array, weights: Array, faces: Array, lawful: Array,
    low: int, high: int, low_grows: int, high_grows: int, levels: int, width: int, fills: int,
) -> None:  # fmt: skip
    """`tile_2d` for planes; blocks are of whole rows."""
    rows = u.shape[1]
    first, last = low + min(low_grows, 0) * levels, high + max(high_grows, 0) * levels
    for left in range(1, rows - 1 + levels, width):
        for front in range(first, last + levels):
            for t in range(levels):
                i = front - t
                j0, j1 = max(left - t, 1), min(left + width - t, rows - 1)
                if low + t * low_grows <= i < high + t * high_grows and j0 < j1:
                    out, inp = (v, u) if t % 2 == 0 else (u, v)
                    block_3d(out, inp, source, weights, i, i + 1, j0, j1)
                    if t < fills:
                        fill_3d(out, faces, lawful, i, i + 1, j0, j1)


@njit(cache=True, nogil=True)
def wrap(field: Array, periodic: Array) -> None:
    """Copy the layers that meet at periodic faces into the ghosts."""
    if periodic[0]:
        field[0] = field[-2]
        field[-1] = field[1]
    if periodic[1]:
        field[:, 0] = field[:, -2]
        field[:, -1] = field[:, 1]
    if field.ndim == 3 and periodic[2]:
        field[..., 0] = field[..., -2]
        field[..., -1] = field[..., 1]


@njit(cache=True, nogil=True)
def advance_2d(
    u: Array, v: Array, source: Array, weights: Array, faces: Array, lawful: Array, periodic: Array,
    steps: int, levels: int, width: int, slabs: int,
) -> None:  # fmt: skip
    """Advance by `steps`; the result is in `u` if their number is even, else in `v`. One thread; slabs only to test."""
    a, b, done, rows = u, v, 0, u.shape[0] - 2
    wrap(a, periodic)
    fill_2d(a, faces, lawful, 1, rows + 1, 1, u.shape[1] - 1)
    while done < steps:
        count = min(levels, steps - done)
        fills = steps - done - 1
        for s in range(slabs):
            low, high = 1 + rows * s // slabs, 1 + rows * (s + 1) // slabs
            tile_2d(
                a, b, source, weights, faces, lawful, low, high, int(s > 0), -int(s < slabs - 1), count, width, fills
            )
        for s in range(1, slabs):
            middle = 1 + rows * s // slabs
            tile_2d(a, b, source, weights, faces, lawful, middle, middle, -1, 1, count, u.shape[1] * 2, fills)
        if count % 2:
            a, b = b, a
        wrap(a, periodic)
        done += count


@njit(cache=True, nogil=True)
def advance_3d(
    u: Array, v: Array, source: Array, weights: Array, faces: Array, lawful: Array, periodic: Array,
    steps: int, levels: int, width: int, slabs: int,
) -> None:  # fmt: skip
    """`advance_2d` in 3D."""
    a, b, done, planes = u, v, 0, u.shape[0] - 2
    wrap(a, periodic)
    fill_3d(a, faces, lawful, 1, planes + 1, 1, u.shape[1] - 1)
    while done < steps:
        count = min(levels, steps - done)
        fills = steps - done - 1
        for s in range(slabs):
            low, high = 1 + planes * s // slabs, 1 + planes * (s + 1) // slabs
            tile_3d(
                a, b, source, weights, faces, lawful, low, high, int(s > 0), -int(s < slabs - 1), count, width, fills
            )
        for s in range(1, slabs):
            middle = 1 + planes * s // slabs
            tile_3d(a, b, source, weights, faces, lawful, middle, middle, -1, 1, count, width, fills)
        if count % 2:
            a, b = b, a
        wrap(a, periodic)
        done += count
