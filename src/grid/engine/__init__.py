"""Numerics and nothing else: heat on a grid by finite volumes.

    from grid.engine import HeatProblem, solve
    solution = solve(HeatProblem.from_case(case))
    solution.temperature_at({"x": 0.5}), solution.is_accepted

Importing this package loads NumPy alone; SciPy and Numba come with the first solve.
"""

from grid.engine.batch.batch import BatchSolution, solve_batch
from grid.engine.errors import CancelledError, ExpressionError, NotConvergedError, SingularError
from grid.engine.problem.boundaries import (
    Convection,
    ConvectionRadiation,
    Flux,
    Insulated,
    Periodic,
    Radiation,
    Temperature,
)
from grid.engine.problem.domain import Domain
from grid.engine.problem.material import Adaptive, Contact, Material, Pin
from grid.engine.problem.problem import HeatProblem
from grid.engine.results.audits import Audit
from grid.engine.results.fields import History
from grid.engine.results.solution import Solution
from grid.engine.results.summary import Estimate, PlanSummary
from grid.engine.run.plan import Plan
from grid.engine.run.planning import estimate, prepare
from grid.engine.run.solve import solve
from grid.engine.values.expression import Expression
from grid.engine.values.value import Constant, Gridded, Table, Value
from grid.engine.version import compute_numerics_version
from grid.engine.warmup import compile_ahead, find_missing, is_warm, warm

numerics_version: str = compute_numerics_version()

__all__ = [
    "Adaptive",
    "Audit",
    "BatchSolution",
    "CancelledError",
    "Constant",
    "Contact",
    "Convection",
    "ConvectionRadiation",
    "Domain",
    "Estimate",
    "Expression",
    "ExpressionError",
    "Flux",
    "Gridded",
    "HeatProblem",
    "History",
    "Insulated",
    "Material",
    "NotConvergedError",
    "Periodic",
    "Pin",
    "Plan",
    "PlanSummary",
    "Radiation",
    "SingularError",
    "Solution",
    "Table",
    "Temperature",
    "Value",
    "compile_ahead",
    "compute_numerics_version",
    "estimate",
    "find_missing",
    "is_warm",
    "numerics_version",
    "prepare",
    "solve",
    "solve_batch",
    "warm",
]
