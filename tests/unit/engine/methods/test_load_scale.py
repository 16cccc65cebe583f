"""The span that loads will make, estimated before a run, is within a factor of two of textbook rises."""

import math

import numpy as np
import pytest

from grid.engine import HeatProblem, prepare, solve
from grid.engine.methods.load_scale import estimate_span

K, C, L = 10.0, 1e6, 0.02


def span(boundaries, end, start=20.0, **changes):
    case = {
        "domain": {"size": [L]},
        "material": {"conductivity": K, "volumetric_heat_capacity": C},
        "initial": start,
        "boundaries": boundaries,
        "resolution": {"cells": [40], "end_time": end},
    }
    plan = prepare(HeatProblem.from_case(case | changes), method="implicit")
    return estimate_span(plan.space, plan.inputs)


def held(value):
    return {"type": "temperature", "value": value}


def flux(value):
    return {"type": "flux", "value": value}


@pytest.mark.parametrize(
    ("boundaries", "changes", "end", "right"),
    [
        ({"x_min": flux(1e4)}, {}, 1e3, 1e4 * 1e3 / (C * L)),  # thin: Q / C
        ({"x_min": flux(1e4)}, {}, 1.0, 2e4 * math.sqrt(1.0 / (math.pi * K * C))),  # half-space, Carslaw and Jaeger 2.9
        ({"x_min": flux(1e4), "x_max": held(20.0)}, {}, 1e5, 1e4 * L / K),
        ({"x_min": held(20.0), "x_max": held(20.0)}, {"source_term": 1e6}, 1e5, 1e6 * L**2 / (8 * K)),
        ({"x_min": held(120.0)}, {}, 100.0, 100.0),
        ({"x_min": {"type": "convection", "coefficient": 0.01, "ambient": 1020.0}}, {}, 100.0, 0.01 * 1e5 / (C * L)),
        (
            {"x_min": flux({"expression": "where((t > 30) & (t < 31), 1e4, 0)"})},
            {},
            1e3,
            2e4 * math.sqrt(1.0 / (math.pi * K * C)),
        ),
        ({}, {"source_term": {"expression": "where((t > 3) & (t < 4), 1e6, 0)"}}, 1e3, 1.0),
    ],
)
def test_the_estimate_is_within_a_factor_of_two(boundaries, changes, end, right):
    found = span(boundaries, end, **changes)

    assert 0.5 <= found / right <= 2.0


@pytest.mark.parametrize("start", [0.0, 1.0, 293.15])
def test_the_estimate_does_not_depend_on_the_level(start):
    found = span({"x_min": held(start + 80.0), "x_max": flux(1e3)}, 10.0, start)

    assert found == pytest.approx(span({"x_min": held(80.0), "x_max": flux(1e3)}, 10.0, 0.0), rel=1e-12)


def test_radiation_raises_nothing_beyond_its_surroundings():
    face = {"type": "radiation", "emissivity": 0.9, "surroundings": 900.0}

    assert span({"x_min": face}, 1e6, 300.0, temperature_unit="K") == pytest.approx(600.0)


def test_loads_that_do_nothing_make_no_span():
    assert span({"x_min": held(20.0)}, 10.0) == 0.0
    assert np.isfinite(span({}, 10.0))


@pytest.mark.parametrize("scale", [1e-9, 3.0, 1e6])
@pytest.mark.parametrize("arguments", [{}, {"method": "implicit"}, {"model": "corrected"}, {"model": "lumped"}])
def test_a_load_that_begins_at_exactly_nothing_is_simply_solved(make_problem, scale, arguments):
    """T' = q sin(t)^2 from 0: q (t/2 - sin(2 t)/4)."""
    source = {"expression": f"sin(t)**2*{scale!r}"}
    problem = make_problem(initial=0.0, source_term=source, resolution={"cells": [8], "end_time": 10.0})
    solution = solve(problem, **arguments)

    assert solution.is_accepted
    assert solution.final.mean() == pytest.approx(scale * (5.0 - np.sin(20.0) / 4.0), rel=1e-3)
