"""The fields of a run at its output times with what was measured of them, and readings at points and times."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import FieldError
from grid.engine.arguments import require_choice, require_list, require_number, require_place
from grid.engine.lumped.certificates import Certificate
from grid.engine.lumped.fidelity import find_surfaces, stress_factor
from grid.engine.methods.state import HeatBalance
from grid.engine.problem.domain import AXES
from grid.engine.problem.problem import HeatProblem
from grid.engine.problem.type_checks import is_count
from grid.engine.results.audits import Audit
from grid.engine.results.model_report import ModelReport
from grid.engine.results.summary import PlanSummary
from grid.engine.space.interpolation import interpolate, widen
from grid.engine.space.laws import Loads
from grid.engine.space.mesh import centres
from grid.engine.space.scattered import moving_least_squares, scatter, scatter_surfaces
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

Point = tuple[float, ...] | Mapping[str, float]


@dataclass(frozen=True)
class History:
    """Key figures along the run, one entry for each report: at the start, at most about 50 later, at the end."""

    time: FloatArray  # s
    minimum: FloatArray
    mean: FloatArray  # heat-weighted
    maximum: FloatArray


@dataclass(frozen=True)
class SolutionFields:
    """Fields and verdicts of one run, and readings of them; `Solution` describes each field."""

    problem: HeatProblem
    plan: PlanSummary
    times: tuple[float, ...]
    snapshots: tuple[FloatArray, ...] | FloatArray = field(repr=False)
    metrics: dict[str, float]
    audits: tuple[Audit, ...]
    history: History
    heat_balance: HeatBalance = field(repr=False)
    _spaces: Sequence[Space] = field(repr=False)  # coefficients at each snapshot
    _loads: Sequence[Loads] = field(repr=False)
    _contents: tuple[FloatArray | None, ...] = field(repr=False)  # enthalpy of each cell [J], where a material melts
    models: ModelReport = field(default_factory=ModelReport)
    run_warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Describe in one line the problem, the method and the result."""
        low, high = self.metrics["minimum_temperature"], self.metrics["peak_temperature"]
        when = "steady" if self.problem.steady else f"{len(self.times)} fields to t = {self.times[-1]:.6g} s"
        what = f"{' x '.join(map(str, self.problem.domain.cells))} cells, {when}, {self.plan.method}"
        return f"Solution({what}; {low:.6g} to {high:.6g} at the end; {'accepted' if self.is_accepted else 'rejected'})"

    @property
    def is_accepted(self) -> bool:
        """True where no audit failed."""
        return all(audit.verdict != "failed" for audit in self.audits)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings of the plan, see `grid.engine.run.warnings`, and of the run."""
        return (*self.plan.warnings, *self.run_warnings)

    @cached_property
    def fields(self) -> FloatArray:
        """Temperature at each of `times`, shape (times, *cells); put together when first requested."""
        return self.snapshots if isinstance(self.snapshots, np.ndarray) else np.stack(self.snapshots)

    @property
    def final(self) -> FloatArray:
        """The last field, shape `cells`."""
        last: FloatArray = self.snapshots[-1]
        return last

    @property
    def body(self) -> NDArray[np.bool_] | None:
        """Mask of the cells of a masked body, shape `cells`; None where all belong to it."""
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
        """Temperature at a point of the body, at an output time (default: the last).

        On a surface it is the surface's, the limit from inside; on a contact the limit from `side`, `low` or `high`.

        Raises:
            FieldError: The point is not in the body, or the time was not requested.
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
        coordinates, space = [self._point(point) for point in points], self._spaces[index]
        if space.active is not None:
            known = self.scattered_field(index)
            found = [moving_least_squares(*known, place, self.problem.domain.spacing) for place in coordinates]
        else:
            wide = self.widened_field(index)
            found = [interpolate(space, wide, place, side) for place in coordinates]
        return np.clip(np.array(found, np.float64), *self.allowed_temperatures(index))

    @property
    def certificate(self) -> Certificate | None:
        """Guaranteed error bound of the lumped model; None where it was not used."""
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

    def space_at(self, index: int) -> Space:
        """The discretised problem with its coefficients at an entry of `times`."""
        return self._spaces[index]

    def scattered_field(self, index: int) -> tuple[FloatArray, FloatArray]:
        """Centres and surface points: positions with the material last, shape (n, dimension + 1), and temperatures."""
        space = self._spaces[index]
        positions, values = scatter(space, self.snapshots[index].reshape(-1), self._loads[index].face_laws)
        return positions, np.clip(values, *self.allowed_temperatures(index))

    def scattered_surfaces(self, index: int) -> FloatArray:
        """Temperatures of the surface points of `scattered_field`, shape (points,)."""
        values = scatter_surfaces(self._spaces[index], self.snapshots[index].reshape(-1), self._loads[index].face_laws)
        return np.clip(values, *self.allowed_temperatures(index))

    def widened_field(self, index: int) -> FloatArray:
        """The field with a layer of surface temperatures on every side, shape (cells + 2 along each axis)."""
        wide = widen(self._spaces[index], self.snapshots[index].reshape(-1), self._loads[index].face_laws)
        low, high = self.allowed_temperatures(index)
        return np.clip(wide, low, high, out=wide) if math.isfinite(low) or math.isfinite(high) else wide

    def allowed_temperatures(self, index: int) -> tuple[float, float]:
        """Bounds of temperatures read between and beside the cells at an entry of `times`: those of data and cells.

        The bounds of the maximum principle where it holds, see `grid.engine.problem.value_bounds`, widened to the
        coldest and the hottest cell; infinite where nothing bounds.
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
        from grid.engine.problem.value_bounds import find_temperature_bounds

        return find_temperature_bounds(self.problem, float(self.times[-1]))

    def find_index(self, time: float | None) -> int:
        """Entry of `times` at a time, the last without one.

        Raises:
            FieldError: The time was not requested.
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
