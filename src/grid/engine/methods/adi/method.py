"""Alternating directions as a method: `adi`, for linear problems in 2D and 3D, loads in time included."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grid.engine.costs.runs import loads_change
from grid.engine.methods.inputs import MethodInputs
from grid.engine.methods.method import Cost

if TYPE_CHECKING:
    from grid.engine.methods.state import Stepper
    from grid.engine.space.space import Space

STEPS = 10.0  # [-] steps for each stop time, times the square root of the tolerance; measured with contrasts
FIELDS = 7.0  # [-] fields of working memory, besides two for each axis
LEAST_TOLERANCE = 1e-8  # [-] least tolerance in time; there a run takes 40,000 steps


# [-] longest step over the time of the fastest cell, for equal and for chosen steps. The rounding of a step is 5e-14
# times it, and the audit allows 1e-10; most of the steps that are chosen by the error are shorter than their mean.
LONGEST, ROUGHEST = 2e3, 1e5


@dataclass(frozen=True)
class AdiMethod:
    """Douglas's splitting; see `grid.engine.methods.adi.stepper`."""

    name: str = "adi"

    def find_obstacle(self, inputs: MethodInputs) -> str | None:
        """Give the reason why the method cannot solve a problem, in words; None if it can."""
        problem = inputs.problem
        if inputs.precision != "double":
            return "it works in double precision only"
        if inputs.steps is None and inputs.tolerance < LEAST_TOLERANCE:
            return f"it keeps tolerances from {LEAST_TOLERANCE:g} on; below, it takes too many of its steps"
        if not problem.is_linear or problem.has_phase_change:
            return "coefficients depend on temperature or time"
        if problem.dimension == 1:
            return "there is one direction only"
        if problem.has_flow:
            return "there is a flow"
        if problem.coupled_axes:
            return "the conductivity is a full tensor"
        if _is_rounded(inputs):
            return "steps that are so long beside the fastest cell leave rounding in the heat; take more of them"
        return "an axis is periodic" if any(problem.is_periodic) else None

    def estimate(self, inputs: MethodInputs) -> Cost:
        """Estimate steps, work and memory of a run."""
        steps = inputs.steps or math.ceil(STEPS / math.sqrt(inputs.tolerance)) * len(inputs.stop_times)
        work = {"adi_step": steps, "adi_cell": steps * inputs.dimension * inputs.cells}
        if loads_change(inputs.problem):
            work["adi_loads"] = steps
        fields = FIELDS + 2.0 * inputs.dimension + 2.0 * (len(inputs.times) + 1)
        return Cost(steps, work, int(8 * inputs.cells * fields) + 2_000_000, _find_step(inputs))

    def make_stepper(self, space: "Space", inputs: MethodInputs) -> "Stepper":
        """Make the stepper for a discretised problem."""
        from grid.engine.methods.adi.stepper import AdiStepper
        from grid.engine.methods.inputs import analyse_inputs, find_jumps
        from grid.engine.methods.load_scale import estimate_span

        jumps, limits = frozenset((0.0, *find_jumps(inputs))), analyse_inputs(inputs).limits
        expected = 0.0 if inputs.steps is not None else estimate_span(space, inputs)
        return AdiStepper(
            space,
            _find_step(inputs),
            inputs.tolerance,
            len(inputs.stop_times),
            inputs.duration,
            jumps,
            limits,
            expected,
        )


def _is_rounded(inputs: MethodInputs) -> bool:
    """Tell whether a step multiplies the rounding of the temperatures by more than the heat balance allows."""
    steps, longest = (
        (inputs.steps, LONGEST) if inputs.steps is not None else (STEPS / math.sqrt(inputs.tolerance), ROUGHEST)
    )
    return inputs.stiffness * inputs.duration / steps > longest


def _find_step(inputs: MethodInputs) -> float | None:
    """The equal step that was requested [s]; None where the error is controlled."""
    return None if inputs.steps is None else (inputs.problem.end_time or inputs.duration) / inputs.steps
