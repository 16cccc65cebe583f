"""Operations of a tick of the method `implicit`, for its price.

A tick is one step, or several where a flow crosses many cells; while it is cut otherwise it costs as many times as
much. Turns are those of most ticks.
"""

from grid.engine.costs.runs import factor_work, turn_work
from grid.engine.costs.table import Work, add, scale
from grid.engine.live.needs import has_general_melting
from grid.engine.problem.problem import HeatProblem

EVALUATIONS, CORRECTIONS = 13.0, 9.0  # [-] of the heat flow in a step, and corrections
CROSSED, MOST_PARTS = 2.0, 64  # [-] cells that a flow crosses in a step, and steps of a tick
FACTORISATIONS = 9.0  # [-] of a step of a body that melts in general


def count_parts(problem: HeatProblem, tick: float) -> int:
    """Count the steps that a tick [s] takes, about: a limited flow over many cells in one converges in parts alone."""
    crossed = [abs(speed) * tick / size for speed, size in zip(problem.velocity, problem.domain.spacing, strict=False)]
    return min(max(1, round(max(crossed, default=0.0) / CROSSED)), MOST_PARTS)


def count_implicit_work(problem: HeatProblem) -> Work:
    """Operations of one step of TR-BDF2 (`grid.engine.costs.table`), of a field that changes as fields mostly do."""
    cells = float(problem.domain.cell_count)
    if problem.has_phase_change:
        return _count_melting(problem, cells)
    sides, axes = problem.dimension**1.5, problem.dimension**2.0  # as measured; faces and neighbours grow with axes
    work: dict[str, float] = {"live_flow": EVALUATIONS * sides, "live_flow_cell": EVALUATIONS * cells * axes}
    properties = [value for material in problem.materials for value in material.values]
    if any("T" in value.variables for value in (*properties, *problem.loads)):
        parts = axes * len(problem.materials)
        work |= {"live_freeze": EVALUATIONS * sides, "live_freeze_cell": EVALUATIONS * cells * parts}
    if problem.dimension == 1 and not problem.is_periodic[0]:
        return add(work, {"live_correction": 2.0, "tridiagonal_cell": CORRECTIONS * cells})
    kind = "live_carry_cell" if problem.has_flow else "live_cycle_cell"
    return add(work, {"live_correction": CORRECTIONS, kind: CORRECTIONS * cells * problem.dimension})


def _count_melting(problem: HeatProblem, cells: float) -> Work:
    work: Work = {"live_melting": 1.0, "live_melting_cell": cells}
    if problem.dimension == 1:
        return {"live_general": FACTORISATIONS, "live_general_cell": FACTORISATIONS * cells}
    if not has_general_melting(problem):
        return work
    turn = add(turn_work(problem), factor_work(problem.domain.cells, int(cells)))
    return scale(turn, FACTORISATIONS)
