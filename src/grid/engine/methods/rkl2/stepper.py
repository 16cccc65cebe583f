r"""RKL2: stabilised explicit super-steps for problems that are not linear.

A super-step tau of s stages (C. D. Meyer, D. S. Balsara, T. D. Aslam, J. Comput. Phys. 257, 2014, equations 16 to 19),
with f the rate of change of the temperatures,

.. math::
    Y_1 &= Y_0 + \tilde\mu_1 \tau f(Y_0) \\
    Y_j &= \mu_j Y_{j-1} + \nu_j Y_{j-2} + (1 - \mu_j - \nu_j) Y_0 + \tilde\mu_j \tau f(Y_{j-1})
           + \tilde\gamma_j \tau f(Y_0)

is second order and stable for :math:`\tau \rho \le (s^2 + s - 2)/2`, rho the spectral radius: s stages go s/4 times as
far as s explicit steps. Its stability polynomials are shifted Legendre polynomials, which damp all modes.

The local error is :math:`0.8 (T_n - T_{n+1}) + 0.4 \tau (f_n + f_{n+1})` (B. P. Sommeijer, L. F. Shampine, J. G.
Verwer, J. Comput. Appl. Math. 88, 1998, RKC), in its largest cell. What counts is its rest at the next output time:
its heat spreads over a width that grows with the root of time, so along a face :math:`\sqrt{\tau/(\tau + t)}` of it is
left after t. Where these errors add up to more than the tolerance, the run begins again with shorter steps. Super-steps
grow as the solution gets smoother. The heat through the boundary and from sources goes through the same recurrence, so
the heat balance counts what each stage applied, and closes to rounding.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from grid.engine.errors import StepUnderflowError
from grid.engine.loads.analysis import StepLimits
from grid.engine.methods.bounds import keep_bounds, reason_without_bounds, tolerance_scale
from grid.engine.methods.rkl2.rate import Flow, Moved
from grid.engine.methods.rkl2.stages import Weights, count_stages, make_weights
from grid.engine.methods.state import Segment, State
from grid.engine.methods.step_control import StepRule, shrink_aim
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

SHARE = 1.0  # [-] error of a step at an output time, over the tolerance to the power of 1.5
RETRY_SHARE = 0.7  # [-] share of the tolerance at which a repeated run aims
REACH = 0.15  # [-] assumed change of temperatures in a step, over their distance from the bounds
LARGEST_STAGES = 2001  # [-] stages of a step at most
SLACK = 0.02  # [-] excess of a step over the extent that was assumed, over that extent
RULE = StepRule(safety=0.8, growth=3.0, shrinkage=0.1)  # [-] factors on the length of a step
# [-] rounding of a temperature; times step and spectral radius, that of the rates in the error estimate
ROUNDING = math.ulp(1.0)
SHORTEST = 1e-13  # [-] shortest step over the end time of the segment
NOTHING: Weights = (0.0, 0.0, 0.0, 1.0, 0.0)  # [-] weights of a stage that is the rate of change alone


@dataclass(frozen=True)
class Controller:
    """State of the step control, passed from step to step.

    Args:
        wanted: Next step [s].
        error: Sum of the errors so far, as they remain at the next output time [K].
        lowest, highest: Extremes of the temperature so far.
        aim: Of the tolerance, what a step may add to the error.
    """

    wanted: float
    error: float
    lowest: float
    highest: float
    aim: float


@dataclass
class Rkl2Stepper:
    """Super-steps chosen by their error.

    Args:
        space: The discretised problem.
        flow: Its rate of change, as fast as there is.
        general: The same where the temperatures leave what `flow` holds for.
        times: Output times, increasing [s].
        end: Of the run [s].
        tolerance: Of the error at the output times, over the span of temperatures.
        first: The first step to try [s].
        expected: Span of temperatures that the loads will make [K], see `grid.engine.methods.load_scale`.
        limits: Longest steps with which properties that depend on time are followed.
    """

    space: Space
    flow: Flow
    general: Flow
    times: tuple[float, ...]
    end: float
    tolerance: float
    first: float
    expected: float = 0.0
    limits: StepLimits | None = None
    name: str = "rkl2"

    def make_segment(self, start: float, end: float) -> Segment:
        """Make an adaptive segment, with a guess of the number of its steps."""
        return Segment(start, end, max(1, round(10 * (end - start) / self.end)), is_adaptive=True)

    def estimate_error(self, state: State) -> FloatArray:
        """Sum of the estimated errors of the steps so far [K], one number."""
        return np.array([Controller(*state.controller).error if len(state.controller) > 1 else 0.0])

    def find_retry(self, state: State) -> tuple[float, ...] | None:
        """A smaller share for each step, where the errors add up to more than the tolerance."""
        control = Controller(*state.controller)
        span = tolerance_scale(control.lowest, control.highest, self.tolerance)
        if state.time < (self.times or (self.end,))[-1]:
            span = max(span, self.expected)
        allowed = self.tolerance * span
        if not control.error > allowed:
            return None
        return (shrink_aim(control.aim, RETRY_SHARE, allowed, control.error),)

    def advance(self, state: State, segment: Segment, first: int, count: int) -> State:  # noqa: ARG002 state has it
        """Take up to `count` super-steps from a state on, none beyond the end of the segment."""
        for _ in range(count):
            if state.time >= segment.end:
                break
            low, high = self._find_reach(state)
            is_held = self.flow.valid[0] <= low and high <= self.flow.valid[1]
            stepper = self if is_held else replace(self, flow=self.general)
            state = stepper.step(state, segment)
        return state

    def step(self, state: State, segment: Segment) -> State:
        """One accepted super-step.

        Raises:
            StepUnderflowError: No step is short enough for the tolerance.
        """
        state = self._include(state, segment.inside(state.time))
        low, high = float(state.temperature.min()), float(state.temperature.max())
        control = self._controller(state, low, high)
        wanted, rejected, reach = control.wanted, 0, self._find_reach(state)
        if self.limits is not None:
            wanted = min(wanted, self.limits.find(state.time))
        start = self.flow.copy(self.flow.wrap(state.temperature), 2)
        rate, moved = self._rate(start, segment.inside(state.time))
        while True:
            way = segment.end - state.time
            stiffness = self.flow.bound_stiffness(state.temperature, *reach, state.time)
            wanted = min(wanted, (LARGEST_STAGES**2 + LARGEST_STAGES - 2) / (2.0 * max(stiffness, 1e-300)))
            step = way / max(1, math.ceil(way / wanted * (1.0 - 1e-9))) if wanted < way else way
            if not step > SHORTEST * segment.end:
                cell = int(np.argmax(np.abs(self.flow.unwrap(rate))))
                raise StepUnderflowError(wanted, step=state.step, time_s=state.time, cell=cell)
            end = segment.end if step == way else state.time + step
            part = Segment(state.time, end, 1)
            field, heat = self._super_step(start, rate, moved, part, step * stiffness)
            state = self._include(state, segment.inside(end))
            size, temperature = self._judge(state, field, rate, step, segment.inside(end))
            seen = (min(reach[0], float(temperature.min())), max(reach[1], float(temperature.max())))
            if seen[1] - seen[0] > (1.0 + SLACK) * (reach[1] - reach[0]):
                reach, rejected = (min(seen[0], state.bounds.lowest), max(seen[1], state.bounds.highest)), rejected + 1
                continue
            low = min(control.lowest, float(temperature.min()))
            high = max(control.highest, float(temperature.max()))
            felt = size * self._fade(end, step)
            scale = max(tolerance_scale(low, high, self.tolerance), self.expected, 1e-300)
            allowed = control.aim * self.tolerance * scale
            allowed += ROUNDING * step * stiffness * max(abs(low), abs(high))
            excess = felt / allowed if math.isfinite(felt) else math.inf
            wanted = step * min(RULE.find_ratio(excess), RULE.growth)
            if excess <= 1.0:
                break
            rejected += 1
        done = self._book(state, temperature, heat, end)
        packed = (wanted, control.error + felt, low, high, control.aim)
        return replace(done, controller=packed, rejected_steps=state.rejected_steps + rejected)

    def _controller(self, state: State, low: float, high: float) -> Controller:
        """The controller of a state; a new one at the start of a run, whose aim may be prescribed."""
        if len(state.controller) > 1:
            return Controller(*state.controller)
        usual = SHARE * math.sqrt(self.tolerance)
        aim = state.controller[0] if state.controller else usual
        return Controller(self.first * min((aim / usual) ** (1.0 / 3.0), 1.0), 0.0, low, high, aim)

    def _rate(self, field: FloatArray, time: float) -> tuple[FloatArray, Moved]:
        """Rate of change f [K/s] of a field, and the heat flows."""
        rate = self.flow.copy(np.zeros_like(field), 3)
        moved = self.flow.stage(rate, field, rate, rate, NOTHING, time)
        return rate, moved

    def _find_reach(self, state: State) -> tuple[float, float]:
        """Temperatures that a step is assumed to stay between: those of the field, widened towards the bounds."""
        low, high = float(state.temperature.min()), float(state.temperature.max())
        low -= REACH * max(low - state.bounds.lowest, 0.0)
        return low, high + REACH * max(state.bounds.highest - high, 0.0)

    def _super_step(
        self, start: FloatArray, rate: FloatArray, moved: Moved, segment: Segment, radius: float
    ) -> tuple[FloatArray, FloatArray]:
        """The field after a super-step, and heat in, out and generated [J]."""
        step = segment.time_step
        weights = make_weights(count_stages(radius))
        forward = weights[0][3]
        before, last = self.flow.copy(start, 0), self.flow.copy(start, 1)
        last += (forward * step) * rate
        at, at_before = forward, 0.0  # times of the stages, over the step
        first = np.array([moved.into, moved.out, moved.generated])
        heat_before, heat = np.zeros(3), forward * step * first
        for mu, nu, kappa, ahead, back in weights[1:]:
            time = segment.inside(segment.start + at * step)
            now = self.flow.stage(before, last, start, rate, (mu, nu, kappa, ahead * step, back * step), time)
            before, last = last, before
            flows = np.array([now.into, now.out, now.generated])
            heat_before, heat = heat, mu * heat + nu * heat_before + step * (ahead * flows + back * first)
            at_before, at = at, mu * at + nu * at_before + ahead + back
        return last, heat

    def _judge(
        self, state: State, field: FloatArray, rate: FloatArray, step: float, time: float
    ) -> tuple[float, FloatArray]:
        """The largest local error [K], and the flat field."""
        temperature = self.flow.unwrap(field).copy()
        if not np.all(np.isfinite(temperature)):
            return math.inf, state.temperature
        after, _ = self._rate(field, time)
        local = self.flow.unwrap(rate) + self.flow.unwrap(after)
        local *= 0.4 * step
        local += 0.8 * (state.temperature - temperature)
        return max(float(local.max()), -float(local.min())), temperature

    def _fade(self, end: float, step: float) -> float:
        """Remaining local error at the next output time."""
        asked = next((time for time in self.times if time >= end * (1.0 - 1e-12)), end)
        return math.sqrt(step / (asked - end + step))

    @cached_property
    def _is_bounded(self) -> bool:
        return reason_without_bounds(self.space.problem) is None

    def _include(self, state: State, time: float) -> State:
        """The state with its bounds widened by the temperatures that faces exchange heat with at a time."""
        bounds = state.bounds
        for index, patch in enumerate(self.space.patches):
            law = self.space.robin(index, time, state.temperature[patch.cells])
            if np.any(law.film):
                bounds = bounds.include(law.reference)
        return state if bounds is state.bounds else replace(state, bounds=bounds)

    def _book(self, state: State, temperature: FloatArray, heat: FloatArray, end: float) -> State:
        heat_balance = state.heat_balance.add(float(heat[0]), float(heat[1]), float(heat[2]))
        if self._is_bounded:
            temperature, heat_balance = keep_bounds(temperature, self.space, state.bounds, heat_balance)
        return replace(state, time=end, step=state.step + 1, temperature=temperature, heat_balance=heat_balance)
