"""Heat carried by a flow."""

from dataclasses import replace

import numpy as np
import pytest

from grid.core.errors import FieldError, UnsupportedError
from grid.engine import HeatProblem, solve
from grid.engine.linear.systems import assemble
from grid.engine.space.discretise import discretise
from grid.engine.verification.quantities import compute_rms_error

pytestmark = pytest.mark.usefixtures("without_coverage")


def channel(peclet, cells=12, **changes):
    """Flow of Peclet number v L / alpha between faces held at 0 and 1."""
    case = {
        "domain": {"size": [1.0]},
        "steady": True,
        "material": {"conductivity": 0.5, "volumetric_heat_capacity": 2.0},
        "velocity": [0.25 * peclet],
        "boundaries": {"x_min": {"type": "temperature", "value": 0.0}, "x_max": {"type": "temperature", "value": 1.0}},
        "resolution": {"cells": [cells]},
    }
    return case | changes


@pytest.mark.parametrize("peclet", [-300.0, -5.0, 1e-9, 2.0, 40.0, 500.0])
def test_steady_flow_between_two_temperatures_is_exact_at_any_peclet_number(peclet):
    """T = (exp(Pe x) - 1)/(exp(Pe) - 1), written so that nothing overflows."""
    solution = solve(HeatProblem.from_case(channel(peclet)))
    x = solution.coordinates["x"]
    exact = np.expm1(peclet * x) / np.expm1(peclet) if peclet < 300 else np.exp(peclet * (x - 1))

    np.testing.assert_allclose(solution.final, exact, atol=1e-12)
    assert solution.is_accepted


def test_a_wave_carried_around_a_ring_converges_at_second_order():
    """cos(2 pi (x - v t)) decays as exp(-4 pi^2 alpha t) on its way; the error of time is kept below that of space."""
    exact = "exp(-4*pi**2*0.01*t)*cos(2*pi*(x - 0.7*t))"
    errors = []
    for cells in (12, 24, 48):
        ring = {"x_min": {"type": "periodic"}, "x_max": {"type": "periodic"}}
        case = channel(0, cells, steady=False, boundaries=ring, velocity=[0.7], initial={"expression": "cos(2*pi*x)"})
        case["material"] = {"conductivity": 0.01, "volumetric_heat_capacity": 1.0}
        case["exact"] = {"expression": exact}
        case["resolution"] = {"cells": [cells], "steps": 2 * cells, "end_time": 0.5}
        solution = solve(HeatProblem.from_case(case), tolerance=1e-6)
        errors.append(compute_rms_error(solution))
        assert abs(solution.metrics["stored_heat_change"]) <= 1e-12

    assert np.log2(errors[1] / errors[2]) >= 1.8


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_front_carried_fast_makes_no_extremes_and_keeps_its_balance(sign):
    start = {"expression": "where((x > 0.3) & (x < 0.6), 1.0, 0.0)"}
    case = channel(0, 40, steady=False, velocity=[sign * 3.0], initial=start, boundaries={})
    case["material"] = {"conductivity": 1e-4, "volumetric_heat_capacity": 1.0}
    case["resolution"] = {"cells": [40], "steps": 60, "end_time": 0.2}
    solution = solve(HeatProblem.from_case(case))

    verdicts = {audit.name: audit.verdict for audit in solution.audits}
    assert verdicts["maximum_principle"] == verdicts["energy_balance"] == "passed"
    assert solution.metrics["heat_out"] > 0.1  # what was in the middle has reached the open end


@pytest.mark.parametrize("speed", [1.0, 20.0])
def test_the_matrix_with_flow_is_the_heat_flow_without_its_limited_part(speed):
    rng = np.random.default_rng(5)
    for periodic in (False, True):
        faces = {"y_min": {"type": "periodic"}, "y_max": {"type": "periodic"}} if periodic else {}
        case = {
            "domain": {"size": [1.0, 0.7]},
            "material": {"conductivity": {"expression": "1 + x"}, "volumetric_heat_capacity": 3.0},
            "velocity": [speed, -2.0 * speed],
            "initial": 0.0,
            "boundaries": {"x_min": {"type": "convection", "coefficient": 3.0, "ambient": 2.0}, **faces},
            "resolution": {"cells": [5, 4], "end_time": 1.0},
        }
        space = discretise(HeatProblem.from_case(case))
        space = replace(space, correction=None)
        loads, field = space.loads(0.0), rng.random(20)
        known = space.heat_flow(np.zeros(20), loads).net

        np.testing.assert_allclose(
            known - assemble(space, loads) @ field, space.heat_flow(field, loads).net, atol=1e-12
        )
        np.testing.assert_allclose(space.conduct(np.ones(20)).sum(), 0.0, atol=1e-12)


def test_the_mirrored_flow_has_the_mirrored_solution():
    forth = solve(HeatProblem.from_case(channel(7.0)))
    turned = {"x_min": {"type": "temperature", "value": 1.0}, "x_max": {"type": "temperature", "value": 0.0}}
    back = solve(HeatProblem.from_case(channel(-7.0, boundaries=turned)))

    np.testing.assert_allclose(back.final[::-1], forth.final, atol=1e-13)


def test_flows_that_cannot_be_solved_are_refused():
    with pytest.raises(FieldError, match="velocity"):
        HeatProblem.from_case(channel(1.0, velocity=[1.0, 2.0]))
    with pytest.raises(FieldError, match="velocity"):
        HeatProblem.from_case(channel(1.0, velocity=[1e300]))
    with pytest.raises(FieldError, match="volumetric_heat_capacity"):
        HeatProblem.from_case(channel(1.0, material={"conductivity": 1.0}))
    varying = {"conductivity": 1.0, "volumetric_heat_capacity": {"expression": "1 + x"}}
    with pytest.raises(UnsupportedError, match="varies"):
        HeatProblem.from_case(channel(1.0, material=varying))
    transient = channel(1.0, steady=False, initial=0.0, resolution={"cells": [8], "end_time": 1.0})
    with pytest.raises(UnsupportedError, match="explicit"):
        solve(HeatProblem.from_case(transient), method="explicit")
