"""Geometry of the grid: centres, boundary patches and the places at which values are evaluated.

Fields have the shape of `domain.cells`, axis order x, y, z. Open coordinates (shape (n, 1, 1) along x, and so on)
keep an expression in x alone one-dimensional.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grid.engine.problem.domain import AXES, INTERNAL, Domain
from grid.engine.values.operations import FloatArray, Operand


@dataclass(frozen=True)
class Patch:
    """Faces of cells on one boundary with the same outward direction; no cell occurs twice.

    Args:
        name: `x_min` ... `z_max`.
        axis: Axis normal to the faces.
        side: 0 for the low side of the cell, 1 for the high side.
        cells: Flat indices of the cells (C order), shape (n,).
        coordinates: Coordinates of the face centres, each a scalar or shape (n,).
        area: Area of one face, per unit of section [m2].
    """

    name: str
    axis: int
    side: int
    cells: NDArray[np.intp]
    coordinates: dict[str, Operand]
    area: float


def centres(domain: Domain, axis: int) -> FloatArray:
    """Compute cell centres along an axis [m], shape (cells,)."""
    spacing = domain.spacing[axis]
    middle: FloatArray = domain.origin[axis] + (np.arange(domain.cells[axis], dtype=np.float64) + 0.5) * spacing
    return middle


def open_coordinates(domain: Domain) -> dict[str, Operand]:
    """Compute coordinates of the cell centres by name, each of full rank and open along its own axis."""
    coordinates: dict[str, Operand] = {}
    for axis in range(domain.dimension):
        shape = [1] * domain.dimension
        shape[axis] = domain.cells[axis]
        coordinates[AXES[axis]] = centres(domain, axis).reshape(shape)
    return coordinates


def cell_volume(domain: Domain) -> float:
    """Compute the volume of a cell per unit of section [m3]."""
    return math.prod(domain.spacing)


def make_inner_patch(
    domain: Domain, axis: int, side: int, active: NDArray[np.bool_], is_periodic: bool = False
) -> Patch:
    """Make the faces of a masked body towards cells outside along an axis, across the ends of a periodic one."""
    field = active.reshape(domain.cells)
    before, after = ((slice(None),) * axis + (part,) for part in (slice(None, -1), slice(1, None)))
    edge = np.zeros(domain.cells, bool)
    if side == 0:
        edge[after] = field[after] & ~field[before]
    else:
        edge[before] = field[before] & ~field[after]
    if is_periodic:
        near, far = (first(axis), last(axis)) if side == 0 else (last(axis), first(axis))
        edge[near] = field[near] & ~field[far]
    cells = np.flatnonzero(edge)
    index = np.unravel_index(cells, domain.cells)
    coordinates: dict[str, Operand] = {AXES[other]: centres(domain, other)[part] for other, part in enumerate(index)}
    coordinates[AXES[axis]] = domain.origin[axis] + (index[axis] + side) * domain.spacing[axis]
    return Patch(INTERNAL, axis, side, cells, coordinates, cell_volume(domain) / domain.spacing[axis])


def make_patch(domain: Domain, axis: int, side: int, active: NDArray[np.bool_] | None = None) -> Patch:
    """Make the faces of the body on one side of the box, in C order over the other axes."""
    faces = tuple(1 if other == axis else count for other, count in enumerate(domain.cells))
    open_to = [(1,) * other + (-1,) + (1,) * (len(faces) - other - 1) for other in range(len(faces))]
    cells = np.zeros(faces, np.intp)
    for other, count in enumerate(domain.cells):
        layers = np.arange(count) if other != axis else np.array([0 if side == 0 else count - 1])
        cells += (layers * math.prod(domain.cells[other + 1 :])).reshape(open_to[other])
    cells = cells.reshape(-1)
    coordinates: dict[str, Operand] = {
        AXES[other]: np.broadcast_to(centres(domain, other).reshape(open_to[other]), faces).reshape(-1)
        for other in range(domain.dimension)
        if other != axis
    }
    if active is not None:
        inside = active[cells]
        cells, coordinates = cells[inside], {name: np.asarray(place)[inside] for name, place in coordinates.items()}
    coordinates[AXES[axis]] = np.float64(domain.origin[axis] + side * domain.size[axis])
    area = cell_volume(domain) / domain.spacing[axis]
    return Patch(f"{AXES[axis]}_{'min' if side == 0 else 'max'}", axis, side, cells, coordinates, area)


def _along(axis: int, part: slice | int) -> tuple[slice | int, ...]:
    return (slice(None),) * axis + (part,)


def inner(axis: int) -> tuple[slice | int, ...]:
    """Index all but the first and the last layer along an axis."""
    return _along(axis, slice(1, -1))


def before_last(axis: int) -> tuple[slice | int, ...]:
    """Index all but the last layer along an axis."""
    return _along(axis, slice(None, -1))


def after_first(axis: int) -> tuple[slice | int, ...]:
    """Index all but the first layer along an axis."""
    return _along(axis, slice(1, None))


def first(axis: int) -> tuple[slice | int, ...]:
    """Index the first layer along an axis."""
    return _along(axis, 0)


def last(axis: int) -> tuple[slice | int, ...]:
    """Index the last layer along an axis."""
    return _along(axis, -1)
