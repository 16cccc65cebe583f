"""Solving on several grids, for an estimate of the error of space: see `grid.engine.results.ladder`."""

from dataclasses import replace
from typing import Any

import numpy as np

from grid.core.errors import FieldError
from grid.engine.problem.problem import HeatProblem
from grid.engine.progress import OnProgress
from grid.engine.results.ladder import Ladder, with_cells
from grid.engine.results.solution import Solution
from grid.engine.run.plan import Plan
from grid.engine.run.planning import prepare
from grid.engine.space.space import Space

LEVELS = 3  # [-] grids of an estimate, where they fit: the order cannot be found from two
FEWEST = 4  # [-] cells along an axis of the coarsest grid at least


def solve_with_error(problem: HeatProblem, **arguments: Any) -> Solution:
    """Solve on the grid of a problem, with an estimate of its error of space: `solve(problem, richardson=True)`."""
    ladder = solve_on_ladder(problem, levels=LEVELS, **arguments)
    metrics = ladder.solution.metrics | {"space_error": ladder.error}
    return replace(ladder.solution, ladder=ladder, metrics=metrics)


def solve_on_ladder(
    problem: HeatProblem,
    *,
    levels: int = 2,
    may_refine: bool = True,
    progress: OnProgress | bool | None = None,
    **arguments: Any,
) -> Ladder[Solution]:
    """Solve a problem on its grid and on coarser ones.

    Args:
        problem: On its own grid.
        levels: Grids in all, 2 or 3; fewer where they do not fit.
        may_refine: Take the grid with twice the cells where half of them do not fit; else there is one level.
        progress: Called for each run, see `grid.engine.Plan.solve`.
        arguments: Of `grid.engine.prepare`.
    """
    if problem.steady:  # to rounding: what an iteration leaves would look like an error of space
        arguments["tolerance"] = None
    first = prepare(problem, **arguments)
    plans = [first]
    while len(plans) < levels:
        plan = _prepare_coarser(plans[-1].problem, arguments)
        if plan is None or not is_aligned(plans[-1].space, plan.space):
            break
        plans.append(plan)
    solution = first.solve(progress=progress)
    if len(plans) == 1:
        if not may_refine:
            return Ladder(solution, (solution,))
        finer = prepare(with_cells(problem, 2.0), **arguments).solve(progress=progress)
        return Ladder(solution, (finer, solution))
    return Ladder(solution, (solution, *(plan.solve(progress=progress) for plan in plans[1:])))


def _prepare_coarser(problem: HeatProblem, arguments: dict[str, Any]) -> Plan | None:
    """The plan on half the cells; None if they do not divide, or the problem does not fit on them."""
    coarser = find_coarser(problem)
    try:
        return None if coarser is None else prepare(coarser, **arguments)
    except FieldError:  # such as of a region that owns no cell there
        return None


def find_coarser(problem: HeatProblem) -> HeatProblem | None:
    """The problem on half the cells along every axis; None if they do not divide, or contacts leave the faces."""
    cells = problem.domain.cells
    if any(count % 2 or count < 2 * FEWEST for count in cells):
        return None
    coarser = replace(problem.domain, cells=tuple(count // 2 for count in cells))
    if any(coarser.face_index(contact.axis, contact.position) is None for contact in problem.contacts):
        return None
    return with_cells(problem, 0.5)


def is_aligned(fine: Space, coarse: Space) -> bool:
    """Tell whether each coarse cell covers cells of one region that all belong to the body, or all do not."""

    def spread(values: Any) -> Any:
        out = np.asarray(values).reshape(coarse.shape)
        for axis in range(out.ndim):
            out = np.repeat(out, 2, axis=axis)
        return out

    same_region = fine.region is None or coarse.region is None or np.array_equal(fine.region, spread(coarse.region))
    if fine.active is None or coarse.active is None:
        return same_region
    return same_region and np.array_equal(fine.active.reshape(fine.shape), spread(coarse.active))
