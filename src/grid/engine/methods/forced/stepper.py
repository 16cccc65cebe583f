r"""Homogeneous boxes under a source of place and time: exact modes, with the source integrated by quadrature.

A mode of rate :math:`\Lambda_j` (see `grid.engine.methods.spectral.stepper`) answers a source :math:`\hat q_j(s)` by

.. math:: a_j(t) = e^{-\Lambda_j (t - t_0)} a_j(t_0)
          + \sum_m w_m\,e^{-\Lambda_j (t - s_m)}\,\hat q_j(s_m) / C .

Rates are sums of those of the axes. So for a source that is a sum of products of functions of one coordinate (and
time), as a moving Gaussian is, the sum over all times is a product of thin matrices, one of which has a row for each
mode along the first axis, the other for the modes along the rest; no field is made between two output times. Any other
source is projected at each of these times.

Only modes count that the source needs. The difference of two rules over the same times and what the modes left out
could amount to make the error, which is held to the tolerance.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from grid.engine.errors import NotConvergedError
from grid.engine.loads.analysis import StepLimits
from grid.engine.methods.bounds import tolerance_scale
from grid.engine.methods.forced.loads import FactoredSource, make_factored
from grid.engine.methods.forced.times import Panels, make_panels
from grid.engine.methods.spectral.modes import AxisModes, contract
from grid.engine.methods.spectral.stepper import SpectralStepper
from grid.engine.methods.state import Segment, State, include_references
from grid.engine.progress import tick
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray
from grid.engine.values.value import Constant

SHARE, LEFT_OUT = 0.5, 0.25  # [-] shares of the tolerance: error of the quadrature of a run, and of the modes left out
LEAST_PART = 0.1  # [-] least share of the error allowed to a short step, over the mean share of a step
GUESSED = 1e-2  # [-] assumed rise over the largest contribution of all modes along an axis, while it is not known
MOST_ROUNDS = 9  # [-] refinements of the quadrature before the run fails
ROUNDING = 1e-12  # [-] rounding of a sum of so many parts, over the rise by all heat
SAMPLED = 8  # [-] one of so many times is used to find the modes that count
MOST_TIMES, BLOCK = 1024, 1 << 22  # [-] times evaluated at once at most, and products for all of these times


@dataclass(frozen=True)
class Response:
    """Effect of a source on modes over a step.

    Args:
        change: Of the modes [K], shape of the modes that count.
        check: The same by the other rule.
        integral: Of what drives them [K].
        given: Heat of the source, and of its size [J].
        left_out: What the other modes could amount to [K].
        slowest_left_out: Least rate of one of them [1/s].
    """

    change: FloatArray
    check: FloatArray
    integral: FloatArray
    given: tuple[float, float]
    left_out: float = 0.0
    slowest_left_out: float = math.inf


@dataclass
class ForcedStepper:
    """One step from output time to output time.

    Args:
        space: The discretised problem, homogeneous, with boundary values that are constant in time.
        stop_times: Times at which steps end, increasing [s].
        marks: Times within steps at which the source may jump or bend [s].
        limits: Longest steps with which the source is followed.
        tolerance: Of the run.
    """

    space: Space
    stop_times: tuple[float, ...]
    marks: tuple[float, ...]
    limits: StepLimits | None
    tolerance: float
    name: str = "forced"
    _factored: FactoredSource | None = field(init=False, repr=False)

    lands_on_knots = False

    def __post_init__(self) -> None:
        self._factored = make_factored(self.space)

    @property
    def stops(self) -> tuple[float, ...]:
        """Times at which segments end."""
        return self.stop_times

    def make_segment(self, start: float, end: float) -> Segment:
        """Make a segment of one step."""
        return Segment(start, end, 1)

    def estimate_error(self, state: State) -> FloatArray:
        """The error so far, the same for all cells [K]."""
        return np.zeros(1) if state.error is None else state.error

    def advance(self, state: State, segment: Segment, first: int, count: int) -> State:
        """Take steps of a segment, each one from stop time to stop time."""
        for number in range(first, first + count):
            state = self._step(state, segment.time(number), segment.time(number + 1))
        return state

    @cached_property
    def _still(self) -> SpectralStepper:
        """The same body without the source."""
        problem = replace(self.space.problem, source_term=Constant(0.0))
        return SpectralStepper(replace(self.space, problem=problem, _constant_loads=None))

    @cached_property
    def _axes(self) -> tuple[AxisModes, ...]:
        return self._still.axes

    @cached_property
    def _capacity(self) -> float:
        return float(self.space.capacity[0])

    def _step(self, state: State, start: float, end: float) -> State:
        still = self._still.evolve(state.temperature, end - start)
        left_before, refinement = state.controller or (0.0, 1.0)
        share = max((end - start) / self.stop_times[-1], LEAST_PART / len(self.stop_times))
        span, error = self._span(state, state), 0.0
        for _ in range(MOST_ROUNDS):
            panels = make_panels(start, end, self.marks, self.limits, self._fastest, int(refinement))
            response = self._respond(panels, end, LEFT_OUT * self.tolerance * span)
            after = self._add(state, response, still, end)
            span, error = self._span(state, after), self._measure(response)
            rounding = ROUNDING * response.given[1] / self.space.total_capacity
            is_followed = error <= max(SHARE * self.tolerance * span * share, rounding)
            if is_followed and response.left_out <= 1.01 * LEFT_OUT * self.tolerance * span:
                left = response.left_out + left_before * math.exp(-response.slowest_left_out * (end - start))
                summed = float(self.estimate_error(state)[0]) - left_before + error
                return replace(after, error=np.array([summed + left]), controller=(left, refinement))
            refinement *= 1.0 if is_followed else 2.0
        raise NotConvergedError("the integral of the source", MOST_ROUNDS, error, SHARE * self.tolerance * span * share)

    @cached_property
    def _fastest(self) -> float:
        return sum(float(modes.rates[-1]) for modes in self._axes)

    def _span(self, *states: State) -> float:
        """The span of temperatures of states, their data included [K]; 0 where there is none."""
        fields, bounds = [state.temperature for state in states], states[-1].bounds
        low = min(bounds.lowest, *(float(one.min()) for one in fields))
        high = max(bounds.highest, *(float(one.max()) for one in fields))
        return tolerance_scale(low, high, self.tolerance) if high > low else 0.0

    def _measure(self, response: Response) -> float:
        """The largest difference that both rules can make in a cell [K]."""
        difference = np.abs(response.change - response.check)
        largest = [modes.largest[:many] for modes, many in zip(self._axes, difference.shape, strict=True)]
        return float(_sum_modes(difference, largest))

    # -- the source ------------------------------------------------------------------------------------------------

    def _respond(self, panels: Panels, end: float, allowed: float) -> Response:
        found = None if self._factored is None else self._respond_factored(panels, end, allowed)
        return self._respond_whole(panels, end) if found is None else found

    def _respond_factored(self, panels: Panels, end: float, allowed: float) -> Response | None:
        assert self._factored is not None  # noqa: S101 checked before
        some = self._factored.sample(panels.times[:: max(1, min(SAMPLED, panels.times.size // (2 * SAMPLED)))])
        if some is None:
            return None
        counts, left_out = self._count(some, end - float(panels.times[0]), allowed)
        total: Response | None = None
        size = min(MOST_TIMES, max(SAMPLED, BLOCK // math.prod(counts[1:])))
        for low in range(0, panels.times.size, size):
            tick()
            part = slice(low, low + size)
            products = self._factored.sample(panels.times[part])
            if products is None:
                return None
            block = Panels(panels.times[part], panels.weights[part], panels.checks[part])
            for factors in products:
                one = self._respond_product(factors, block, end, counts)
                total = one if total is None else _sum(total, one)
        slowest = min(
            (float(modes.rates[many]) for modes, many in zip(self._axes, counts, strict=True) if many < modes.count),
            default=math.inf,
        )
        return None if total is None else replace(total, left_out=left_out, slowest_left_out=slowest)

    def _count(
        self, products: Sequence[tuple[FloatArray, ...]], duration: float, allowed: float
    ) -> tuple[tuple[int, ...], float]:
        """Count the modes along each axis that matter, and bound what the others could amount to [K].

        Args:
            products: At some times.
            duration: Of the step [s].
            allowed: What they may amount to [K]; 0 where the rise is not known yet.
        """
        sizes = [np.zeros(modes.count) for modes in self._axes]
        heights = np.zeros(len(self._axes))
        for factors in products:
            own = [
                np.abs(modes.forward(factor, 1)).max(axis=0) * modes.largest
                for modes, factor in zip(self._axes, factors, strict=True)
            ]
            rest = math.prod(float(one.sum()) for one in own)
            for axis, one in enumerate(own):
                lives = np.minimum(duration, 1.0 / np.maximum(self._axes[axis].rates, 1e-300)) / self._capacity
                beside = rest / max(float(one.sum()), 1e-300)
                sizes[axis] += one * lives * beside
                heights[axis] += float((one * lives).sum()) * beside
        allowed = allowed or GUESSED * LEFT_OUT * self.tolerance * float(heights.min())
        limit = allowed / len(heights)
        counts, left = [], 0.0
        for size in sizes:
            tail = np.append(np.cumsum(size[::-1])[::-1], 0.0)
            many = max(1, int(np.argmax(tail <= limit)))
            counts.append(many)
            left += float(tail[many])
        return tuple(counts), left

    def _respond_product(
        self, factors: tuple[FloatArray, ...], panels: Panels, end: float, counts: tuple[int, ...]
    ) -> Response:
        """Products of thin matrices: a row for each time, a column for each mode."""
        away = (end - panels.times)[:, None]
        plain = [
            modes.forward(factor, 1, many) for modes, factor, many in zip(self._axes, factors, counts, strict=True)
        ]
        faded = [
            coefficients * np.exp(-away * modes.rates[:many])
            for modes, coefficients, many in zip(self._axes, plain, counts, strict=True)
        ]
        sums = [factor.sum(axis=1) for factor in factors]
        heat = math.prod(sums[1:], start=sums[0]) * np.ones(panels.times.size)
        size = math.prod([np.abs(factor).sum(axis=1) for factor in factors], start=np.ones(panels.times.size))
        rest = _outer(faded[1:])
        weights = panels.weights / self._capacity
        return Response(
            _gather(faded[0] * weights[:, None], rest, counts),
            _gather(faded[0] * (panels.checks / self._capacity)[:, None], rest, counts),
            _gather(plain[0] * weights[:, None], _outer(plain[1:]), counts),
            (float(heat @ panels.weights), float(size @ panels.weights)),
        )

    def _respond_whole(self, panels: Panels, end: float) -> Response:
        """The source cell by cell at each time."""
        shape = self.space.shape
        change, check, integral = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        given = size = 0.0
        for time, weight, other in zip(
            *(one.tolist() for one in (panels.times, panels.weights, panels.checks)), strict=True
        ):
            heat = self.space.source_heat(time)
            if heat is None:
                continue
            given, size = given + weight * float(heat.sum()), size + weight * float(np.abs(heat).sum())
            driven = heat.reshape(shape) / self._capacity
            for axis, modes in enumerate(self._axes):
                driven = modes.forward(driven, axis)
            integral += weight * driven
            driven *= self._fade(end - time, shape)
            change += weight * driven
            check += other * driven
        return Response(change, check, integral, (given, size))

    def _fade(self, duration: float, counts: tuple[int, ...]) -> FloatArray:
        """Remaining amplitudes of modes after a time."""
        left = np.ones((1,) * len(counts))
        for axis, many in enumerate(counts):
            left = left * _along(np.exp(-duration * self._axes[axis].rates[:many]), axis, len(counts))
        return left

    # -- the body --------------------------------------------------------------------------------------------------

    def _add(self, state: State, response: Response, still: tuple[FloatArray, list[float]], end: float) -> State:
        """The state after a step: the body without its source, and what the source adds."""
        temperature, through = still
        added, heat = response.change.copy(), self._heat_through(response)
        sums = [modes.sums[:many] for modes, many in zip(self._axes, added.shape, strict=True)]
        stored = float(_sum_modes(added, sums)) * self._capacity
        first = self._capacity * math.prod(float(one[0]) for one in sums)
        added[(0,) * added.ndim] += (response.given[0] + sum(heat) - stored) / first  # in the modes left out
        for axis, modes in enumerate(self._axes):
            added = modes.backward(added, axis)
        moved = [base + one for base, one in zip(through, heat, strict=True)]
        into, away = sum(one for one in moved if one > 0.0), -sum(one for one in moved if one < 0.0)
        heat_balance = state.heat_balance.add(into, away, response.given[0])
        return replace(
            state,
            time=end,
            step=state.step + 1,
            temperature=temperature + added.reshape(-1),
            heat_balance=replace(
                heat_balance, generated_absolute=state.heat_balance.generated_absolute + response.given[1]
            ),
            bounds=include_references(state.bounds, self._still.loads),
        )

    def _heat_through(self, response: Response) -> list[float]:
        """Heat into the body through each patch that the rise by the source drives [J]."""
        rates = self._add_rates(response.change.shape)
        integrals = np.zeros(rates.shape)
        np.divide(response.integral - response.change, rates, out=integrals, where=rates > 0.0)
        return [-self._still.sum_behind(patch, integrals) for patch in self.space.patches]

    def _add_rates(self, counts: tuple[int, ...]) -> FloatArray:
        """The sum of the rates of the first modes along each axis [1/s]."""
        total = np.zeros((1,) * len(counts))
        for axis, many in enumerate(counts):
            total = total + _along(self._axes[axis].rates[:many], axis, len(counts))
        return total


def _along(values: FloatArray, axis: int, dimension: int) -> FloatArray:
    """Values along one axis of an array of several."""
    return values.reshape([-1 if other == axis else 1 for other in range(dimension)])


def _outer(parts: Sequence[FloatArray]) -> FloatArray:
    """All products of the values of some axes at each time, shape (times or 1, values)."""
    out = np.ones((1, 1))
    for part in parts:
        product = out[:, :, None] * part[:, None, :]
        out = product.reshape(product.shape[0], -1)
    return out


def _gather(first: FloatArray, rest: FloatArray, counts: tuple[int, ...]) -> FloatArray:
    """The sum over all times of products of both, shape of the modes."""
    if len(rest) < len(first):
        total = np.outer(first.sum(axis=0), rest[0])
    else:
        total = contract(np.ascontiguousarray(first.T), rest, 0)
    return total.reshape(counts)


def _sum(one: Response, other: Response) -> Response:
    given = one.given[0] + other.given[0], one.given[1] + other.given[1]
    return Response(
        one.change + other.change, one.check + other.check, one.integral + other.integral, given, one.left_out
    )


def _sum_modes(coefficients: FloatArray, weights: Sequence[FloatArray]) -> FloatArray:
    """The sum of all coefficients, with weights for the modes of each axis."""
    for one in weights:
        coefficients = np.tensordot(one, coefficients, axes=(0, 0))
    return coefficients
