"""The result of a run: fields at the output times, what was measured of them, and the verdicts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from grid.core.errors import FieldError
from grid.engine.arguments import require_direction, require_number
from grid.engine.problem.domain import AXES
from grid.engine.results.fields import Point, SolutionFields
from grid.engine.results.ladder import Extrapolated, Ladder
from grid.engine.space.laws import split_signs
from grid.engine.space.tensor import cross_flux
from grid.engine.values.operations import FloatArray

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

    from grid.engine.results.plot import Picture
    from grid.engine.results.views import Extrema


@dataclass(frozen=True, repr=False)
class Solution(SolutionFields):
    """Fields and verdicts of one run.

    Args:
        problem: What was solved.
        plan: How, and why so.
        times: Output times, with 0 first [s]; `(0.0,)` for a steady state.
        snapshots: Temperature at each of `times`, each of shape `cells`.
        metrics: Figures by name: `peak_temperature`, `minimum_temperature`, `mean_temperature` and
            `hottest_above_mean` at the end, all of the cells alone (with the surfaces: `extrema`,
            `hottest_above_mean()`), `stored_heat_change`, `heat_in`, `heat_out`, `heat_generated`,
            `heat_balance_residual` [J], `steps`, `damped_steps`; of a masked body or several materials `volume_missed`,
            the largest relative difference of their volumes between the cells and the geometry; with a flow
            `cell_peclet_number`, the largest.
        audits: The checks, see `grid.engine.results.audits`.
        history: Key figures along the run, of the cells alone.
        models: Which models were used, when and why they changed, and the certificate of the lumped one.
        run_warnings: Warnings of the run, such as that it took far longer than estimated.
        ladder: The same problem on other grids, where `richardson` is set; see `grid.engine.run.richardson`.
    """

    ladder: "Ladder[Solution] | None" = field(default=None, repr=False)

    @property
    def space_error(self) -> float | None:
        """Largest estimated error of space of the last field over the span of temperatures; None if not requested."""
        return None if self.ladder is None else self.ladder.error

    def extrapolate(self, measure: "Callable[[Solution], float]") -> Extrapolated:
        """A measure of the solution in the limit of small cells, such as `lambda s: s.temperature_at((0.5,))`.

        Raises:
            FieldError: The problem was solved on one grid.
        """
        if self.ladder is None:
            raise FieldError("richardson", "true when solving, for values in the limit of small cells")
        return self.ladder.extrapolate(measure)

    def to_xarray(self) -> "xr.Dataset":
        """Fields, history and verdicts with coordinates and units; see `grid.engine.results.dataset.to_xarray`."""
        from grid.engine.results.dataset import to_xarray

        return to_xarray(self)

    def probe(self, points: Sequence[Point]) -> "xr.DataArray":
        """Temperatures at points and output times, dimensions (time, point)."""
        from grid.engine.results.views import probe

        return probe(self, points)

    def slice(self, axis: str, at: float, time: float | None = None) -> "xr.DataArray":
        """The field on the plane where `axis` is `at` [m], over the axes that remain."""
        from grid.engine.results.views import slice_plane

        return slice_plane(self, axis, at, time)

    def extrema(self, time: float | None = None) -> "Extrema":
        """The coldest and the hottest place of the body, surfaces included."""
        from grid.engine.results.views import find_extrema

        return find_extrema(self, time)

    def series(self, what: "Point | str") -> "xr.DataArray":
        """A point's temperature, or a figure such as `mean_temperature`, over the output times."""
        from grid.engine.results.views import series

        return series(self, what)

    def write(self, path: "str | Path") -> "Path":
        """Write `.nc`, `.zarr`, `.vti`, `.pvd`, `.npy`, `.csv` or `.png`; see `grid.engine.results.writing.write`."""
        from grid.engine.results.writing import write

        return write(self, path)

    def plot(self, time: float | None = None) -> "Picture":
        """Draw the field at an output time: a profile, a map, or three sections; shown by a notebook as it is."""
        from grid.engine.results.plot import plot

        return plot(self, time)

    def plot_history(self) -> "Picture":
        """Draw the smallest, the mean and the largest temperature along the run."""
        from grid.engine.results.plot import plot_history

        return plot_history(self)

    def heat_flux(self, point: Point, direction: str, time: float | None = None) -> float:
        """Conductive heat flux -k dT/dn along `direction` (`+x`, `-x`, `+y`, ...) at a point [W/m2].

        The fluxes through the faces of the cell that holds the point, linear between them; across, of the cells nearby.
        """
        (axis, sign), index = require_direction(direction, AXES[: self.problem.dimension]), self.find_index(time)
        place = self._point(point)
        fluxes = self._face_fluxes(axis, index)
        for other in reversed(range(self.problem.dimension)):
            domain = self.problem.domain
            local = (place[other] - domain.origin[other]) / domain.spacing[other]
            local = local if other == axis else local - 0.5
            fluxes = _linear(fluxes, local, other)
        return sign * float(fluxes)

    def _face_fluxes(self, axis: int, index: int) -> FloatArray:
        """Heat flux along +axis through every face normal to it [W/m2], one more than cells along the axis."""
        space, field_ = self._spaces[index], self.snapshots[index]
        area = float(np.prod(self.problem.domain.spacing)) / self.problem.domain.spacing[axis]
        before: tuple[slice | int, ...] = (slice(None),) * axis
        between = space.conductances[axis] + 0.5 * space.carried(axis)  # without flow the conductance itself
        if space.correction is not None:
            between = space.correction.find_conductance(axis, between, space.carried(axis))
        flux = np.zeros(between.shape)
        flux[(*before, slice(1, -1))] = -np.diff(field_, axis=axis) * between[(*before, slice(1, -1))] / area
        if self.problem.is_periodic[axis]:
            step = np.take(field_, 0, axis=axis) - np.take(field_, -1, axis=axis)
            joint = -step * between[(*before, 0)] / area
            flux[(*before, 0)] = flux[(*before, -1)] = joint
        if space.couplings:
            flux += self._cross_flux(axis, index)
        for number, (patch, face_law) in enumerate(zip(space.patches, self._loads[index].face_laws, strict=True)):
            if patch.axis == axis:
                into, _ = space.boundary_flux(number, field_.reshape(-1), face_law)
                faces = list(np.unravel_index(patch.cells, space.shape))
                faces[axis] = faces[axis] + patch.side
                flux[tuple(faces)] = into if patch.side == 0 else -into
        return flux

    def _cross_flux(self, axis: int, index: int) -> FloatArray:
        """Contribution of gradients along the faces to the flux through them [W/m2]."""
        space, temperature = self._spaces[index], self.snapshots[index].reshape(-1)
        surfaces = [
            temperature[patch.cells] + space.boundary_flux(number, temperature, face_law)[1]
            for number, (patch, face_law) in enumerate(zip(space.patches, self._loads[index].face_laws, strict=True))
        ]
        return cross_flux(space, temperature, surfaces)[axis]

    def heat_rate(self, boundary: str, time: float | None = None) -> float:
        """Heat conducted into the body through the whole of a boundary, times `section` [W]."""
        index = self.find_index(time)
        total, found = 0.0, False
        space = self._spaces[index]
        for number, (patch, face_law) in enumerate(zip(space.patches, self._loads[index].face_laws, strict=True)):
            if isinstance(boundary, str) and patch.name == boundary:
                into, out = split_signs(space.boundary_flux(number, self.snapshots[index].reshape(-1), face_law)[0])
                total, found = total + (into - out) * patch.area, True
        if not found:
            raise FieldError("boundary", "a face of the body that is not periodic")
        return total * self.problem.domain.section

    def front_position(self, direction: str, level: float, time: float | None = None) -> float:
        """Coordinate of the farthest place in `direction` where the temperature is at least `level` [m].

        Raises:
            FieldError: The temperature is below the level everywhere.
        """
        axis, sign = require_direction(direction, AXES[: self.problem.dimension])
        level = require_number("level", level)
        others = tuple(other for other in range(self.problem.dimension) if other != axis)
        profile = self.snapshots[self.find_index(time)].max(axis=others)
        x, profile = self.coordinates[AXES[axis]][::sign], profile[::sign]
        above = np.flatnonzero(profile >= level)
        if above.size == 0:
            raise FieldError("level", "reached somewhere in the body")
        last = int(above[-1])
        if last == profile.size - 1:
            return float(x[-1]) + sign * 0.5 * self.problem.domain.spacing[axis]
        share = (profile[last] - level) / (profile[last] - profile[last + 1])
        return float(x[last] + share * (x[last + 1] - x[last]))

    def liquid_fraction(self, time: float | None = None) -> FloatArray:
        """Share of the latent heat that each cell holds, shape `cells`; NaN in cells that do not melt.

        Raises:
            FieldError: The body has no single melting temperature.
        """
        from grid.engine.results.melting import find_liquid_fraction

        index = self.find_index(time)
        return find_liquid_fraction(self._spaces[index], self._contents[index])

    def melting_front(self, direction: str, time: float | None = None) -> float:
        """Coordinate of the farthest place in `direction` where solid and liquid meet [m].

        A cell that melts or freezes holds the front at its share of the phase beyond it.

        Raises:
            FieldError: There is one phase along every line in that direction.
        """
        from grid.engine.results.melting import find_front

        axis, sign = require_direction(direction, AXES[: self.problem.dimension])
        return find_front(self.problem.domain, self.liquid_fraction(time), axis, sign)


def _linear(values: FloatArray, local: float, axis: int) -> FloatArray:
    """Linear interpolation along an axis at a position in units of entries; held constant beyond the ends."""
    local = min(max(local, 0.0), values.shape[axis] - 1.0)
    low = min(int(local), max(values.shape[axis] - 2, 0))
    high = min(low + 1, values.shape[axis] - 1)
    share = local - low
    out: FloatArray = (1.0 - share) * np.take(values, low, axis=axis) + share * np.take(values, high, axis=axis)
    return out
