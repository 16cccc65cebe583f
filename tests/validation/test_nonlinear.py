"""Coefficients that depend on temperature, against closed forms."""

import numpy as np
import pytest

from grid.core.errors import NumericsError, UnsupportedError
from grid.engine import HeatProblem, solve

SIGMA = 5.670374419e-8


def wall(**changes):
    case = {
        "domain": {"size": [0.2]},
        "steady": True,
        "material": {"conductivity": 2.0},
        "boundaries": {
            "x_min": {"type": "temperature", "value": 600.0},
            "x_max": {"type": "temperature", "value": 300.0},
        },
        "guess": 400.0,
        "temperature_unit": "K",
        "resolution": {"cells": [16]},
    }
    return case | changes


@pytest.mark.parametrize("slope", [-0.002, 0.0, 0.01, 0.1])
def test_a_conductivity_linear_in_temperature_is_exact(slope):
    """Kirchhoff: the integral of k dT falls linearly (Carslaw and Jaeger 1959, 1.6)."""
    solution = solve(HeatProblem.from_case(wall(material={"conductivity": {"expression": f"2 + {slope}*T"}})))
    theta = lambda t: 2 * t + 0.5 * slope * t**2  # noqa: E731 the transform, short

    flux = (theta(600.0) - theta(300.0)) / 0.2
    x = solution.coordinates["x"]

    np.testing.assert_allclose(theta(solution.final), theta(600.0) - flux * x, rtol=1e-9)
    assert solution.heat_rate("x_min") == pytest.approx(flux, rel=1e-9)
    assert solution.is_accepted


@pytest.mark.parametrize("kind", ["radiation", "convection_radiation"])
def test_a_radiating_face_balances_what_reaches_it(kind):
    """k (600 - T_s)/L = emissivity sigma (T_s^4 - 300^4) + h (T_s - 350), solved by bisection."""
    coefficient = 12.0 if kind == "convection_radiation" else 0.0
    law = {"type": kind, "emissivity": 0.7, "surroundings": 300.0}
    law |= {"coefficient": coefficient, "ambient": 350.0} if coefficient else {}
    solution = solve(HeatProblem.from_case(wall(boundaries={**wall()["boundaries"], "x_max": law})))

    low, high = 300.0, 600.0
    for _ in range(200):
        t = 0.5 * (low + high)
        gain = 2.0 * (600.0 - t) / 0.2 - 0.7 * SIGMA * (t**4 - 300.0**4) - coefficient * (t - 350.0)
        low, high = (t, high) if gain > 0 else (low, t)

    assert solution.temperature_at((0.2,)) == pytest.approx(low, rel=1e-9)


def test_celsius_and_kelvin_radiate_alike():
    law = {"type": "radiation", "emissivity": 0.7, "surroundings": 300.0}
    kelvin = solve(HeatProblem.from_case(wall(boundaries={**wall()["boundaries"], "x_max": law})))
    hot = {"type": "temperature", "value": 600.0 - 273.15}
    boundaries = {"x_min": hot, "x_max": law | {"surroundings": 300.0 - 273.15}}
    celsius = solve(HeatProblem.from_case(wall(boundaries=boundaries, temperature_unit="degC", guess=100.0)))

    np.testing.assert_allclose(celsius.final + 273.15, kelvin.final, rtol=1e-9)


def lump(**changes):
    """One insulated cell-sized body of several cells, uniform, so that the field is a function of time alone."""
    return {
        "domain": {"size": [0.01]},
        "material": {"conductivity": 100.0, "volumetric_heat_capacity": 1e6},
        "initial": 400.0,
        "temperature_unit": "K",
        "resolution": {"cells": [4], "steps": 50, "end_time": 10.0},
    } | changes


def test_a_heat_capacity_that_depends_on_temperature_stores_its_integral():
    """Uniform source, insulated: integral of (1e6 + 2e3 T) dT = q t."""
    capacity = {"conductivity": 100.0, "volumetric_heat_capacity": {"expression": "1e6 + 2e3*T"}}
    solution = solve(HeatProblem.from_case(lump(material=capacity, source_term=5e7)))

    stored = lambda t: 1e6 * t + 1e3 * t**2  # noqa: E731 the integral, short
    np.testing.assert_allclose(stored(solution.final) - stored(400.0), 5e8, rtol=1e-9)
    assert solution.is_accepted


def test_a_source_that_depends_on_temperature_grows_exponentially():
    """dT/dt = a T with a = 0.1/s: second order in the step."""
    errors = []
    for steps in (20, 40):
        resolution = {"cells": [4], "steps": steps, "end_time": 10.0}
        solution = solve(
            HeatProblem.from_case(lump(source_term={"expression": "1e5*T"}, resolution=resolution)), steps=steps
        )
        errors.append(abs(float(solution.final.mean()) / (400.0 * np.e) - 1))

    assert np.log2(errors[0] / errors[1]) >= 1.9


def test_heat_is_kept_where_conductivity_and_capacity_vary():
    material = {
        "conductivity": {"expression": "1 + T/100"},
        "volumetric_heat_capacity": {"expression": "1e4*(1 + T/500)"},
    }
    solution = solve(
        HeatProblem.from_case(
            lump(
                material=material,
                initial={"expression": "400 + 2e4*x"},
                resolution={"cells": [12], "steps": 20, "end_time": 0.5},
            )
        )
    )

    audit = next(audit for audit in solution.audits if audit.name == "energy_balance")
    assert audit.value <= 1e-9
    assert np.ptp(solution.final) < np.ptp(solution.fields[0])


def test_the_explicit_method_refuses_coefficients_that_vary():
    problem = HeatProblem.from_case(lump(source_term={"expression": "1e5*T"}))

    with pytest.raises(UnsupportedError, match="explicit"):
        solve(problem, method="explicit")
    assert solve(problem).plan.method != "explicit"


def test_a_face_that_radiates_through_a_conductivity_that_jumps_finds_its_surface():
    """Conductivity falls a thousandfold where the half cell cools; heat stored is heat radiated all the same."""
    conductivity = {"expression": "where(T > 500, 20.0, 0.02)"}
    radiation = {"type": "radiation", "emissivity": 0.9, "surroundings": 300.0}
    case = {
        "temperature_unit": "K",
        "domain": {"size": [0.1]},
        "material": {"conductivity": conductivity, "volumetric_heat_capacity": 1e6},
        "initial": 900.0,
        "boundaries": {"x_max": radiation},
        "resolution": {"cells": [10], "steps": 20, "end_time": 2000.0},
    }
    solution = solve(HeatProblem.from_case(case))

    assert solution.is_accepted
    assert 300.0 <= solution.final.min() < solution.final.max() <= 900.0


@pytest.mark.parametrize("guess", [0.0, 1e-3, 400.0])
def test_a_steady_state_that_is_zero_everywhere_is_found_from_any_guess(guess):
    """A conductivity that rises with temperature between faces at zero: nothing flows."""
    ambient = {"type": "convection", "coefficient": {"expression": "5 + T/100"}, "ambient": 0.0}
    boundaries = {"x_min": {"type": "temperature", "value": 0.0}, "x_max": ambient}
    material = {"conductivity": {"expression": "2 + T/200"}}
    case = wall(material=material, boundaries=boundaries, guess=guess, temperature_unit="relative")
    solution = solve(HeatProblem.from_case(case))

    assert solution.is_accepted
    assert np.abs(solution.final).max() <= 1e-10 * max(guess, 1e-3)


TENSOR = [[2.0, 0.7], [0.7, 1.0]]


def sheet(**changes):
    case = wall(dimension=2, domain={"size": [0.2, 0.1]}, boundaries={}, resolution={"cells": [8, 6]})
    return case | {"material": {"conductivity": TENSOR}} | changes


def test_a_source_that_falls_with_temperature_ties_an_insulated_body_of_a_full_tensor():
    """q = 5e4 - 100 T is nothing at 500 K, wherever the heat could go."""
    solution = solve(HeatProblem.from_case(sheet(source_term={"expression": "5e4 - 100*T"})))

    assert solution.is_accepted
    np.testing.assert_allclose(solution.final, 500.0, rtol=1e-9)


def test_an_insulated_tensor_between_source_and_sink_keeps_its_heat():
    """What the warm end makes the cold end takes; the level is that at which both agree."""
    source = {"expression": "where(x < 0.1, 2e4, 4e4 - 100*T)"}
    solution = solve(HeatProblem.from_case(sheet(source_term=source)))

    assert solution.is_accepted
    sink = solution.final[4:]
    np.testing.assert_allclose((4e4 - 100.0 * sink).mean(), -2e4, rtol=1e-8)
    assert np.all(np.diff(solution.final.mean(axis=1)) < 0.0)


@pytest.mark.parametrize("source", [0.0, {"expression": "100*(T - 500)"}])
def test_an_insulated_tensor_that_nothing_ties_is_refused_with_the_reason(source):
    case = sheet(source_term=source, resolution={"cells": [3, 2]})
    with pytest.raises(NumericsError, match="exchanges heat with nothing"):
        solve(HeatProblem.from_case(case))


def test_a_body_that_can_only_radiate_its_heat_is_found_from_a_guess_that_throws_newton_far():
    """All that is generated leaves by the one face: its temperature follows from Stefan and Boltzmann's law alone."""
    case = {
        "dimension": 3,
        "domain": {"size": [0.0023, 0.0101, 0.0043]},
        "steady": True,
        "material": {"conductivity": 0.1},
        "boundaries": {"z_min": {"type": "radiation", "emissivity": 0.47, "surroundings": 352.4}},
        "source_term": 41250.0,
        "temperature_unit": "K",
        "resolution": {"cells": [1, 2, 1]},
    }

    solution = solve(HeatProblem.from_case(case))

    surface = (41250.0 * 0.0043 / (0.47 * SIGMA) + 352.4**4) ** 0.25
    np.testing.assert_allclose(solution.final, surface + 41250.0 * 0.0043**2 / (2 * 0.1), rtol=2e-4)
    assert np.ptp(solution.final) <= 1e-6
    assert solution.is_accepted


@pytest.mark.parametrize("options", [{}, {"method": "implicit"}, {"method": "rkl2"}, {"model": "lumped"}])
def test_a_body_that_starts_at_absolute_zero_is_warmed_by_radiation(options):
    """A thin body, c L dT/dt = sigma (T_s^4 - T^4): its integral from 0 K is artanh and arctan of T/T_s.

    The tangent of the law is flat at 0 K, and yet the surroundings bound the temperatures.
    """
    end, hot, content = 20.0, 1000.0, 1e6 * 0.001
    case = {
        "temperature_unit": "K",
        "domain": {"size": [0.001]},
        "material": {"conductivity": 1e3, "volumetric_heat_capacity": 1e6},
        "initial": 0.0,
        "boundaries": {"x_min": {"type": "radiation", "emissivity": 1.0, "surroundings": hot}},
        "resolution": {"cells": [4], "end_time": end},
    }
    solution = solve(HeatProblem.from_case(case), tolerance=1e-4, **options)
    share = solution.mean_temperature() / hot

    assert solution.is_accepted
    assert 0.5 * (np.arctanh(share) + np.arctan(share)) == pytest.approx(SIGMA * hot**3 * end / content, rel=3e-3)
