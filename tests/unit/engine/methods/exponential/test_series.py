"""Chebyshev series of the functions of an exponential step."""

import numpy as np
import pytest
from numpy.polynomial import chebyshev

from grid.engine.methods.exponential.series import bound_error, count_products, divide, find_coefficients


@pytest.mark.parametrize("z", [1e-6, 1.0, 300.0, 1e5])
def test_the_series_is_phi_1_on_the_whole_spectrum(z):
    x = -z * np.linspace(1e-9, 1.0, 2000)

    found = chebyshev.chebval(1.0 + 2.0 * x / z, find_coefficients(z))

    np.testing.assert_allclose(found, np.expm1(x) / x, atol=1e-13)


@pytest.mark.parametrize("z", [1.0, 300.0, 1e5])
def test_the_quotient_is_what_the_truncated_series_differs_from_one_over_x(z):
    """p = 1 + x q exactly, however short the series: heat stored is heat let through."""
    p = find_coefficients(z)[: 5 + int(0.6 * np.sqrt(z))]
    p = p / p.sum()
    x = -z * np.linspace(1e-9, 1.0, 2000)

    value, quotient = (chebyshev.chebval(1.0 + 2.0 * x / z, c) for c in (p, divide(p, z)))

    np.testing.assert_allclose(1.0 + x * quotient, value, atol=1e-11)


@pytest.mark.parametrize("budget", [1e-2, 1e-4, 1e-8])
@pytest.mark.parametrize("is_smooth", [False, True])
def test_the_error_of_a_step_is_within_its_bound(budget, is_smooth):
    """Of a rod whose end jumps by 1, or of one smooth mode: r(x) weighted by what the start has of each mode."""
    n = 400
    theta = np.pi * (np.arange(n) + 0.5) / n
    rates, time = 4.0 * np.sin(0.5 * theta) ** 2, 2000.0
    distance = np.where(np.arange(n) < 1, 1.0, 0.0) if is_smooth else 1.0 / (1.0 + np.arange(n))
    distance = distance / np.sqrt(np.sum(distance**2))
    drive = float(np.sqrt(np.sum((time * rates * distance) ** 2)))
    z = 4.0 * time
    coefficients = find_coefficients(z)

    count = count_products(coefficients, z, drive, 1.0, budget)
    left = chebyshev.chebval(1.0 - 2.0 * rates * time / z, np.r_[np.zeros(count), coefficients[count:]])
    error = float(np.sqrt(np.sum((left * time * rates * distance) ** 2)))

    assert error <= bound_error(coefficients, count, z, drive, 1.0) * (1.0 + 1e-9) + 1e-13
    assert bound_error(coefficients, count, z, drive, 1.0) <= budget


def test_the_number_of_products_grows_with_the_root_of_the_step():
    counts = [count_products(find_coefficients(z), z, 1.0, None, 1e-6) for z in (1e4, 4e4, 16e4)]

    assert counts[1] / counts[0] == pytest.approx(2.0, rel=0.1)
    assert counts[2] / counts[1] == pytest.approx(2.0, rel=0.1)
