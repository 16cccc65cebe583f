r"""Alternating directions: one tridiagonal solve for each axis and step, for linear problems on boxes.

With the heat flow f = b - L T, L the sum of its parts along the axes, a step of J. Douglas (Numer. Math. 4, 1962) for
the change d of the field is

.. math:: (C + \tfrac{\Delta t}{2} L_x)\,C^{-1} (C + \tfrac{\Delta t}{2} L_y)\,C^{-1} (C + \tfrac{\Delta t}{2} L_z)\,d
          = \Delta t\,(b_{n+1/2} - L T_n),

second order and stable. It does not damp what is rough, so after a start or a jump of the loads two steps are made as
four of half the length by backward Euler along one axis after the other (N. N. Yanenko, The Method of Fractional Steps,
1971), which makes no new extremes. The change after each solve shows the flux that the splitting applied at the faces:
summed over the cells, solve a takes :math:`\tfrac{\Delta t}{2} U A\,d_a` from the heat through the faces normal to its
axis. The heat balance counts just that, so it checks every solve.

Equal steps go from one stop time to the next; longer ones later, which other methods like, gain nothing, because the
error of the splitting counts most at the end. All are halved until the results of both differ by no more than the
tolerance; half of the difference is the estimate of the error (a third where the order is two, the whole where it is
one).
"""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from grid.engine.errors import NotConvergedError
from grid.engine.linear.multigrid.cycle_kernels import apply
from grid.engine.linear.multigrid.solver import make_operator
from grid.engine.loads.analysis import StepLimits
from grid.engine.methods.adi import kernels
from grid.engine.methods.bounds import keep_bounds, reason_without_bounds, tolerance_scale
from grid.engine.methods.state import Segment, State
from grid.engine.progress import tick
from grid.engine.space.laws import Loads, add_prescribed
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

DAMPED_STEPS = 2  # [-] steps at the start that are each taken as two half steps of backward Euler
HALVINGS = 9  # [-] attempts at the way to a stop time, with smaller steps each, before the run fails
FIRST_STEPS = 2.0  # [-] steps of the whole run times the square root of the tolerance; a first guess, mostly too few
LEAST_STEPS = 4  # [-] least number of steps to a stop time


@dataclass(frozen=True)
class Factors:
    """Tridiagonal systems of all axes for one tau [s]: inverse pivots, in the layout of the kernels."""

    tau: float
    pivots: tuple[FloatArray, ...]


@dataclass
class Way:
    """A run between two stop times: the field, and the heat of each patch and of the source so far [J]."""

    temperature: FloatArray
    heat: FloatArray
    generated: float
    lowest: float
    highest: float
    prescribed: tuple[float, ...] = ()


@dataclass
class AdiStepper:
    """Douglas's splitting in equal steps, or in steps halved until the tolerance is met.

    Args:
        space: The discretised problem, linear.
        time_step: The equal step that was requested [s]; None where the error is controlled.
        tolerance: Share of the span of temperatures that the error of all stop times may be [-].
        stop_times: How many there are.
        duration: Of the run [s].
        jumps: Times at which loads may jump, 0 with them.
        limits: Longest steps with which the loads are followed; None where nothing limits them.
        expected: Span of temperatures that the loads will make [K], see `grid.engine.methods.load_scale`.
    """

    space: Space
    time_step: float | None
    tolerance: float
    stop_times: int
    duration: float
    jumps: frozenset[float]
    limits: StepLimits | None = None
    expected: float = 0.0
    name: str = "adi"
    _operators: dict[bytes, tuple[tuple[int, ...], tuple[FloatArray, ...], FloatArray]] = field(
        default_factory=dict, repr=False
    )
    _constant_known: FloatArray | None = field(default=None, repr=False)

    def make_segment(self, start: float, end: float) -> Segment:
        """Cut the time between two stop times into equal steps, or into one where the error controls them."""
        if self.time_step is None:
            return Segment(start, end, 1)
        return Segment(start, end, max(1, int(np.ceil((end - start) / self.time_step * (1 - 1e-9)))))

    def estimate_error(self, state: State) -> FloatArray:
        """Estimate of the time error [K]; zero where none was made."""
        return np.zeros(1) if state.error is None else np.abs(state.error)

    def advance(self, state: State, segment: Segment, first: int, count: int) -> State:
        """Take equal steps of a segment, or all of it with controlled error."""
        if self.time_step is None:
            return self._controlled(state, segment)
        way = self._begin(state)
        is_jump = segment.start in self.jumps
        for number in range(first, first + count):
            self._step(way, segment, segment.time(number), segment.time(number + 1), is_jump and number < DAMPED_STEPS)
        return self._finish(state, way, segment.time(first + count), count, None)

    def _controlled(self, state: State, segment: Segment) -> State:
        """Advance to the stop time, in steps halved until the tolerance is met.

        Raises:
            NotConvergedError: They become too many.
        """
        share = (segment.end - segment.start) / self.duration
        steps = max(LEAST_STEPS, round(FIRST_STEPS * share / np.sqrt(self.tolerance)))
        if self.limits is not None:
            steps = max(steps, math.ceil((segment.end - segment.start) / self.limits.find(segment.start)))
        budget = self.tolerance / self.stop_times
        before, taken = self._go(state, segment, steps), 0
        for _ in range(HALVINGS):
            steps *= 2
            way = self._go(state, segment, steps)
            taken += steps
            error = 0.5 * (way.temperature - before.temperature)
            lowest, highest = min(way.lowest, state.bounds.lowest), max(way.highest, state.bounds.highest)
            allowed = budget * max(tolerance_scale(lowest, highest, budget), self.expected)
            largest = float(np.abs(error).max())
            if largest <= allowed:
                return self._finish(state, way, segment.end, taken, error)
            before = way
        what = "halving the steps of the alternating directions"
        raise NotConvergedError(what, HALVINGS, largest, allowed, cell=int(np.abs(error).argmax()))

    def _go(self, state: State, segment: Segment, steps: int) -> Way:
        """Advance to the stop time in so many equal steps."""
        way, piece = self._begin(state), Segment(segment.start, segment.end, steps)
        is_jump = segment.start in self.jumps
        for number in range(steps):
            tick()
            self._step(way, segment, piece.time(number), piece.time(number + 1), is_jump and number < DAMPED_STEPS)
        return way

    def _begin(self, state: State) -> Way:
        bounds = state.bounds
        heat = np.zeros(len(self.space.patches))
        return Way(state.temperature.copy(), heat, 0.0, bounds.lowest, bounds.highest)

    def _finish(self, state: State, way: Way, time: float, steps: int, error: FloatArray | None) -> State:
        into, out = float(way.heat[way.heat > 0.0].sum()), -float(way.heat[way.heat < 0.0].sum())
        bounds = state.bounds.include([way.lowest, way.highest])
        temperature, heat_balance = way.temperature, state.heat_balance.add(into, out, way.generated, way.prescribed)
        if reason_without_bounds(self.space.problem) is None:
            temperature, heat_balance = keep_bounds(temperature, self.space, bounds, heat_balance)
        if error is not None and state.error is not None:
            error = np.abs(error) + state.error
        return replace(
            state,
            time=time,
            step=state.step + steps,
            temperature=temperature,
            heat_balance=heat_balance,
            bounds=bounds,
            error=None if error is None else np.abs(error),
        )

    def _step(self, way: Way, segment: Segment, start: float, end: float, is_damped: bool) -> None:
        if is_damped:
            middle = 0.5 * (start + end)
            for time in (middle, end):
                self._damped_step(way, segment.inside(time), 0.5 * (end - start))
        else:
            self._douglas_step(way, segment.inside(0.5 * (start + end)), end - start)

    def _douglas_step(self, way: Way, time: float, step: float) -> None:
        loads = self._loads(way, time, step)
        factors = self._factors(0.5 * step, loads)
        change = self._heat_flow(way.temperature, loads)
        change *= step
        for index, (patch, face_law) in enumerate(zip(self.space.patches, loads.face_laws, strict=True)):
            way.heat[index] += step * patch.area * float(face_law.heat_flux(way.temperature[patch.cells]).sum())
        for axis in range(len(self.space.shape)):
            if axis:
                change *= self._capacity
            self._sweep(change, axis, factors)
            for index, taken in self._losses(change, axis, loads):
                way.heat[index] -= factors.tau * taken
        way.temperature += change

    def _damped_step(self, way: Way, time: float, step: float) -> None:
        """Backward Euler along one axis after the other, the source with the first."""
        loads = self._loads(way, time, step)
        factors = self._factors(step, loads)
        for axis in range(len(self.space.shape)):
            right = self._capacity * way.temperature
            if axis == 0 and loads.source is not None:
                right += step * loads.source
            for patch, face_law in zip(self.space.patches, loads.face_laws, strict=True):
                if patch.axis == axis:
                    gain = face_law.transmittance * face_law.reference + face_law.imposed
                    right[patch.cells] += step * patch.area * gain
            self._sweep(right, axis, factors)
            way.temperature = right
            for index, (patch, face_law) in enumerate(zip(self.space.patches, loads.face_laws, strict=True)):
                if patch.axis == axis:
                    way.heat[index] += step * patch.area * float(face_law.heat_flux(right[patch.cells]).sum())

    def _loads(self, way: Way, time: float, step: float) -> Loads:
        """The loads of a step; what they generate and their temperatures are noted."""
        loads = self.space.loads(time)
        way.prescribed = add_prescribed(way.prescribed, loads, step)
        if loads.source is not None:
            way.generated += step * float(loads.source.sum())
        for face_law in loads.face_laws:
            if np.any(face_law.transmittance):
                way.lowest = min(way.lowest, float(np.min(face_law.reference)))
                way.highest = max(way.highest, float(np.max(face_law.reference)))
        return loads

    def _heat_flow(self, temperature: FloatArray, loads: Loads) -> FloatArray:
        """Net heat b - L T of each cell [W], in compiled passes."""
        key = loads.operator_key
        if key not in self._operators:
            self._operators.clear()
            self._operators[key] = make_operator(self.space, loads, shift=0.0, tau=1.0)
        shape, (gx, gy, gz), rest = self._operators[key]
        out = np.empty_like(temperature)
        sums = np.empty(shape[0] * shape[1])
        apply(out.reshape(shape), temperature.reshape(shape), gx, gy, gz, rest, 1.0, sums)
        return np.subtract(self._known(loads), out, out=out)

    def _known(self, loads: Loads) -> FloatArray:
        """Vector b [W]: heat from the faces and the source into a body at zero."""
        if self._constant_known is not None:
            return self._constant_known
        known = np.zeros_like(self.space.capacity) if loads.source is None else loads.source.copy()
        for patch, face_law in zip(self.space.patches, loads.face_laws, strict=True):
            known[patch.cells] += patch.area * (face_law.transmittance * face_law.reference + face_law.imposed)
        if self.space.problem.has_constant_loads:
            self._constant_known = known
        return known

    def _losses(self, change: FloatArray, axis: int, loads: Loads) -> list[tuple[int, float]]:
        """Number of each patch normal to an axis, and its sum of U A d [W]."""
        found = []
        for index, (patch, face_law) in enumerate(zip(self.space.patches, loads.face_laws, strict=True)):
            if patch.axis == axis and np.any(face_law.transmittance):
                found.append((index, patch.area * float(np.sum(face_law.transmittance * change[patch.cells]))))
        return found

    def _sweep(self, right: FloatArray, axis: int, factors: Factors) -> None:
        """Solve along an axis in place."""
        g, pivots = self._faces[axis], factors.pivots[axis]
        if axis == len(self.space.shape) - 1:
            kernels.sweep_along(right.reshape(-1, self.space.shape[axis]), pivots, g, factors.tau)
        else:
            kernels.sweep_across(right.reshape(pivots.shape), pivots, g, factors.tau)

    def _lay_out(self, values: FloatArray, axis: int) -> FloatArray:
        """Arrange values of cells or faces as the kernels need them: planes, places along the axis, lines."""
        shape = values.shape
        if axis == len(shape) - 1:
            return np.ascontiguousarray(values.reshape(-1, shape[axis]).T)[None]
        planes = int(np.prod(shape[:axis]))
        return np.ascontiguousarray(values).reshape(planes, shape[axis], -1)

    @cached_property
    def _faces(self) -> tuple[FloatArray, ...]:
        return tuple(self._lay_out(g, axis) for axis, g in enumerate(self.space.conductances))

    @cached_property
    def _capacity(self) -> FloatArray:
        """C, and 1 in cells outside a masked body, which nothing heats."""
        return np.where(self.space.capacity > 0.0, self.space.capacity, 1.0)

    @cached_property
    def _kept(self) -> dict[tuple[float, bytes], Factors]:
        return {}

    def _factors(self, tau: float, loads: Loads) -> Factors:
        """The systems C + tau L of all axes; a tau that differs by rounding alone is the same."""
        key = (float(f"{tau:.12e}"), loads.operator_key)
        if key not in self._kept:
            if len(self._kept) >= 2:
                self._kept.clear()
            parts = []
            for axis, g in enumerate(self.space.conductances):
                diagonal = self._capacity.reshape(self.space.shape).copy()
                diagonal += key[0] * (np.delete(g, -1, axis) + np.delete(g, 0, axis))
                flat = diagonal.reshape(-1)
                for patch, face_law in zip(self.space.patches, loads.face_laws, strict=True):
                    if patch.axis == axis:
                        flat[patch.cells] += key[0] * patch.area * face_law.transmittance
                laid = self._lay_out(diagonal, axis)
                pivots = np.empty_like(laid)
                kernels.factorise(pivots, laid, self._faces[axis], key[0])
                parts.append(pivots)
            self._kept[key] = Factors(key[0], tuple(parts))
        return self._kept[key]
