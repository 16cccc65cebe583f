"""Single modes against quadrature of their own equation, and stretches of any lengths."""

import numpy as np
import pytest
from scipy.linalg import expm

from grid.engine.methods.driven.response import compute_phi, march


@pytest.mark.parametrize("z", [0.0, -1e-12, -1e-3, -0.999999, -1.000001, -30.0, -1e5])
def test_functions_are_those_of_the_exponential_of_a_nilpotent_matrix(z):
    """exp([[z, 1, 0, 0], [0, 0, 1, 0], ...]) has phi_0 to phi_3 in its first row (Al-Mohy and Higham 2011)."""
    matrix = np.diag([1.0, 1.0, 1.0], 1)
    matrix[0, 0] = z

    found = compute_phi(np.array([z]))[:, 0]

    np.testing.assert_allclose(found, expm(matrix)[0], rtol=1e-11 if z > -1e3 else 1e-6, atol=1e-300)


def exact(rate, h, low, high, start):
    """End and integral of y' = -rate y + g + s t, by the exponential of an augmented matrix."""
    slope = (high - low) / h
    matrix = np.array([[-rate, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0], [0.0] * 4])
    end = expm(matrix * h) @ np.array([start, 0.0, low, slope])
    return end[0], end[1]


@pytest.mark.parametrize("rates", [[0.0], [1e-9, 0.3], [0.0, 2.0, 50.0]])
@pytest.mark.parametrize(("stretches", "loads"), [(1, 0), (7, 1), (300, 3)])
def test_amplitudes_and_integrals_are_exact_over_any_stretches(rates, stretches, loads):
    rng = np.random.default_rng(stretches)
    lengths = 10.0 ** rng.uniform(-3.0, 0.0, stretches)
    lengths[rng.random(stretches) < 0.5] = 0.25  # many alike, as on a regular table
    drives = rng.normal(size=(1 + loads, len(rates)))
    low, high = rng.normal(size=(stretches, loads)), rng.normal(size=(stretches, loads))
    low[rng.random(low.shape) < 0.2] = 0.0  # loads that are switched off, or on
    asked = np.unique(rng.integers(1, stretches + 1, 20))

    motion = march(np.array(rates), lengths, drives, low, high, asked)

    begin, stop = drives[0] + low @ drives[1:], drives[0] + high @ drives[1:]
    for mode, rate in enumerate(rates):
        y = total = 0.0
        for number in range(stretches):
            y, integral = exact(rate, lengths[number], begin[number, mode], stop[number, mode], y)
            total += integral
            assert motion.integrals[number, mode] == pytest.approx(integral, rel=1e-9, abs=1e-11)
            if number + 1 in asked:
                row = np.searchsorted(asked, number + 1)
                assert motion.ends[row, mode] == pytest.approx(y, rel=1e-9, abs=1e-11)
                assert motion.sums[row, mode] == pytest.approx(total, rel=1e-9, abs=1e-11)


def test_lengths_that_differ_by_rounding_are_one():
    lengths = np.full(2000, 0.1) + np.spacing(0.1) * np.arange(2000) % 3
    nothing = np.zeros((2000, 0))

    motion = march(np.array([0.5]), lengths, np.ones((1, 1)), nothing, nothing, np.arange(1, 2001))

    np.testing.assert_allclose(motion.ends[:, 0], -np.expm1(-0.05 * np.arange(1, 2001)) / 0.5, rtol=1e-10)
