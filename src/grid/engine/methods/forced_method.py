"""Exact modes with the source integrated by quadrature as a method: `forced`, for sources of place and time."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from grid.engine.methods.method import Cost, Facts
from grid.engine.methods.spectral_method import find_variation
from grid.engine.problem import AXES
from grid.engine.values import Expression

if TYPE_CHECKING:
    from grid.engine.space import Space
    from grid.engine.state import Stepper

LEAST_TOLERANCE = 1e-9
# seconds: fixed, the analysis of the loads most of all; for each landing, its cells, and a transform there and back;
# for each time, each cell of an axis squared, and each cell of the product of thin matrices
CALL, LANDING, LANDING_CELL, TRANSFORM = 3e-2, 1.2e-3, 2e-8, 1.5e-10
TIME, TIME_AXIS, TIME_CELL = 1e-6, 5e-11, 1e-10
TIME_MEAN = 1.5e-3  # s for each time and factor whose means over cells are taken
WHOLE_CELL, WHOLE_TRANSFORM = 1.5e-8, 2e-11  # for each time, where the source is evaluated cell by cell
PREPARE_CELL = 1.2e-7  # s for each cell, before the run
FIELDS = 8.0  # of working memory
MOST_TIMES, BLOCK = 1024, 1 << 22  # as in grid.engine.methods.forced


@dataclass(frozen=True)
class ForcedMethod:
    """Modes of a homogeneous box under a source that moves; see `grid.engine.methods.forced`."""

    name: str = "forced"

    def find_obstacle(self, facts: Facts) -> str | None:
        problem = facts.problem
        source = problem.source_term
        if not facts.is_linear or not isinstance(source, Expression) or "T" in source.variables:
            return "the problem is not linear with a source of place and time"
        if "t" not in source.variables:
            return "the source does not change in time"
        if any("t" in value.variables for law in problem.boundaries.values() for value in law.values.values()):
            return "the values of a boundary change in time"
        from grid.engine.planes import find_surfaces

        if any("t" in one.variables and one.variables & set(AXES) for one in find_surfaces(source.code)):
            return "the source jumps on a border that moves, which quadrature in time follows slowly"
        if facts.tolerance < LEAST_TOLERANCE:
            return f"it keeps tolerances from {LEAST_TOLERANCE:g} on"
        return find_variation(problem)

    def estimate(self, facts: Facts) -> Cost:
        from grid.engine.axis_factors import find_axis_factors
        from grid.engine.load_analysis import analyse_facts
        from grid.engine.methods.forced_loads import count_means
        from grid.engine.methods.forced_times import count_times

        problem, cells, limits = facts.problem, facts.cells, analyse_facts(facts).coarse_limits
        landings = facts.times or (facts.duration,)
        times, before = 0.0, 0.0
        for landing in landings:
            times += count_times(before, landing, limits, facts.stiffness)
            before = landing
        source, axes = problem.source_term, problem.domain.cells
        products = find_axis_factors(source.code) if isinstance(source, Expression) else None
        transform = sum(axes) * cells
        seconds = CALL + PREPARE_CELL * cells + TIME * times
        seconds += len(landings) * (LANDING + LANDING_CELL * cells + TRANSFORM * transform)
        if products is not None:
            seconds += times * (TIME_AXIS * sum(count**2 for count in axes) + TIME_CELL * cells)
            seconds += times * TIME_MEAN * count_means(products, problem.domain, facts.duration)
        else:
            seconds += times * (WHOLE_CELL * cells + WHOLE_TRANSFORM * transform)
        block = min(BLOCK, MOST_TIMES * cells // axes[0]) if products is not None else 0
        memory = int(8 * (cells * (2 * (len(landings) + 1) + FIELDS) + 2 * block)) + 2_000_000
        return Cost(len(landings), seconds, memory)

    def make_stepper(self, space: "Space", facts: Facts) -> "Stepper":
        from grid.engine.load_analysis import analyse_facts
        from grid.engine.methods.forced import ForcedStepper

        limits = analyse_facts(facts).coarse_limits
        return ForcedStepper(space, facts.times or (facts.duration,), facts.landings, limits, facts.tolerance)
