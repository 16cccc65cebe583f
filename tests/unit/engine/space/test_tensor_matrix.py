"""The assembled tensor is the scheme itself, and what solves with it agrees with the iteration that needs no matrix."""

import numpy as np
import pytest

from grid.engine import solve
from grid.engine.linear import systems as linear
from grid.engine.linear.systems import CoupledSolver, coupled_operator
from grid.engine.space.discretise import discretise
from grid.engine.space.tensor_matrix import assemble_coupled, without_loads

TENSOR_2D = [[{"expression": "2 + x"}, {"expression": "0.3*y"}], [{"expression": "0.3*y"}, 1.0]]
TENSOR_3D = [[2.0, 0.3, 0.1], [0.3, 1.0, 0.2], [0.1, 0.2, 1.5]]
LAWS = {
    "x_min": {"type": "temperature", "value": {"expression": "y"}},
    "x_max": {"type": "convection", "coefficient": 2.0, "ambient": 1.0},
    "y_min": {"type": "flux", "value": 3.0},
}
RING = {"x_min": {"type": "periodic"}, "x_max": {"type": "periodic"}, "y_max": {"type": "temperature", "value": 1.0}}


def make_space(make_problem, cells, boundaries, **changes):
    tensor = TENSOR_2D if len(cells) == 2 else TENSOR_3D
    material = {"conductivity": tensor, "volumetric_heat_capacity": 1.0}
    resolution = {"cells": cells, "end_time": 0.1}
    problem = make_problem(len(cells), material=material, boundaries=boundaries, resolution=resolution, **changes)
    return discretise(problem)


@pytest.mark.parametrize(
    ("cells", "boundaries"),
    [([9, 12], LAWS), ([9, 12], RING), ([16, 8], RING), ([2, 3], LAWS), ([5, 1], LAWS), ([4, 5, 8], LAWS)],
)
def test_the_matrix_is_the_heat_flow(make_problem, cells, boundaries):
    space = make_space(make_problem, cells, boundaries)
    loads = space.loads(0.0)
    field = np.random.default_rng(1).random(space.capacity.size)

    matrix = assemble_coupled(space, loads)

    flow = space.heat_flow(field, without_loads(loads)).net
    np.testing.assert_allclose(-(matrix @ field), flow, atol=1e-12 * abs(flow).max())


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_factors_of_the_whole_matrix_solve_what_the_iteration_solves(make_problem, shift):
    space = make_space(make_problem, [14, 11], LAWS)
    loads = space.loads(0.0)
    right = np.random.default_rng(2).random(space.capacity.size)
    operator = coupled_operator(space, loads, shift=shift, tau=0.2)

    found = linear.make_solver(space, loads, shift=shift, tau=0.2).solve(right)

    np.testing.assert_allclose(operator @ found, right, atol=1e-11)


def test_large_planes_take_multigrid_for_a_preconditioner(make_problem, monkeypatch):
    monkeypatch.setattr(linear, "COUPLED_LU_CELLS", 100)
    space = make_space(make_problem, [40, 30], LAWS)
    loads = space.loads(0.0)
    right = np.random.default_rng(3).random(space.capacity.size)

    solver = linear.make_solver(space, loads, shift=1.0, tau=0.05)

    assert isinstance(solver, CoupledSolver)
    assert type(solver.plain).__name__ == "Cycle"
    np.testing.assert_allclose(
        coupled_operator(space, loads, shift=1.0, tau=0.05) @ solver.solve(right), right, atol=1e-11
    )


def test_a_tensor_that_depends_on_temperature_is_not_assembled(make_problem):
    tensor = [[{"expression": "2 + T"}, 0.3], [0.3, 1.0]]
    material = {"conductivity": tensor, "volumetric_heat_capacity": 1.0}
    resolution = {"cells": [8, 8], "steps": 4, "end_time": 0.02}
    problem = make_problem(2, material=material, boundaries=LAWS, resolution=resolution)

    solution = solve(problem, method="implicit")

    assert {audit.name: audit.verdict for audit in solution.audits}["energy_balance"] == "passed"
    assert not linear.has_constant_operator(problem)
