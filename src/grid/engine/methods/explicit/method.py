"""Forward Euler as a method: `explicit`."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grid.engine.costs.runs import explicit_work, memory_bytes
from grid.engine.methods.explicit.limits import PARALLEL_CELLS, find_step
from grid.engine.methods.inputs import MethodInputs
from grid.engine.methods.method import Cost

if TYPE_CHECKING:
    from grid.engine.methods.state import Stepper
    from grid.engine.space.space import Space


@dataclass(frozen=True)
class ExplicitMethod:
    """Forward Euler within the stability limit; see `grid.engine.methods.explicit.stepper`."""

    name: str = "explicit"

    def find_obstacle(self, inputs: MethodInputs) -> str | None:
        """Give the reason why the method cannot solve a problem, in words; None if it can."""
        problem = inputs.problem
        if not problem.is_linear:
            return "coefficients depend on temperature or time"
        if problem.has_flow:
            return "there is a flow"
        if problem.coupled_axes:
            return "the conductivity is a full tensor"
        if inputs.precision != "double":
            return "it works in double precision only"
        if inputs.steps is None and not inputs.is_constant:
            return "loads change in time, which forward Euler follows to first order only"
        return None

    def estimate(self, inputs: MethodInputs) -> Cost:
        """Estimate steps, work and memory of a run."""
        step = find_step(inputs)
        steps = inputs.duration / step + len(inputs.stop_times) if step > 0 else math.inf
        work = explicit_work(inputs.problem, steps)
        count = math.ceil(steps) if math.isfinite(steps) else 2**62
        return Cost(count, work, memory_bytes(inputs.problem, "explicit", len(inputs.times) + 1), step)

    def make_stepper(self, space: "Space", inputs: MethodInputs) -> "Stepper":
        """Make the stepper for a discretised problem."""
        from grid.engine.methods.explicit.stepper import ExplicitStepper

        is_large = inputs.dimension > 1 and inputs.cells >= PARALLEL_CELLS
        return ExplicitStepper(space, find_step(inputs), is_parallel=is_large)
