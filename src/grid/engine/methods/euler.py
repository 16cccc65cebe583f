"""Forward Euler as a method: `explicit`."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from grid.engine.costs import explicit_work, memory_bytes
from grid.engine.methods.method import Cost, Facts
from grid.engine.state import SAFETY
from grid.engine.values import FloatArray

if TYPE_CHECKING:
    from grid.engine.space import Space
    from grid.engine.state import Stepper

ROUGH_ERROR = 0.3  # of the span, over the number of steps: worst time error of forward Euler, from a start with a jump


@dataclass(frozen=True)
class ExplicitMethod:
    """Forward Euler within the stability limit; see `grid.engine.explicit`."""

    name: str = "explicit"

    def find_obstacle(self, facts: Facts) -> str | None:
        problem = facts.problem
        if not problem.is_linear:
            return "coefficients depend on temperature or time"
        if problem.has_flow:
            return "there is a flow"
        if problem.coupled_axes:
            return "the conductivity is a full tensor"
        if facts.precision != "double":
            return "it works in double precision only"
        if facts.steps is None and not facts.is_constant:
            return "loads change in time, which forward Euler follows to first order only"
        return None

    def estimate(self, facts: Facts) -> Cost:
        step = find_step(facts)
        steps = facts.duration / step + len(facts.landings) if step > 0 else math.inf
        work = explicit_work(facts.problem, steps)
        count = math.ceil(steps) if math.isfinite(steps) else 2**62
        return Cost(count, work, memory_bytes(facts.problem, "explicit", len(facts.times) + 1), step)

    def make_stepper(self, space: "Space", facts: Facts) -> "Stepper":
        from grid.engine.explicit import PARALLEL_CELLS, ExplicitStepper

        is_large = facts.dimension > 1 and facts.cells >= PARALLEL_CELLS
        return ExplicitStepper(space, find_step(facts), is_parallel=is_large)


def find_step(facts: Facts) -> float:
    """A share of the stability limit; short enough for the tolerance where that is what was asked for [s]."""
    return float(limit_step(facts, facts.stable_step))


def limit_step(facts: Facts, stable: float | FloatArray) -> FloatArray:
    """`find_step` for other stability limits, such as those of the columns of a batch [s]."""
    step = np.minimum(SAFETY * np.asarray(stable), facts.duration)
    if facts.steps is not None:
        return np.minimum(step, facts.duration / facts.steps)
    first = facts.times[0] if facts.times else facts.duration
    return np.minimum(step, first * facts.tolerance / ROUGH_ERROR)
