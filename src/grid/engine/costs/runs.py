"""The cost model: operations and bytes of runs, from the numbers of a problem alone.

Seconds of each operation are those of `grid.engine.costs.table`.
"""

import math

import numpy as np

from grid.engine.costs.table import Work, add, price, scale
from grid.engine.limits import LU_CELLS_3D
from grid.engine.problem.domain import AXES, Domain
from grid.engine.problem.face_switches import is_even_in_cells
from grid.engine.problem.material import Material
from grid.engine.problem.problem import HeatProblem
from grid.engine.values.expression import Expression
from grid.engine.values.operations import Operand
from grid.engine.values.value import Constant, Value

MASK_SAMPLES = 48  # [-] places along each axis at which a mask is sampled
SAMPLES = 12  # [-] places along each axis at which an expression is sampled

# [-] time of a sweep with two threads relative to one, and cells from which threads share it
THREADED, THREADED_CELLS = 0.6, 100_000
SAFETY = 0.4  # [-] share of the stability limit that an explicit step takes, see grid.engine.methods.explicit.stepper
TILED_SOURCE = 1.6  # [-] time of the kernels for homogeneous boxes with a source over that without
EXPLICIT_REPORTS = 50  # [-] most reports of an explicit run
# [-] entries of the factors of the cells of a body: for each cell and its logarithm, and by the cells of a cut
FILL_CELL, FILL_CUT = 1.5, 4.0
CACHED_ENTRIES = 500_000  # [-] entries of factors that stay in the nearer caches
KRYLOV_ITERATIONS = 20  # [-] iterations for a conductivity tensor, each a solve without its off-diagonal part
KRYLOV_FIELDS = 45.0  # [-] fields in the basis of these iterations and their products
CG_ITERATIONS = 12  # [-] iterations of conjugate gradients, typical for moderate contrasts
# [-] cells of a plane beyond which multigrid beats a factorisation: with many solves, and with one
MULTIGRID_CELLS, MULTIGRID_CELLS_ONCE = 200_000, 8_000
# [-] iterations of multigrid to the tolerance of a step, and where an iterate is corrected
MULTIGRID_ITERATIONS, MULTIGRID_ROUGH = 16, 6
MULTIGRID_FIELDS = 24.0  # [-] fields of multigrid: levels, vectors and the stages of a step
EXPLICIT_FIELDS = (10.7, 7.3, 9.2)  # [-] fields of the explicit method: state, conductances and copies in 1D, 2D, 3D
UNIFORM_FIELDS = (10.7, 4.6, 5.6)  # [-] the same where one number stands for the conductances of all cells
# [s] factorisation up to which the body of a mask, or a box, is factorised in 3D
MASKED_FACTOR_SECONDS, FACTOR_SECONDS = 0.25, 0.05
# [s] the same where the heat flow of a body with k(T) is compiled, and cells: its turns cost less than iterations do
COMPILED_FACTOR_SECONDS, COMPILED_CELLS = 0.3, 40_000
LARGE_CELLS = 50_000  # [-] cells beyond which the implicit method holds fewer factorisations
STEADY_TURNS = 5.0  # [-] typical turns of Newton's method in a steady state
LOOKS = 18.0  # [-] typical number of times in a run at which a source of place and time is examined in full


def count_body_cells(problem: HeatProblem) -> int:
    """Estimate the cells of a body: those of the box, in the share that a coarse sample of the mask finds."""
    domain = problem.domain
    if domain.active is None:
        return domain.cell_count
    inside = np.asarray(domain.active.evaluate(_sample_places(domain, MASK_SAMPLES)))
    return max(1, round(domain.cell_count * float(np.mean(inside))))


def _sample_places(domain: Domain, samples: int) -> dict[str, Operand]:
    """Open coordinates of places spread evenly over a domain, at most so many along each axis."""
    coordinates = {}
    for axis in range(domain.dimension):
        shape = [1] * domain.dimension
        shape[axis] = -1
        count = min(domain.cells[axis], samples)
        inner = (np.arange(count) + 0.5) / count
        coordinates[AXES[axis]] = (domain.origin[axis] + domain.size[axis] * inner).reshape(shape)
    return coordinates


def count_patches(problem: HeatProblem, *, is_linear: bool = True) -> int:
    """Count the sides of the body with a law: those of the box, and both ways along each axis inside it.

    Args:
        problem: The problem.
        is_linear: False counts those with laws that are not linear alone.
    """
    laws = [(face, law) for face, law in problem.boundaries.items() if law.values and (is_linear or not law.is_linear)]
    return sum(1 if face[0] in AXES else 2 * problem.dimension for face, _ in laws)


def count_faces(problem: HeatProblem, body_cells: int) -> float:
    """Estimate the faces of a body with a law: those of the box, and inside it as many as of a cube."""
    cells, found = problem.domain.cells, 0.0
    for face, law in problem.boundaries.items():
        if law.values:
            is_inside = face[0] not in AXES
            found += (
                2.0 * len(cells) * math.pow(body_cells, 1.0 - 1.0 / len(cells))
                if is_inside
                else body_cells / cells[AXES.index(face[0])]
            )
    return found


def factor_work(shape: tuple[int, ...], cells: int, kind: str = "factor") -> Work:
    """Work of a sparse factorisation of the cells of a body in a box, `factor` by SuperLU or `cholesky`.

    Nested dissection cuts a body across its longest axis first; the cells of such a cut, in the body's share, determine
    the dense part of the work (A. George, SIAM J. Numer. Anal. 10, 1973).
    """
    short, middle, longest = sorted((1,) * (3 - len(shape)) + shape)
    cut = short * middle * cells / math.prod(shape)
    return {
        kind: 1.0,
        f"{kind}_cell": cells,
        f"{kind}_cell_cut": cells * math.sqrt(cut),
        f"{kind}_cut": cut**3 * longest / middle,
    }


def factor_seconds(shape: tuple[int, ...], cells: int) -> float:
    """Seconds of that factorisation on the machine of the cost model, which no calibration changes."""
    return price(factor_work(shape, cells))


def factor_entries(shape: tuple[int, ...], cells: int) -> float:
    """Number of entries of one triangle of that factorisation."""
    short, middle, longest = sorted((1,) * (3 - len(shape)) + shape)
    cut = short * middle * cells / math.prod(shape)
    return cells * FILL_CELL * math.log2(max(cells, 2)) + (FILL_CUT * cut**2 * longest / middle if short > 1 else 0.0)


def cholesky_solve_work(shape: tuple[int, ...], cells: int) -> Work:
    """Work of a solution by Cholesky's factors: both triangles, of which those beyond the nearer caches cost more."""
    entries = factor_entries(shape, cells)
    return {"cholesky_entry": 2.0 * entries, "cholesky_spilled": 2.0 * max(entries - CACHED_ENTRIES, 0.0)}


def sample_extremes(value: Value, domain: Domain) -> tuple[float, float]:
    """Find the smallest and the largest finite value at t = 0 on a coarse sample of a domain; 0 if none is finite."""
    if isinstance(value, Constant):
        return value.value, value.value
    result = np.asarray(value.evaluate({**_sample_places(domain, SAMPLES), "t": np.float64(0.0)}), np.float64)
    usable = result[np.isfinite(result)]
    return (float(usable.min()), float(usable.max())) if usable.size else (0.0, 0.0)


def _sampled(value: Value, domain: Domain) -> tuple[float, float]:
    """Smallest and largest value on a coarse sample of the domain; no field is made."""
    if isinstance(value, Constant):
        return value.value, value.value
    if "T" in value.variables:
        return 1.0, 1.0  # never reached in a problem of the explicit method, whose step this serves
    coordinates = _sample_places(domain, SAMPLES)
    result = np.asarray(value.evaluate({**coordinates, "t": np.float64(0.0)}), np.float64)
    usable = result[np.isfinite(result) & (result > 0)]
    return (float(usable.min()), float(usable.max())) if usable.size else (1.0, 1.0)


def _capacity(material: Material, domain: Domain) -> float:
    if material.volumetric_heat_capacity is not None:
        return _sampled(material.volumetric_heat_capacity, domain)[0]
    if material.density is None or material.specific_heat is None:
        return 1.0
    return _sampled(material.density, domain)[0] * _sampled(material.specific_heat, domain)[0]


def explicit_time_step(problem: HeatProblem) -> float:
    """Estimate the step of the explicit method from the extremes of the properties [s], at most the true one."""
    domain = problem.domain
    smallest = math.inf
    for material in problem.materials:
        axes = range(domain.dimension)
        per_axis = [_sampled(material.conductivity_entry(a, a, domain.dimension), domain)[1] for a in axes]
        # a cell between a neighbour and a held face: 1 + 2 conductances along an axis
        total = sum(3.0 * k / d**2 for k, d in zip(per_axis, domain.spacing, strict=True))
        smallest = min(smallest, _capacity(material, domain) / total)
    return SAFETY * smallest


def explicit_work(problem: HeatProblem, steps: float) -> Work:
    """Work of the explicit method, whose kernels for homogeneous boxes take several steps in one pass."""
    cells, dimension = problem.domain.cell_count, problem.dimension
    is_quiet = problem.source_term == Constant(0.0)
    if _is_uniform(problem) and (is_quiet or (dimension > 1 and not problem.source_term.variables & {"t", "T"})):
        threaded = THREADED if dimension > 1 and cells >= THREADED_CELLS else 1.0
        sweeps = {f"tiled_cell_{dimension}d": steps * cells * threaded * (1.0 if is_quiet else TILED_SOURCE)}
    else:
        sweeps = {"explicit_cell": steps * cells * dimension}
    return add({"report": min(steps, EXPLICIT_REPORTS)}, sweeps, scale(_loads_work(problem), steps))


def loads_change(problem: HeatProblem) -> bool:
    """Tell whether a boundary condition or the source depends on time."""
    values = [value for boundary in problem.boundaries.values() for value in boundary.values.values()]
    return any("t" in value.variables for value in [problem.source_term, *values])


def _loads_work(problem: HeatProblem) -> Work:
    """Work of one evaluation of the loads that change in time."""
    values = [value for boundary in problem.boundaries.values() for value in boundary.values.values()]
    work = {"loads": 1.0 if any("t" in value.variables for value in values) else 0.0}
    if "t" in problem.source_term.variables:
        work = {"loads": work["loads"] + 1.0, "loads_cell": problem.domain.cell_count}
    return work


def plan_work(problem: HeatProblem, outputs: int) -> Work:
    """Work of every run besides its method: reading, discretising, examining loads, storing the output fields."""
    cells = problem.domain.cell_count
    values = [value for boundary in problem.boundaries.values() for value in boundary.values.values()]
    loads = sum("t" in value.variables for value in [problem.source_term, *values])
    regions = len(problem.materials) - 1 + (problem.domain.active is not None)
    rules, kind = _count_source_rules(problem), "source_line" if problem.dimension == 1 else "source_rule"
    return {
        "plan": 1.0,
        "plan_side": 2.0 * problem.dimension * (1.0 if problem.domain.active is None else 2.0),
        "plan_cell": cells,
        "plan_region": regions,
        "plan_region_cell": regions * cells,
        "plan_load": loads,
        kind: rules,
        "source_rule_cell": rules * cells,
        "output": outputs,
        "output_cell": outputs * cells,
    }


def _count_source_rules(problem: HeatProblem) -> float:
    """Count the words of a source that are evaluated cell by cell before a run; none if it is even in cells."""
    source = problem.source_term
    if not isinstance(source, Expression) or not source.variables & set(AXES):
        return 0.0
    if is_even_in_cells(source.code, problem.domain):
        return 0.0
    return len(source.code) * (LOOKS if "t" in source.variables else 1.0)


def uses_iteration(shape: tuple[int, ...]) -> bool:
    """Tell whether a grid is solved by conjugate gradients rather than by LU."""
    return len(shape) == 3 and math.prod(shape) > LU_CELLS_3D


def uses_multigrid(shape: tuple[int, ...], *, few_solves: bool, is_homogeneous: bool = False) -> bool:
    """Tell whether multigrid is the fastest way to solve without a flow.

    Args:
        few_solves: True where a matrix serves about one solve, so that a factorisation does not pay.
        is_homogeneous: True where conductances along an axis hardly differ, so that the nearest homogeneous box in 3D
            is the better preconditioner.
    """
    if len(shape) == 2:
        return math.prod(shape) > (MULTIGRID_CELLS_ONCE if few_solves else MULTIGRID_CELLS)
    return uses_iteration(shape) and not is_homogeneous


def _is_uniform(problem: HeatProblem) -> bool:
    """Tell whether one material of constant conductivity fills a box without contacts."""
    if len(problem.materials) > 1 or problem.contacts or problem.domain.active is not None:
        return False
    return all(isinstance(value, Constant) for value in problem.materials[0].values)


def _is_multigrid(problem: HeatProblem) -> bool:
    once = problem.steady or not problem.is_linear
    shape, is_homogeneous = problem.domain.cells, _is_uniform(problem)
    return not problem.has_flow and uses_multigrid(shape, few_solves=once, is_homogeneous=is_homogeneous)


def solver_work(problem: HeatProblem, body_cells: int) -> tuple[Work, Work]:
    """Work of making a linear solver for an implicit stage or a steady state, and of one solve."""
    shape, cells = problem.domain.cells, problem.domain.cell_count
    solves = KRYLOV_ITERATIONS if problem.coupled_axes else 1
    if problem.dimension == 1:
        return {"tridiagonal": 1.0, "tridiagonal_cell": cells}, {"solve": solves, "tridiagonal_cell": solves * cells}
    if uses_iteration(shape) and not _is_factored(problem, body_cells) and not _is_multigrid(problem):
        flops = 2.0 * cells * sum(shape) * CG_ITERATIONS
        return (
            {"separable_cube": sum(count**3 for count in shape), "factor_cell": cells},
            {"solve": solves, "separable_flop": solves * flops, "separable_cell": solves * CG_ITERATIONS * cells},
        )
    if _is_multigrid(problem) and not _is_factored(problem, body_cells):
        turns = 1 if problem.coupled_axes else MULTIGRID_ITERATIONS if problem.is_linear else MULTIGRID_ROUGH
        cycles = solves * turns
        return {"multigrid": 1.0, "multigrid_cell": cells}, {"cycle": cycles, "cycle_cell": cycles * cells}
    entries = factor_entries(shape, body_cells)
    return factor_work(shape, body_cells), {"solve": solves, "solve_entry": solves * entries}


def _is_factored(problem: HeatProblem, body_cells: int) -> bool:
    """Tell whether the cells of a 3D body are factorised although a box of as many would be solved by iteration."""
    if problem.coupled_axes or problem.has_flow or not uses_iteration(problem.domain.cells):
        return False
    most = MASKED_FACTOR_SECONDS if problem.domain.active is not None else FACTOR_SECONDS
    return factor_seconds(problem.domain.cells, body_cells) <= most


def steady_work(problem: HeatProblem) -> Work:
    """Work of a steady state: a solver and two solves for each turn; several turns where it is not linear."""
    body = count_body_cells(problem)
    make, solve = solver_work(problem, body)
    cells = problem.domain.cell_count
    turns = add(make, scale(solve, 2.0))
    if not problem.is_linear:
        turns = scale(add(make, solve, turn_work(problem)), STEADY_TURNS)
    return add({"steady": 1.0, "steady_cell": cells}, turns)


def turn_work(problem: HeatProblem) -> Work:
    """Work of a turn of Newton's method without its linear solver; with derivatives where its matrix needs them."""
    cells, laws = problem.domain.cell_count, problem.boundaries.values()
    faces = sum(bool(law.values) for law in laws)
    work = {"newton": 1.0, "newton_face": faces, "newton_cell": cells}
    loads = problem.loads
    conductivities = [value for material in problem.materials for value in material.conductivity]
    if any("T" in value.variables for value in [*loads, *conductivities]):
        work |= {"slopes": 0.5 * len(problem.materials) * (1 + problem.dimension), "slopes_cell": cells}
    return work


def memory_bytes(problem: HeatProblem, method: str, outputs: int) -> int:
    """Estimate the peak memory of a run beyond the libraries [bytes], within 30 % of measured peaks of resident memory.

    A snapshot is stored twice while the solution is assembled; the rest was measured in units of one field.
    """
    cells = problem.domain.cell_count
    explicit_fields = UNIFORM_FIELDS if _is_uniform(problem) else EXPLICIT_FIELDS
    work = explicit_fields[problem.dimension - 1] if method == "explicit" else _implicit_fields(problem, method)
    work += KRYLOV_FIELDS if problem.coupled_axes else 0.0
    source = 0.0 if problem.source_term == Constant(0.0) else 1.0
    return int(8 * cells * (2 * outputs + work + source)) + 2_000_000


def _implicit_fields(problem: HeatProblem, method: str) -> float:
    """Fields of assembly and factorisations; a step that is damped needs a second matrix for a while."""
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
