"""Stabilised explicit super-steps as a method: `rkl2`, for conductivities and films that depend on temperature."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grid.engine.costs.runs import loads_change
from grid.engine.costs.table import add, scale
from grid.engine.methods.inputs import MethodInputs
from grid.engine.methods.method import Cost

if TYPE_CHECKING:
    from grid.engine.methods.state import Stepper
    from grid.engine.problem.problem import HeatProblem
    from grid.engine.space.space import Space

# [-] cells below which two threads cost more time than they save; a stage has more to do than a step
PARALLEL_CELLS = 50_000
THREADED = 0.6  # [-] time of a stage with two threads over that with one
STEPS = 3.0  # [-] approximate super-steps over the tolerance to the power of -0.4, and for each stop time
FIRST = 0.03  # [-] first step over the time to the first stop time and the cube root of the tolerance
LEAST_TOLERANCE = 1e-8  # [-] least tolerance; a rod from a sudden start takes 13,000 steps there
JUMPS = 20.0  # [-] factor on the cost where a conductivity may jump with temperature; a rough allowance
FIELDS = 16.0  # [-] fields of working memory


@dataclass(frozen=True)
class Rkl2Method:
    """RKL2 in super-steps chosen by their error; see `grid.engine.methods.rkl2.stepper`."""

    name: str = "rkl2"

    def find_obstacle(self, inputs: MethodInputs) -> str | None:
        """Give the reason why the method cannot solve a problem, in words; None if it can."""
        problem = inputs.problem
        if inputs.steps is not None:
            return "it chooses its steps by their error"
        if inputs.tolerance < LEAST_TOLERANCE:
            return f"it keeps tolerances from {LEAST_TOLERANCE:g} on; below, it takes too many of its steps"
        if problem.has_phase_change or any(
            value.variables & {"t", "T"} for material in problem.materials for value in material.capacity_values
        ):
            return "a heat capacity depends on temperature or time"
        if loads_change(problem):
            return "loads change in time, and the estimate of its errors does not see all of that"
        if "T" in problem.source_term.variables:
            return "the source depends on temperature, and nothing bounds how stiff that is"
        if _has_growing_fluxes(problem):
            return "a flux may rise with temperature, and the estimate of its errors does not grow with it"
        if problem.has_flow:
            return "there is a flow"
        if problem.coupled_axes:
            return "the conductivity is a full tensor"
        return None if math.isfinite(inputs.stiffness) else "the stiffness is not finite"

    def estimate(self, inputs: MethodInputs) -> Cost:
        """Estimate steps, work and memory of a run."""
        steps = STEPS * inputs.tolerance**-0.4 + STEPS * len(inputs.stop_times)
        stages = math.sqrt(2.0 * inputs.stiffness * inputs.duration * steps) + 3.0 * steps
        if _is_scaled(inputs):
            threaded = THREADED if inputs.dimension > 1 and inputs.cells >= PARALLEL_CELLS else 1.0
            work = {"stage": stages, "stage_cell": stages * inputs.cells * threaded}
        else:
            work = {"space_stage": stages, "space_stage_cell": stages * inputs.cells}
        if _has_jumps(inputs.problem):
            work = scale(work, JUMPS)
        work = add({"super_step": steps}, work)
        memory = int(8 * inputs.cells * (2 * (len(inputs.times) + 1) + FIELDS)) + 2_000_000
        return Cost(math.ceil(steps), work, memory)

    def make_stepper(self, space: "Space", inputs: MethodInputs) -> "Stepper":
        """Make the stepper for a discretised problem."""
        from grid.engine.methods.inputs import analyse_inputs
        from grid.engine.methods.load_scale import estimate_span
        from grid.engine.methods.rkl2.rate import Flow, ScaledFlow, SpaceFlow, find_temperatures
        from grid.engine.methods.rkl2.scale import find_scale, widen
        from grid.engine.methods.rkl2.stepper import Rkl2Stepper

        low, high = find_temperatures(space)
        law, general = find_scale(space.problem, low, high), SpaceFlow(space)
        chosen: Flow = general
        if law is not None:
            is_large = inputs.dimension > 1 and inputs.cells >= PARALLEL_CELLS
            chosen = ScaledFlow(space, law, 0.5 * (low + high), widen(low, high), is_parallel=is_large)
        first = FIRST * inputs.tolerance ** (1.0 / 3.0) * inputs.stop_times[0]
        expected = estimate_span(space, inputs)
        return Rkl2Stepper(
            space,
            chosen,
            general,
            inputs.times,
            inputs.duration,
            inputs.tolerance,
            first,
            expected,
            analyse_inputs(inputs).limits,
        )


def _has_jumps(problem: "HeatProblem") -> bool:
    """Tell whether a conductivity is a function of temperature that may jump: no polynomial."""
    values = [value for material in problem.materials for value in material.conductivity if "T" in value.variables]
    if not values:
        return False
    from grid.engine.values.temperature_integral import find_degree

    return any(find_degree(value) is None for value in values)


def _is_scaled(inputs: MethodInputs) -> bool:
    """Tell whether the compiled stages are likely to apply; needs no field, the start is sampled.

    One conductivity counts as such a law whatever it is; several are looked at between temperatures of the start.
    """
    from grid.engine.costs.runs import sample_extremes
    from grid.engine.methods.rkl2.scale import find_scale

    problem = inputs.problem
    if problem.domain.active is not None or problem.contacts or "T" in problem.source_term.variables:
        return False
    if len({value for material in problem.materials for value in material.conductivity}) == 1:
        return True
    if problem.initial is None:
        return False
    return find_scale(problem, *sample_extremes(problem.initial, problem.domain)) is not None


def _has_growing_fluxes(problem: "HeatProblem") -> bool:
    """Tell whether a flux may rise with temperature; imports the analysis of loads only where one depends on it."""
    fluxes = (law.values.get("value") for law in problem.boundaries.values())
    if not any(value is not None and "T" in value.variables for value in fluxes):
        return False
    from grid.engine.problem.timed_loads import has_growing_loads

    return has_growing_loads(problem)
