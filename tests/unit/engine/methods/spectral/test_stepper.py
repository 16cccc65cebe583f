"""Exact modes: the matrix exponential of the finite volumes, closed ledgers, and what they cannot do."""

import numpy as np
import pytest
from scipy.linalg import expm

from grid.core.errors import UnsupportedError
from grid.engine import prepare, solve
from grid.engine.linear import systems as linear
from grid.engine.methods.spectral.modes import make_modes
from grid.engine.methods.spectral.stepper import SpectralStepper
from grid.engine.methods.state import Bounds, HeatBalance, Segment, State
from grid.engine.space.discretise import discretise

ENDS = [(0.0, 0.0), (2.0, 2.0), (0.0, 2.0), (2.0, 0.0), (0.3, 0.0), (2.0, 0.001), (1.9, 1e-7)]
ALONG_X, ALONG_Y = {"expression": "1 + x"}, {"expression": "y"}
BOUNDARIES = [
    {},
    {"x_min": {"type": "flux", "value": ALONG_Y}, "y_min": {"type": "periodic"}, "y_max": {"type": "periodic"}},
    {"x_min": {"type": "temperature", "value": 2.0}, "x_max": {"type": "temperature", "value": 2.0}},
    {"x_min": {"type": "temperature", "value": 2.0}, "y_max": {"type": "flux", "value": -1.0}},
    {
        "x_max": {"type": "temperature", "value": ALONG_Y},
        "y_min": {"type": "convection", "coefficient": 2.0, "ambient": ALONG_X},
    },
]


@pytest.mark.parametrize("count", [1, 2, 7, 150, 151])
@pytest.mark.parametrize(("ends", "is_periodic"), [*((ends, False) for ends in ENDS), ((0.0, 0.0), True)])
def test_modes_are_the_orthonormal_eigenvectors_of_an_axis(count, ends, is_periodic):
    modes = make_modes(count, 3.0, ends, is_periodic=is_periodic)
    matrix = 2.0 * np.eye(count) - np.eye(count, k=1) - np.eye(count, k=-1)
    if is_periodic:
        matrix[0, -1] -= 1.0
        matrix[-1, 0] -= 1.0
        matrix[:] = 0.0 if count == 1 else matrix
    else:
        matrix[0, 0] += ends[0] - 1.0
        matrix[-1, -1] += ends[1] - 1.0
    basis = modes.vectors(count)

    np.testing.assert_allclose(basis @ basis.T, np.eye(count), atol=1e-12)
    np.testing.assert_allclose(3.0 * matrix @ basis.T, basis.T * modes.rates, atol=1e-12)
    values = np.random.default_rng(count).random((2, count, 3))
    np.testing.assert_allclose(modes.forward(values, 1), np.einsum("ij,ajb->aib", basis, values), atol=1e-12)
    np.testing.assert_allclose(modes.backward(modes.forward(values, 1), 1), values, atol=1e-12)
    np.testing.assert_allclose(modes.sums, basis.sum(axis=1), atol=1e-12)
    if not is_periodic:
        np.testing.assert_allclose(modes.end_values, (basis[:, 0], basis[:, -1]), atol=1e-12)


def advance(problem, duration):
    space = discretise(problem)
    start = space.initial_temperature()
    state = State(0.0, 0, start, HeatBalance(), Bounds(float(start.min()), float(start.max())))
    return space, start, SpectralStepper(space).advance(state, Segment(0.0, duration, 1), 0, 1)


@pytest.mark.parametrize("boundaries", BOUNDARIES)
@pytest.mark.parametrize("source", [0.0, 3.0, ALONG_X, ALONG_Y])
@pytest.mark.parametrize("duration", [1e-4, 0.05, 30.0])
def test_a_step_is_the_exponential_of_the_matrix_and_its_ledger_closes(make_problem, boundaries, source, duration):
    problem = make_problem(
        2,
        domain={"coordinates": "cartesian", "size": [1.0, 0.7]},
        material={"conductivity": [1.0, 0.3], "volumetric_heat_capacity": 2.0},
        initial={"expression": "5 + sin(3*x) + x*y"},
        boundaries=boundaries,
        source_term=source,
        resolution={"cells": [6, 5], "end_time": 0.1},
    )
    space, start, done = advance(problem, duration)
    loads = space.loads(0.0)
    augmented = np.zeros((start.size + 1, start.size + 1))
    augmented[:-1, :-1] = -linear.assemble(space, loads).toarray() / space.capacity[:, None]
    augmented[:-1, -1] = space.heat_flow(np.zeros_like(start), loads).net / space.capacity

    exact = (expm(duration * augmented) @ np.append(start, 1.0))[:-1]

    np.testing.assert_allclose(done.temperature, exact, rtol=1e-10)
    moved = max(
        done.heat_balance.boundary_in,
        done.heat_balance.boundary_out,
        abs(done.heat_balance.generated),
        1e-3 * start.sum(),
    )
    assert abs(space.capacity @ (done.temperature - start) - done.heat_balance.net) <= 1e-12 * moved


def test_a_box_with_a_loss_through_every_face_agrees_in_three_dimensions(make_problem):
    boundaries = {
        "x_min": {"type": "temperature", "value": 2.0},
        "y_min": {"type": "flux", "value": {"expression": "x*z"}},
        "z_max": {"type": "convection", "coefficient": 1.0, "ambient": 0.0},
    }
    resolution = {"cells": [140, 3, 2], "steps": 400, "end_time": 0.05}
    problem = make_problem(3, boundaries=boundaries, initial={"expression": "x*x + z"}, resolution=resolution)

    exact, stepped = (solve(problem, method=method) for method in ("spectral", "implicit"))

    assert exact.is_accepted
    assert np.abs(exact.final - stepped.final).max() <= 1e-5


def test_only_the_modes_that_survive_are_made(make_problem):
    boundaries = {"x_min": {"type": "temperature", "value": 0.0}, "x_max": {"type": "temperature", "value": 0.0}}
    resolution = {"cells": [300, 200], "end_time": 0.2}
    start = {"expression": "where((x < 0.3) & (y > 0.4), 1.0, 0.0)"}
    problem = make_problem(2, boundaries=boundaries, initial=start, resolution=resolution)
    space, field, done = advance(problem, 0.2)
    stepper = SpectralStepper(space)

    exact = field.reshape(space.shape)
    for axis, modes in enumerate(stepper.axes):
        shape = [1, 1]
        shape[axis] = -1
        exact = modes.backward(np.exp(-0.2 * modes.rates).reshape(shape) * modes.forward(exact, axis), axis)

    assert stepper._count_surviving(0.2) < (10, 10)
    np.testing.assert_allclose(done.temperature, exact.reshape(-1), atol=1e-15)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"source_term": {"expression": "t"}}, "constant in time"),
        ({"material": {"conductivity": {"expression": "1 + x"}, "volumetric_heat_capacity": 1.0}}, "same everywhere"),
        ({"material": {"conductivity": [[1.0, 0.1], [0.1, 1.0]], "volumetric_heat_capacity": 1.0}}, "tensor"),
        ({"boundaries": {"x_min": {"type": "convection", "coefficient": {"expression": "y"}, "ambient": 0}}}, "same"),
    ],
)
def test_what_has_no_product_of_modes_is_refused_in_words(make_problem, changes, word):
    with pytest.raises(UnsupportedError, match=word):
        prepare(make_problem(2, **changes), method="spectral")


def test_a_plan_for_a_homogeneous_box_names_the_modes(make_problem):
    resolution = {"cells": [64, 64], "end_time": 0.1}
    plan = prepare(make_problem(2, boundaries=BOUNDARIES[2], resolution=resolution))

    assert plan.summary.method == "spectral"
    assert "spectral" in plan.summary.reason


def test_a_field_that_is_uniform_but_for_rounding_is_accepted(make_problem):
    start = {"expression": "cos(2*3.141592653589793*x)"}  # of two cells, both at its zeros

    assert solve(
        make_problem(1, initial=start, resolution={"cells": [2], "end_time": 0.1}), method="spectral"
    ).is_accepted
