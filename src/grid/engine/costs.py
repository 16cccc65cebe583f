"""The cost model: seconds and bytes of each method, from the numbers of a problem alone.

Constants were measured on one core of an AMD EPYC (Zen 4, 3.6 GHz); they rank methods and serve admission, and promise
nothing about another machine.
"""

import math

import numpy as np

from grid.engine.problem import AXES, Domain, HeatProblem, Material
from grid.engine.values import Constant, Value

SAMPLES = 12  # places along each axis at which an expression is sampled

EXPLICIT_CELL_STEP = 1.6e-9  # s for each dimension of a cell update
LOADS_STEP = 6e-5  # s for evaluating loads that change in time, and for each cell of a source that does:
LOADS_CELL_STEP = 2e-8
FLOW_CELL = 1.2e-8  # s for one right-hand side, for each dimension and cell
CALL = 5e-5  # s of fixed cost for each implicit step and dimension
LU_1D_CELL, LU_2D_CELL = 1.0e-6, 9e-9  # s for each cell, and for each cell to the power 3/2
LU_3D_CELL = 3e-9  # s for each cell squared
SOLVE_CELL = 8e-9  # s for each cell and its logarithm to base 2
CG_ITERATIONS = 12  # typical for moderate contrasts
FLOPS = 1.5e10  # multiply-adds a second of the dense products in the preconditioner


def _sampled(value: Value, domain: Domain) -> tuple[float, float]:
    """Smallest and largest of a value on a coarse sample of the domain; no field is made."""
    if isinstance(value, Constant):
        return value.value, value.value
    places = {}
    for axis in range(domain.dimension):
        shape = [1] * domain.dimension
        shape[axis] = -1
        count = min(domain.cells[axis], SAMPLES)
        inner = (np.arange(count) + 0.5) / count
        places[AXES[axis]] = (domain.origin[axis] + domain.size[axis] * inner).reshape(shape)
    result = np.asarray(value.evaluate({**places, "t": np.float64(0.0)}), np.float64)
    usable = result[np.isfinite(result) & (result > 0)]
    return (float(usable.min()), float(usable.max())) if usable.size else (1.0, 1.0)


def _capacity(material: Material, domain: Domain) -> float:
    if material.volumetric_heat_capacity is not None:
        return _sampled(material.volumetric_heat_capacity, domain)[0]
    if material.density is None or material.specific_heat is None:
        return 1.0
    return _sampled(material.density, domain)[0] * _sampled(material.specific_heat, domain)[0]


def explicit_time_step(problem: HeatProblem) -> float:
    """The step of the explicit method, from the extremes of the properties alone [s]; at most that of the real grid."""
    from grid.engine.state import SAFETY

    domain = problem.domain
    smallest = math.inf
    for material in problem.materials:
        per_axis = [_sampled(value, domain)[1] for value in material.conductivity]
        per_axis = per_axis * (domain.dimension if len(per_axis) == 1 else 1)
        # a cell between a neighbour and a held face: 1 + 2 conductances along an axis
        total = sum(3.0 * k / d**2 for k, d in zip(per_axis, domain.spacing, strict=True))
        smallest = min(smallest, _capacity(material, domain) / total)
    return SAFETY * smallest


def explicit_seconds(problem: HeatProblem, steps: float) -> float:
    """Seconds of the explicit method."""
    cells = problem.domain.cell_count
    return steps * (EXPLICIT_CELL_STEP * problem.dimension * cells + _loads_seconds(problem))


def loads_change(problem: HeatProblem) -> bool:
    """Whether a boundary condition or the source depends on time."""
    values = [value for boundary in problem.boundaries.values() for value in boundary.values.values()]
    return any("t" in value.variables for value in [problem.source_term, *values])


def _loads_seconds(problem: HeatProblem) -> float:
    values = [value for boundary in problem.boundaries.values() for value in boundary.values.values()]
    seconds = LOADS_STEP if any("t" in value.variables for value in values) else 0.0
    if "t" in problem.source_term.variables:
        seconds += LOADS_STEP + LOADS_CELL_STEP * problem.domain.cell_count
    return seconds


def uses_iteration(shape: tuple[int, ...]) -> bool:
    """Whether a grid is solved by conjugate gradients rather than by LU."""
    return len(shape) == 3 and math.prod(shape) > LU_CELLS_3D


LU_CELLS_3D = 4_000  # beyond this the fill of an LU in 3D costs more than conjugate gradients


def _factor_seconds(problem: HeatProblem) -> float:
    cells = problem.domain.cell_count
    if problem.dimension == 1:
        return LU_1D_CELL * cells
    if problem.dimension == 2:
        return LU_2D_CELL * math.pow(cells, 1.5) + 2e-6 * cells
    if uses_iteration(problem.domain.cells):
        return sum(2e-9 * count**3 for count in problem.domain.cells) + 1e-6 * cells
    return LU_3D_CELL * cells**2


def _solve_seconds(problem: HeatProblem) -> float:
    cells = problem.domain.cell_count
    if uses_iteration(problem.domain.cells):
        dense = 2.0 * cells * sum(problem.domain.cells) / FLOPS
        return CG_ITERATIONS * (dense + 1e-7 * cells)
    return SOLVE_CELL * cells * max(math.log2(cells), 4.0)


def implicit_seconds(problem: HeatProblem, steps: float) -> float:
    """Seconds of the implicit method: one or two factorisations, three solves and flows a step."""
    cells = problem.domain.cell_count
    step = 3.0 * (_solve_seconds(problem) + FLOW_CELL * problem.dimension * cells) + 3.0 * _loads_seconds(problem)
    return 2.0 * _factor_seconds(problem) + steps * (step + CALL * problem.dimension)


def steady_seconds(problem: HeatProblem) -> float:
    """Seconds of a steady solve."""
    return _factor_seconds(problem) + 2.0 * _solve_seconds(problem)


def memory_bytes(problem: HeatProblem, method: str, outputs: int) -> int:
    """Peak memory of a run beyond the libraries [bytes]."""
    cells, dimension = problem.domain.cell_count, problem.dimension
    fields = outputs * cells
    space = (1 + dimension + _has_map(problem)) * cells  # capacity, conductances, maps
    explicit, implicit = (7.0 + dimension) * cells, (14.0 + 4.0 * dimension) * cells
    work = explicit if method == "explicit" else implicit + matrix_entries(problem)
    return int(8 * (fields + space + work)) + 1_000_000


def _has_map(problem: HeatProblem) -> int:
    """Arrays for properties that vary in place."""
    varying = any(value.variables for material in problem.materials for value in material.conductivity)
    return problem.dimension if varying or len(problem.materials) > 1 else 0


def matrix_entries(problem: HeatProblem) -> float:
    """Doubles that matrices and their factors take."""
    cells, dimension = problem.domain.cell_count, problem.dimension
    matrix = 3.0 * (2 * dimension + 1) * cells
    if dimension == 1:
        return matrix + 12.0 * cells
    if dimension == 2:
        return matrix + 2 * 1.5 * 4.0 * cells * max(math.log2(cells), 4.0)
    if uses_iteration(problem.domain.cells):
        return matrix + 6.0 * cells
    return matrix + 2 * 1.5 * 3.0 * math.pow(cells, 4.0 / 3.0)
