"""Flow with a full conductivity tensor, and in 3D beyond what is factorised."""

import itertools

import numpy as np
import pytest
from scipy import sparse

from grid.engine import HeatProblem, solve
from grid.engine.errors import NotConvergedError
from grid.engine.linear.flow_systems import FlowSolver
from grid.engine.linear.systems import make_solver
from grid.engine.space.discretise import discretise


def carried_gaussian(cells, tensor, velocity, end, width):
    """A hill on a ring with any conductivity tensor, and its exact field: a normal one of covariance w/2 + 2 K t."""
    dimension, axes = len(cells), "xyz"[: len(cells)]
    start = 0.35
    case = {
        "dimension": dimension,
        "domain": {"size": [1.0] * dimension},
        "material": {"conductivity": tensor.tolist(), "volumetric_heat_capacity": 1.0},
        "velocity": list(velocity),
        "initial": {"expression": "exp(-(" + "+".join(f"({axis}-{start})**2" for axis in axes) + f")/{width})"},
        "boundaries": {f"{axis}_{side}": {"type": "periodic"} for axis in axes for side in ("min", "max")},
        "resolution": {"cells": list(cells), "end_time": end},
    }
    centres = np.meshgrid(*[(np.arange(count) + 0.5) / count for count in cells], indexing="ij")
    covariance = 0.5 * width * np.eye(dimension) + 2.0 * tensor * end
    height = (0.5 * width) ** (0.5 * dimension) / np.sqrt(np.linalg.det(covariance))
    exact = np.zeros(cells)
    for shift in itertools.product((-1.0, 0.0, 1.0), repeat=dimension):
        away = np.stack([x - start - v * end - s for x, v, s in zip(centres, velocity, shift, strict=True)], axis=-1)
        exact += height * np.exp(-0.5 * np.einsum("...i,ij,...j", away, np.linalg.inv(covariance), away))
    return case, exact


@pytest.mark.parametrize("peclet", [0.5, 2.0, 10.0])
def test_a_hill_in_a_flow_with_a_full_tensor_converges_at_second_order(peclet):
    tensor = np.array([[1.0, 0.6], [0.6, 0.8]]) / 40.0 / peclet
    errors = []
    for cells in (20, 40):
        case, exact = carried_gaussian((cells, cells), tensor, (1.0, -0.5), 0.2, 0.02)
        solution = solve(HeatProblem.from_case(case))
        assert solution.is_accepted
        errors.append(float(np.sqrt(np.mean((solution.final - exact) ** 2))))

    assert np.log2(errors[0] / errors[1]) >= 1.7


def test_a_hill_in_3d_with_a_full_tensor_and_a_flow_is_found():
    tensor = np.array([[1.0, 0.3, 0.2], [0.3, 0.8, -0.2], [0.2, -0.2, 0.9]]) / 32.0
    case, exact = carried_gaussian((17, 17, 17), tensor, (1.0, 0.5, -0.3), 0.15, 0.03)  # beyond 4,000 cells
    solution = solve(HeatProblem.from_case(case))

    assert solution.is_accepted
    assert np.abs(solution.final - exact).max() <= 0.02 * exact.max()


@pytest.mark.parametrize("peclet", [-40.0, 0.5, 500.0])
def test_a_steady_flow_in_a_large_3d_box_is_the_1d_profile(peclet):
    """T = (exp(Pe y) - 1)/(exp(Pe) - 1) along the flow, whatever flows across it along a ring."""
    case = {
        "dimension": 3,
        "domain": {"size": [1.0, 1.0, 1.0]},
        "steady": True,
        "material": {"conductivity": 1.0, "volumetric_heat_capacity": 2.0},
        "velocity": [3.0, 0.5 * peclet, 0.0],
        "boundaries": {
            "x_min": {"type": "periodic"},
            "x_max": {"type": "periodic"},
            "y_min": {"type": "temperature", "value": 0.0},
            "y_max": {"type": "temperature", "value": 1.0},
        },
        "resolution": {"cells": [16, 18, 17]},
    }
    solution = solve(HeatProblem.from_case(case))
    y = solution.coordinates["y"]
    exact = np.expm1(peclet * y) / np.expm1(peclet) if peclet < 300 else np.exp(peclet * (y - 1))

    assert solution.is_accepted
    np.testing.assert_allclose(solution.final, np.broadcast_to(exact[None, :, None], (16, 18, 17)), atol=1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_a_system_that_is_iterated_is_solved_as_well_as_one_that_is_factorised(seed):
    rng = np.random.default_rng(seed)
    case = {
        "dimension": 3,
        "domain": {"size": [1.0, 0.8, 0.5]},
        "material": {"conductivity": [10.0 ** rng.uniform(-4, 1) for _ in range(3)], "volumetric_heat_capacity": 1.0},
        "velocity": rng.uniform(-1.0, 1.0, 3).tolist(),
        "initial": 0.0,
        "boundaries": {"z_max": {"type": "convection", "coefficient": 10.0, "ambient": 1.0}},
        "resolution": {"cells": [18, 17, 16], "end_time": 1.0},
    }
    space = discretise(HeatProblem.from_case(case))
    right = rng.random(space.capacity.size)
    solver = make_solver(space, space.loads(0.0), shift=1.0, tau=10.0 ** rng.uniform(-3, 1))

    assert isinstance(solver, FlowSolver)
    np.testing.assert_allclose(solver.matrix @ solver.solve(right), right, atol=1e-6 * np.linalg.norm(right))


def test_a_system_that_has_no_solution_ends_in_a_named_error():
    matrix = sparse.csr_matrix(np.array([[1.0, -1.0], [-1.0, 1.0]]))
    with pytest.raises(NotConvergedError, match="flow"):
        FlowSolver(matrix, 1e-13).solve(np.array([1.0, 1.0]))


def test_a_uniform_body_under_a_fast_flow_reaches_its_end():
    """Its extremes are known to the rounding of its temperature; a step was taken to break them by that much."""
    case = {
        "dimension": 2,
        "domain": {"size": [2.63, 0.0305]},
        "material": {
            "conductivity": {"expression": "0.59*(1 + 0.0193*abs(T - 300.0))"},
            "volumetric_heat_capacity": 9.4e6,
        },
        "velocity": [-4.2e-05, 1.17e-05],
        "initial": 376.9,
        "boundaries": {"x_min": {"type": "periodic"}, "x_max": {"type": "periodic"}},
        "resolution": {"cells": [1, 8], "end_time": 3e6},
    }
    solution = solve(HeatProblem.from_case(case))

    assert solution.is_accepted
    np.testing.assert_allclose(solution.final, 376.9, rtol=1e-11)


def test_few_forced_steps_of_a_fast_flow_are_taken_in_parts_where_they_must_be():
    tensor = [[0.0052, -0.00034], [-0.00034, 0.0052]]
    case = {
        "dimension": 2,
        "domain": {"size": [0.047, 7.7]},
        "material": {"conductivity": tensor, "volumetric_heat_capacity": 210.0},
        "velocity": [0.00066, -0.00405],
        "initial": 43.8,
        "boundaries": {"y_min": {"type": "convection", "coefficient": 0.035, "ambient": 48.4}},
        "resolution": {"cells": [1, 6], "steps": 4, "end_time": 129233.0},
    }
    solution = solve(HeatProblem.from_case(case), method="implicit")

    assert {audit.name: audit.verdict for audit in solution.audits}["energy_balance"] == "passed"
