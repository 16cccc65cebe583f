"""The benchmark problems are what they claim, on small grids: exact answers are exact, and both wordings agree."""

import numpy as np
import pytest
from benchmarks.engine import problems, radiating, references
from benchmarks.engine.own import building
from benchmarks.engine.problems import Explicit


@pytest.mark.parametrize("shape", [(40, 45), (39, 40, 41)])
def test_the_explicit_answer_is_exact_for_the_scheme(shape):
    case = Explicit(shape, 7, 0.15)
    field = problems.explicit_start(case)
    inside = (slice(1, -1),) * len(shape)
    for _ in range(case.steps):
        total = sum(np.roll(field, shift, axis) for axis in range(len(shape)) for shift in (1, -1))
        field[inside] += case.mesh_fourier * (total - 2 * len(shape) * field)[inside]

    assert problems.explicit_error(case, field) < 1e-13
    assert problems.explicit_error(case, field + 1e-3) == pytest.approx(1e-3, rel=1e-6)


def test_a_matrix_of_faces_conserves_heat_but_at_the_held_ends():
    gx, gy = problems.face_conductances(problems.stiff_conductivity(32))
    rows, _, values = problems.triplets(gx, gy)

    net = np.zeros(32 * 32)
    np.add.at(net, rows, values)
    held = np.zeros((32, 32))
    held[0], held[-1] = gx[0], gx[-1]
    np.testing.assert_allclose(net, -held.ravel(), atol=1e-9 * values.max())


def test_the_radiating_slope_is_that_of_its_heat():
    body, step = radiating.make_body(16), 1e-6
    near = np.linspace(0.0, 0.9, 16)

    _, slope = radiating.face_heat(body, near)
    above, below = (radiating.face_heat(body, near + sign * step)[0] for sign in (1, -1))

    np.testing.assert_allclose(slope, (above - below) / (2 * step), rtol=1e-6)


def test_what_radiates_in_and_leaves_at_the_cold_side_is_what_is_stored():
    body = radiating.make_body(16)
    rise = np.random.default_rng(1).random((16, 16))

    gained = radiating.rate(body, rise).sum()

    potential = rise[-1] + 0.5 * rise[-1] ** 2
    assert gained == pytest.approx(
        radiating.face_heat(body, rise[0])[0].sum() - (body.gx[-1] * potential).sum(), rel=1e-9
    )


def test_the_expression_of_the_inclusions_is_the_body_of_the_peers():
    assert building.inclusions(64)  # raises where it is not


def test_the_stiff_reference_is_the_exponential_of_its_matrix():
    from scipy.linalg import expm

    n = 12
    gx, gy = problems.face_conductances(problems.stiff_conductivity(n))
    rows, columns, values = problems.triplets(gx, gy)
    matrix = np.zeros((n * n, n * n))
    matrix[rows, columns] = 0.0
    np.add.at(matrix, (rows, columns), values)
    known = problems.stiff_right_side(gx)
    steady = np.linalg.solve(matrix, -known)

    expected = steady - expm(problems.STIFF_TIME * matrix) @ steady
    np.testing.assert_allclose(references.stiff(n), expected, atol=1e-11)
