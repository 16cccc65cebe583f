"""Parts that both forms of TR-BDF2 (`implicit`, `enthalpy`) share: weights, equal steps, bounds, booking of heat."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace

import numpy as np

from grid.engine.errors import RunError
from grid.engine.methods.state import HeatBalance, Segment, State
from grid.engine.space.laws import HeatFlow, split_signs
from grid.engine.space.nonlinear import find_variation
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

GAMMA = 2.0 - math.sqrt(2.0)  # [-] end of the first stage of TR-BDF2 over the step
D = GAMMA / 2.0  # [-] weight of the implicit stages of TR-BDF2
W = math.sqrt(2.0) / 4.0  # [-] weight of the first two stages in the solution
WEIGHTS = (W, W, D)
EMBEDDED = ((1.0 - W) / 3.0, (3.0 * W + 1.0) / 3.0, D / 3.0)  # [-] weights of the embedded formula of third order
LOCAL = (W - EMBEDDED[0], W - EMBEDDED[1], D - EMBEDDED[2])  # [-] weights of the local error
ROUNDING = 9e-13  # [-] excess over the largest temperature of a uniform body that is no extreme, as in the audit
SHARE = 0.1  # [-] share of the tolerance for the error of one step that remains at the next output time
OVERSHOOT = 1e-6  # [-] excess over the bounds, over their span, from which on a step is redone


@dataclass
class EqualSteps(ABC):
    """A one-step scheme in equal steps between stop times.

    Args:
        space: The discretised problem.
        time_step: Upper limit of the step [s].
        keeps_bounds: Whether the maximum principle holds, so that a step may be judged by it.
    """

    space: Space
    time_step: float
    keeps_bounds: bool = False
    name: str = "implicit"
    share: float = field(default=SHARE, init=False)

    def make_segment(self, start: float, end: float) -> Segment:
        """Cut the time between two stop times into equal steps no longer than `time_step`."""
        return Segment(start, end, max(1, math.ceil((end - start) / self.time_step * (1 - 1e-9))))

    def advance(self, state: State, segment: Segment, first: int, count: int) -> State:
        """Take steps number `first` to `first + count - 1` of a segment; errors name the step, time and cell."""
        for number in range(first, first + count):
            try:
                attempt = self._equal_step(state, segment, number)
            except RunError as error:
                error.place(state.step, state.time, self.space.shape)
                raise
            state = replace(attempt, step=state.step + 1)
        return state

    @abstractmethod
    def _equal_step(self, state: State, segment: Segment, number: int) -> State:
        """One accepted step, damped or in parts where necessary."""

    def breaks_bounds(self, state: State) -> bool:
        """Tell whether a state has an extreme that the maximum principle forbids."""
        bounds, temperature = state.bounds, state.temperature
        slack = OVERSHOOT * (bounds.highest - bounds.lowest)
        slack = max(slack, ROUNDING * max(abs(bounds.lowest), abs(bounds.highest)))
        inside = bounds.lowest - slack <= temperature.min() and temperature.max() <= bounds.highest + slack
        return self.keeps_bounds and not inside

    def measure(self, errors: FloatArray) -> float:
        """The size of errors of temperature [K]: that of the largest."""
        return float(np.abs(errors).max())

    def find_longest_step(self, before: State, after: State, step: float) -> float:
        """The longest step that follows loads which rise with temperature [s]; infinite where `step` does."""
        if not find_variation(self.space).loads_of_temperature:
            return math.inf
        from grid.engine.methods.growth import find_longest_step

        return find_longest_step(self.space, (before.temperature, after.temperature), after.time, step, D)


def add_step_heat(
    heat_balance: HeatBalance, step: float, flows: tuple[HeatFlow, ...], weights: tuple[float, ...]
) -> HeatBalance:
    """Enter the heat of one step: the stage flows with the weights of the method, of each face by itself.

    A stage may overshoot what the step as a whole does: where a cell melts within a step, heat goes in at one stage and
    out at the next. What a face moves over the step has one sign, and is booked as that.
    """
    into = out = 0.0
    for heats in zip(*(flow.faces for flow in flows), strict=True):
        moved = np.zeros_like(heats[0])
        for weight, heat in zip(weights, heats, strict=True):
            moved += weight * heat
        one, other = split_signs(moved)
        into, out = into + one, out + other
    generated = sum(weight * flow.generated for weight, flow in zip(weights, flows, strict=True))
    prescribed = _weigh(step, flows, weights) if flows[0].prescribed else ()
    return heat_balance.add(step * into, step * out, step * generated, prescribed)


def _weigh(step: float, flows: tuple[HeatFlow, ...], weights: tuple[float, ...]) -> tuple[float, ...]:
    """The prescribed loads of a step, with the weights of the method."""
    columns = zip(*(flow.prescribed for flow in flows), strict=True)
    return tuple(step * sum(w * value for w, value in zip(weights, column, strict=True)) for column in columns)


def combine(flows: tuple[HeatFlow, ...], weights: tuple[float, ...]) -> FloatArray:
    """The weighted sum of the net heat of stages [W]."""
    total = np.zeros_like(flows[0].net)
    for weight, flow in zip(weights, flows, strict=True):
        total += weight * flow.net
    return total
