"""The rate of change that RKL2 follows: with every coefficient evaluated anew, or by one polynomial and compiled.

`SpaceFlow` evaluates whatever a problem has, as the implicit method does. `ScaledFlow` is for the common case that all
conductivities are a number each times one function of temperature, and nothing else but the laws of the boundaries is
not linear; it gives the same equations to rounding.
"""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from grid.engine.methods.padded.grid import Layout
from grid.engine.methods.rkl2 import kernels
from grid.engine.methods.rkl2.stages import Weights
from grid.engine.problem.boundaries import Boundary
from grid.engine.space.laws import Loads
from grid.engine.space.nonlinear import freeze
from grid.engine.space.space import CELSIUS_ZERO, Space
from grid.engine.values.operations import FloatArray

MARGIN = 1.05  # [-] factor on the spectral radius, for the change of coefficients during a step


@dataclass(frozen=True)
class Moved:
    """Heat that moves at a field [W]: into and out of the body, and from sources."""

    into: float
    out: float
    generated: float


class Flow(Protocol):
    """Rate of change of a field in the form in which a method stores its stages."""

    @property
    def valid(self) -> tuple[float, float]:
        """Temperatures between which it holds."""

    def wrap(self, temperature: FloatArray) -> FloatArray:
        """A flat field in that form."""

    def unwrap(self, field: FloatArray) -> FloatArray:
        """The flat field."""

    def copy(self, field: FloatArray, slot: int) -> FloatArray:
        """Copy of a field in that form; those of different slots, 0 to 3, do not share cache sets."""

    def stage(
        self, out: FloatArray, x: FloatArray, start: FloatArray, first: FloatArray, weights: Weights, time: float
    ) -> Moved:
        """Set out to mu x + nu out + kappa start + forward f(x, time) + backward first; return the heat flows at x."""

    def bound_stiffness(self, temperature: FloatArray, low: float, high: float, time: float) -> float:
        """Bound of the spectral radius at a flat field, for temperatures between two [1/s]."""


@dataclass
class SpaceFlow:
    """Every coefficient at the temperatures of each stage."""

    space: Space
    valid: tuple[float, float] = (-np.inf, np.inf)

    def wrap(self, temperature: FloatArray) -> FloatArray:
        """Copy a flat field."""
        return temperature.copy()

    def unwrap(self, field: FloatArray) -> FloatArray:
        """Return the field, which is flat already."""
        return field

    def copy(self, field: FloatArray, slot: int) -> FloatArray:  # noqa: ARG002 rows of a box have slots
        """Copy a field."""
        return field.copy()

    def stage(
        self, out: FloatArray, x: FloatArray, start: FloatArray, first: FloatArray, weights: Weights, time: float
    ) -> Moved:
        """Compute a stage with coefficients evaluated at its temperatures; returns the heat flows at x."""
        space, loads = freeze(self.space, x, time)
        flow = space.heat_flow(x, loads)
        mu, nu, kappa, forward, backward = weights
        out *= nu
        out += mu * x + kappa * start + forward * (space.rate * flow.net) + backward * first
        return Moved(flow.boundary_in, flow.boundary_out, flow.generated)

    def bound_stiffness(self, temperature: FloatArray, low: float, high: float, time: float) -> float:  # noqa: ARG002
        """Bound of the spectral radius [1/s], from coefficients at the field, with a margin of 1.2."""
        space, loads = freeze(self.space, temperature, time)
        inside = slice(None) if space.active is None else space.active
        found: float = np.max((2.0 * space.diagonal(loads) * space.rate)[inside])
        return 1.2 * float(found)


@dataclass
class ScaledFlow:
    """One cubic of temperature scales all conductances.

    Args:
        space: The discretised problem.
        law: Coefficients of the cubic, 1 at `reference`.
        reference: Temperature at which the conductances are taken.
        valid: Temperatures between which the cubic was found to hold.
        is_parallel: Share the rows among threads.
    """

    space: Space
    law: FloatArray
    reference: float
    valid: tuple[float, float]
    is_parallel: bool = False
    _flows: FloatArray = field(default_factory=lambda: np.zeros(2), repr=False)

    def wrap(self, temperature: FloatArray) -> FloatArray:
        """Place a flat field in padded rows."""
        placed: FloatArray = self._layout.place(temperature.reshape(self.space.shape))  # type: ignore[assignment]
        return placed

    def unwrap(self, field: FloatArray) -> FloatArray:
        """Take the flat field out of padded rows."""
        taken: FloatArray = self._layout.take(field)  # type: ignore[assignment]
        return taken

    def copy(self, field: FloatArray, slot: int) -> FloatArray:
        """Copy a padded field into the memory of a slot."""
        out: FloatArray = self._layout.zeros(4 + slot)  # type: ignore[assignment]
        out[:] = field
        return out

    def stage(
        self, out: FloatArray, x: FloatArray, start: FloatArray, first: FloatArray, weights: Weights, time: float
    ) -> Moved:
        """Compute a stage by the compiled kernels; returns the heat flows at x."""
        run = kernels.advance_stage_parallel if self.is_parallel else kernels.advance_stage
        kernels.join(x, self._layout.sizes, len(self.space.shape) == 3)
        loads = self._loads(time)
        faces = (*self._faces, loads[1])
        run(out, x, start, first, self._grid, loads[0], faces, self.law, np.array(weights), self._flows, self._rows)
        return Moved(float(self._flows[0]), float(self._flows[1]), loads[2])

    def bound_stiffness(self, temperature: FloatArray, low: float, high: float, time: float) -> float:  # noqa: ARG002
        """Bound of the spectral radius [1/s]: that at `reference` times the largest value of the law, with a margin."""
        at = np.linspace(low, high, 65)
        return MARGIN * self._stiffness * float(np.max(np.polynomial.polynomial.polyval(at, self.law)))

    @cached_property
    def _layout(self) -> Layout:
        return Layout(self.space.shape, self.space.problem.is_periodic)

    @property
    def _rows(self) -> int:
        planes, rows, _ = self._layout.full
        return planes * rows

    @cached_property
    def _fixed(self) -> Space:
        """The space at the reference temperature."""
        field_ = np.full(self.space.capacity.size, self.reference)
        return freeze(self.space, field_, 0.0)[0]

    @cached_property
    def _stiffness(self) -> float:
        """Gershgorin's bound at s = 1, with whole half cells at the boundary [1/s]."""
        none = Loads((), None, b"")
        total = 2.0 * replace(self._fixed, patches=(), half_conductance=()).diagonal(none)
        for patch, half in zip(self._fixed.patches, self._half, strict=True):
            np.add.at(total, patch.cells, half * patch.area)
        return float(np.max(total * self.space.rate))

    @cached_property
    def _half(self) -> tuple[FloatArray, ...]:
        """2 k / d of each patch at the reference [W/(m2 K)]."""
        k = [np.broadcast_to(part, self.space.shape).reshape(-1) for part in self._fixed.conductivity]
        spacing = self.space.problem.domain.spacing
        return tuple(2.0 * k[patch.axis][patch.cells] / spacing[patch.axis] for patch in self.space.patches)

    @cached_property
    def _grid(self) -> tuple[Any, ...]:
        placed = [self._layout.place(values, axis, slot=axis) for axis, values in enumerate(self._fixed.conductances)]
        if len(placed) == 1:
            placed.insert(0, self._layout.zeros(1))
        rate = self._layout.place(np.broadcast_to(self.space.rate.reshape(self.space.shape), self.space.shape), slot=3)
        return (placed[0] if len(placed) == 3 else None, placed[-2], placed[-1], rate, self._layout.sizes)

    @cached_property
    def _faces(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        patches = self.space.patches
        coordinates = [self._layout.coordinates(patch.cells) for patch in patches]
        areas = [np.full(patch.cells.size, patch.area) for patch in patches]
        empty = np.zeros(0)
        return (
            np.concatenate([empty.astype(np.int64), *coordinates]),
            np.concatenate([empty, *self._half]),
            np.concatenate([empty, *areas]),
        )

    def _loads(self, time: float) -> tuple[FloatArray, FloatArray, float]:
        """Source [W], laws of all faces, and the heat of the source in all [W]."""
        return self._constant_loads if self.space.problem.has_constant_loads else self._make_loads(time)

    @cached_property
    def _constant_loads(self) -> tuple[FloatArray, FloatArray, float]:
        return self._make_loads(0.0)

    def _make_loads(self, time: float) -> tuple[FloatArray, FloatArray, float]:
        source = self.space.source_heat(time)
        laws = [np.zeros((0, 7))]
        for index, patch in enumerate(self.space.patches):
            laws.append(_tabulate(self.space, index, patch.cells.size, time))
        if source is None:
            return np.asarray(self._layout.zeros(2), np.float64), np.concatenate(laws), 0.0
        inside = source if self.space.active is None else np.where(self.space.active, source, 0.0)
        return self.wrap(inside), np.concatenate(laws), float(inside.sum())


def _tabulate(space: Space, index: int, count: int, time: float) -> FloatArray:
    """Law of each face of a patch in the form of `kernels.find_surface`."""
    law = space.boundaries[index]
    offset = CELSIUS_ZERO if space.problem.temperature_unit == "degC" else 0.0
    linear = space.robin(index, time, np.full(count, -offset))  # at absolute zero, where radiation has no slope
    out = np.zeros((count, 7))
    out[:, 1], out[:, 5] = linear.reference, offset
    if law.holds_temperature:
        out[:, 6] = 1.0
        return out
    film = np.broadcast_to(np.asarray(linear.film, np.float64), (count,))
    out[:, 0], out[:, 4] = film, linear.imposed
    if law.radiation:
        strength = _strength(law, space, index, time)
        # at absolute zero the law is film (reference - T) + strength surroundings^4
        out[:, 3] = np.divide(out[:, 4], strength, out=np.zeros(count), where=strength > 0.0)
        out[:, 2], out[:, 4] = strength, 0.0
    return out


def _strength(law: Boundary, space: Space, index: int, time: float) -> FloatArray:
    """Strength with which the faces radiate [W/(m2 K4)]."""
    patch = space.patches[index]
    coordinates = {**patch.coordinates, "t": np.float64(time)}
    product = math.prod(factor.evaluate(coordinates) for factor in law.radiation)
    return np.broadcast_to(np.asarray(product, np.float64), (patch.cells.size,)).copy()


def find_temperatures(space: Space) -> tuple[float, float]:
    """The extremes of the start and of what faces exchange heat with."""
    start = space.initial_temperature()
    low, high = float(start.min()), float(start.max())
    for index, patch in enumerate(space.patches):
        law = space.robin(index, 0.0, start[patch.cells])
        if np.any(law.film):
            low, high = min(low, float(np.min(law.reference))), max(high, float(np.max(law.reference)))
    return low, high
