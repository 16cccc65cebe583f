"""The cost model: seconds and bytes of each method, from the numbers of a problem alone.

Constants were measured on one core of an AMD EPYC (Zen 4, 3.6 GHz); they rank methods and serve admission, and promise
nothing about another machine.
"""

import math

import numpy as np

from grid.engine.limits import LU_CELLS_3D
from grid.engine.problem import AXES, Domain, HeatProblem, Material
from grid.engine.values import Constant, Operand, Value

MASK_SAMPLES = 48  # places along each axis at which a mask is sampled
SAMPLES = 12  # places along each axis at which an expression is sampled

EXPLICIT_CELL_STEP = 1.6e-9  # s for each dimension of a cell update
TILED_CELL_STEP = (5e-10, 5.5e-10, 1.3e-9)  # s of a cell update in a homogeneous box, in 1D, 2D, 3D
THREADED, THREADED_CELLS = 0.6, 100_000  # what two threads leave of it, from so many cells on
EXPLICIT_REPORT, EXPLICIT_REPORTS = 1e-4, 50  # s for each time that a run is looked at, and how often it is at most
LOADS_STEP = 6e-5  # s for evaluating loads that change in time, and for each cell of a source that does:
LOADS_CELL_STEP = 2e-8
FLOW_CELL = 1.2e-8  # s for one right-hand side, for each dimension and cell
CALL = 5e-5  # s of fixed cost for each implicit step and dimension
LU_1D_CELL, LU_2D_CELL = 1.0e-6, 1.2e-8  # s for each cell, and for each cell to the power 3/2
LU_3D_CELL = 3e-9  # s for each cell squared
# a factorisation of the cells of a body: fixed, for each cell, and by the cells of a cut; a solve, for each entry
FACTOR, FACTOR_CELL, FACTOR_CELL_CUT, FACTOR_CUT = 5e-4, 8e-7, 1.8e-7, 1.4e-9
FILL_CELL, FILL_CUT, SOLVE_ENTRY = 1.5, 8.0, 2.6e-9
SOLVE_CELL = 8e-9  # s for each cell and its logarithm to base 2
KRYLOV_ITERATIONS = 20  # of a conductivity tensor, each a solve without its off-diagonal part
KRYLOV_FIELDS = 45.0  # the basis of these iterations and their products
CG_ITERATIONS = 12  # typical for moderate contrasts
MULTIGRID_CELLS, MULTIGRID_CELLS_ONCE = 200_000, 8_000  # of a plane, beyond which multigrid beats a factorisation
MULTIGRID_CELL, MULTIGRID_CELL_TURN = 1.2e-7, 3.0e-8  # s for each cell: set-up, and an iteration
MULTIGRID_ITERATIONS, MULTIGRID_ROUGH = 16, 6  # to the tolerance of a step, and where an iterate is corrected
MULTIGRID_FIELDS = 24.0  # levels, vectors and the stages of a step
EXPLICIT_FIELDS = (10.7, 7.3, 9.2)  # state, conductances and copies in 1D, 2D, 3D
UNIFORM_FIELDS = (10.7, 4.6, 5.6)  # the same where one number stands for the conductances of all cells
LARGE_CELLS = 50_000  # beyond it the implicit method holds fewer factorisations
FLOPS = 1.5e10  # multiply-adds a second of the dense products in the preconditioner


def count_body_cells(problem: HeatProblem) -> int:
    """Cells of the body, about: those of the box in the share that a coarse sample of the mask finds."""
    domain = problem.domain
    if domain.active is None:
        return domain.cell_count
    inside = np.asarray(domain.active.evaluate(_sample_places(domain, MASK_SAMPLES)))
    return max(1, round(domain.cell_count * float(np.mean(inside))))


def _sample_places(domain: Domain, samples: int) -> dict[str, Operand]:
    """Open coordinates of places spread evenly over a domain, at most so many along each axis."""
    places = {}
    for axis in range(domain.dimension):
        shape = [1] * domain.dimension
        shape[axis] = -1
        count = min(domain.cells[axis], samples)
        inner = (np.arange(count) + 0.5) / count
        places[AXES[axis]] = (domain.origin[axis] + domain.size[axis] * inner).reshape(shape)
    return places


def factor_seconds(shape: tuple[int, ...], cells: int) -> float:
    """Seconds of a sparse factorisation of the cells of a body in a box.

    Nested dissection cuts a body across its longest axis first; the cells of such a cut, in the body's share, are what
    the dense part of the work is made of (A. George, SIAM J. Numer. Anal. 10, 1973).
    """
    short, middle, longest = sorted((1,) * (3 - len(shape)) + shape)
    cut = short * middle * cells / math.prod(shape)
    return FACTOR + cells * (FACTOR_CELL + FACTOR_CELL_CUT * math.sqrt(cut)) + FACTOR_CUT * cut**3 * longest / middle


def factor_entries(shape: tuple[int, ...], cells: int) -> float:
    """Entries of one triangle of that factorisation."""
    short, middle, longest = sorted((1,) * (3 - len(shape)) + shape)
    cut = short * middle * cells / math.prod(shape)
    return cells * FILL_CELL * math.log2(max(cells, 2)) + (FILL_CUT * cut**2 * longest / middle if short > 1 else 0.0)


def _sampled(value: Value, domain: Domain) -> tuple[float, float]:
    """Smallest and largest of a value on a coarse sample of the domain; no field is made."""
    if isinstance(value, Constant):
        return value.value, value.value
    if "T" in value.variables:
        return 1.0, 1.0  # never a problem of the explicit method, whose step this is for
    places = _sample_places(domain, SAMPLES)
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
        axes = range(domain.dimension)
        per_axis = [_sampled(material.conductivity_entry(a, a, domain.dimension), domain)[1] for a in axes]
        # a cell between a neighbour and a held face: 1 + 2 conductances along an axis
        total = sum(3.0 * k / d**2 for k, d in zip(per_axis, domain.spacing, strict=True))
        smallest = min(smallest, _capacity(material, domain) / total)
    return SAFETY * smallest


def explicit_seconds(problem: HeatProblem, steps: float) -> float:
    """Seconds of the explicit method, whose kernels for homogeneous boxes take several steps in one pass."""
    cells, dimension = problem.domain.cell_count, problem.dimension
    step = EXPLICIT_CELL_STEP * dimension * cells
    if _is_uniform(problem) and problem.source_term == Constant(0.0):
        step = TILED_CELL_STEP[dimension - 1] * cells
        step *= THREADED if dimension > 1 and cells >= THREADED_CELLS else 1.0
    return EXPLICIT_REPORT * min(steps, EXPLICIT_REPORTS) + steps * (step + _loads_seconds(problem))


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


def uses_multigrid(shape: tuple[int, ...], *, few_solves: bool, is_homogeneous: bool = False) -> bool:
    """Whether multigrid is the fastest way to solve without a flow.

    Args:
        few_solves: Whether a matrix serves about one solve, so that a factorisation does not pay.
        is_homogeneous: Whether conductances along an axis hardly differ, so that the nearest homogeneous box in 3D is
            the better preconditioner.
    """
    if len(shape) == 2:
        return math.prod(shape) > (MULTIGRID_CELLS_ONCE if few_solves else MULTIGRID_CELLS)
    return uses_iteration(shape) and not is_homogeneous


def _is_uniform(problem: HeatProblem) -> bool:
    """Whether one material of constant conductivity fills a box without contacts."""
    if len(problem.materials) > 1 or problem.contacts or problem.domain.active is not None:
        return False
    return all(isinstance(value, Constant) for value in problem.materials[0].values)


def _is_multigrid(problem: HeatProblem) -> bool:
    once = problem.steady or not problem.is_linear
    shape, is_homogeneous = problem.domain.cells, _is_uniform(problem)
    return not problem.has_flow and uses_multigrid(shape, few_solves=once, is_homogeneous=is_homogeneous)


def _factor_seconds(problem: HeatProblem) -> float:
    cells = problem.domain.cell_count
    if problem.dimension == 1:
        return LU_1D_CELL * cells
    if _is_multigrid(problem):
        return MULTIGRID_CELL * cells
    if problem.dimension == 2:
        return LU_2D_CELL * math.pow(cells, 1.5) + 2e-6 * cells
    if uses_iteration(problem.domain.cells):
        return sum(2e-9 * count**3 for count in problem.domain.cells) + 1e-6 * cells
    return LU_3D_CELL * cells**2


def _solve_seconds(problem: HeatProblem) -> float:
    return _plain_solve_seconds(problem) * (KRYLOV_ITERATIONS if problem.coupled_axes else 1)


def _plain_solve_seconds(problem: HeatProblem) -> float:
    cells = problem.domain.cell_count
    if _is_multigrid(problem):
        turns = 1 if problem.coupled_axes else MULTIGRID_ITERATIONS if problem.is_linear else MULTIGRID_ROUGH
        return turns * MULTIGRID_CELL_TURN * cells
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
    """Peak memory of a run beyond the libraries [bytes], within 30 % of measured peaks of the resident set.

    A snapshot is held twice while the solution is put together; the rest was measured in units of one field.
    """
    cells = problem.domain.cell_count
    explicit_fields = UNIFORM_FIELDS if _is_uniform(problem) else EXPLICIT_FIELDS
    work = explicit_fields[problem.dimension - 1] if method == "explicit" else _implicit_fields(problem, method)
    work += KRYLOV_FIELDS if problem.coupled_axes else 0.0
    source = 0.0 if problem.source_term == Constant(0.0) else 1.0
    return int(8 * cells * (2 * outputs + work + source)) + 2_000_000


def _implicit_fields(problem: HeatProblem, method: str) -> float:
    """Fields that assembly and factorisations take; a step that is damped needs a second matrix for a while."""
    cells, dimension = problem.domain.cell_count, problem.dimension
    bounded = all(boundary.is_bounded for boundary in problem.boundaries.values())
    may_damp = method == "implicit" and bounded and problem.source_term == Constant(0.0)
    matrices = 1.4 if may_damp else 1.0
    if dimension == 1:
        return 8.0 if method == "steady" else 15.0 + 2.0 * matrices
    if _is_multigrid(problem):
        return MULTIGRID_FIELDS
    if uses_iteration(problem.domain.cells):
        return 42.0 + 20.0 * matrices
    fill = max(11.0 * math.log2(max(cells, 2)) - 95.0, 20.0) if dimension == 2 else 140.0
    return 58.0 + fill * matrices * (1.4 if may_damp and cells <= LARGE_CELLS else 1.0)
