"""Single modes against quadrature of their own equation, and stretches of any lengths."""

import numpy as np
import pytest
from scipy.linalg import expm

from grid.engine.methods.response import compute_phi, march


@pytest.mark.parametrize("z", [0.0, -1e-12, -1e-3, -0.999999, -1.000001, -30.0, -1e5])
def test_functions_are_those_of_the_exponential_of_a_nilpotent_matrix(z):
    """exp([[z, 1, 0, 0], [0, 0, 1, 0], ...]) has phi_0 to phi_3 in its first row (Al-Mohy and Higham 2011)."""
    matrix = np.diag([1.0, 1.0, 1.0], 1)
    matrix[0, 0] = z

    found = [float(part[0]) for part in compute_phi(np.array([z]))]

    np.testing.assert_allclose(found, expm(matrix)[0], rtol=1e-11 if z > -1e3 else 1e-6, atol=1e-300)


def exact(rate, h, low, high, start):
    """End and integral of y' = -rate y + g + s t, by the exponential of an augmented matrix."""
    slope = (high - low) / h
    matrix = np.array([[-rate, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0], [0.0] * 4])
    end = expm(matrix * h) @ np.array([start, 0.0, low, slope])
    return end[0], end[1]


@pytest.mark.parametrize("rates", [[0.0], [1e-9, 0.3], [0.0, 2.0, 50.0]])
@pytest.mark.parametrize("stretches", [1, 7, 300])
def test_amplitudes_and_integrals_are_exact_over_any_stretches(rates, stretches):
    rng = np.random.default_rng(stretches)
    lengths = 10.0 ** rng.uniform(-3.0, 0.0, stretches)
    lengths[rng.random(stretches) < 0.5] = 0.25  # many alike, as on a regular table
    shape = (stretches, len(rates))
    low, high, start = rng.normal(size=shape), rng.normal(size=shape), rng.normal(size=len(rates))

    motion = march(np.array(rates), lengths, low, high, start)

    for mode, rate in enumerate(rates):
        y = start[mode]
        for number in range(stretches):
            y, integral = exact(rate, lengths[number], low[number, mode], high[number, mode], y)
            assert motion.ends[number, mode] == pytest.approx(y, rel=1e-9, abs=1e-11)
            assert motion.integrals[number, mode] == pytest.approx(integral, rel=1e-9, abs=1e-11)


def test_lengths_that_differ_by_rounding_are_one_and_a_start_is_left_as_it_was():
    lengths = np.full(2000, 0.1) + np.spacing(0.1) * np.arange(2000) % 3
    start = np.array([1.0])

    motion = march(np.array([0.5]), lengths, np.zeros((2000, 1)), np.zeros((2000, 1)), start)

    np.testing.assert_allclose(motion.ends[:, 0], np.exp(-0.05 * np.arange(1, 2001)), rtol=1e-10)
    assert start[0] == 1.0
