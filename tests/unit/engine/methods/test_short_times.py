"""Loads that act for a short time beside the modes of a body: the rise is small, and right to rounding."""

import numpy as np
import pytest
from scipy.linalg import expm

from grid.engine import HeatProblem, solve
from grid.engine.linear.systems import assemble
from grid.engine.methods.spectral.stepper import phi_1, phi_2
from grid.engine.space.discretise import discretise


def find_change(problem, end):
    """T(end) - T(0) of the finite volumes: the integral of exp(A s) g, from the exponential of a wider matrix."""
    space = discretise(problem)
    loads, start = space.loads(0.0), space.initial_temperature()
    count = start.size
    rate = space.heat_flow(start, loads).net / space.capacity
    whole = np.zeros((count + 1, count + 1))
    whole[:count, :count] = -assemble(space, loads).toarray() / space.capacity[:, None] * end
    whole[:count, count] = rate * end
    return expm(whole)[:count, count]


def loaded_body(rng, fourier):
    dimension = int(rng.integers(1, 3))
    level = float(rng.choice([0.0, 10.0, 900.0]))
    laws = [
        {"type": "temperature", "value": level},
        {"type": "temperature", "value": level + 5.0},
        {"type": "insulated"},
        {"type": "flux", "value": 3.0},
        {"type": "convection", "coefficient": 2.0, "ambient": level + 1.0},
    ]
    faces = [f"{axis}_{side}" for axis in "xy"[:dimension] for side in ("min", "max")]
    sources = [0.0, 7.0, {"expression": "5*cos(3*x)"}]
    return {
        "dimension": dimension,
        "temperature_unit": "K" if level else "relative",
        "domain": {"size": [1.0, 0.7][:dimension]},
        "material": {"conductivity": 0.8, "volumetric_heat_capacity": 2.0},
        "initial": level,
        "source_term": sources[int(rng.integers(3))],
        "boundaries": {face: laws[int(rng.integers(len(laws)))] for face in faces},
        "resolution": {"cells": [8, 5][:dimension], "end_time": fourier * 2.0 / 0.8},
    }


@pytest.mark.parametrize("method", ["spectral", "exponential", "krylov"])
@pytest.mark.parametrize("fourier", [1e-12, 1e-7, 1e-3, 0.03, 0.3, 20.0])
def test_the_change_of_a_loaded_body_is_right_at_every_fourier_number(method, fourier):
    for seed in range(8):
        case = loaded_body(np.random.default_rng(seed), fourier)
        problem = HeatProblem.from_case(case)
        exact = find_change(problem, problem.end_time)
        solution = solve(problem, method=method, tolerance=1e-8)
        change = (solution.final - solution.fields[0]).ravel()
        rounding = 4e-15 * np.abs(solution.final).max()

        tolerance = 1e-11 if method == "spectral" else 1e-7
        np.testing.assert_allclose(change, exact, rtol=0.0, atol=tolerance * np.abs(exact).max() + rounding)
        assert solution.is_accepted, (seed, solution.audits)


@pytest.mark.parametrize("conductivity", [1e-5, 1e-6, 1e-9])
def test_a_uniform_source_of_five_seconds_warms_by_what_it_puts_in(conductivity):
    """q t / (rho c) = 0.5952 K away from the held face, whose steady state would be 1e10 times as warm."""
    case = {
        "temperature_unit": "degC",
        "domain": {"size": [0.1]},
        "material": {"conductivity": conductivity, "volumetric_heat_capacity": 4.2e6},
        "initial": 10.0,
        "source_term": 5e5,
        "boundaries": {"x_min": {"type": "temperature", "value": 10.0}},
        "resolution": {"cells": [10], "end_time": 5.0},
    }
    solution = solve(HeatProblem.from_case(case))

    assert solution.is_accepted
    assert solution.final[-1] - 10.0 == pytest.approx(5e5 * 5.0 / 4.2e6, rel=1e-12)


def test_phi_functions_meet_their_series_and_their_quotients():
    z = np.array([0.0, 1e-12, 1e-4, 0.4999, 0.5001, 3.0, 700.0])
    terms = [(-1.0) ** k for k in range(60)]
    small = z[z < 5.0]
    factorials = np.cumprod(np.arange(1.0, 63.0))
    first = sum(term * small**k / factorials[k] for k, term in enumerate(terms))
    second = sum(term * small**k / factorials[k + 1] for k, term in enumerate(terms))

    np.testing.assert_allclose(phi_1(z)[z < 5.0], first, rtol=1e-13)
    np.testing.assert_allclose(phi_2(z)[z < 5.0], second, rtol=1e-13)
    assert phi_1(z)[-1] == pytest.approx(1.0 / 700.0)
    assert phi_2(z)[-1] == pytest.approx((1.0 - 1.0 / 700.0) / 700.0)
