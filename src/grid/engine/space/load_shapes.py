"""Cells of a grid and faces of a patch as boxes of coordinates, and boxes cut into smaller ones."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grid.engine.problem.domain import AXES, Domain
from grid.engine.space.mesh import Patch, cell_volume, open_coordinates
from grid.engine.values.box_bounds import Bounds
from grid.engine.values.operations import FloatArray, Operand


@dataclass(frozen=True)
class Boxes:
    """Cells or faces as boxes; a face has no length along its normal.

    Args:
        low, high: Corners, shape (boxes, axes) [m].
        owner: Index of the cell or face that each box is a part of.
    """

    low: FloatArray
    high: FloatArray
    owner: NDArray[np.intp]

    @property
    def volume(self) -> FloatArray:
        """Product of the lengths that are not zero."""
        length = self.high - self.low
        return np.asarray(np.prod(np.where(length > 0.0, length, 1.0), axis=1))

    def take(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> "Boxes":
        """Select boxes by truth value or index."""
        return Boxes(self.low[which], self.high[which], self.owner[which])


def cut_boxes(boxes: Boxes, which: NDArray[np.bool_], axis: int, at: FloatArray) -> Boxes:
    """Cut some boxes in two at coordinates along an axis."""
    below, above = boxes.high.copy(), boxes.low[which].copy()
    below[which, axis] = at
    above[:, axis] = at
    return Boxes(
        np.concatenate([boxes.low, above]),
        np.concatenate([below, boxes.high[which]]),
        np.concatenate([boxes.owner, boxes.owner[which]]),
    )


def halve_boxes(boxes: Boxes) -> Boxes:
    """Halve every box along each axis that has a length."""
    for axis in range(boxes.low.shape[1]):
        long = boxes.high[:, axis] > boxes.low[:, axis]
        if long.any():
            middle = 0.5 * (boxes.low[long, axis] + boxes.high[long, axis])
            boxes = cut_boxes(boxes, long, axis, middle)
    return boxes


@dataclass(frozen=True)
class CellShapes:
    """All cells of a grid."""

    domain: Domain

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along each axis."""
        return self.domain.cells

    @property
    def volume(self) -> float:
        """Volume of a cell per unit of section [m3]."""
        return cell_volume(self.domain)

    @property
    def middle(self) -> dict[str, Operand]:
        """Centres, as open coordinates [m]."""
        return open_coordinates(self.domain)

    @property
    def ends(self) -> dict[str, Bounds]:
        """Lowest and highest coordinates of the cells, open along each axis [m]."""
        half = dict(zip(AXES, self.domain.spacing, strict=False))
        return {name: (at - 0.5 * half[name], at + 0.5 * half[name]) for name, at in self.middle.items()}

    def take(self, cells: NDArray[np.intp]) -> Boxes:
        """Make boxes of some cells."""
        index = np.stack(np.unravel_index(cells, self.shape), axis=1)
        low = np.array(self.domain.origin) + index * np.array(self.domain.spacing)
        return Boxes(low, low + np.array(self.domain.spacing), cells)


@dataclass(frozen=True)
class FaceShapes:
    """Faces of a patch."""

    domain: Domain
    patch: Patch

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of faces."""
        return self.patch.cells.shape

    @property
    def volume(self) -> float:
        """Area of a face per unit of section [m2]."""
        return self.patch.area

    @property
    def middle(self) -> dict[str, Operand]:
        """Centres of the faces [m]."""
        return {name: np.broadcast_to(at, self.shape) for name, at in self.patch.coordinates.items()}

    @property
    def ends(self) -> dict[str, Bounds]:
        """Lowest and highest coordinates of each face [m]."""
        out = {}
        for name, at in self.middle.items():
            axis = AXES.index(name)
            half = 0.0 if axis == self.patch.axis else 0.5 * self.domain.spacing[axis]
            out[name] = at - half, at + half
        return out

    def take(self, faces: NDArray[np.intp]) -> Boxes:
        """Make boxes of some faces."""
        ends = [self.ends[name] for name in AXES[: self.domain.dimension]]
        low, high = (np.stack([end[side][faces] for end in ends], axis=1) for side in (0, 1))
        return Boxes(low, high, faces)
