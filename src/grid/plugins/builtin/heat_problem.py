"""The engine's problem, times, model and plan of the parameters of `heat`, which solving and rendering share."""

import copy
from typing import TYPE_CHECKING, cast

from grid.core.errors import UnsupportedError
from grid.plugins.builtin.heat_params import HeatParams, ReadProblem

if TYPE_CHECKING:
    from grid.engine import HeatProblem, Plan, Solution


def read_problem(heat: HeatParams) -> "HeatProblem":
    """Return the engine's problem, which was read when the parameters were validated.

    It is a copy for one use: what the engine keeps with it about the grid goes with the copy, and not with parameters
    that may be one of thousands.

    Raises:
        UnsupportedError: It is valid and beyond this version.
    """
    reading = cast("ReadProblem", heat.problem).reading
    if isinstance(reading, UnsupportedError):
        raise UnsupportedError(*reading.args)
    return copy.copy(reading)


def find_times(heat: HeatParams, problem: "HeatProblem") -> list[float] | None:
    """Return the times at which the field is kept besides 0, the end among them; None for a steady state."""
    if problem.steady or problem.end_time is None:
        return None
    return [problem.end_time * index / heat.outputs for index in range(1, heat.outputs)] + [problem.end_time]


def make_plan(heat: HeatParams, chosen: str | None = None) -> "Plan":
    """Return the plan that solving and rendering share; with the method that an earlier run chose, if there was one."""
    from grid.engine import prepare

    problem = read_problem(heat)
    return prepare(
        problem,
        method=heat.method,
        times=find_times(heat, problem),
        tolerance=None if problem.steady else heat.tolerance,  # which is of time
        model=find_model(heat),
        model_tolerance=heat.model_tolerance,
        chosen=chosen,
    )


def find_model(heat: HeatParams) -> str | None:
    """Return the model that was asked for; None to go by the problem."""
    return None if heat.model == "as_posed" else heat.model


def hash_fields(solution: "Solution") -> str:
    """Return the sha256 of all kept fields, C-ordered float64, shape ``(times, *cells)``."""
    import hashlib

    import numpy as np

    digest = hashlib.sha256()
    for field in solution.snapshots:  # without an array of all
        digest.update(np.ascontiguousarray(field, dtype="<f8").data)
    return digest.hexdigest()
