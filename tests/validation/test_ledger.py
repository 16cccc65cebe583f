"""The ledger of a run: what goes in and out through the faces, over steps and not over their stages."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from grid.engine import HeatProblem, solve


def run(case, **options):
    solution = solve(HeatProblem.from_case(case), **options)
    assert solution.is_accepted, [audit for audit in solution.audits if audit.verdict == "failed"]
    return solution


def ice(conductivity, density, specific_heat, latent_heat, wall, end, cells):
    return {
        "kind": "extension",
        "temperature_unit": "degC",
        "domain": {"size": [0.1]},
        "boundaries": {"x_min": {"type": "temperature", "value": wall}},
        "resolution": {"cells": [cells], "end_time": end},
        "material": {
            "conductivity": conductivity,
            "density": density,
            "specific_heat": specific_heat,
            "melting_temperature": 0.0,
            "latent_heat": latent_heat,
        },
        "initial": 0.0,
        "initial_phase": "solid",
    }


@settings(deadline=None, max_examples=5)
@given(wall=st.floats(5.0, 60.0), end=st.floats(600.0, 7200.0), cells=st.integers(40, 200))
def test_a_melting_body_takes_up_heat_and_gives_none(wall, end, cells):
    """Stefan: heat by the flux k T / (erf(lambda) sqrt(pi a t)), and none goes out (Carslaw and Jaeger 1959, 11.2)."""
    k, density, heat, latent = 2.0, 1000.0, 2000.0, 3e5
    a = k / (density * heat)
    equation = lambda x: x * math.exp(x * x) * math.erf(x) - heat * wall / latent / math.sqrt(math.pi)  # noqa: E731 short
    root = brentq(equation, 1e-4, 3.0)
    exact = 2 * k * wall / (math.erf(root) * math.sqrt(math.pi * a)) * math.sqrt(end)
    solution = run(ice(k, density, heat, latent, wall, end, cells))

    assert solution.metrics["heat_out"] == 0.0
    assert solution.metrics["heat_in"] == pytest.approx(solution.metrics["stored_heat_change"], rel=1e-8)
    if 2 * root * math.sqrt(a * end) < 0.09:  # the far end is still solid
        assert solution.metrics["heat_in"] == pytest.approx(exact, rel=1.5 / cells)


def test_the_heat_of_a_front_is_that_of_the_similarity_solution():
    """9.699e6 J/m2 in an hour, and nothing out."""
    metrics = run(ice(2.0, 1000.0, 2000.0, 3e5, 20.0, 3600.0, 200)).metrics

    assert metrics["heat_in"] == pytest.approx(9.6987e6, rel=1e-3)
    assert metrics["heat_out"] == 0.0


@pytest.mark.parametrize("steps", [3, 20, 200])
@pytest.mark.parametrize("law", ["temperature", "convection"])
def test_a_linear_body_that_only_warms_books_nothing_out(law, steps):
    """From a jump at the start the first stage carries far more than the step; the field itself stays in bounds."""
    face = {"type": "temperature", "value": 100.0}
    if law == "convection":
        face = {"type": "convection", "coefficient": 1e4, "ambient": 100.0}
    case = {
        "domain": {"size": [1.0]},
        "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
        "initial": 0.0,
        "boundaries": {"x_min": face},
        "resolution": {"cells": [40], "end_time": 0.5, "steps": steps},
    }
    metrics = run(case, method="implicit", steps=steps).metrics

    assert metrics["heat_out"] == 0.0
    assert metrics["heat_in"] == pytest.approx(metrics["stored_heat_change"], rel=1e-10)
