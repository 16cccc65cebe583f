"""Inputs for the execution of a plan: the problem, its space, and the method that was chosen."""

from collections.abc import Callable
from dataclasses import dataclass, field

from grid.engine.methods.inputs import MethodInputs
from grid.engine.methods.method import Method
from grid.engine.problem.problem import HeatProblem
from grid.engine.results.summary import PlanSummary
from grid.engine.space.space import Space

OnStep = Callable[[float, int, float], bool | None]
STEADY = "steady"


@dataclass(frozen=True)
class RunSpec:
    """A problem with its method chosen and its coefficients evaluated.

    `method` and `inputs` are None for a steady state.
    """

    problem: HeatProblem
    summary: PlanSummary
    times: tuple[float, ...]
    space: Space = field(repr=False)
    method: Method | None = field(default=None, repr=False)
    inputs: MethodInputs | None = field(default=None, repr=False)
