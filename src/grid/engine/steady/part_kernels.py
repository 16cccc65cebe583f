"""Compiled search for the parts of a body, see `grid.engine.steady.parts`. Importing this module loads Numba."""

from typing import Any

from grid.engine.kernel_cache import njit

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions


@njit(cache=True, nogil=True)
def _find_root(above: Array, cell: int) -> int:
    """First cell of a part, with half of the path to it cut off (union-find with path halving)."""
    while above[cell] != cell:
        above[cell] = above[above[cell]]
        cell = above[cell]
    return cell


@njit(cache=True, nogil=True)
def _join(above: Array, one: int, other: int) -> None:
    first, second = _find_root(above, one), _find_root(above, other)
    if first < second:
        above[second] = first
    else:
        above[first] = second


@njit(cache=True, nogil=True)
def join_axis(above: Array, g: Array, before: int, along: int, after: int, least: float, is_ring: bool) -> None:
    """Join the cells on both sides of each face that is normal to an axis and conducts more than `least`.

    Args:
        above: A cell of the same part before each one, or itself, flat; at first every cell is a part.
        g: Conductances, shape (before, along + 1, after), flat.
        before, along, after: Cells along the axes before this one, along it, and along those after it.
        is_ring: Whether the first face joins the last cells with the first.
    """
    for i in range(before):
        for j in range(0 if is_ring else 1, along):
            for k in range(after):
                if g[(i * (along + 1) + j) * after + k] > least:
                    cell = (i * along + j) * after + k
                    _join(above, cell, cell - after if j > 0 else cell + (along - 1) * after)


@njit(cache=True, nogil=True)
def number_parts(labels: Array, above: Array) -> None:
    """Number the parts in the order of their first cells."""
    count = 0
    for cell in range(above.shape[0]):
        root = _find_root(above, cell)
        if root == cell:
            labels[cell] = count
            count += 1
        else:
            labels[cell] = labels[root]
