"""The iteration for coefficients that depend on temperature: how fast it ends, and that it ends where it should."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.engine import HeatProblem, solve
from grid.engine.linear.accelerated import PATIENCE
from grid.engine.linear.iteration import NEWTON_TURNS, TOLERANCE, solve_balance
from grid.engine.space.discretise import discretise
from grid.engine.space.nonlinear import stored_between


def body(**changes):
    """A wall with everything that depends on temperature at once: radiation, a film, a source, k and c."""
    return {
        "domain": {"size": [0.1]},
        "material": {
            "conductivity": {"expression": "2 + T/200"},
            "volumetric_heat_capacity": {"expression": "1e6*(1 + T/1000)"},
        },
        "initial": {"expression": "400 + 2000*x"},
        "source_term": {"expression": "1e5 - 200*T"},
        "boundaries": {
            "x_min": {"type": "temperature", "value": 700.0},
            "x_max": {
                "type": "convection_radiation",
                "coefficient": 30.0,
                "ambient": 320.0,
                "emissivity": 0.8,
                "surroundings": 290.0,
            },
        },
        "temperature_unit": "K",
        "resolution": {"cells": [12], "end_time": 200.0},
    } | changes


def advance(case, step, solver=None):
    """One step of backward Euler from the initial field; what is left over the heat stored and moved."""
    space = discretise(HeatProblem.from_case(case))
    start = space.initial_temperature()
    done = solve_balance(space, start, np.zeros_like(start), start, shift=1.0, tau=step, time=0.0, solver=solver)
    stored = stored_between(space, start, done.temperature)
    exchanged = step * float(done.space.diagonal(done.loads).max() * np.ptp(done.temperature))
    return done, float(np.abs(step * done.flow.net - stored).max() / (np.abs(stored).max() + exchanged))


bodies = st.fixed_dictionaries(
    {
        "slope": st.floats(0.0, 0.05),
        "growth": st.floats(0.0, 0.01),
        "emissivity": st.floats(0.0, 1.0),
        "film": st.floats(0.0, 1e4),
        "fall": st.floats(0.0, 1e4),
        "step": st.floats(1.0, 1e5),
    }
)


@settings(max_examples=15, deadline=None)
@given(parts=bodies)
def test_corrections_end_shrinking_at_least_tenfold_whatever_depends_on_temperature(parts):
    """Newton's corrections shrink with their square; those of a matrix that serves again by a small factor."""
    case = body(source_term={"expression": f"1e5 - {parts['fall']!r}*T"})
    case["material"] = {
        "conductivity": {"expression": f"2 + {parts['slope']!r}*T"},
        "volumetric_heat_capacity": {"expression": f"1e6*(1 + {parts['growth']!r}*T)"},
    }
    case["boundaries"]["x_max"] |= {"coefficient": parts["film"], "emissivity": parts["emissivity"]}
    done, left = advance(case, parts["step"])

    sizes = np.array(done.corrections)
    assert done.iterations == sizes.size <= NEWTON_TURNS
    noise = 10.0 * TOLERANCE * 700.0
    ratios = [after / before for before, after in itertools.pairwise(sizes) if after > noise]
    assert not ratios or ratios[-1] <= 0.1
    assert left <= 1e-8


def test_a_matrix_of_a_step_nearby_leads_to_the_same_field():
    warmer = body(initial={"expression": "410 + 2000*x"})
    nearby, _ = advance(warmer, 50.0)
    fresh, _ = advance(body(), 50.0)
    reused, left = advance(body(), 50.0, nearby.solver)

    assert left <= 1e-8
    np.testing.assert_allclose(reused.temperature, fresh.temperature, rtol=1e-9)


@pytest.mark.parametrize("speed", [0.0, 1e-4, 1e-1, 1e2])
def test_the_ledger_closes_with_a_flow_of_any_peclet_number_and_loads_of_temperature(speed):
    """Cell Peclet numbers from 0 to 1e8: conduction, then upwind transport, beside radiation and a source of T."""
    material = {"conductivity": {"expression": "0.5 + T/1000"}, "volumetric_heat_capacity": 1e6}
    solution = solve(HeatProblem.from_case(body(material=material, velocity=[speed])), tolerance=1e-2)

    audits = {audit.name: audit for audit in solution.audits}
    assert audits["energy_balance"].value <= 1e-8
    assert audits["finite"].verdict == "passed"
    # of two stages; Newton's method takes some five turns, Anderson's for a flux that is limited some twenty
    turns = 2.0 * (5.0 if speed == 0.0 else PATIENCE)
    assert solution.metrics["iterations"] <= turns * (solution.metrics["steps"] + solution.metrics["rejected_steps"])
