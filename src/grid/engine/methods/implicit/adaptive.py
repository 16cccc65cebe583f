r"""Steps chosen by their error: TR-BDF2 with a controller, for every problem that it can solve.

The local error of a step is its distance to the embedded third-order formula, filtered by one solve (M. E. Hosea, L. F.
Shampine, Appl. Numer. Math. 20, 1996). What counts is its rest at the next output time. With R the stability function
of the scheme the error is carried along exactly as the scheme carries a field,

.. math:: R(z) = \frac{a_1}{1 - dz} + \frac{a_2}{(1 - dz)^2}, \qquad a_2 = 1/d - 1,\; a_1 = 2 - 1/d,

two solves with the matrix of the step. Where a load or the initial field jumps, a local error is large however short
the step and decays fast: for a scheme that damps stiff modes the error of a step h after a time s is of the order of
(h/s)^2 (V. Thomee, Galerkin Finite Element Methods for Parabolic Problems, 2006, ch. 7-9). A local error beyond its
share is therefore carried two steps further, and the rate of its decay is continued as a power of time up to the output
time. So a run begins with a step of a few hundredths of the interval and not with a tiny one.

Where a cell begins or ends to melt, its rate jumps, and the error falls with the square of the step only. A step that
is refused while one or two cells do so ends there instead, so that the jump lies between two steps.

Steps keep to a ladder of factors sqrt(2), and the rest of the interval is cut into equal parts, so that few matrices
are factorised. All data of the controller are in the state.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from grid.core.errors import FieldError
from grid.engine.errors import NotConvergedError, StepUnderflowError
from grid.engine.loads.analysis import StepLimits
from grid.engine.methods.bounds import tolerance_scale
from grid.engine.methods.state import Segment, State
from grid.engine.methods.step_control import StepRule, shrink_aim
from grid.engine.values.operations import FloatArray

D = 1.0 - math.sqrt(0.5)  # [-] weight of the implicit stages of TR-BDF2
CARRY = (2.0 - 1.0 / D, 1.0 / D - 1.0)  # [-] coefficients a_1 and a_2 of TR-BDF2
CARRY_DAMPED = (0.0, 1.0)  # [-] the same of two steps of backward Euler
FIRST = 0.5  # [-] first step over the time to the next output time and the cube root of the tolerance
LARGEST_FIRST = 0.1  # [-] largest first step over the time to the next output time
BEND = 3.0  # [-] first step after a time at which loads have a kink, over a first step elsewhere
# [-] share of the tolerance for a step where steps are halved: on average it uses less than half of that
SHARE_HALVES = 0.2
CHANGING = 20  # [-] least number of steps in a run whose loads change in time
RULE = StepRule(safety=0.9, growth=4.0, shrinkage=0.1)  # [-] factors on the length of a step
SHORTEST = 1e-13  # [-] shortest step over the end time of the run
# [-] steps after which a run may be given up, and the steps left at the present length from which on it is
PATIENCE, MOST_STEPS = 2_000, 10_000_000
# [-] largest power of time with which a rough error is assumed to decay; one less after a damped step
LARGEST_POWER = 3.0
RETRY_SHARE = 0.6  # [-] share of the tolerance at which a repeated run aims
LEAST_AIM = 1e-6  # [-] share of the tolerance for a step, below which a run is not repeated
HALVINGS, ALIGNED = 20, 1e-6  # [-] halvings of a segment at most; distance of a step from its place over its length
REUSE = 1e-10  # [-] relative difference of two steps that counts as rounding


@dataclass(frozen=True)
class TrialStep:
    """One step, accepted or not.

    Args:
        state: At its end; `error`, `step` and `controller` are still those of its start.
        local: Estimate of the local error of the heat in each cell, not filtered [J].
        filter: Applies C (C + d h L)^-1 to heat.
        to_kelvin: Turns errors of heat into errors of temperature.
        powers: a_1 and a_2, with which the step carries a heat on: a_1 times once filtered, a_2 times twice.
        surfaces: Extremes of the surface temperatures, where cells that melt hide how far temperatures reach.
        slowest_power: Of time with which an error is taken to decay, where the scheme is not linear and a rough
            step may leave a front in the wrong place.
    """

    state: State
    local: FloatArray
    filter: Callable[[FloatArray], FloatArray]
    to_kelvin: Callable[[FloatArray], FloatArray]
    powers: tuple[float, float]
    surfaces: tuple[float, float] = (math.inf, -math.inf)
    slowest_power: float = math.inf


class Scheme(Protocol):
    """A one-step scheme with the stability function of TR-BDF2.

    Args:
        share: Of the tolerance, for the error of one step that remains at the next output time.
    """

    share: float

    def try_step(self, state: State, segment: Segment, step: float) -> TrialStep:
        """One step over a segment; `step` is its length, but for rounding that of a step already factorised."""

    def damp_step(self, state: State, segment: Segment, step: float) -> TrialStep:
        """Two steps of backward Euler of d h each, from the start of a segment, with the matrices of `step`."""

    def breaks_bounds(self, state: State) -> bool:
        """Tell whether a state has an extreme that the maximum principle forbids."""

    def to_kelvin(self, state: State, heat: FloatArray) -> FloatArray:
        """Errors of temperature that belong to errors of heat at a state."""

    def measure(self, errors: FloatArray) -> float:
        """Size of errors of temperature [K]; `errors` is flat."""

    def find_longest_step(self, before: State, after: State, step: float) -> float:
        """The longest step that follows loads which rise with temperature [s]; infinite where `step` does."""

    def find_corner(self, before: State, after: State) -> float | None:
        """The share of a step at which the equation changes its form, where that is what makes its error."""


@dataclass(frozen=True)
class Controller:
    """State of the step control, passed from step to step.

    Args:
        wanted: Next step, before the interval is cut into equal parts [s].
        taken: The last step [s].
        aim: Share of the tolerance for the error of one step.
        previous: Error of the last step over its share, for the proportional-integral rule.
        lowest, highest: Extremes of the temperature so far.
    """

    wanted: float
    taken: float
    aim: float
    previous: float
    lowest: float
    highest: float

    def pack(self) -> tuple[float, ...]:
        """Pack the values into the controller of a `State`."""
        return (self.wanted, self.taken, self.aim, self.previous, self.lowest, self.highest)


@dataclass
class AdaptiveStepper:
    """A scheme with steps chosen by their error.

    Args:
        scheme: Takes the steps.
        times: Output times, increasing [s].
        end: Of the run [s].
        jumps: Times at which a load may jump or bend [s].
        tolerance: Of the error at the output times, over the span of temperatures.
        changes: Whether loads change in time.
        limits: Longest steps with which the loads are followed; None where nothing limits them.
        expected: Span of temperatures that the loads will make [K], see `grid.engine.methods.load_scale`.
        bends: Those of them at which loads are continuous.
        halves: Whether steps are halves, quarters, ... of the time between two stop times, so that few lengths occur.
        has_timed_films: Whether what carries errors away changes in time, films or conductivities: then they are taken
            to decay until the next landing only.
    """

    scheme: Scheme
    times: tuple[float, ...]
    end: float
    jumps: frozenset[float]
    tolerance: float
    changes: bool
    name: str = "implicit"
    limits: StepLimits | None = None
    expected: float = 0.0
    halves: bool = False
    bends: frozenset[float] = frozenset()
    has_timed_films: bool = False
    _asked: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._asked = np.array(self.times or (self.end,))

    def make_segment(self, start: float, end: float) -> Segment:
        """Make an adaptive segment, with a guess of the number of its steps."""
        return Segment(start, end, max(1, round(10 * (end - start) / self.end)), is_adaptive=True)

    def advance(self, state: State, segment: Segment, first: int, count: int) -> State:  # noqa: ARG002 state has it
        """Take up to `count` steps from a state on, none beyond the end of the segment."""
        for _ in range(count):
            if state.time >= segment.end:
                break
            state = self._step(state, segment)
        return state

    def _step(self, state: State, segment: Segment) -> State:
        """One accepted step, after as many rejected ones as necessary.

        Raises:
            StepUnderflowError: No step is short enough.
        """
        control = self._controller(state, segment)
        corner, has_landed = None, False
        while True:
            step, end = self._cut(control, state.time, segment)
            if corner is not None:
                step, end, has_landed = corner - state.time, corner, True
            is_crawling = state.step + state.rejected_steps > PATIENCE and (self.end - state.time) / step > MOST_STEPS
            if not step > SHORTEST * segment.end or not end > state.time or is_crawling:
                raise self._underflow(state, control)
            attempt = self._attempt(state, Segment(state.time, end, 1), step)
            if attempt is None:
                state = replace(state, rejected_steps=state.rejected_steps + 1)
                control, corner = replace(control, wanted=0.25 * step, taken=0.0), None
                continue
            control, excess = self._judge(state, attempt, control, step, segment.end)
            if excess <= 1.0:
                longest = self.scheme.find_longest_step(state, attempt.state, step)
                if longest == math.inf:
                    return self._keep(state, attempt, control)
                control = replace(control, wanted=min(longest, 0.5 * step), taken=0.0)
            share = None if has_landed else self.scheme.find_corner(state, attempt.state)
            corner = None if share is None or share * step < control.wanted else state.time + share * step
            state = replace(state, rejected_steps=state.rejected_steps + 1)

    def _attempt(self, state: State, segment: Segment, step: float) -> TrialStep | None:
        """A step of the scheme, damped where it makes a new extreme or cannot be solved; None if that cannot either.

        Raises:
            NotConvergedError, FieldError: The step is as short as any, and still cannot be solved.
        """
        try:
            attempt = self.scheme.try_step(state, segment, step)
            if not self.scheme.breaks_bounds(attempt.state):
                return attempt
        except (NotConvergedError, FieldError):
            pass  # the first stage is not damped: from a jump it may leave the temperatures that a property is for
        try:
            return self.scheme.damp_step(state, segment, step)
        except (NotConvergedError, FieldError):
            if step <= 10.0 * SHORTEST * self.end:
                raise
            return None

    def _controller(self, state: State, segment: Segment) -> Controller:
        """The controller of a state; a new one at the start, shorter steps after a jump."""
        first = self._first_step(state.time)
        if len(state.controller) < 6:
            aim = SHARE_HALVES if self.halves else self.scheme.share
            aim = state.controller[0] if state.controller else aim
            low, high = float(state.temperature.min()), float(state.temperature.max())
            return Controller(first, 0.0, aim, 1.0, low, high)
        control = Controller(*state.controller)
        if state.time == segment.start and state.time in self.jumps:
            first *= BEND if state.time in self.bends else 1.0
            return replace(control, wanted=min(control.wanted, first), previous=1.0)
        return control

    def _first_step(self, time: float) -> float:
        ahead = self._next_asked(time, strictly=True) - time
        share = min(FIRST * self.tolerance ** (1.0 / 3.0), LARGEST_FIRST)
        share *= math.sqrt(2.0) if self.halves else 1.0  # of which halving leaves as much on average
        return float(share * (ahead if ahead > 0.0 else self.end))

    def _next_asked(self, time: float, *, strictly: bool) -> float:
        index = int(np.searchsorted(self._asked, time, side="right" if strictly else "left"))
        return float(self._asked[min(index, self._asked.size - 1)])

    def _cut(self, control: Controller, time: float, segment: Segment) -> tuple[float, float]:
        """The step and its end: the interval to the stop time in equal parts no longer than the wanted step.

        Where steps are halves, quarters, ... of a segment, it is the longest of these that begins at this time.
        """
        way, wanted = segment.end - time, control.wanted
        wanted = min(wanted, self.end / CHANGING) if self.changes else wanted
        if self.limits is not None:
            wanted = min(wanted, self.limits.find(time))
        if self.halves and (step := _halve(segment, time, wanted)) is not None:
            end = time + step
            return step, segment.end if segment.end - end < 0.5 * step else end
        wanted = self.end * _on_ladder(wanted / self.end)
        parts = max(1, math.ceil(way / wanted * (1.0 - 1e-9))) if way / wanted < 1e15 else 10**15
        step = way / parts
        if abs(step - control.taken) <= REUSE * step:
            step = control.taken
        return step, segment.end if parts == 1 else time + step

    def _judge(
        self, state: State, attempt: TrialStep, control: Controller, step: float, stop_time: float
    ) -> tuple[Controller, float]:
        """The controller after an attempt, and the error of the attempt over what it may be."""
        done = attempt.state
        low = min(control.lowest, float(done.temperature.min()))
        high = max(control.highest, float(done.temperature.max()))
        reach = min(low, attempt.surfaces[0]), max(high, attempt.surfaces[1])
        scale = max(tolerance_scale(*reach, self.tolerance), self.expected, 1e-300)
        allowed = control.aim * self.tolerance * scale
        felt = self._next_asked(done.time, strictly=False)
        felt = min(felt, max(stop_time, done.time)) if self.has_timed_films else felt
        excess = self._felt_error(attempt, done.time - state.time, felt, allowed) / allowed
        if not math.isfinite(excess):
            return replace(control, wanted=0.25 * step, taken=0.0), math.inf
        excess = max(excess, 1e-9)
        if excess > 1.0:
            return replace(control, wanted=step * min(RULE.find_ratio(excess), math.sqrt(0.5))), excess
        # of halves, an error that would do with twice the step is not waited for
        ratio = RULE.find_ratio(excess, None if self.halves else control.previous)
        wanted = min(max(step, control.wanted) * ratio, RULE.growth * step)
        return Controller(wanted, step, control.aim, max(excess, 1e-3), low, high), excess

    def _felt_error(self, attempt: TrialStep, step: float, time: float, allowed: float) -> float:
        """Remaining local error at the next output time [K]."""
        heat = attempt.filter(attempt.local)
        size = self.scheme.measure(attempt.to_kelvin(heat))
        ahead = (time - attempt.state.time) / step
        if not size > allowed or ahead < 2.0:
            return size
        once = carry(attempt, heat)
        twice = carry(attempt, once)
        sizes = [self.scheme.measure(attempt.to_kelvin(part)) for part in (once, twice)]
        if not 0.0 < sizes[1] < sizes[0]:
            return max(sizes) if sizes[1] > 0.0 else 0.0
        largest = LARGEST_POWER if attempt.powers == CARRY else LARGEST_POWER - 1.0
        power = min(math.log(sizes[0] / sizes[1]) / math.log(1.5), largest, attempt.slowest_power)
        return max(float(sizes[1] * ((1.0 + ahead) / 3.0) ** -power), _mean_left(attempt, once, twice, ahead - 2.0))

    def _keep(self, state: State, attempt: TrialStep, control: Controller) -> State:
        heat = attempt.local if state.error is None else attempt.local + _advance_error(attempt, state.error)
        return replace(
            attempt.state,
            step=state.step + 1,
            error=attempt.filter(heat),
            controller=control.pack(),
            rejected_steps=state.rejected_steps,
        )

    def estimate_error(self, state: State) -> FloatArray:
        """Errors of the cells, scaled so that the largest is what the scheme counts as the size of all."""
        if state.error is None:
            return np.zeros_like(state.temperature)
        errors = np.abs(self.scheme.to_kelvin(state, state.error))
        largest, size = float(errors.max()), self.scheme.measure(errors)
        return errors if size == largest else errors * (size / largest)

    def find_retry(self, state: State) -> tuple[float, ...] | None:
        """A smaller share for each step, where the errors add up to more than the tolerance."""
        control = Controller(*state.controller)
        span = tolerance_scale(control.lowest, control.highest, self.tolerance)
        if state.time < self._asked[-1]:
            span = max(span, self.expected)
        error = float(self.estimate_error(state).max())
        if not error > self.tolerance * span or control.aim <= LEAST_AIM:
            return None
        aim = shrink_aim(control.aim, RETRY_SHARE, self.tolerance * span, error)
        return (max(min(aim, 0.5 * control.aim), LEAST_AIM),)

    def _underflow(self, state: State, control: Controller) -> StepUnderflowError:
        cell = int(np.argmax(self.estimate_error(state)))
        return StepUnderflowError(control.wanted, step=state.step, time_s=state.time, cell=cell)


def _mean_left(attempt: TrialStep, once: FloatArray, twice: FloatArray, steps: float) -> float:
    """Remaining mean of an error after more steps [K]; it decays no faster than the body loses heat.

    Args:
        once, twice: The error after one and after two steps [J].
    """
    first, second = abs(float(once.sum())), abs(float(twice.sum()))
    if not second > 0.0:
        return 0.0
    rate = attempt.to_kelvin(np.ones_like(twice))
    capacity = float((1.0 / rate[rate > 0.0]).sum())
    return second / capacity * min(second / first, 1.0) ** steps if first > 0.0 and capacity > 0.0 else 0.0


def carry(attempt: TrialStep, heat: FloatArray) -> FloatArray:
    """An error of heat after one more step like the attempt."""
    return attempt.filter(_advance_error(attempt, heat))


def _advance_error(attempt: TrialStep, heat: FloatArray) -> FloatArray:
    """Combine an error with its filtered value so that one more filter gives the error after the step."""
    once, twice = attempt.powers
    out: FloatArray = once * heat + twice * attempt.filter(heat)
    return out


def _on_ladder(factor: float) -> float:
    """The largest power of sqrt(2) that is not above a factor."""
    return math.pow(2.0, 0.5 * math.floor(2.0 * math.log2(factor) + 1e-9))


def _halve(segment: Segment, time: float, wanted: float) -> float | None:
    """The longest 2^-n of a segment that is not above what is wanted and begins at a time; None if none does."""
    whole = segment.end - segment.start
    first = max(0, math.ceil(math.log2(whole / wanted) - 1e-9)) if wanted > 0.0 else HALVINGS
    for power in range(first, HALVINGS):
        step = math.ldexp(whole, -power)
        begun = (time - segment.start) / step
        if abs(begun - round(begun)) <= ALIGNED:
            return step
    return None
