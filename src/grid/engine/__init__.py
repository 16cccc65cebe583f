"""Numerics and nothing else: heat on a grid by finite volumes.

    from grid.engine import HeatProblem, solve
    solution = solve(HeatProblem.from_case(case))
    solution.temperature_at({"x": 0.5}), solution.is_accepted

Importing this package loads NumPy alone; SciPy and Numba come with the first solve.
"""

from grid.engine.audits import Audit
from grid.engine.batch import BatchSolution, solve_batch
from grid.engine.boundaries import Convection, ConvectionRadiation, Flux, Insulated, Periodic, Radiation, Temperature
from grid.engine.errors import CancelledError, ExpressionError, NotConvergedError, SingularError
from grid.engine.planning import Estimate, Plan, PlanSummary, estimate, prepare, solve
from grid.engine.problem import Adaptive, Contact, Domain, HeatProblem, Material, Pin
from grid.engine.solution import History, Solution
from grid.engine.values import Constant, Expression, Gridded, Table, Value
from grid.engine.version import compute_numerics_version
from grid.engine.warmup import compile_ahead, warm

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
    "numerics_version",
    "prepare",
    "solve",
    "solve_batch",
    "warm",
]
