"""The shift-and-invert Krylov method: `krylov`, for linear problems with constant coefficients and loads."""

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grid.engine.costs.runs import cholesky_solve_work, count_faces, factor_entries, factor_work
from grid.engine.costs.table import Work, add, price, scale
from grid.engine.methods.inputs import MethodInputs
from grid.engine.methods.method import Cost, find_symmetry

if TYPE_CHECKING:
    from grid.engine.loads.signals import Signals
    from grid.engine.methods.driven.course import Course, Modes
    from grid.engine.methods.state import Stepper
    from grid.engine.space.laws import Loads
    from grid.engine.space.space import Space
    from grid.engine.values.operations import FloatArray

MOST_LOADS = 24  # [-] loads that change in time at most, each with directions of its own
WINDOW = 10.0  # [-] as in grid.engine.methods.krylov.stepper
SINGLE_TOLERANCE = 2e-5  # [-] as in grid.engine.methods.krylov.stepper
# [-] directions at a tolerance of 1e-3, more for each decade below, and more where several times share them
DIRECTIONS, DIRECTIONS_DECADE, DIRECTIONS_SHARED = 9.0, 2.5, 4.0
# [-] multigrid cycles of all directions at a tolerance of 1e-3, and more for each decade below
CYCLES, CYCLES_DECADE = 47.0, 22.0
DOUBLE = 1.5  # [-] factor on the work where directions are in double precision
# [-] modes that loads drive: rounds of directions, one for each load (constant, for each decade of the tolerance and of
# the times), and decades between shifts, shifts and patience as in grid.engine.methods.krylov.reduced_modes
ROUNDS, ROUNDS_DECADE, ROUNDS_SPAN, DECADE, MOST_SHIFTS, PATIENCE = 5.0, 7.5, 1.0, 1.2, 4, 5
CYCLES_DIRECTION = 8.5  # [-] multigrid cycles for each direction of modes that loads drive
# [-] fields of working memory besides the directions, in single and in double precision
FIELDS, FIELDS_DOUBLE = 19.0, 31.0
# [-] directions for which memory is allocated at first; factor on the memory when it is enlarged
ROOM, GROWN = 12.0, 1.2


@dataclass(frozen=True)
class KrylovMethod:
    """Fields from a few multigrid solves; see `grid.engine.methods.krylov.stepper`."""

    name: str = "krylov"

    def find_obstacle(self, inputs: MethodInputs) -> str | None:
        """Give the reason why the method cannot solve a problem, in words; None if it can."""
        found = find_symmetry(inputs)
        if found is None and isinstance(inputs.changing_loads, str):
            found = inputs.changing_loads
        if found is None and inputs.stiffness == 0.0:
            return "nothing conducts, so there is no matrix to invert"
        if found is None and len(inputs.changing_loads) > MOST_LOADS:
            return f"more than {MOST_LOADS} loads change in time"
        return found

    def estimate(self, inputs: MethodInputs) -> Cost:
        """Estimate steps, work and memory of a run."""
        if is_driven(inputs):
            return _estimate_driven(inputs)
        decades = max(math.log10(1e-3 / inputs.tolerance), -0.5)
        directions = DIRECTIONS + DIRECTIONS_DECADE * decades
        windows, shared = _count_windows(inputs)
        many = directions + (DIRECTIONS_SHARED if shared else 0.0)
        fields_found = len(inputs.stop_times) * inputs.cells
        work = add(
            scale(_multigrid_work(inputs, directions, many), windows),
            {"direction_cell": windows * inputs.cells * many},
            {"landing_cell": fields_found, "field_cell": fields_found * many},
        )
        fields = FIELDS_DOUBLE + many if inputs.tolerance < SINGLE_TOLERANCE else FIELDS + 0.5 * many
        fields *= GROWN if many > ROOM else 1.0
        memory = int(8 * inputs.cells * (2 * (len(inputs.times) + 1) + fields)) + 2_000_000
        return Cost(len(inputs.stop_times), work, memory)

    def make_stepper(self, space: "Space", inputs: MethodInputs) -> "Stepper":
        """Make the stepper for a discretised problem."""
        from grid.engine.methods.krylov.stepper import KrylovStepper

        if is_driven(inputs):
            from grid.engine.methods.driven.stepper import DrivenStepper

            loads = inputs.changing_loads if isinstance(inputs.changing_loads, tuple) else ()
            make = functools.partial(_make_modes, tolerance=inputs.tolerance, is_direct=is_direct(inputs))
            return DrivenStepper(space, inputs.times or (inputs.duration,), loads, make, self.name)
        return KrylovStepper(space, inputs.stop_times, inputs.tolerance)


def is_driven(inputs: MethodInputs) -> bool:
    """Tell whether modes of a Krylov space are driven by the loads, rather than fields found by windows of times."""
    return not inputs.is_constant or is_direct(inputs)


def is_direct(inputs: MethodInputs) -> bool:
    """Tell whether systems are factorised on the body's cells rather than solved by multigrid on those of the box."""
    many, shifts, _ = _count_directions(inputs)
    # by the constants alone, so that no calibration changes the bytes of the method
    return price(_direct_work(inputs, many, shifts)) < price(_multigrid_work(inputs, many, many))


def _count_directions(inputs: MethodInputs) -> tuple[float, int, int]:
    """Directions of driven modes, systems that they come from, and stretches of the loads."""
    decades = max(math.log10(1e-3 / inputs.tolerance), 0.0)
    loads = inputs.changing_loads if isinstance(inputs.changing_loads, tuple) else ()
    before, shortest = 0.0, inputs.duration
    for time in inputs.times or (inputs.duration,):
        shortest, before = min(shortest, time - before), time
    span = math.log10(inputs.duration / shortest)
    shifts = min(1 + math.ceil((span + 0.3) / DECADE), MOST_SHIFTS)
    rounds = ROUNDS + ROUNDS_DECADE * decades + ROUNDS_SPAN * span
    return rounds * (1 + len(loads)), shifts, inputs.knots + len(inputs.times) + 1


def _estimate_driven(inputs: MethodInputs) -> Cost:
    many, shifts, stretches = _count_directions(inputs)
    direct, stop_times = is_direct(inputs), len(inputs.times) or 1
    cells = inputs.body_cells if direct else inputs.cells
    marched = (ROUNDS + many / (1 + inputs.knots)) * stretches
    faces = count_faces(inputs.problem, inputs.body_cells or cells)
    own = {
        "orthogonal_cell": cells * many**2,
        "direction": many,
        "stretch": marched,
        "stretch_mode": marched * many,
        "booked_face": stretches * faces,
        "booked_face_mode": stretches * faces * many,
        "landing": stop_times,
        "landing_cell": stop_times * inputs.cells,
        "field_cell": stop_times * inputs.cells * many,
    }
    work = add(_direct_work(inputs, many, shifts) if direct else _multigrid_work(inputs, many, many), own)
    entries = shifts * factor_entries(inputs.problem.domain.cells, cells) if direct else 0.0
    fields = 2 * (stop_times + 1) * inputs.cells + (many + FIELDS) * cells + 3.0 * entries + 4.0 * stretches * many
    return Cost(stop_times, work, int(8 * fields) + 2_000_000)


def _direct_work(inputs: MethodInputs, many: float, shifts: int) -> Work:
    """Factorisations and solves."""
    shape, cells = inputs.problem.domain.cells, inputs.body_cells or inputs.cells
    loads = inputs.changing_loads if isinstance(inputs.changing_loads, tuple) else ()
    late = min(max(many / (1 + len(loads)) - PATIENCE, 0.0) / shifts, 1.0)  # the middle shift alone serves at first
    factors = 1.0 + (shifts - 1) * late
    solves = add(scale(cholesky_solve_work(shape, cells), many), {"solve_cell": many * cells})
    matrix = {"matrix": 1.0, "matrix_cell": cells}
    return add(scale(add(factor_work(shape, cells, "cholesky"), matrix), factors), solves)


def _multigrid_work(inputs: MethodInputs, directions: float, many: float) -> Work:
    """Set-up and cycles of the systems for some directions, of which the first ones take more."""
    decades = max(math.log10(1e-3 / inputs.tolerance), -0.5)
    cycles = (CYCLES + CYCLES_DECADE * decades) * many / directions
    if not inputs.is_constant:
        cycles = many * CYCLES_DIRECTION
    kind = "" if inputs.is_constant else "driven_"
    cell = f"{kind}cycle_cell_3d" if inputs.dimension == 3 else f"{kind}cycle_cell_2d"
    double = DOUBLE if inputs.tolerance < SINGLE_TOLERANCE else 1.0
    return {
        "krylov": 1.0,
        "krylov_cell": inputs.cells,
        f"{kind}cycle_fixed": cycles,
        cell: cycles * inputs.cells * double,
    }


def _make_modes(
    space: "Space", loads: "Loads", start: "FloatArray", signals: "Signals", course: "Course", *, tolerance: float,
    is_direct: bool,
) -> "Modes":  # fmt: skip
    from grid.engine.methods.krylov.reduced_modes import ReducedModes

    return ReducedModes(space, loads, start, signals, course, tolerance=tolerance, is_direct=is_direct)


def _count_windows(inputs: MethodInputs) -> tuple[int, bool]:
    """Sets of directions that the stop times need, and whether several stop times share one."""
    decades = [int(math.log(inputs.stop_times[-1] / stop_time) / math.log(WINDOW)) for stop_time in inputs.stop_times]
    return len(set(decades)), len(decades) > len(set(decades))
