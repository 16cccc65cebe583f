"""Solving a problem in one call."""

from collections.abc import Sequence

from grid.engine.arguments import require_function, require_truth
from grid.engine.lumped.method import MODEL_TOLERANCE
from grid.engine.methods.inputs import Precision
from grid.engine.problem.problem import HeatProblem
from grid.engine.progress import OnProgress
from grid.engine.results.solution import Solution
from grid.engine.run.plan import ON_STEP
from grid.engine.run.planning import prepare
from grid.engine.run.spec import OnStep


def solve(
    problem: HeatProblem,
    *,
    until: float | None = None,
    times: Sequence[float] | None = None,
    method: str = "auto",
    steps: int | None = None,
    tolerance: float | None = None,
    precision: Precision = "double",
    model: str | None = None,
    model_tolerance: float = MODEL_TOLERANCE,
    richardson: bool = False,
    on_step: OnStep | None = None,
    progress: OnProgress | bool | None = None,
    chosen: str | None = None,
) -> Solution:
    """Solve a problem: `prepare` and `Plan.solve` in one; see there for arguments and errors.

    With `richardson` it is solved on half the cells as well (on twice as many where half do not fit), and the solution
    has `space_error` and `extrapolate`.
    """
    require_function("on_step", on_step, ON_STEP)
    if require_truth("richardson", richardson):
        from grid.engine.run.richardson import solve_with_error

        return solve_with_error(
            problem, method=method, times=times, until=until, steps=steps, tolerance=tolerance, precision=precision,
            model=model, model_tolerance=model_tolerance, chosen=chosen, progress=progress,
        )  # fmt: skip
    plan = prepare(
        problem, method=method, times=times, until=until, steps=steps, tolerance=tolerance, precision=precision,
        model=model, model_tolerance=model_tolerance, chosen=chosen,
    )  # fmt: skip
    return plan.solve(on_step, progress=progress)
