"""TR-BDF2 as a method: `implicit`, the one that can solve everything."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from grid.engine.costs.runs import (
    COMPILED_CELLS,
    COMPILED_FACTOR_SECONDS,
    count_patches,
    factor_entries,
    factor_seconds,
    factor_work,
    loads_change,
    memory_bytes,
    solver_work,
    turn_work,
)
from grid.engine.costs.table import Work, add, scale
from grid.engine.methods.bounds import reason_without_bounds
from grid.engine.methods.inputs import DEFAULT_TOLERANCE, MethodInputs
from grid.engine.methods.method import Cost

if TYPE_CHECKING:
    from grid.engine.methods.implicit.phase_change import EnthalpyStepper
    from grid.engine.methods.implicit.stepper import ImplicitStepper
    from grid.engine.methods.state import Stepper
    from grid.engine.problem.problem import HeatProblem
    from grid.engine.space.space import Space

COMPILED_ACCURACY, MOST_COMPILED = 2e-2, 1e-4  # [-] as `ACCURACY` below, where stages are corrected on the body's cells
# [-] last correction of an iteration over the span: as a share of the tolerance, and at most
ACCURACY, MOST_ACCURACY = 1e-3, 1e-6
# [-] tolerance of the stages of a body that melts in equal steps, whose error is that of the steps
EQUAL_TOLERANCE = 1e-8
# [-] steps that the error requires: a constant, and a number over the square root of the tolerance
LEAST_STEPS, STEPS = 5.0, 0.35
# [-] least tolerances: linear, varying coefficients, melting. A rod from a sudden start takes 9,000 steps at 1e-8, and
# at 1e-7 3,000 steps with the turns of their iterations.
LEAST_TOLERANCE, LEAST_TOLERANCE_VARYING, LEAST_TOLERANCE_PHASES = 1e-8, 1e-7, 1e-6
CHANGING = 3.0  # [-] factor on the number of steps where loads change in time
# [-] steps for each stop time: where loads are constant; where they change, over the cube root of the tolerance, as
# steps are short after a knot and grow
LANDING, LANDING_CHANGING = 1.5, 0.24
SOLVES = 5.0  # [-] solves of a linear step: its stages, and the filters of its error
MATRICES = 2.0  # [-] matrices for each stop time: steps that end on one are of their own length
# [-] turns of an iteration in both stages of a step, and the matrices that are made for them
TURNS, MATRICES_STEP = 4.0, 1.0
# [-] evaluations of a face with a law, and of a field, that the surfaces and borders of one more material are worth
SURFACE_TURNS, BORDER_TURNS = 3.4, 1.3
# [-] where stages are corrected on the cells of the body: the share of steps where these are halved, the factorisations
# then, the number of cells above which they are, and the solves and evaluations of a step
HALVED, FACTORED, FEW_CELLS, COMPILED_SOLVES, COMPILED_FLOWS = 0.75, 6, 1_000, 8.0, 5.0
FRONT_STEPS = 3.2  # [-] steps for each cell of the longest axis, which a front crosses, at the default tolerance
# [-] steps for each cell that a flow crosses, at the default tolerance, and the turns of each step
FLOW_STEPS, FLOW_TURNS = 7.0, 12.0


@dataclass(frozen=True)
class ImplicitMethod:
    """TR-BDF2 for conduction, with a scheme of its own where a material melts.

    See `grid.engine.methods.implicit.stepper` and, for melting, `grid.engine.methods.implicit.phase_change`. Equal
    steps if a number was prescribed, else steps chosen by their error, see `grid.engine.methods.implicit.adaptive`.
    """

    name: str = "implicit"

    def find_obstacle(self, inputs: MethodInputs) -> str | None:
        """Give the reason why the method cannot solve a problem, in words; None if it can."""
        if inputs.precision != "double":
            return "it works in double precision only"
        least = find_least_tolerance(inputs)
        if inputs.steps is None and inputs.tolerance < least:
            return f"it keeps tolerances from {least:g} on; below, it takes too many of its steps"
        return None

    def estimate(self, inputs: MethodInputs) -> Cost:
        """Estimate steps, work and memory of a run."""
        steps = inputs.steps + len(inputs.stop_times) if inputs.steps is not None else _guess_steps(inputs)
        memory = memory_bytes(inputs.problem, "implicit", len(inputs.times) + 1)
        if _has_compiled_flow(inputs):
            few = inputs.steps is None and inputs.dimension > 1 and (inputs.body_cells or inputs.cells) > FEW_CELLS
            steps = math.ceil(HALVED * steps) if few else steps
            return Cost(steps, _count_compiled(inputs, steps, FACTORED if few else steps), memory, find_step(inputs))
        return Cost(steps, _count_work(inputs, steps), memory, find_step(inputs))

    def make_stepper(self, space: "Space", inputs: MethodInputs) -> "Stepper":
        """Make the stepper for a discretised problem."""
        from grid.engine.methods.implicit.adaptive import AdaptiveStepper
        from grid.engine.methods.implicit.stepper import ImplicitStepper
        from grid.engine.methods.inputs import analyse_inputs, find_bends, find_jumps
        from grid.engine.methods.load_scale import estimate_span
        from grid.engine.problem.timed_loads import find_timed_loads

        scheme = _make_scheme(space, inputs)
        if inputs.steps is not None:
            return scheme
        halves = isinstance(scheme, ImplicitStepper) and scheme.has_few_matrices
        bends = find_bends(inputs) if halves else frozenset()
        return AdaptiveStepper(
            scheme, inputs.times, inputs.duration, find_jumps(inputs), inputs.tolerance, loads_change(inputs.problem),
            limits=analyse_inputs(inputs).limits, expected=estimate_span(space, inputs), bends=bends, halves=halves,
            has_timed_films=any(not load.is_driving for load in find_timed_loads(inputs.problem)),
        )  # fmt: skip


def _count_work(inputs: MethodInputs, steps: float) -> Work:
    """The operations of so many steps."""
    problem, cells = inputs.problem, inputs.cells
    make, solve = solver_work(problem, inputs.body_cells or cells)
    changing = sum("t" in value.variables for law in problem.boundaries.values() for value in law.values.values())
    changing += "t" in problem.source_term.variables
    faces = sum(bool(law.values) for law in problem.boundaries.values())
    every = {"implicit_step": steps, "implicit_face": steps * faces, "implicit_load": steps * changing}
    if "t" in problem.source_term.variables:
        every["loads_cell"] = 2.0 * steps * cells
    if problem.has_flow:
        every |= {"flow_turn": steps * FLOW_TURNS, "flow_turn_cell": steps * FLOW_TURNS * cells}
    if problem.is_linear and not problem.has_phase_change:
        matrices = MATRICES if inputs.steps is not None else min(MATRICES * len(inputs.stop_times), steps)
        once = add({"matrix": 1.0, "matrix_cell": cells}, make)
        flows = {"implicit_cell": steps * cells * inputs.dimension}
        return add(every, flows, scale(solve, SOLVES * steps), scale(once, matrices))
    turns, matrices = steps * TURNS, steps * MATRICES_STEP
    if _has_compiled_turns(problem):
        return add(every, {"melting_turn": turns, "melting_cell": turns * cells})
    turn = add(turn_work(problem), _count_regions(problem, faces))
    if inputs.dimension == 1 or _is_factored(inputs):
        return add(every, scale(add(turn, solve), turns), scale(make, matrices))
    return add(every, scale(turn, turns))


def _count_regions(problem: "HeatProblem", faces: int) -> Work:
    """The operations of a turn for each material beyond the first, where a conductivity depends on temperature.

    Temperatures of surfaces, and of the borders between two materials, are found with the properties of all.
    """
    more = len(problem.materials) - 1
    if not any("T" in value.variables for material in problem.materials for value in material.conductivity):
        return {}
    return {"newton_face": SURFACE_TURNS * more * faces, "newton": BORDER_TURNS * more}


def _is_factored(inputs: MethodInputs) -> bool:
    """Tell whether Newton's matrix is factorised rather than solved by iteration."""
    cells = inputs.body_cells or inputs.cells
    return cells <= COMPILED_CELLS and (
        inputs.dimension < 3 or factor_seconds(inputs.problem.domain.cells, cells) <= COMPILED_FACTOR_SECONDS
    )


def _has_compiled_flow(inputs: MethodInputs) -> bool:
    """Tell whether stages are corrected on the body's cells, see `grid.engine.methods.implicit.conduction_body`."""
    from grid.engine.space.property_curves import has_compiled_flow

    return (inputs.dimension == 1 or _is_factored(inputs)) and has_compiled_flow(inputs.problem)


def _count_compiled(inputs: MethodInputs, steps: float, factored: float) -> Work:
    """The operations of steps whose stages are corrected on the cells of the body, with so many factorisations."""
    cells, shape = inputs.body_cells or inputs.cells, inputs.problem.domain.cells
    entries = 4.0 * cells if inputs.dimension == 1 else factor_entries(shape, cells)
    work = {
        "compiled": inputs.cells,
        "compiled_step": steps,
        "compiled_patch": steps * count_patches(inputs.problem),
        "compiled_radiation": steps * count_patches(inputs.problem, is_linear=False),
        "compiled_flow": steps * COMPILED_FLOWS * cells,
        "compiled_entry": steps * COMPILED_SOLVES * 2.0 * entries,
    }
    factor = {"compiled_line": cells} if inputs.dimension == 1 else factor_work(shape, cells, "cholesky")
    return add(work, scale(factor, factored))


def _make_scheme(space: "Space", inputs: MethodInputs) -> "ImplicitStepper | EnthalpyStepper":
    step = find_step(inputs) or inputs.duration
    keeps_bounds = reason_without_bounds(inputs.problem) is None
    if inputs.problem.has_phase_change:
        from grid.engine.methods.implicit.phase_change import EnthalpyStepper

        tolerance = inputs.tolerance if inputs.steps is None else EQUAL_TOLERANCE
        return EnthalpyStepper(space, step, keeps_bounds=keeps_bounds, tolerance=tolerance)
    from grid.engine.methods.implicit.stepper import ImplicitStepper

    if inputs.steps is not None:
        return ImplicitStepper(space, step, keeps_bounds=keeps_bounds)
    accuracy = max(min(ACCURACY * inputs.tolerance, MOST_ACCURACY), 1e-10)
    anchor = float(np.median(np.diff((0.0, *inputs.stop_times))))
    rough = max(min(COMPILED_ACCURACY * inputs.tolerance, MOST_COMPILED), 1e-10)
    return ImplicitStepper(space, step, keeps_bounds=keeps_bounds, accuracy=accuracy, rough=rough, anchor=anchor)


def _has_compiled_turns(problem: "HeatProblem") -> bool:
    """Tell whether a material melts with conductances that one potential makes constant, see `phase_conduction`."""
    from grid.engine.methods.implicit.phase_conduction import find_ratio

    laws = list(problem.boundaries.values())
    loads = problem.loads
    conductivities = [value for material in problem.materials for value in material.conductivity]
    is_constant = not any(value.variables & {"t", "T"} for value in conductivities)
    is_given = all(law.is_linear for law in laws) and not any("T" in value.variables for value in loads)
    is_plane = problem.has_phase_change and problem.dimension > 1
    return is_plane and is_given and (is_constant or find_ratio(problem) is not None)


def find_least_tolerance(inputs: MethodInputs) -> float:
    """Least tolerance that its steps, of second order, keep at an acceptable number of them [-]."""
    if inputs.problem.has_phase_change:
        return LEAST_TOLERANCE_PHASES
    return LEAST_TOLERANCE if inputs.is_linear else LEAST_TOLERANCE_VARYING


def find_step(inputs: MethodInputs) -> float | None:
    """The equal step that was requested [s]; None where the error is controlled."""
    if inputs.steps is None:
        return None
    return (inputs.problem.end_time or inputs.duration) / inputs.steps


def _count_crossed(inputs: MethodInputs) -> float:
    """Number of cells that a flow crosses through the body, or round a ring, until the end."""
    domain, found = inputs.problem.domain, 0.0
    for axis, speed in enumerate(inputs.problem.velocity):
        crossed = abs(speed) * inputs.duration / domain.spacing[axis]
        found = max(found, crossed if inputs.problem.is_periodic[axis] else min(crossed, domain.cells[axis]))
    return found


def _guess_steps(inputs: MethodInputs) -> int:
    steps = LEAST_STEPS + STEPS / math.sqrt(inputs.tolerance)
    steps *= CHANGING if loads_change(inputs.problem) else 1.0
    steps += FLOW_STEPS * math.pow(DEFAULT_TOLERANCE / inputs.tolerance, 1.0 / 3.0) * _count_crossed(inputs)
    stop_time = LANDING_CHANGING * inputs.tolerance ** (-1.0 / 3.0) if loads_change(inputs.problem) else LANDING
    steps += stop_time * len(inputs.stop_times)
    if inputs.problem.has_timed_values:
        from grid.engine.methods.inputs import analyse_inputs

        steps += analyse_inputs(inputs).count_steps()
    if inputs.problem.has_phase_change and inputs.dimension > 1:
        crossed = FRONT_STEPS * math.pow(DEFAULT_TOLERANCE / inputs.tolerance, 1.0 / 3.0)
        steps = max(steps, crossed * max(inputs.problem.domain.cells))
    return math.ceil(steps)
