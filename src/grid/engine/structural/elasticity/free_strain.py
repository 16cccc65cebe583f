"""Free normal strains, equal in all directions, such as alpha dT: the strains of an unconstrained body."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import FieldError
from grid.engine.problem.domain import AXES, Domain
from grid.engine.space.mesh import centres
from grid.engine.structural.elasticity.elements import middle_points
from grid.engine.values.expression import Expression
from grid.engine.values.operations import FloatArray
from grid.engine.values.value import Constant

BoolArray = NDArray[np.bool_]
INSET = 1.0 - 1e-6  # [-] factor on reference points of a cell, which moves them off its neighbours
MAX_STRAIN = 1.0  # [-] size of a free strain at most


class FreeStrain(Protocol):
    """A free strain over the cells of a body, numbered from 0."""

    @property
    def is_cut(self) -> BoolArray:
        """Mask of the cells that the edge of a region crosses, shape (cells,)."""
        ...

    @property
    def regions(self) -> BoolArray:
        """Cells of each region with a strain of its own, shape (regions, cells)."""
        ...

    def sample(self, points: FloatArray, cells: NDArray[np.intp]) -> FloatArray:
        """The strain at reference points in [-1, 1]^d of some cells, shape (cells, points)."""
        ...


@dataclass(frozen=True)
class SmoothStrain:
    """Strain that is a parabola along each axis within each cell, from a field of cell temperatures.

    Args:
        values: At the centres, shape (cells,).
        slopes: Rise from the centre to each face of the linear part, shape (cells, axes).
        bends: The same of the quadratic part.
    """

    values: FloatArray
    slopes: FloatArray
    bends: FloatArray

    @property
    def is_cut(self) -> BoolArray:
        """Mask of the cells that a border of regions cuts: none."""
        return np.zeros(self.values.size, bool)

    @property
    def regions(self) -> BoolArray:
        """Cells of each region, shape (regions, cells): there is none."""
        return np.zeros((0, self.values.size), bool)

    def sample(self, points: FloatArray, cells: NDArray[np.intp]) -> FloatArray:
        """Evaluate the strain at reference points in [-1, 1]^d of some cells, shape (cells, points)."""
        out: FloatArray = self.values[cells, None] + self.slopes[cells] @ points.T + self.bends[cells] @ points.T**2
        return out


def make_smooth_strain(strain: FloatArray, group: NDArray[np.intp], flat: NDArray[np.intp]) -> SmoothStrain:
    """Parabolas through neighbours of the same group; at an edge that of the next cell, where there is one.

    Exact for a strain that is a sum of parabolas of x, y and z within each group of at least three cells along each.

    Args:
        strain: At all cell centres, shape `cells`.
        group: Material of each cell, -1 outside the body, shape `cells`.
        flat: Flat indices of the cells of the body.
    """
    slopes, bends = zip(*(_parabola(strain, group, axis) for axis in range(strain.ndim)), strict=True)
    columns = [np.stack([part.reshape(-1)[flat] for part in parts], axis=1) for parts in (slopes, bends)]
    return SmoothStrain(strain.reshape(-1)[flat], *columns)


def _parabola(strain: FloatArray, group: NDArray[np.intp], axis: int) -> tuple[FloatArray, FloatArray]:
    """Linear and quadratic rise from each centre to its faces along an axis."""
    before, after = ((slice(None),) * axis + (part,) for part in (slice(None, -1), slice(1, None)))
    joined = (group[before] == group[after]) & (group[before] >= 0)
    rise = np.where(joined, strain[after] - strain[before], 0.0)
    up, down = np.zeros(strain.shape), np.zeros(strain.shape)
    has_up, has_down = np.zeros(strain.shape, bool), np.zeros(strain.shape, bool)
    up[before], has_up[before], down[after], has_down[after] = rise, joined, rise, joined
    inner = has_up & has_down
    bend = np.where(inner, up - down, 0.0)  # second difference
    known = inner.copy()
    for to, source in ((before, after), (after, before)):
        takes = joined & ~inner[to] & ~known[to] & inner[source]
        bend[to] = np.where(takes, bend[source], bend[to])
        known[to] |= takes
    slope = np.where(inner, 0.5 * (up + down), np.where(has_up, up - 0.5 * bend, down + 0.5 * bend))
    slope = np.where(has_up | has_down, slope, 0.0)
    return 0.5 * slope, 0.125 * bend


class RegionStrain:
    """Strains given as values of place, each in its region; they add up.

    Args:
        domain: The grid.
        flat: Flat indices of the cells of the body.
        pieces: Strain, and where it holds; everywhere without.

    Raises:
        FieldError: A strain that is used is not a number of at most 1 in size.
    """

    def __init__(
        self,
        domain: Domain,
        flat: NDArray[np.intp],
        pieces: tuple[tuple[Constant | Expression, Expression | None], ...],
    ) -> None:
        self._domain, self._pieces = domain, pieces
        index = np.unravel_index(flat, domain.cells)
        self._centres = [centres(domain, axis)[part] for axis, part in enumerate(index)]
        everywhere = np.arange(flat.size)
        probes = middle_points(3, domain.dimension)[0] * 1.5 * INSET
        inside = [self._inside(where, self._places(probes, everywhere)) for _, where in pieces if where is not None]
        masks = np.array(inside).reshape(len(inside), flat.size, probes.shape[0])
        self._regions: BoolArray = np.asarray(masks.all(axis=2))
        self._is_cut: BoolArray = np.asarray((masks.any(axis=2) & ~self._regions).any(axis=0))

    @property
    def is_cut(self) -> BoolArray:
        """Mask of the cells that a border of regions cuts."""
        return self._is_cut

    @property
    def regions(self) -> BoolArray:
        """Cells of each region, shape (regions, cells)."""
        return self._regions

    def sample(self, points: FloatArray, cells: NDArray[np.intp]) -> FloatArray:
        """Evaluate the strain at reference points in [-1, 1]^d of some cells, shape (cells, points)."""
        coordinates = self._places(points, cells)
        total = np.zeros((cells.size, points.shape[0]))
        for number, (value, where) in enumerate(self._pieces):
            strain = np.broadcast_to(np.asarray(value.evaluate(dict(coordinates)), dtype=np.float64), total.shape)
            used = np.ones(total.shape, bool) if where is None else self._inside(where, coordinates)
            with np.errstate(invalid="ignore"):
                is_allowed = np.abs(strain) <= MAX_STRAIN
            if not np.all(is_allowed | ~used):
                raise FieldError(
                    f"eigenstrain[{number}].strain", f"a number of at most {MAX_STRAIN:g} in size where used"
                )
            total = total + np.where(used, strain, 0.0)
        return total

    def _places(self, points: FloatArray, cells: NDArray[np.intp]) -> dict[str, FloatArray]:
        spacing = self._domain.spacing
        return {
            AXES[axis]: self._centres[axis][cells, None] + 0.5 * spacing[axis] * points[:, axis]
            for axis in range(self._domain.dimension)
        }

    @staticmethod
    def _inside(where: Expression, coordinates: Mapping[str, FloatArray]) -> BoolArray:
        shape = next(iter(coordinates.values())).shape
        return np.broadcast_to(np.asarray(where.evaluate(dict(coordinates)), dtype=bool), shape)
