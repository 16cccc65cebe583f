"""`tiled` with the slabs shared among threads; the same bytes. Apart from it, so that one thread loads none of this."""

from typing import Any

import numpy as np
from numba import prange

from grid.engine.kernel_cache import njit
from grid.engine.methods.explicit.tiled_kernels import fill_2d, fill_3d, tile_2d, tile_3d, wrap

Array = Any


@njit(cache=True, nogil=True, parallel=True)
def pass_2d(
    a: Array,
    b: Array,
    source: Array,
    weights: Array,
    faces: Array,
    lawful: Array,
    count: int,
    width: int,
    slabs: int,
    fills: int,
) -> None:
    """One pass of `count` levels over all slabs, and over the triangles between them."""
    rows = a.shape[0] - 2
    for s in prange(slabs):
        slab = np.int64(s)  # a parallel index is unsigned, and unsigned with signed would make a float
        low, high = 1 + rows * slab // slabs, 1 + rows * (slab + 1) // slabs
        tile_2d(
            a, b, source, weights, faces, lawful, low, high, int(slab > 0), -int(slab < slabs - 1), count, width, fills
        )
    for s in prange(1, slabs):
        middle = 1 + rows * np.int64(s) // slabs
        tile_2d(a, b, source, weights, faces, lawful, middle, middle, -1, 1, count, a.shape[1] * 2, fills)


@njit(cache=True, nogil=True, parallel=True)
def pass_3d(
    a: Array,
    b: Array,
    source: Array,
    weights: Array,
    faces: Array,
    lawful: Array,
    count: int,
    width: int,
    slabs: int,
    fills: int,
) -> None:
    """`pass_2d` in 3D."""
    planes = a.shape[0] - 2
    for s in prange(slabs):
        slab = np.int64(s)
        low, high = 1 + planes * slab // slabs, 1 + planes * (slab + 1) // slabs
        tile_3d(
            a, b, source, weights, faces, lawful, low, high, int(slab > 0), -int(slab < slabs - 1), count, width, fills
        )
    for s in prange(1, slabs):
        middle = 1 + planes * np.int64(s) // slabs
        tile_3d(a, b, source, weights, faces, lawful, middle, middle, -1, 1, count, width, fills)


@njit(cache=True, nogil=True)
def advance_2d(
    u: Array, v: Array, source: Array, weights: Array, faces: Array, lawful: Array, periodic: Array,
    steps: int, levels: int, width: int, slabs: int,
) -> None:  # fmt: skip
    """Advance by `steps`; the result is in `u` if their number is even, else in `v`."""
    a, b, done = u, v, 0
    wrap(a, periodic)
    fill_2d(a, faces, lawful, 1, u.shape[0] - 1, 1, u.shape[1] - 1)
    while done < steps:
        count = min(levels, steps - done)
        pass_2d(a, b, source, weights, faces, lawful, count, width, slabs, steps - done - 1)
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
    a, b, done = u, v, 0
    wrap(a, periodic)
    fill_3d(a, faces, lawful, 1, u.shape[0] - 1, 1, u.shape[1] - 1)
    while done < steps:
        count = min(levels, steps - done)
        pass_3d(a, b, source, weights, faces, lawful, count, width, slabs, steps - done - 1)
        if count % 2:
            a, b = b, a
        wrap(a, periodic)
        done += count
