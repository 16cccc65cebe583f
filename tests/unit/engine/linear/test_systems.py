"""Linear solvers: the matrix is the heat flow, and the iterative way agrees with the direct one."""

import numpy as np
import pytest

from grid.engine import solve
from grid.engine.errors import NotConvergedError
from grid.engine.linear import systems as linear
from grid.engine.space.discretise import discretise

BOUNDARIES = {
    "x_min": {"type": "temperature", "value": 3.0},
    "y_max": {"type": "convection", "coefficient": 3.0, "ambient": 2.0},
}


def spaces(make_problem):
    for dimension in (1, 2, 3):
        material = {"conductivity": {"expression": "1 + x**2"}, "volumetric_heat_capacity": {"expression": "2 - x"}}
        boundaries = {face: law for face, law in BOUNDARIES.items() if face[0] in "xyz"[:dimension]}
        boundaries |= {"z_min": {"type": "periodic"}, "z_max": {"type": "periodic"}} if dimension == 3 else {}
        resolution = {"cells": [5, 4, 6][:dimension], "end_time": 1.0}
        yield discretise(make_problem(dimension, material=material, boundaries=boundaries, resolution=resolution))


def test_the_matrix_applied_is_the_heat_flow(make_problem):
    rng = np.random.default_rng(1)
    for space in spaces(make_problem):
        loads = space.loads(0.0)
        field = rng.random(space.capacity.size)
        known = space.heat_flow(np.zeros_like(field), loads).net

        matrix = linear.assemble(space, loads)

        np.testing.assert_allclose(known - matrix @ field, space.heat_flow(field, loads).net, atol=1e-12)
        assert abs(matrix - matrix.T).max() <= 1e-14 * abs(matrix).max()


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_conjugate_gradients_agree_with_the_factorisation(make_problem, shift):
    rng = np.random.default_rng(2)
    for space in spaces(make_problem):
        loads = space.loads(0.0)
        right = rng.random(space.capacity.size)
        direct = linear.make_solver(space, loads, shift=shift, tau=0.3).solve(right)  # small grids are factorised
        full = 0.3 * linear.assemble(space, loads) + shift * linear.sparse.diags(space.capacity)
        inverse = linear.SeparableInverse.of(space, loads, shift=shift, tau=0.3)

        iterated = linear.ConjugateGradients(full.tocsc(), inverse).solve(right)

        np.testing.assert_allclose(iterated, direct, rtol=1e-10)


def test_the_preconditioner_is_the_inverse_of_a_homogeneous_box(make_problem):
    problem = make_problem(
        3, boundaries=BOUNDARIES, material={"conductivity": [1.0, 3.0, 0.2], "volumetric_heat_capacity": 2.0}
    )
    space = discretise(problem)
    loads = space.loads(0.0)
    full = 0.7 * linear.assemble(space, loads) + linear.sparse.diags(space.capacity)
    right = np.random.default_rng(3).random(space.capacity.size)

    found = linear.SeparableInverse.of(space, loads, shift=1.0, tau=0.7).apply(right)

    np.testing.assert_allclose(full @ found, right, atol=1e-12)


def test_an_iteration_of_a_steady_state_that_stalls_names_its_cell_along_each_axis(monkeypatch, make_problem):
    monkeypatch.setattr(linear, "CG_ITERATIONS", 1)
    monkeypatch.setattr(linear, "prefers_factors", lambda _: False)
    ends = {
        "x_min": {"type": "temperature", "value": 1.0},
        "x_max": {"type": "temperature", "value": {"expression": "y"}},
    }
    problem = make_problem(
        dimension=3,
        domain={"size": [1.0, 1.0, 1.0]},
        steady=True,
        material={"conductivity": {"expression": "where(x < 0.5, 1.0, 2.0)"}},
        boundaries=ends,
        resolution={"cells": [17, 16, 16]},
    )

    with pytest.raises(NotConvergedError, match=r"^cell \(\d+, \d+, \d+\): conjugate gradients") as caught:
        solve(problem)
    assert caught.value.step is None
