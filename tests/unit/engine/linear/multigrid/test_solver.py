"""Multigrid: the answer of the factorisation, counts that do not grow with the grid, heat that closes."""

import numpy as np
import pytest

from grid.engine.linear import systems as linear
from grid.engine.linear.multigrid.levels import make_finest
from grid.engine.linear.multigrid.solver import Hierarchy, Iteration, MultigridSolver, Stop
from grid.engine.space.discretise import discretise

HELD = {"x_min": {"type": "temperature", "value": 1.0}, "x_max": {"type": "temperature", "value": 0.0}}
SPOTS = "(sin(9*x)*sin(7*y + 1) > 0.5) | ((x - 0.6)**2 + (y - 0.4)**2 < 0.03)"
SPOTTED = [
    {"where": {"expression": SPOTS}, "conductivity": 0.001, "volumetric_heat_capacity": 1.0},
    {"where": {"expression": f"where({SPOTS}, 0.0, 1.0) > 0.5"}, "conductivity": 1.0, "volumetric_heat_capacity": 2.0},
]


def make_solver(problem, *, shift, tau, tolerance=1e-12):
    space = discretise(problem)
    idle = np.zeros_like(space.capacity) if space.active is None else np.where(space.active, 0.0, 1.0)
    return space, idle, MultigridSolver(space, space.loads(0.0), shift=shift, tau=tau, idle=idle, tolerance=tolerance)


@pytest.mark.jit
@pytest.mark.parametrize("shift", [0.0, 1.0])
@pytest.mark.parametrize(
    ("cells", "changes"),
    [
        ([13, 10], {"boundaries": HELD}),
        ([12, 17], {"boundaries": HELD, "material": SPOTTED}),
        ([16, 9], {"boundaries": HELD | {"y_min": {"type": "periodic"}, "y_max": {"type": "periodic"}}}),
        ([16, 1], {"boundaries": HELD}),
        ([12, 12], {"boundaries": HELD, "contacts": [{"axis": "x", "position": 0.5, "conductance": 0.1}]}),
        ([7, 6, 5], {"boundaries": HELD}),
        ([7, 6, 8], {"boundaries": HELD | {"z_min": {"type": "periodic"}, "z_max": {"type": "periodic"}}}),
    ],
)
def test_the_solution_is_that_of_the_matrix(make_problem, cells, changes, shift):
    problem = make_problem(len(cells), **changes, resolution={"cells": cells, "end_time": 1.0})
    space, _, solver = make_solver(problem, shift=shift, tau=0.3)
    full = 0.3 * linear.assemble(space, space.loads(0.0)) + shift * linear.sparse.diags(space.capacity)
    right = np.random.default_rng(2).random(space.capacity.size)

    found = solver.solve(right)

    np.testing.assert_allclose(full @ found, right, atol=1e-10)
    assert abs(float((full @ found - right).sum())) <= 1e-12 * right.sum()


def test_a_masked_body_is_solved_and_cells_outside_stay(make_problem):
    domain = {
        "coordinates": "cartesian",
        "size": [1.0, 1.0],
        "active": {"expression": "(x - 0.5)**2 + (y - 0.5)**2 < 0.2"},
    }
    boundaries = {"internal": {"type": "convection", "coefficient": 2.0, "ambient": 0.0}}
    resolution = {"cells": [30, 30], "end_time": 1.0}
    space, idle, solver = make_solver(
        make_problem(2, domain=domain, boundaries=boundaries, resolution=resolution), shift=1.0, tau=0.1
    )
    right = np.where(space.active, np.random.default_rng(3).random(900), 0.0)
    full = 0.1 * linear.assemble(space, space.loads(0.0)) + linear.sparse.diags(space.capacity + idle)

    found = solver.solve(right)

    np.testing.assert_allclose(full @ found, right, atol=1e-10)
    assert not np.any(found[~space.active])


@pytest.mark.parametrize("outside", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_what_stands_for_cells_outside_a_body_costs_no_turns(make_problem, outside, shift):
    """A board whose upper layers are here and there: joined with what is below, their places are not held."""
    parts = "(x - 0.3)**2 + (y - 0.6)**2 < 0.02"
    domain = {"size": [1.0, 1.0, 0.1], "active": {"expression": f"(z < 0.04) | ({parts})"}}
    material = [
        {"where": {"expression": "z < 0.02"}, "conductivity": 100.0, "volumetric_heat_capacity": 1.0},
        {"where": {"expression": "z > 0.02"}, "conductivity": 1.0, "volumetric_heat_capacity": 1.0},
    ]
    air = {"type": "convection", "coefficient": 0.01, "ambient": 0.0}
    problem = make_problem(
        3, domain=domain, material=material, boundaries={"z_min": air, "internal": air},
        resolution={"cells": [40, 40, 5], "end_time": 1.0},
    )  # fmt: skip
    space = discretise(problem)
    idle = np.where(space.active, 0.0, outside)
    solver = MultigridSolver(space, space.loads(0.0), shift=shift * 1e-3, tau=1.0, idle=idle, tolerance=1e-8)

    solver.solve(np.where(space.active, np.random.default_rng(8).random(space.capacity.size), 0.0))

    assert solver.iterations <= 20


@pytest.mark.parametrize("inside", ["(x < 0.3) | (x > 0.5)", "(x - 0.4)**2 + (y - 0.55)**2 < 0.15"])
@pytest.mark.parametrize("fourier", [1e6, 1e8, 1e9])
def test_steps_of_any_length_of_insulated_bodies_take_few_turns(make_problem, inside, fourier):
    """Beside the conductances, the heat capacities are below the rounding of single precision."""
    domain, resolution = {"size": [1.0, 1.0], "active": {"expression": inside}}, {"cells": [45, 38], "end_time": 1.0}
    problem = make_problem(
        2, domain=domain, material={"conductivity": 1.0, "volumetric_heat_capacity": 1.0}, resolution=resolution
    )
    space, tau = discretise(problem), fourier / (45 * 38)
    idle = np.where(space.active, 0.0, tau)
    solver = MultigridSolver(space, space.loads(0.0), shift=1.0, tau=tau, idle=idle, tolerance=1e-10)
    right = np.where(space.active, np.random.default_rng(1).standard_normal(space.capacity.size), 0.0)

    found = solver.solve(right)

    assert solver.iterations <= 30
    labels = np.where(inside.startswith("(x <") & (np.arange(45 * 38) // 38 > 20), 1, 0)  # the part of each cell
    for part in set(labels.tolist()):
        own = space.active & (labels == part)
        assert space.capacity[own] @ found[own] == pytest.approx(right[own].sum(), rel=1e-3)  # no heat leaves a part


@pytest.mark.parametrize(("shift", "most"), [(1.0, 2), (0.0, 3)])
@pytest.mark.parametrize("material", [{"conductivity": 1.0, "volumetric_heat_capacity": 1.0}, SPOTTED])
def test_iterations_do_not_grow_with_the_grid(make_problem, material, shift, most):
    counts = []
    for cells in (64, 128, 256):
        resolution = {"cells": [cells, cells], "end_time": 1.0}
        problem = make_problem(2, boundaries=HELD, material=material, resolution=resolution)
        space, _, solver = make_solver(problem, shift=shift, tau=2e-3, tolerance=1e-8)
        solver.solve(np.random.default_rng(4).random(space.capacity.size) - 0.3)
        counts.append(solver.iterations)

    is_cut = material is SPOTTED  # cells that a border cuts conduct otherwise along each axis, which costs some turns
    assert counts[-1] - counts[0] <= (most + 6 if is_cut else most)
    assert counts[-1] <= (26 if is_cut else 20)


def test_axes_that_hardly_couple_are_not_coarsened(make_problem):
    material = {"conductivity": [1.0, 1e-4], "volumetric_heat_capacity": 1.0}
    resolution = {"cells": [64, 64], "end_time": 1.0}
    space, _, solver = make_solver(
        make_problem(2, boundaries=HELD, material=material, resolution=resolution), shift=0.0, tau=1.0
    )

    solver.solve(np.random.default_rng(5).random(space.capacity.size))

    assert solver.iterations <= 20


@pytest.mark.jit
@pytest.mark.parametrize(
    ("cells", "changes"),
    [
        ([11, 14], {"material": SPOTTED}),
        ([12, 13], {"domain": {"size": [1.0, 1.0], "active": {"expression": "(x - 0.4)**2 + (y - 0.7)**2 < 0.2"}}}),
        ([9, 7, 3], {"domain": {"size": [3.0, 2.0, 1.0], "active": {"expression": "(z < 0.4) | ((x > 2) & (y < 1))"}}}),
    ],
)
def test_a_cycle_is_symmetric_and_positive(make_problem, cells, changes):
    resolution = {"cells": cells, "end_time": 1.0}
    problem = make_problem(len(cells), boundaries=HELD, **changes, resolution=resolution)
    space, _, solver = make_solver(problem, shift=1.0, tau=0.1)
    columns = []
    for unit in np.eye(space.capacity.size):
        hierarchy = solver._iteration.hierarchy
        hierarchy.take(unit, 1.0)
        columns.append(hierarchy.scale * hierarchy.run().astype(np.float64))
    inverse = np.array(columns)

    np.testing.assert_allclose(inverse, inverse.T, atol=1e-5 * abs(inverse).max())
    assert np.linalg.eigvalsh(0.5 * (inverse + inverse.T)).min() > 0.0


def test_a_step_dominated_by_capacity_needs_one_level():
    faces = (np.broadcast_to(0.0, (2, 40, 40)), np.full((1, 41, 40), 1e-3), np.full((1, 40, 41), 1e-3))
    for g, axis in ((faces[1], 1), (faces[2], 2)):
        np.moveaxis(g, axis, 0)[[0, -1]] = 0.0

    assert Hierarchy(faces, np.ones((1, 40, 40))).levels == 1


@pytest.mark.parametrize(("cells", "kind"), [([90, 90], "MultigridSolver"), ([40, 40], "SparseLU")])
def test_one_solve_on_a_large_plane_is_not_factorised(make_problem, cells, kind):
    problem = make_problem(2, boundaries=HELD, resolution={"cells": cells, "end_time": 1.0})
    space = discretise(problem)

    assert type(linear.make_solver(space, space.loads(0.0), shift=0.0, tau=1.0)).__name__ == kind


@pytest.mark.jit
def test_joined_cells_have_the_galerkin_matrix_with_couplings_halved():
    """P^T A P with P constant on pairs, whose conductances act over twice the distance."""
    random = np.random.default_rng(6)
    shape = (4, 2, 6)
    faces = []
    for axis in range(3):
        g = random.random(tuple(count + (other == axis) for other, count in enumerate(shape)))
        np.moveaxis(g, axis, 0)[[0, -1]] = 0.0
        faces.append(g)
    fine, _, _ = make_finest(tuple(faces), random.random(shape), 1.0)
    coarse = fine.coarsen((0, 1, 2))
    parents = np.ravel_multi_index([index // 2 for index in np.indices(shape)], coarse.rest.shape).ravel()
    spread = np.eye(coarse.rest.size)[parents]

    galerkin = spread.T @ fine.assemble() @ spread
    couplings = galerkin - np.diag(spread.T @ fine.rest.ravel())

    np.testing.assert_allclose(coarse.assemble(), 0.5 * couplings + np.diag(coarse.rest.ravel()), atol=1e-6)


@pytest.mark.jit
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("energy", [1e-1, 1e-3])
def test_the_error_in_the_norm_of_the_matrix_is_about_what_was_asked(make_problem, dtype, energy):
    problem = make_problem(2, boundaries=HELD, material=SPOTTED, resolution={"cells": [15, 12], "end_time": 1.0})
    space = discretise(problem)
    iteration = Iteration(space, space.loads(0.0), shift=1.0, tau=0.3, dtype=dtype)
    matrix = (0.3 * linear.assemble(space, space.loads(0.0)) + linear.sparse.diags(space.capacity)).toarray()
    right = np.random.default_rng(7).random(space.capacity.size)

    error = iteration.solve(right, Stop(energy=energy)).astype(np.float64) - np.linalg.solve(matrix, right)

    size = right @ np.linalg.solve(matrix, right)
    assert error @ matrix @ error <= (2.0 * energy) ** 2 * size
