"""The shift-and-invert Krylov method: fields at all output times from a few multigrid solves with one matrix.

For linear problems whose coefficients and loads are constant; see `grid.engine.methods.krylov.basis`. Every
field is found from the start of the run, not from the one before, so that errors do not add up, and one set of
directions serves all times within a factor of `WINDOW`. Data stored between steps follow from the plan: a state
carries a mark of its temperatures, by which it is known to be of this run and not one that was given.

The error is twice what the last direction changed. The solves get looser as the changes get smaller, since what they
miss is in proportion to them (V. Simoncini, SIAM J. Numer. Anal. 43, 2005).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from grid.engine.errors import NotConvergedError
from grid.engine.methods.bounds import keep_bounds, reason_without_bounds, tolerance_scale
from grid.engine.methods.krylov.basis import Basis, Motion
from grid.engine.methods.run_marks import RunMarks
from grid.engine.methods.state import HeatBalance, Segment, State, include_references
from grid.engine.methods.step_heat import Heat, count_heat
from grid.engine.space.laws import Loads
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

WINDOW = 10.0  # [-] ratio of the last to the first of the times that share their directions
SAMPLES = 9  # [-] times of a window at which the error is estimated where later output times are not known
# [-] shift over the last time of a window at a tolerance of 1e-3; powers of the tolerance and of the ratio of the times
SHIFT, SHIFT_POWER, SHIFT_SPREAD = 0.18, 0.085, 0.25
SINGLE_TOLERANCE = 2e-5  # [-] tolerance below which the directions are in double precision
DIRECTIONS = 80  # [-] directions at most
LEAST_DIRECTIONS = 3  # [-] directions from which on the error is estimated
# [-] largest error of the solves, and error over the tolerance as a share of the remaining change
LOOSEST, SHARE = 0.02, 0.02
MARGIN = 2.0  # [-] error over the last change; each direction changes about half of what the one before did
LARGEST_OF_MEAN = 5.0  # [-] assumed largest error of a cell over the root mean square of all, before it is measured


@dataclass(frozen=True)
class Window:
    """Directions for some times since the start of a basis [s], with the error at each [K]."""

    basis: Basis
    times: FloatArray
    errors: FloatArray

    def error(self, time: float) -> float:
        """The error at a time of the window: that of the nearest one before it at which errors were estimated."""
        at = min(int(np.searchsorted(self.times, time * (1.0 - 1e-12))), self.times.size - 1)
        return float(self.errors[at])


@dataclass
class KrylovStepper:
    """One step from stop time to stop time, each found from the start of the run.

    Args:
        space: The discretised problem, linear, with constant loads.
        stop_times: Times at which steps will end, increasing [s].
        tolerance: Largest error of a cell over the span of temperatures [-].
    """

    space: Space
    stop_times: Sequence[float]
    tolerance: float
    name: str = "krylov"
    _kept: dict[tuple[float, bool], Window] = field(default_factory=dict, repr=False)

    def make_segment(self, start: float, end: float) -> Segment:
        """Make a segment of one step."""
        return Segment(start, end, 1)

    def advance(self, state: State, segment: Segment, first: int, count: int) -> State:
        """Take steps of a segment, each one from stop time to stop time."""
        for number in range(first, first + count):
            state = self._step(state, segment.time(number), segment.time(number + 1))
        return state

    def estimate_error(self, state: State) -> FloatArray:
        """Change by the last direction as the estimate of the error, the same for all cells."""
        return np.zeros(1) if state.error is None else state.error

    def _step(self, state: State, start: float, end: float) -> State:
        bounds = include_references(state.bounds, self._loads)
        is_known = self._marks.is_known(state)
        window = self._find_window(end) if is_known else self._build(state.temperature, np.array([end - start]))
        basis, base = window.basis, 0.0 if is_known else start
        motion = basis.system.move(np.array([end - base]))
        temperature = basis.find_fields(motion.change.T)[0]
        # the heat of a run is booked anew from its start, as other directions may have served the times before
        heat_balance, before = (
            (HeatBalance(), 0.0) if is_known else (state.heat_balance, float(self.estimate_error(state)[0]))
        )
        heat_balance = self._count(basis, motion, end - base).book(heat_balance)
        if self._is_bounded:
            temperature, heat_balance = keep_bounds(temperature, self.space, bounds, heat_balance)
        return replace(
            state,
            time=end,
            step=state.step + 1,
            temperature=temperature,
            bounds=bounds,
            heat_balance=heat_balance,
            error=np.array([before + window.error(end - base)]),
            controller=self._marks.make(temperature, end) if is_known else (),
        )

    def _find_window(self, end: float) -> Window:
        """Directions for a time of the run, stored for later times; they follow from the plan alone."""
        high, is_landing = self.stop_times[-1], end in self.stop_times
        while end <= high / WINDOW:
            high /= WINDOW
        if (high, is_landing) not in self._kept:
            for key in [key for key in self._kept if key[1] == is_landing]:
                del self._kept[key]
            times = np.array([time for time in self.stop_times if high / WINDOW < time <= high])
            if not is_landing:
                times = high * np.geomspace(1.0 / WINDOW, 1.0, SAMPLES)
            self._kept[high, is_landing] = self._build(self.space.initial_temperature(), times)
        return self._kept[high, is_landing]

    def _build(self, start: FloatArray, times: FloatArray) -> Window:
        """Directions until the last one changes no field by more than half of the tolerance.

        Args:
            start: Where they begin.
            times: Since then, increasing [s].

        Raises:
            NotConvergedError: They do not suffice, or a solve stalls.
        """
        shift = SHIFT * (self.tolerance / 1e-3) ** SHIFT_POWER * (times[0] / times[-1]) ** SHIFT_SPREAD
        dtype = np.float32 if self.tolerance >= SINGLE_TOLERANCE else np.float64
        basis = Basis.of(self.space, self._loads, start, gamma=shift * float(times[-1]), dtype=dtype)
        changes, left, span, enough = basis.system.move(times).change, 1.0, 0.0, min(LEAST_DIRECTIONS, start.size - 1)
        for _ in range(DIRECTIONS):
            energy = SHARE * self.tolerance / (LARGEST_OF_MEAN * max(left, self.tolerance))
            if not basis.extend(min(energy, LOOSEST) * basis.fresh):
                return Window(basis, times, np.zeros(times.size))
            before, changes = np.pad(changes, ((0, 1), (0, 0))), basis.system.move(times).change
            change = basis.measure(changes - before)
            is_close = basis.count >= enough and MARGIN * LARGEST_OF_MEAN * change <= self.tolerance * span
            if is_close or not span:
                span = self._see(basis, changes)
            left = change / span if span else 1.0
            if is_close:
                errors = MARGIN * np.array([basis.find_largest(step[None]) for step in (changes - before).T])
                if errors.max() <= self.tolerance * span:
                    return Window(basis, times, errors)
        raise NotConvergedError("shift-and-invert Krylov", DIRECTIONS, left, self.tolerance)

    def _see(self, basis: Basis, changes: FloatArray) -> float:
        """Span of the temperatures so far: at the start and the first and the last of some times [K]."""
        low, high = basis.find_extremes(changes[:, sorted({0, changes.shape[1] - 1})].T)
        return tolerance_scale(low, high, self.tolerance)

    def _count(self, basis: Basis, motion: Motion, step: float) -> Heat:
        """The heat that the mean temperatures over a time let through the faces, and that of sources."""
        mean = motion.integral.T / step
        return count_heat(self.space, self._loads, step, lambda cells: basis.start[cells] + basis.look(mean, cells)[0])

    @cached_property
    def _marks(self) -> RunMarks:
        return RunMarks(self.space, self.stop_times[-1])

    @cached_property
    def _loads(self) -> Loads:
        return self.space.loads(0.0)

    @cached_property
    def _is_bounded(self) -> bool:
        return reason_without_bounds(self.space.problem) is None
