"""Stresses at points: least-squares polynomials through the places where finite elements are most accurate.

Order 2: the 2^d Gauss points of each cell; order 1: its centre (Barlow 1976; Zienkiewicz and Zhu, Int. J. Numer. Meth.
Eng. 33, 1992). A fit uses cells of one group alone, with the same material and the same regions of free strain, and
none that an edge cuts, so a limit at an edge is extrapolated from its own side.
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import FieldError
from grid.engine.arguments import require_choice
from grid.engine.problem.domain import Domain
from grid.engine.values.operations import FloatArray

BoolArray = NDArray[np.bool_]
REACH = {1: 2.6, 2: 1.6}  # [-] cells from the point to the farthest centre that is used, by order of the elements
MAX_REACH = 6.6  # [-] the same at most, where cells are missing
TOUCH = 1e-6  # [-] distance over the size of a cell, up to which it touches the point


@dataclass(frozen=True)
class Samples:
    """Stress where it is most accurate, cell by cell.

    Args:
        domain: The grid.
        order: Of the elements.
        cells: Flat index of each cell of the body, shape (n,).
        points: Reference points in [-1, 1]^d, shape (q, d).
        stress: Shape (6, n, q) [Pa].
        group: Cells of the same material and regions have the same number; -1 where an edge cuts, shape (n,).
        regions: For each region of free strain the cells in it, shape (regions, n).
    """

    domain: Domain
    order: int
    cells: NDArray[np.intp]
    points: FloatArray
    stress: FloatArray
    group: NDArray[np.intp]
    regions: BoolArray

    def stress_at(self, place: tuple[float, ...], side: str | None = None) -> FloatArray:
        """The six components at a point of the body, shape (6,) [Pa].

        On an edge between groups: the limit from `side` (`inside` or `outside` of the regions whose edge it is), or
        without it the mean of the limits from all sides, which is right for what continues across.

        Raises:
            FieldError: The point is not in the body, or not on an edge though a side is given.
        """
        for coordinate, low, length in zip(place, self.domain.origin, self.domain.size, strict=True):
            if not abs(coordinate - low) <= 2.0 * length:  # far outside the differences below have no meaning
                raise FieldError("at", "a point of the body [m]")
        local = (np.asarray(place) - np.asarray(self.domain.origin)) / np.asarray(self.domain.spacing)
        index = np.stack(np.unravel_index(self.cells, self.domain.cells), axis=1)
        distance = np.max(np.abs(index + 0.5 - local), axis=1)  # in cells, from the point to each centre
        touching = distance <= 0.5 + TOUCH
        if not touching.any():
            raise FieldError("at", "a point of the body [m]")
        whole = self.group >= 0
        if not whole.any():
            raise FieldError("resolution.cells", "a grid with cells that no edge of a region cuts")
        if side is not None:
            allowed = self._on_side(side, whole, distance)
            nearest = allowed & (distance <= distance[allowed].min() + TOUCH)
            groups = np.unique(self.group[nearest])[:1]
        else:
            chosen = (
                touching & whole if (touching & whole).any() else whole & (distance <= distance[whole].min() + TOUCH)
            )
            groups = np.unique(self.group[chosen])
        limits = [self._fit(local, index, distance, self.group == number) for number in groups]
        out: FloatArray = np.mean(limits, axis=0)
        return out

    def _on_side(self, side: str, whole: BoolArray, distance: FloatArray) -> BoolArray:
        require_choice("side", side, ("inside", "outside"))
        near = distance <= 1.5 + TOUCH
        touching = distance <= 0.5 + TOUCH
        cut = self.group < 0
        edges = [
            region
            for region in self.regions
            if (region & near).any() and (~region & near).any() and (_varies(region[touching]) or cut[touching].any())
        ]
        if not edges:
            raise FieldError("side", "given only for a point on the edge of a region of free strain")
        inside = np.logical_or.reduce(edges)
        allowed = whole & (inside if side == "inside" else ~inside)
        if not allowed.any():
            raise FieldError("side", "a side with cells that the edge does not cut; refine the grid")
        return np.asarray(allowed, dtype=bool)

    def _fit(self, local: FloatArray, index: NDArray[np.intp], distance: FloatArray, chosen: BoolArray) -> FloatArray:
        """Value at the point of the quadratic that fits the group nearby best, near samples weighing more."""
        start = float(distance[chosen].min())
        reach = max(REACH[self.order], start - 0.5 + REACH[self.order])
        degree, terms = 2, _powers(local.size, 2)
        while True:
            near = _connected(index, chosen & (distance <= reach), distance)
            if near.sum() * self.points.shape[0] >= 1.5 * len(terms):
                break
            reach += 1.0
            if reach > MAX_REACH + start:
                degree -= 1
                if degree < 0:
                    break
                reach, terms = REACH[self.order] + start, _powers(local.size, degree)
        offsets = (index[near, None, :] + 0.5 + 0.5 * self.points - local).reshape(-1, local.size)
        weight = (1.0 - np.minimum(np.max(np.abs(offsets), axis=1) / (reach + 1.0), 1.0) ** 2) ** 2 + 1e-6
        # a power along an axis needs as many different places there, else it cannot be distinguished from lower ones
        levels = [np.unique(np.round(offsets[:, axis], 6)).size for axis in range(local.size)]
        terms = [power for power in terms if np.all(power < levels)]
        basis = np.stack([np.prod(offsets**power, axis=1) for power in terms], axis=1)
        values = self.stress[:, near].reshape(6, -1).T
        solution = np.linalg.lstsq(basis * weight[:, None], values * weight[:, None], rcond=1e-10)[0]
        out: FloatArray = solution[0]
        return out


def _powers(dimension: int, degree: int) -> list[NDArray[np.intp]]:
    """Exponents of all monomials up to a degree, the constant first."""
    return [
        np.bincount(np.array(axes, dtype=np.intp), minlength=dimension)
        for total in range(degree + 1)
        for axes in combinations_with_replacement(range(dimension), total)
    ]


def _varies(truth: BoolArray) -> bool:
    return bool(truth.any() and not truth.all())


def _connected(index: NDArray[np.intp], near: BoolArray, distance: FloatArray) -> BoolArray:
    """Select the near cells that are connected with the nearest ones, face by face."""
    from scipy import ndimage

    rows = np.flatnonzero(near)
    part = index[rows]
    box = np.zeros(part.max(axis=0) - part.min(axis=0) + 1, bool)
    place = tuple((part - part.min(axis=0)).T)
    box[place] = True
    labels = ndimage.label(box)[0][place]
    nearest = distance[rows] <= distance[rows].min() + TOUCH
    out = np.zeros(near.size, bool)
    out[rows[np.isin(labels, labels[nearest])]] = True
    return out
