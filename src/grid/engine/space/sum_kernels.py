"""Compiled passes over the cells of a large body, see `grid.engine.space`. Importing this module loads Numba.

They have the bytes of the array operations that they replace: sums in the same order, no fused products.
"""

from typing import Any

from grid.engine.kernel_cache import njit

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions


@njit(cache=True, nogil=True)
def _conduct_along_first(net: Array, field: Array, g: Array, row: int) -> None:
    """Set the net heat through the faces between a plane of cells and those before and behind it."""
    own, last = field[row], field.shape[0] - 1
    if row < last:
        after, face = field[row + 1], g[row + 1]
        for c in range(own.shape[0]):
            net[c] = face[c] * (after[c] - own[c])
    else:
        net[:] = 0.0
    if row > 0:
        before, face = field[row - 1], g[row]
        for c in range(own.shape[0]):
            net[c] -= face[c] * (own[c] - before[c])


@njit(cache=True, nogil=True)
def _conduct_along_second(net: Array, own: Array, g: Array, width: int) -> None:
    """Add the net heat through the faces between rows of `width` cells of a plane."""
    count = own.shape[0] - width
    low, high, face = own[:count], own[width:], g[width:]
    for c in range(count):
        net[c] += face[c] * (high[c] - low[c])
    to = net[width:]
    for c in range(count):
        to[c] -= face[c] * (high[c] - low[c])


@njit(cache=True, nogil=True)
def _conduct_along_last(net: Array, own: Array, g: Array, width: int) -> None:
    """Add the net heat through the faces between the cells of each row of a plane."""
    for row in range(own.shape[0] // width):
        at, face = row * width, row * (width + 1) + 1
        for k in range(width - 1):
            net[at + k] += g[face + k] * (own[at + k + 1] - own[at + k])
        for k in range(width - 1):
            net[at + k + 1] -= g[face + k] * (own[at + k + 1] - own[at + k])


@njit(cache=True, nogil=True)
def conduct(net: Array, field: Array, gx: Array, gy: Array, gz: Array, width: int) -> None:
    """Compute the net conducted heat into each cell [W].

    Args:
        net: Result, shape (cells along x, cells of a plane across it).
        field: Temperatures, same shape.
        gx, gy, gz: Conductances of faces, shape (faces along x or cells, faces or cells of a plane).
        width: Cells along the last axis.
    """
    for row in range(field.shape[0]):
        _conduct_along_first(net[row], field, gx, row)
        _conduct_along_second(net[row], field[row], gy[row], width)
        _conduct_along_last(net[row], field[row], gz[row], width)


@njit(cache=True, nogil=True)
def add_faces(total: Array, gx: Array, gy: Array, gz: Array, width: int) -> None:
    """Compute the sum of all conductances of each cell; shapes as in `conduct`."""
    for row in range(total.shape[0]):
        out, before, after, y, z = total[row], gx[row], gx[row + 1], gy[row], gz[row]
        for c in range(out.shape[0]):
            out[c] = (before[c] + after[c] + y[c]) + y[c + width]
        for line in range(out.shape[0] // width):
            at, face = line * width, line * (width + 1)
            for k in range(width):
                out[at + k] = (out[at + k] + z[face + k]) + z[face + k + 1]
