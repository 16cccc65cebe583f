"""Alternating directions as a method: `adi`, for linear problems in 2D and 3D, loads in time included."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grid.engine.costs.runs import loads_change
from grid.engine.methods.facts import Facts
from grid.engine.methods.method import Cost

if TYPE_CHECKING:
    from grid.engine.methods.state import Stepper
    from grid.engine.space.space import Space

STEPS = 10.0  # [-] steps for each landing times the square root of the tolerance; measured with contrasts
FIELDS = 7.0  # [-] fields of working memory, besides two for each axis
LEAST_TOLERANCE = 1e-8  # [-] least tolerance in time; there a run takes 40,000 steps


# [-] longest step over the time of the fastest cell, for equal and for chosen steps. The rounding of a step is 5e-14
# times it, and the audit allows 1e-10; most of the steps that are chosen by the error are shorter than their mean.
LONGEST, ROUGHEST = 2e3, 1e5


@dataclass(frozen=True)
class AdiMethod:
    """Douglas's splitting; see `grid.engine.methods.adi.stepper`."""

    name: str = "adi"

    def find_obstacle(self, facts: Facts) -> str | None:
        """Give the reason why the method cannot solve a problem, in words; None if it can."""
        problem = facts.problem
        if facts.precision != "double":
            return "it works in double precision only"
        if facts.steps is None and facts.tolerance < LEAST_TOLERANCE:
            return f"it keeps tolerances from {LEAST_TOLERANCE:g} on; below, it takes too many of its steps"
        if not problem.is_linear or problem.has_phase_change:
            return "coefficients depend on temperature or time"
        if problem.dimension == 1:
            return "there is one direction only"
        if problem.has_flow:
            return "there is a flow"
        if problem.coupled_axes:
            return "the conductivity is a full tensor"
        if _is_rounded(facts):
            return "steps that are so long beside the fastest cell leave rounding in the heat; take more of them"
        return "an axis is periodic" if any(problem.is_periodic) else None

    def estimate(self, facts: Facts) -> Cost:
        """Estimate steps, work and memory of a run."""
        steps = facts.steps or math.ceil(STEPS / math.sqrt(facts.tolerance)) * len(facts.landings)
        work = {"adi_step": steps, "adi_cell": steps * facts.dimension * facts.cells}
        if loads_change(facts.problem):
            work["adi_loads"] = steps
        fields = FIELDS + 2.0 * facts.dimension + 2.0 * (len(facts.times) + 1)
        return Cost(steps, work, int(8 * facts.cells * fields) + 2_000_000, _find_step(facts))

    def make_stepper(self, space: "Space", facts: Facts) -> "Stepper":
        """Make the stepper for a discretised problem."""
        from grid.engine.methods.adi.stepper import AdiStepper
        from grid.engine.methods.facts import analyse_facts, find_jumps
        from grid.engine.methods.load_scale import estimate_span

        jumps, limits = frozenset((0.0, *find_jumps(facts))), analyse_facts(facts).limits
        expected = 0.0 if facts.steps is not None else estimate_span(space, facts)
        return AdiStepper(
            space, _find_step(facts), facts.tolerance, len(facts.landings), facts.duration, jumps, limits, expected
        )


def _is_rounded(facts: Facts) -> bool:
    """Tell whether a step multiplies the rounding of the temperatures by more than the heat balance allows."""
    steps, longest = (
        (facts.steps, LONGEST) if facts.steps is not None else (STEPS / math.sqrt(facts.tolerance), ROUGHEST)
    )
    return facts.stiffness * facts.duration / steps > longest


def _find_step(facts: Facts) -> float | None:
    """The equal step that was requested [s]; None where the error is controlled."""
    return None if facts.steps is None else (facts.problem.end_time or facts.duration) / facts.steps
