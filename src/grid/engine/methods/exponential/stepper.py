r"""The exponential method: one step from each output time to the next, where coefficients and loads are constant.

.. math:: T(t) = T_0 + t\,p(tA)\,g, \qquad A = -C^{-1} L

with g the rate of change at the start, p a truncated Chebyshev series of :math:`\varphi_1` (module `series`), and
:math:`T_k(Z) g` by the recurrence :math:`v_{k+1} = 2 Z v_k - v_{k-1}`, Z = 1 + 2 A / rho, where rho bounds the
spectral radius (H. Tal-Ezer, SIAM J. Numer. Anal. 23, 1986). The error is the part of the series that is left out.
Explicit steps would need about rho t / 2 products with the operator, this needs :math:`\sqrt{\rho t \ln(1/\epsilon)}`.

The heat balance counts the heat that the mean temperatures over the step let through each boundary face. They come
from a second series on the cells behind these faces alone, so the balance checks field, series and boundary in one.

In mixed precision the recurrence runs in single precision, after a first short part of the step in double: it smooths
the rate of change, whose jumps would be rounded the same way in whole rows. What rounding leaves of the balance is
given to all cells alike, in proportion to their capacity, and counts as error.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.engine.methods.bounds import keep_bounds, reason_without_bounds, weigh
from grid.engine.methods.exponential import kernels
from grid.engine.methods.exponential.series import bound_error, count_products, divide, find_coefficients
from grid.engine.methods.padded.grid import Layout, closed_conductances
from grid.engine.methods.state import Segment, State, include_references
from grid.engine.methods.step_heat import Heat, count_heat
from grid.engine.space.laws import Loads
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

HEAD = 3e-4  # [-] first share of a step in mixed precision, taken in double precision
# [-] length of the spectrum over a step from which on the first 1 / `LONG_SHARE` of it is a step of its own, that
# divisor, and the number of cells up to which this is done: larger fields average roundings out
LONG, LONG_SHARE, LONG_CELLS = 1e4, 300.0, 8_000
ROUNDING_SINGLE = 5e-5  # [-] rounding error of the recurrence in single precision, over the span
MARGIN = 1.0 + 1e-6  # [-] factor on the spectral radius, for roundings of the conductances
ATTEMPTS = 3  # [-] attempts at a step whose temperatures span less than was guessed
SLACK = 1.5  # [-] error over the budget from which on another attempt is made
LARGEST_OF_MEAN = 5.0  # [-] largest error of a cell over the root mean square of all, to which the bound applies


@dataclass(frozen=True)
class Series:
    """The truncated series of one step [s], over a spectrum that reaches -z, and the bound of its error [K]."""

    step: float
    z: float
    coefficients: FloatArray
    error: float


@dataclass
class ExponentialStepper:
    """One Chebyshev step between stop times.

    Args:
        space: The discretised problem, linear, with constant loads.
        stiffness: Bound of the spectral radius of C^-1 L [1/s].
        budget: Share of the span of temperatures that the error of one step may be [-].
        is_single: Run the recurrence in single precision.
        threads: Slabs that are worked through at the same time; 1 for the serial kernel.
        levels: Levels of the recurrence in one wave; None for as many as fit in the cache.
    """

    space: Space
    stiffness: float
    budget: float
    is_single: bool = False
    threads: int = 1
    levels: int | None = None
    name: str = "exponential"

    def make_segment(self, start: float, end: float) -> Segment:
        """Make a segment of one step."""
        return Segment(start, end, 1)

    def advance(self, state: State, segment: Segment, first: int, count: int) -> State:
        """Steps of a segment, each in one call of the kernel."""
        for number in range(first, first + count):
            start, end = segment.time(number), segment.time(number + 1)
            if self.is_single:
                middle = start + HEAD * (end - start)
                state = replace(self._smoother.advance(state, Segment(start, middle, 1), 0, 1), step=state.step)
                start = middle
            state = self._reach(state, start, end)
        return state

    def _reach(self, state: State, start: float, end: float) -> State:
        """One step; where it is long, a short part of it is taken first."""
        if self.is_single or not self._is_long(end - start):
            return self._step(state, start, end)
        middle = start + (end - start) / LONG_SHARE
        begun = self._smoother._reach(state, start, middle)  # noqa: SLF001 of the same class
        return self._smoother._step(replace(begun, step=state.step), middle, end)  # noqa: SLF001

    def _is_long(self, step: float) -> bool:
        """Tell whether rounding would show in the heat of a step from a rough field.

        The series multiplies the rate of change by the step, which then is up to z times the result; after a short part
        of the step the rate is that of a smooth field. A large field averages roundings out.
        """
        return self.space.capacity.size <= LONG_CELLS and self.stiffness * step > LONG

    @cached_property
    def _smoother(self) -> "ExponentialStepper":
        return replace(self, is_single=False, budget=0.5 * self.budget)

    def estimate_error(self, state: State) -> FloatArray:
        """The bounds of all steps so far, the same for all cells; a step makes no error of the ones before larger."""
        return np.zeros(1) if state.error is None else state.error

    def _step(self, state: State, start: float, end: float) -> State:
        loads, step = self._loads, end - start
        bounds = include_references(state.bounds, loads)
        rate = self.space.heat_flow(state.temperature, loads).net * self.space.rate
        drive = step * float(np.sqrt(weigh(self.space.capacity, rate**2) / self.space.capacity.sum()))
        if drive == 0.0:
            return replace(state, time=end, step=state.step + 1, bounds=bounds)
        span = max(bounds.highest - bounds.lowest, float(np.ptp(state.temperature)))
        aim = self.budget * (span or drive)
        for _ in range(ATTEMPTS):
            series = self._choose(step, drive, span, aim)
            temperature, mean = self._evolve(state.temperature, rate, series)
            seen = np.ptp([field_(part) for part in (state.temperature, temperature) for field_ in (np.min, np.max)])
            if series.error <= SLACK * self.budget * seen:
                break
            aim = self.budget * float(seen)  # the temperatures span less than the data would let them
        heat = count_heat(self.space, loads, step, lambda cells: mean[np.searchsorted(self._edge, cells)])
        return self._book(replace(state, time=end, step=state.step + 1, bounds=bounds), temperature, heat, series.error)

    def _choose(self, step: float, drive: float, span: float, aim: float) -> Series:
        """The series of a step [s], with as many terms as keep the largest error to `aim` [K]."""
        z = self.stiffness * MARGIN * step
        coefficients = find_coefficients(z)
        distance = span if self._is_bounded else None
        budget = aim * (0.5 if self.is_single else 1.0) / LARGEST_OF_MEAN
        count = count_products(coefficients, z, drive, distance, budget)
        error = LARGEST_OF_MEAN * bound_error(coefficients, count, z, drive, distance)
        count = 1 + 3 * max(math.ceil((count - 1) / 3), 1)  # the kernel sums levels by threes
        coefficients = np.pad(coefficients, (0, max(0, count - coefficients.size)))[:count]
        if self.is_single:
            error += ROUNDING_SINGLE * span
        return Series(step, z, coefficients / coefficients.sum(), error)

    def _evolve(self, field: FloatArray, rate: FloatArray, series: Series) -> tuple[FloatArray, FloatArray]:
        """The field after the step, and the mean over the step of the cells behind boundaries."""
        largest = float(np.abs(rate).max())
        change, means = self._sum(rate / largest, series)
        change *= series.step * largest
        change += field
        return change, field[self._edge] + (series.step * largest) * means

    def _book(self, state: State, temperature: FloatArray, heat: Heat, error: float) -> State:
        """The state after a step, inside the bounds where there are any."""
        capacity = self.space.capacity
        if self.is_single:
            stored = weigh(capacity, temperature - state.temperature)
            rest = (heat.into - heat.out + heat.generated - stored) / float(capacity.sum())
            temperature, error = temperature + rest, error + abs(rest)
        heat_balance = heat.book(state.heat_balance)
        if self._is_bounded:
            temperature, heat_balance = keep_bounds(temperature, self.space, state.bounds, heat_balance)
        before = 0.0 if state.error is None else float(state.error[0])
        return replace(state, temperature=temperature, heat_balance=heat_balance, error=np.array([before + error]))

    @cached_property
    def _loads(self) -> Loads:
        return self.space.loads(0.0)

    @cached_property
    def _is_bounded(self) -> bool:
        return reason_without_bounds(self.space.problem) is None

    @cached_property
    def _edge(self) -> NDArray[np.intp]:
        """Cells behind faces that exchange heat with a temperature, sorted."""
        parts = [
            patch.cells
            for patch, face_law in zip(self.space.patches, self._loads.face_laws, strict=True)
            if np.any(face_law.transmittance)
        ]
        return np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.intp)

    @cached_property
    def _layout(self) -> Layout:
        return Layout(self.space.shape, self.space.problem.is_periodic, 4 if self.is_single else 8)

    @cached_property
    def _grid(self) -> tuple[Any, ...]:
        """Conductances and rates for the kernel, scaled so that their products are those of 2 Z - 2."""
        capacity = self.space.capacity
        usual = float(capacity.max())
        scale = 4.0 / (self.stiffness * MARGIN * usual)
        faces = [scale * conductance for conductance in closed_conductances(self.space, self._loads)]
        placed = [self._layout.place(values, axis, slot=axis) for axis, values in enumerate(faces)]
        if len(placed) == 1:
            placed.insert(0, self._layout.zeros(1))
        depth = placed[0] if len(placed) == 3 else None
        uneven = self.space.active is not None or bool(np.any(capacity != usual))
        rate = self._layout.place((usual * self.space.rate).reshape(self.space.shape), slot=3) if uneven else None
        return (depth, placed[-2], placed[-1], rate, self._layout.sizes)

    def _sum(self, start: FloatArray, series: Series) -> tuple[FloatArray, FloatArray]:
        """p(tA) of a field, and phi_2 of it on the cells behind boundaries."""
        layout, shape, edge, coefficients = self._layout, self.space.shape, self._edge, series.coefficients
        weights = coefficients.astype(np.float32 if self.is_single else np.float64)
        means = divide(coefficients, series.z)
        coordinates = layout.coordinates(edge)
        u, v = layout.place(start.reshape(shape), slot=4), layout.zeros(5)
        change = layout.zeros(6) if self.is_single else None
        kernels.first_level(u, v, change, self._grid)
        sums = means[0] * u[coordinates] + means[1] * v[coordinates]
        total = layout.zeros(7, np.float64)
        ends = (layout.starts(edge), coordinates, sums, means)
        levels = min(self.levels or layout.levels_at_once, layout.levels_at_once)
        parts = max(1, min(self.threads, layout.units // (2 * levels + 2))) if self.threads > 1 else 1
        run = kernels.advance_levels if parts == 1 else kernels.advance_levels_parallel
        run(u, v, change, self._grid, total, weights, ends, levels, parts)
        return coefficients[0] * start + layout.take(total), sums
