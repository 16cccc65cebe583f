"""The result of a run: fields at the asked times, what was measured of them, and the verdicts."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from grid.core.errors import FieldError
from grid.engine.arguments import require_choice, require_direction, require_list, require_number, require_place
from grid.engine.audits import Audit
from grid.engine.interpolation import interpolate, widen
from grid.engine.kinds import is_count
from grid.engine.lumped.certificates import Certificate
from grid.engine.lumped.fidelity import find_surfaces, stress_factor
from grid.engine.lumped.report import ModelReport
from grid.engine.mesh import centres
from grid.engine.problem import AXES, HeatProblem
from grid.engine.scattered import fit, scatter
from grid.engine.space import Loads, Space, split_signs
from grid.engine.state import Ledger
from grid.engine.tensor import cross_flux
from grid.engine.values import FloatArray

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr
    from numpy.typing import NDArray

    from grid.engine.io.views import Extrema
    from grid.engine.planning import PlanSummary
    from grid.engine.plot import Picture
    from grid.engine.richardson import Extrapolated, Ladder

Point = tuple[float, ...] | Mapping[str, float]


@dataclass(frozen=True)
class History:
    """Key figures along the run, one entry for each report: at the start, at most about 50 on the way, at the end."""

    time: FloatArray  # s
    minimum: FloatArray
    mean: FloatArray  # heat-weighted
    maximum: FloatArray


@dataclass(frozen=True)
class Solution:
    """Fields and verdicts of one run.

    Args:
        problem: What was solved.
        plan: How, and why so.
        times: Asked times, with 0 first [s]; `(0.0,)` for a steady state.
        snapshots: Temperature at each of `times`, each of shape `cells`.
        metrics: Figures by name: `peak_temperature`, `minimum_temperature`, `mean_temperature` and
            `hottest_above_mean` at the end, all of the cells alone (with the surfaces: `extrema`,
            `hottest_above_mean()`), `stored_heat_change`, `heat_in`, `heat_out`, `heat_generated`,
            `heat_balance_residual` [J], `steps`, `damped_steps`; of a masked body or several materials `volume_missed`,
            the largest relative difference of their volumes between the cells and the geometry; with a flow
            `cell_peclet_number`, the largest.
        audits: The checks, see `grid.engine.audits`.
        history: Key figures along the run, of the cells alone.
        models: Which models were used, when and why they changed, and the certificate of the lumped one.
        run_warnings: What was said of the run on its way, such as that it took far longer than estimated.
        ladder: The same problem on other grids, where `richardson` asked for it; see `grid.engine.richardson`.
    """

    problem: HeatProblem
    plan: "PlanSummary"
    times: tuple[float, ...]
    snapshots: tuple[FloatArray, ...] | FloatArray = field(repr=False)
    metrics: dict[str, float]
    audits: tuple[Audit, ...]
    history: History
    ledger: Ledger = field(repr=False)
    _spaces: Sequence[Space] = field(repr=False)  # coefficients at each snapshot
    _loads: Sequence[Loads] = field(repr=False)
    _contents: tuple[FloatArray | None, ...] = field(repr=False)  # enthalpy of each cell [J], where a material melts
    models: ModelReport = field(default_factory=ModelReport)
    ladder: "Ladder | None" = field(default=None, repr=False)
    run_warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Say in one line what was solved, how, and what came out."""
        low, high = self.metrics["minimum_temperature"], self.metrics["peak_temperature"]
        when = "steady" if self.problem.steady else f"{len(self.times)} fields to t = {self.times[-1]:.6g} s"
        what = f"{' x '.join(map(str, self.problem.domain.cells))} cells, {when}, {self.plan.method}"
        return f"Solution({what}; {low:.6g} to {high:.6g} at the end; {'accepted' if self.is_accepted else 'rejected'})"

    @property
    def is_accepted(self) -> bool:
        """Whether no audit failed."""
        return all(audit.verdict != "failed" for audit in self.audits)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Of the plan, see `grid.engine.plan_warnings`, and of the run."""
        return (*self.plan.warnings, *self.run_warnings)

    @property
    def space_error(self) -> float | None:
        """Largest estimated error of space of the last field over the span of temperatures; None if not asked for."""
        return None if self.ladder is None else self.ladder.error

    def extrapolate(self, measure: "Callable[[Solution], float]") -> "Extrapolated":
        """A measure of the solution in the limit of small cells, such as `lambda s: s.temperature_at((0.5,))`.

        Raises:
            FieldError: The problem was solved on one grid.
        """
        if self.ladder is None:
            raise FieldError("richardson", "true when solving, for values in the limit of small cells")
        return self.ladder.extrapolate(measure)

    @cached_property
    def fields(self) -> FloatArray:
        """Temperature at each of `times`, shape (times, *cells); put together when first asked for."""
        return self.snapshots if isinstance(self.snapshots, np.ndarray) else np.stack(self.snapshots)

    @property
    def final(self) -> FloatArray:
        """The last field, shape `cells`."""
        last: FloatArray = self.snapshots[-1]
        return last

    @property
    def body(self) -> "NDArray[np.bool_] | None":
        """Which cells belong to a masked body, shape `cells`; None where all do."""
        active = self._spaces[-1].active
        return None if active is None else active.reshape(self.problem.domain.cells)

    @property
    def body_fields(self) -> FloatArray:
        """`fields` with NaN in the cells that are not of a masked body."""
        body = self.body
        return self.fields if body is None else np.where(body, self.fields, np.nan)

    @cached_property
    def coordinates(self) -> dict[str, FloatArray]:
        """Cell centres along each axis [m]."""
        domain = self.problem.domain
        return {AXES[axis]: centres(domain, axis) for axis in range(domain.dimension)}

    def temperature_at(self, point: Point, time: float | None = None, *, side: str | None = None) -> float:
        """Temperature at a point of the body, at an asked time (default: the last).

        On a surface it is the surface's, the limit from inside; on a contact the limit from `side`, `low` or `high`.

        Raises:
            FieldError: The point is not in the body, or the time was not asked for.
        """
        return float(self.temperatures_at([point], time, side=side)[0])

    def temperatures_at(
        self, points: Sequence[Point], time: float | None = None, *, side: str | None = None
    ) -> FloatArray:
        """Temperatures at points, shape (points,), as `temperature_at`."""
        index = self.find_index(time)
        require_list("points", points, "a list of points")
        if side is not None:
            require_choice("side", side, ("low", "high"))
        places, space = [self._point(point) for point in points], self._spaces[index]
        if space.active is not None:
            known = self.scattered_field(index)
            found = [fit(*known, place, self.problem.domain.spacing) for place in places]
        else:
            wide = self.widened_field(index)
            found = [interpolate(space, wide, place, side) for place in places]
        return np.clip(np.array(found, np.float64), *self.allowed_temperatures(index))

    @property
    def certificate(self) -> Certificate | None:
        """What is guaranteed of the lumped model; None where it did nothing."""
        return self.models.certificate

    def surface_stress(self, face: str, time: float | None = None) -> float:
        """Stress of a free plate at a face, E alpha (mean - mean temperature of the face) / (1 - nu) [Pa].

        Raises:
            FieldError: No such face, or the material has no `young_modulus` and `thermal_expansion`.
        """
        index = self.find_index(time)
        space, loads = self._spaces[index], self._loads[index]
        numbers = [number for number, patch in enumerate(space.patches) if isinstance(face, str) and patch.name == face]
        if not numbers:
            raise FieldError("face", "a face of the body that is not periodic")
        if not any(material.is_elastic for material in self.problem.materials):
            raise FieldError("material.young_modulus", "required with thermal_expansion for surface_stress")
        surface = find_surfaces(space, loads, self.snapshots[index].reshape(-1))[numbers[0]]
        surface = np.clip(surface, *self.allowed_temperatures(index))
        return stress_factor(self.problem) * (self.mean_temperature(self.times[index]) - float(np.mean(surface)))

    def interface_temperature(self, point: Point, time: float | None = None) -> float:
        """Common temperature of two regions at a point of their interface."""
        return self.temperature_at(point, time)

    def mean_temperature(self, time: float | None = None) -> float:
        """Heat-weighted mean, integral of rho c T over integral of rho c."""
        index = self.find_index(time)
        capacity = self._spaces[index].capacity
        return float(capacity @ self.snapshots[index].reshape(-1) / capacity.sum())

    def stored_heat(self, index: int = -1) -> float:
        """Integral of rho c T, or of the enthalpy, at an entry of `times` [J per unit of section].

        Raises:
            FieldError: There is no such entry.
        """
        if not is_count(index) or not -len(self.times) <= index < len(self.times):
            raise FieldError("index", "an entry of times")
        content = self._contents[index]
        if content is not None:
            return float(content.sum())
        return float(self._spaces[index].capacity @ self.snapshots[index].reshape(-1))

    def hottest_above_mean(self, time: float | None = None) -> float:
        """Largest temperature of the body, surfaces included, minus the mean [K]."""
        index = self.find_index(time)
        scattered = self._spaces[index].active is not None
        values = self.scattered_field(index)[1] if scattered else self.widened_field(index)
        return float(values.max()) - self.mean_temperature(self.times[index])

    def to_xarray(self) -> "xr.Dataset":
        """Fields, history and verdicts with coordinates and units; see `grid.engine.io.dataset.to_xarray`."""
        from grid.engine.io.dataset import to_xarray

        return to_xarray(self)

    def probe(self, points: Sequence[Point]) -> "xr.DataArray":
        """Temperatures at points and asked times, dimensions (time, point)."""
        from grid.engine.io.views import probe

        return probe(self, points)

    def slice(self, axis: str, at: float, time: float | None = None) -> "xr.DataArray":
        """The field on the plane where `axis` is `at` [m], over the axes that remain."""
        from grid.engine.io.views import slice_plane

        return slice_plane(self, axis, at, time)

    def extrema(self, time: float | None = None) -> "Extrema":
        """The coldest and the hottest place of the body, surfaces included."""
        from grid.engine.io.views import find_extrema

        return find_extrema(self, time)

    def series(self, what: "Point | str") -> "xr.DataArray":
        """A point's temperature, or a figure such as `mean_temperature`, over the asked times."""
        from grid.engine.io.views import series

        return series(self, what)

    def write(self, path: "str | Path") -> "Path":
        """Write `.nc`, `.zarr`, `.vti`, `.pvd`, `.npy`, `.csv` or `.png`; see `grid.engine.io.writing.write`."""
        from grid.engine.io.writing import write

        return write(self, path)

    def plot(self, time: float | None = None) -> "Picture":
        """Draw the field at an asked time: a profile, a map, or three sections; shown by a notebook as it is."""
        from grid.engine.plot import plot

        return plot(self, time)

    def plot_history(self) -> "Picture":
        """Draw the smallest, the mean and the largest temperature along the run."""
        from grid.engine.plot import plot_history

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
        for number, (patch, closure) in enumerate(zip(space.patches, self._loads[index].closures, strict=True)):
            if patch.axis == axis:
                into, _ = space.boundary_flux(number, field_.reshape(-1), closure)
                faces = list(np.unravel_index(patch.cells, space.shape))
                faces[axis] = faces[axis] + patch.side
                flux[tuple(faces)] = into if patch.side == 0 else -into
        return flux

    def _cross_flux(self, axis: int, index: int) -> FloatArray:
        """What gradients along the faces add to the flux through them [W/m2]."""
        space, temperature = self._spaces[index], self.snapshots[index].reshape(-1)
        surfaces = [
            temperature[patch.cells] + space.boundary_flux(number, temperature, closure)[1]
            for number, (patch, closure) in enumerate(zip(space.patches, self._loads[index].closures, strict=True))
        ]
        return cross_flux(space, temperature, surfaces)[axis]

    def heat_rate(self, boundary: str, time: float | None = None) -> float:
        """Heat conducted into the body through the whole of a boundary, times `section` [W]."""
        index = self.find_index(time)
        total, found = 0.0, False
        space = self._spaces[index]
        for number, (patch, closure) in enumerate(zip(space.patches, self._loads[index].closures, strict=True)):
            if isinstance(boundary, str) and patch.name == boundary:
                into, out = split_signs(space.boundary_flux(number, self.snapshots[index].reshape(-1), closure)[0])
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
        from grid.engine.melting import find_liquid_fraction

        index = self.find_index(time)
        return find_liquid_fraction(self._spaces[index], self._contents[index])

    def melting_front(self, direction: str, time: float | None = None) -> float:
        """Coordinate of the farthest place in `direction` where solid and liquid meet [m].

        A cell that melts or freezes holds the front at its share of the phase beyond it.

        Raises:
            FieldError: There is one phase along every line in that direction.
        """
        from grid.engine.melting import find_front

        axis, sign = require_direction(direction, AXES[: self.problem.dimension])
        return find_front(self.problem.domain, self.liquid_fraction(time), axis, sign)

    def space_at(self, index: int) -> Space:
        """The discretised problem with its coefficients at an entry of `times`."""
        return self._spaces[index]

    def scattered_field(self, index: int) -> tuple[FloatArray, FloatArray]:
        """Centres and surface points: positions with the material last, shape (n, dimension + 1), and temperatures."""
        space = self._spaces[index]
        positions, values = scatter(space, self.snapshots[index].reshape(-1), self._loads[index].closures)
        return positions, np.clip(values, *self.allowed_temperatures(index))

    def widened_field(self, index: int) -> FloatArray:
        """The field with a layer of surface temperatures on every side, shape (cells + 2 along each axis)."""
        wide = widen(self._spaces[index], self.snapshots[index].reshape(-1), self._loads[index].closures)
        low, high = self.allowed_temperatures(index)
        return np.clip(wide, low, high, out=wide) if math.isfinite(low) or math.isfinite(high) else wide

    def allowed_temperatures(self, index: int) -> tuple[float, float]:
        """What is read between and beside the cells at an entry of `times` stays within: the data and the cells.

        The bounds of the maximum principle where it holds, see `grid.engine.value_bounds`, widened to the coldest and
        the hottest cell; infinite where nothing bounds.
        """
        (low, high), field_ = self._data_bounds, self.snapshots[index]
        body = self.body
        inside = field_ if body is None else field_[body]
        return (
            min(low, float(inside.min())) if math.isfinite(low) else low,
            max(high, float(inside.max())) if math.isfinite(high) else high,
        )

    @cached_property
    def _data_bounds(self) -> tuple[float, float]:
        from grid.engine.value_bounds import find_temperature_bounds

        return find_temperature_bounds(self.problem, float(self.times[-1]))

    def find_index(self, time: float | None) -> int:
        """Entry of `times` at a time, the last without one.

        Raises:
            FieldError: The time was not asked for.
        """
        if time is None or self.problem.steady:
            return len(self.times) - 1
        time = require_number("time", time)
        distances = np.abs(np.asarray(self.times) - time)
        nearest = int(np.argmin(distances))
        if not distances[nearest] <= 1e-9 * max(abs(time), self.times[-1]):
            raise FieldError("time", "one of the times asked for when solving [s]")
        return nearest

    def _point(self, point: Point) -> tuple[float, ...]:
        names = AXES[: self.problem.dimension]
        raw, domain = require_place(point, names), self.problem.domain
        for value, low, length in zip(raw, domain.origin, domain.size, strict=True):
            if not low - 1e-9 * length <= value <= low + length * (1 + 1e-9):
                raise FieldError("at", "a point of the body [m]")
        return tuple(
            min(max(value, low), low + length)
            for value, low, length in zip(raw, domain.origin, domain.size, strict=True)
        )


def _linear(values: FloatArray, local: float, axis: int) -> FloatArray:
    """Linear interpolation along an axis at a position in units of entries; held constant beyond the ends."""
    local = min(max(local, 0.0), values.shape[axis] - 1.0)
    low = min(int(local), max(values.shape[axis] - 2, 0))
    high = min(low + 1, values.shape[axis] - 1)
    share = local - low
    out: FloatArray = (1.0 - share) * np.take(values, low, axis=axis) + share * np.take(values, high, axis=axis)
    return out
