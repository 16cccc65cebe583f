"""Cells of a body and its conductances, as the peers assemble them; NumPy and SciPy alone.

Fields of a body are flat: its cells in C order. Areas, volumes and heat are per unit of section in 1D and 2D.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
INTERNAL = "internal"


@dataclass(frozen=True)
class Faces:
    """Faces between the body and what is around it.

    Args:
        cells: Cell behind each face, shape (n,).
        area: Of each face [m2], shape (n,).
        half: From the centre of the cell to the face [m], shape (n,).
    """

    cells: IntArray
    area: FloatArray
    half: FloatArray


@dataclass(frozen=True)
class Body:
    """A masked box of uniform cells.

    Args:
        cells: Index in the body of each cell of the box, -1 outside, shape of the box.
        volume: Of one cell [m3].
        pairs: Neighbours in the body, shape (2, pairs).
        axis: Along which they are neighbours, shape (pairs,).
        shape_factor: Area of their face over the distance of their centres [m], shape (pairs,).
        faces: By name, `x_min` ... `z_max` and `internal`; those without a face are left out.
    """

    cells: IntArray
    volume: float
    pairs: IntArray
    axis: IntArray
    shape_factor: FloatArray
    faces: Mapping[str, Faces]

    @property
    def count(self) -> int:
        return int(self.cells.max()) + 1


def centres(size: tuple[float, ...], cells: tuple[int, ...]) -> list[FloatArray]:
    """Coordinates of all cell centres, one array of the shape of the box for each axis [m]."""
    lines = [(np.arange(count) + 0.5) * length / count for length, count in zip(size, cells, strict=True)]
    return np.meshgrid(*lines, indexing="ij")


def make_body(active: NDArray[np.bool_], size: tuple[float, ...]) -> Body:
    """Number the cells of a body and find its neighbours and faces."""
    spacing = np.array(size) / active.shape
    volume = float(np.prod(spacing))
    cells = np.full(active.shape, -1, np.intp)
    cells[active] = np.arange(int(active.sum()))
    pairs, axes, factors = [], [], []
    faces: dict[str, list[IntArray]] = {}
    normal: dict[str, list[int]] = {}
    for axis, distance in enumerate(spacing):
        before, after = (np.moveaxis(cells, axis, 0)[part].ravel() for part in (slice(None, -1), slice(1, None)))
        both = (before >= 0) & (after >= 0)
        pairs.append(np.stack([before[both], after[both]]))
        axes.append(np.full(int(both.sum()), axis))
        factors.append(np.full(int(both.sum()), volume / distance**2))
        ends = [np.moveaxis(cells, axis, 0)[side].ravel() for side in (0, -1)]
        inner = [before[(before >= 0) & (after < 0)], after[(after >= 0) & (before < 0)]]
        names = [f"{'xyz'[axis]}_min", f"{'xyz'[axis]}_max", INTERNAL, INTERNAL]
        for name, found in zip(names, [*(end[end >= 0] for end in ends), *inner], strict=True):
            faces.setdefault(name, []).append(found)
            normal.setdefault(name, []).append(axis)
    return Body(
        cells, volume, np.concatenate(pairs, 1), np.concatenate(axes), np.concatenate(factors),
        {name: _join(parts, [spacing[axis] for axis in normal[name]], volume) for name, parts in faces.items()},
    )  # fmt: skip


def _join(parts: list[IntArray], distances: list[float], volume: float) -> Faces:
    distance = np.concatenate([np.full(len(part), one) for part, one in zip(parts, distances, strict=True)])
    return Faces(np.concatenate(parts), volume / distance, 0.5 * distance)


def conductances(body: Body, conductivity: FloatArray) -> FloatArray:
    """Of all pairs, two half cells in series [W/K]; conductivity of shape (cells,) or (axes, cells) [W/(m K)]."""
    one, other = (conductivity[..., side] if conductivity.ndim == 1 else conductivity[body.axis, side]
                  for side in body.pairs)  # fmt: skip
    out: FloatArray = body.shape_factor * 2.0 * one * other / (one + other)
    return out


def film(faces: Faces, conductivity: FloatArray, coefficient: float) -> FloatArray:
    """Of the half cell and a film in series, for each face [W/K]; conductivity of shape (cells,) [W/(m K)]."""
    out: FloatArray = faces.area / (1.0 / coefficient + faces.half / conductivity[faces.cells])
    return out


def matrix(body: Body, between: FloatArray, outward: FloatArray) -> sparse.csc_matrix:
    """Symmetric K with K T the heat that leaves each cell [W/K], from all conductances, `outward` by cell."""
    first, second = body.pairs
    count = body.count
    diagonal = np.bincount(first, between, count) + np.bincount(second, between, count) + outward
    own = np.arange(count)
    rows, columns = np.r_[first, second, own], np.r_[second, first, own]
    return sparse.coo_matrix((np.r_[-between, -between, diagonal], (rows, columns)), (count, count)).tocsc()


def gather(faces: Faces, values: FloatArray | float, count: int) -> FloatArray:
    """Sum of a quantity of faces for each cell."""
    return np.bincount(faces.cells, np.broadcast_to(values, faces.cells.shape), count)
