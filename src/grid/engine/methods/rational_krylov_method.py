"""The shift-and-invert Krylov method: `krylov`, for linear problems with constant coefficients and loads."""

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grid.engine.costs import SOLVE_ENTRY, factor_entries, factor_seconds
from grid.engine.methods.method import Cost, Facts, find_symmetry

if TYPE_CHECKING:
    from grid.engine.methods.driven_modes import Course, Modes
    from grid.engine.methods.signals import Signals
    from grid.engine.space import Loads, Space
    from grid.engine.state import Stepper
    from grid.engine.values import FloatArray

MOST_LOADS = 24  # that change in time, each with directions of its own
WINDOW = 10.0  # as in grid.engine.methods.rational_krylov
SINGLE_TOLERANCE = 2e-5  # as there
# directions: at a tolerance of 1e-3, for each decade below, and where several times share them; cycles of the first few
# and of each one, and for each decade of the tolerance
DIRECTIONS, DIRECTIONS_DECADE, DIRECTIONS_SHARED = 9.0, 2.5, 4.0
CYCLES, CYCLES_DECADE = 47.0, 22.0
# seconds for each cell: set-up, a cycle in 2D and 3D with what is around it, a direction, and a direction in a field
SETUP_CELL, CYCLE_CELL, CYCLE_CELL_3D = 8.0e-8, 1.4e-8, 2.0e-8
DIRECTION_CELL, FIELD_CELL, LANDING_CELL = 2.5e-8, 1.2e-9, 1.0e-8
DOUBLE = 1.5  # times as much where directions are in double precision
# of modes that loads drive: rounds of directions, one for each load; systems, as in grid.engine.methods.driven_modes
ROUNDS, ROUNDS_DECADE, ROUNDS_SPAN, DECADE, MOST_SHIFTS, PATIENCE = 5.0, 7.5, 1.0, 1.2, 4, 5
CYCLES_DIRECTION, DRIVEN_CYCLE, DRIVEN = 7.0, 4e-4, 2.2
ORTHOGONAL_CELL, DIRECTION, SOLVE_CELL = 1.2e-9, 5e-4, 2e-8
STRETCH, STRETCH_MODE, LANDING = 2.5e-6, 8e-9, 6e-4
CYCLE, CALL = 1.5e-4, 1e-2  # s of fixed cost of a cycle, and of a set of directions
FIELDS, FIELDS_DOUBLE = 19.0, 31.0  # of working memory besides the directions
ROOM, GROWN = 12.0, 1.2  # directions for which there is room at first; how much more memory when they move


@dataclass(frozen=True)
class KrylovMethod:
    """Fields from a few multigrid solves; see `grid.engine.methods.rational_krylov`."""

    name: str = "krylov"

    def find_obstacle(self, facts: Facts) -> str | None:
        found = find_symmetry(facts)
        if found is None and isinstance(facts.changing_loads, str):
            found = facts.changing_loads
        if found is None and facts.stiffness == 0.0:
            return "nothing conducts, so there is no matrix to invert"
        if found is None and len(facts.changing_loads) > MOST_LOADS:
            return f"more than {MOST_LOADS} loads change in time"
        return found

    def estimate(self, facts: Facts) -> Cost:
        if is_driven(facts):
            return _estimate_driven(facts)
        decades = max(math.log10(1e-3 / facts.tolerance), -0.5)
        directions = DIRECTIONS + DIRECTIONS_DECADE * decades
        windows, shared = _count_windows(facts)
        many = directions + (DIRECTIONS_SHARED if shared else 0.0)
        seconds = windows * _multigrid_seconds(facts, directions, many)
        seconds += windows * facts.cells * many * DIRECTION_CELL
        seconds += len(facts.landings) * facts.cells * (LANDING_CELL + many * FIELD_CELL)
        fields = FIELDS_DOUBLE + many if facts.tolerance < SINGLE_TOLERANCE else FIELDS + 0.5 * many
        fields *= GROWN if many > ROOM else 1.0
        memory = int(8 * facts.cells * (2 * (len(facts.times) + 1) + fields)) + 2_000_000
        return Cost(len(facts.landings), seconds, memory)

    def make_stepper(self, space: "Space", facts: Facts) -> "Stepper":
        from grid.engine.methods.rational_krylov import KrylovStepper

        if is_driven(facts):
            from grid.engine.methods.driven import DrivenStepper

            loads = facts.changing_loads if isinstance(facts.changing_loads, tuple) else ()
            make = functools.partial(_make_modes, tolerance=facts.tolerance, is_direct=is_direct(facts))
            return DrivenStepper(space, facts.times or (facts.duration,), loads, make, self.name)
        return KrylovStepper(space, facts.landings, facts.tolerance)


def is_driven(facts: Facts) -> bool:
    """Whether modes of a Krylov space are driven by the loads, rather than fields found by windows of times."""
    return not facts.is_constant or is_direct(facts)


def is_direct(facts: Facts) -> bool:
    """Whether systems on the cells of the body are factorised rather than solved by multigrid on those of the box."""
    many, shifts, _ = _count_directions(facts)
    return _direct_seconds(facts, many, shifts) < _multigrid_seconds(facts, many, many)


def _count_directions(facts: Facts) -> tuple[float, int, int]:
    """Directions of driven modes, systems that they come from, and stretches of the loads."""
    decades = max(math.log10(1e-3 / facts.tolerance), 0.0)
    loads = facts.changing_loads if isinstance(facts.changing_loads, tuple) else ()
    before, shortest = 0.0, facts.duration
    for time in facts.times or (facts.duration,):
        shortest, before = min(shortest, time - before), time
    span = math.log10(facts.duration / shortest)
    shifts = min(1 + math.ceil((span + 0.3) / DECADE), MOST_SHIFTS)
    rounds = ROUNDS + ROUNDS_DECADE * decades + ROUNDS_SPAN * span
    return rounds * (1 + len(loads)), shifts, facts.knots + len(facts.times) + 1


def _estimate_driven(facts: Facts) -> Cost:
    many, shifts, stretches = _count_directions(facts)
    direct, landings = is_direct(facts), len(facts.times) or 1
    cells = facts.body_cells if direct else facts.cells
    seconds = _direct_seconds(facts, many, shifts) if direct else _multigrid_seconds(facts, many, many)
    seconds += cells * many**2 * ORTHOGONAL_CELL + many * DIRECTION
    seconds += (ROUNDS + many / (1 + facts.knots)) * stretches * (STRETCH + STRETCH_MODE * many)
    seconds += landings * (LANDING + facts.cells * (LANDING_CELL + many * FIELD_CELL))
    entries = shifts * factor_entries(facts.problem.domain.cells, cells) if direct else 0.0
    fields = 2 * (landings + 1) * facts.cells + (many + FIELDS) * cells + 3.0 * entries + 4.0 * stretches * many
    return Cost(landings, seconds, int(8 * fields) + 2_000_000)


def _direct_seconds(facts: Facts, many: float, shifts: int) -> float:
    """Factorisations and solves."""
    shape, cells = facts.problem.domain.cells, facts.body_cells or facts.cells
    solve = SOLVE_ENTRY * factor_entries(shape, cells)
    loads = facts.changing_loads if isinstance(facts.changing_loads, tuple) else ()
    late = min(max(many / (1 + len(loads)) - PATIENCE, 0.0) / shifts, 1.0)  # the middle shift alone serves at first
    factors = 1.0 + (shifts - 1) * late
    return factors * factor_seconds(shape, cells) + many * (2.0 * solve + SOLVE_CELL * cells)


def _multigrid_seconds(facts: Facts, directions: float, many: float) -> float:
    """Set-up and cycles of the systems for some directions, of which the first ones take more."""
    decades = max(math.log10(1e-3 / facts.tolerance), -0.5)
    cycles = (CYCLES + CYCLES_DECADE * decades) * many / directions
    if not facts.is_constant:
        cycles = many * CYCLES_DIRECTION
    cell = CYCLE_CELL_3D if facts.dimension == 3 else CYCLE_CELL
    cell *= DOUBLE if facts.tolerance < SINGLE_TOLERANCE else 1.0
    cell *= 1.0 if facts.is_constant else DRIVEN
    fixed = CYCLE if facts.is_constant else DRIVEN_CYCLE
    return CALL + cycles * fixed + facts.cells * (SETUP_CELL + cycles * cell)


def _make_modes(
    space: "Space", loads: "Loads", start: "FloatArray", signals: "Signals", course: "Course", *, tolerance: float,
    is_direct: bool,
) -> "Modes":  # fmt: skip
    from grid.engine.methods.driven_modes import ReducedModes

    return ReducedModes(space, loads, start, signals, course, tolerance=tolerance, is_direct=is_direct)


def _count_windows(facts: Facts) -> tuple[int, bool]:
    """Sets of directions that the landings need, and whether several landings share one."""
    decades = [int(math.log(facts.landings[-1] / landing) / math.log(WINDOW)) for landing in facts.landings]
    return len(set(decades)), len(decades) > len(set(decades))
