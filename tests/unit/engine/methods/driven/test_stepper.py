"""Modes driven by loads, all of a body or those of a Krylov space, against the same equations by Radau's method.

The reference takes its loads from `Space` at each moment, between the switches that each case names by hand, so it
shares neither the patterns nor the straight lines of what it checks.
"""

import contextlib
import itertools
import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from grid.core.errors import FieldError, GridError, UnsupportedError
from grid.engine import CancelledError, HeatProblem, prepare, solve
from grid.engine.space.discretise import discretise

END, TIMES = 10.0, (1.0, 4.0, 10.0)
DRIVEN = ("modal", "krylov")
ROD = {
    "dimension": 1,
    "domain": {"size": [0.1]},
    "material": {"conductivity": {"expression": "2 + 30*x"}, "volumetric_heat_capacity": {"expression": "1e4*(2 - x)"}},
    "initial": {"expression": "20 + 10*cos(30*x)"},
    "resolution": {"cells": [14], "end_time": END},
}
PLATE = ROD | {
    "dimension": 2,
    "domain": {"size": [0.1, 0.06]},
    "resolution": {"cells": [8, 6], "end_time": END},
}
MASKED = {"domain": {"size": [0.1, 0.06], "active": {"expression": "(x > 0.026) | (y < 0.031)"}}}
BLOCK = PLATE | {
    "dimension": 3,
    "domain": {"size": [0.1, 0.06, 0.04]},
    "resolution": {"cells": [5, 4, 3], "end_time": END},
}


def text(expression):
    return {"expression": expression}


def table(*points, **options):
    return {"table": [list(point) for point in points], **options}


def film(ambient, coefficient=200.0):
    return {"type": "convection", "coefficient": coefficient, "ambient": ambient}


def held(value):
    return {"type": "temperature", "value": value}


def flux(value):
    return {"type": "flux", "value": value}


CASES = {
    "tables on a rod": (
        ROD,
        {
            "x_min": flux(table((0, 0), (2.5, 4e3), (2.501, -1e3), (10, 500))),
            "x_max": film(table((0, 20), (3, 90), (7, -10), interpolation="previous")),
        },
        0.0,
        (2.5, 2.501, 3.0, 7.0),
    ),
    "jumps of a held face": (
        ROD,
        {"x_min": held(text("where(t < 3, 20, where(t < 3.7, 80, 5))")), "x_max": film(text("25 + 10*sin(2*t)"))},
        0.0,
        (3.0, 3.7),
    ),
    "Gaussian pulses in an insulated rod": (
        ROD,
        {},
        text("1e6*(1 + 8*x)*exp(-((t - 3.3)/0.05)**2) - 5e4*x*exp(-t)"),
        (2.9, 3.7),
    ),
    "sources of place and time in a mask": (
        PLATE | MASKED,
        {"internal": film(text("20 + 5*t")), "y_min": film(table((0, 0), (10, 40)), 50.0)},
        text("where(x < 0.05, where(t < 6, 2e5, 5e4), 0) + 1e5*y*sin(t)"),
        (6.0,),
    ),
    "a joined plate": (
        PLATE,
        {
            "x_min": {"type": "periodic"},
            "x_max": {"type": "periodic"},
            "y_min": flux(text("3e3*(1 + cos(60*x))*where((t > 1.5) & (t < 2), 1, 0)")),
            "y_max": held(text("20*exp(-t/5)*(1 + x)")),
        },
        0.0,
        (1.5, 2.0),
    ),
    "a block": (
        BLOCK,
        {"z_min": flux(table((0, 0), (5, 5e3), (10, 0))), "y_max": film(text("30 + 20*sin(t)"))},
        text("2e5*x*where(t < 2, 1, 0.25)"),
        (2.0, 5.0),
    ),
}


def build(case, boundaries, source):
    return HeatProblem.from_case(case | {"boundaries": boundaries, "source_term": source})


def follow(problem, switches):
    """Fields at `TIMES`, and the heat that came in through faces and from sources until each, by Radau's method."""
    space = discretise(problem)
    body, start = space.body_cells, space.initial_temperature()
    full, rate = start.copy(), space.rate[space.body_cells]

    def change(time, state):
        full[body] = state[:-2]
        flow = space.heat_flow(full, space.loads(time))
        return np.concatenate([rate * flow.net[body], [flow.boundary_in - flow.boundary_out, flow.generated]])

    ends = sorted({0.0, *switches, *TIMES})
    state, found = np.concatenate([start[body], [0.0, 0.0]]), {}
    for low, high in itertools.pairwise(ends):
        inside = 1e-12 * END

        def limited(time, state, low=low, high=high, inside=inside):
            return change(min(max(time, low + inside), high - inside), state)

        scale = np.concatenate([np.full(body.size, 1e-8), [1e-5, 1e-5]])
        state = solve_ivp(limited, (low, high), state, method="Radau", rtol=1e-10, atol=scale).y[:, -1]
        found[high] = state
    fields = np.array([found[time] for time in TIMES])
    return body, fields[:, :-2], fields[:, -2], fields[:, -1]


@pytest.fixture(scope="module", params=CASES, ids=str)
def followed(request):
    case, boundaries, source, switches = CASES[request.param]
    problem = build(case, boundaries, source)
    return problem, follow(problem, switches)


@pytest.mark.parametrize("method", DRIVEN)
@pytest.mark.parametrize("tolerance", [1e-3, 1e-6])
def test_fields_and_heat_are_those_of_the_equations(followed, method, tolerance):
    problem, (body, fields, entered, generated) = followed
    solution = solve(problem, method=method, times=TIMES, tolerance=tolerance)

    span = max(np.ptp(solution.fields), np.ptp(fields))
    own = solution.fields.reshape(len(solution.fields), -1)[-len(TIMES) :, body]
    assert np.abs(own - fields).max() <= (1.2 * tolerance + 1e-8) * span
    audits = {audit.name: audit for audit in solution.audits}
    assert solution.is_accepted, solution.audits
    assert audits["energy_balance"].value <= 1e-9
    net = solution.heat_balance.boundary_in - solution.heat_balance.boundary_out
    moved = float(discretise(problem).capacity.sum()) * span
    assert net == pytest.approx(entered[-1], abs=2.0 * tolerance * moved + 1e-9 * moved)
    assert solution.heat_balance.generated == pytest.approx(generated[-1], abs=2.0 * tolerance * moved)


@pytest.mark.parametrize("method", DRIVEN)
def test_asked_times_change_no_field_beyond_rounding_or_the_tolerance(method):
    case, boundaries, source, _ = CASES["tables on a rod"]
    problem = build(case, boundaries, source)
    few = solve(problem, method=method, times=[10.0], tolerance=1e-6)
    many = solve(problem, method=method, times=[0.3, 2.5, 2.5005, 6.0, 10.0], tolerance=1e-6)

    allowed = 1e-11 if method == "modal" else 2e-6
    np.testing.assert_allclose(many.final, few.final, atol=allowed * np.ptp(few.fields))


@pytest.mark.parametrize("method", DRIVEN)
@pytest.mark.parametrize("name", ["tables on a rod", "sources of place and time in a mask"])
def test_a_run_cut_anywhere_goes_on_to_the_same_bytes(tmp_path, method, name):
    case, boundaries, source, _ = CASES[name]
    plan, path = prepare(build(case, boundaries, source), method=method, times=list(TIMES)), tmp_path / "checkpoint"
    whole = plan.solve()
    for stop in (1, 2, 3):
        calls = []

        def watch(*_, calls=calls, stop=stop):
            calls.append(1)
            return len(calls) != stop

        with contextlib.suppress(CancelledError):
            plan.solve(watch, checkpoint=path, every=0.0)
        if path.exists():
            again = plan.resume(path)
            assert again.fields.tobytes() == whole.fields.tobytes()
            assert (again.heat_balance, again.metrics, again.audits) == (
                whole.heat_balance,
                whole.metrics,
                whole.audits,
            )
    assert path.exists()


@pytest.mark.parametrize("method", DRIVEN)
def test_an_insulated_body_keeps_its_heat_and_takes_up_that_of_its_source(method):
    pulse = text("1e6*where((t > 2) & (t < 2.001), 1, 0)")
    solution = solve(build(ROD, {}, pulse), method=method)

    assert solution.metrics["stored_heat_change"] == pytest.approx(1e6 * 1e-3 * 0.1, rel=1e-9)
    assert solution.heat_balance.generated == pytest.approx(1e6 * 1e-3 * 0.1, rel=1e-9)
    assert solution.heat_balance.boundary_in == solution.heat_balance.boundary_out == 0.0


@pytest.mark.parametrize("method", DRIVEN)
@pytest.mark.parametrize(("width", "height"), [(1e-6, 1e8), (1e-3, 1e6), (0.2, 1e4)])
def test_a_pulse_of_any_width_puts_in_its_integral(method, width, height):
    pulse = text(f"{height!r}*exp(-((t - 4.37)/{width!r})**2)")
    solution = solve(build(ROD, {"x_min": flux(pulse)}, 0.0), method=method)

    assert solution.metrics["stored_heat_change"] == pytest.approx(height * width * math.sqrt(math.pi), rel=1e-5)


@pytest.mark.parametrize("method", DRIVEN)
@pytest.mark.parametrize(
    ("boundaries", "source", "reason"),
    [
        ({"x_min": film(20.0, text("100 + t"))}, 0.0, "changes in time, and with it the operator"),
        ({"x_min": {"type": "radiation", "emissivity": 0.5, "surroundings": 300.0}}, 0.0, "not linear"),
        ({}, text("1e5*exp(-((x - 0.01*t)/0.02)**2)"), "no sum of functions of place times functions of time"),
    ],
)
def test_what_they_cannot_solve_is_refused_in_words(method, boundaries, source, reason):
    problem = build(ROD | {"temperature_unit": "K", "initial": 300.0}, boundaries, source)

    with pytest.raises(UnsupportedError) as caught:
        prepare(problem, method=method)
    assert "linear" in str(caught.value) if reason == "not linear" else reason in str(caught.value)


@pytest.mark.parametrize("method", [None, *DRIVEN, "implicit"])
@pytest.mark.parametrize(
    "value",
    ["1e3*sqrt(4 - t)", "1e3*log(t - 3)", "1e3/(t - 3.3)", "exp(200*t)*exp(200*t)", "1e3*sin(1e9*t)", "(t - 7)**0.5"],
)
@pytest.mark.parametrize("where", ["flux", "source"])
def test_a_load_that_is_no_finite_function_of_time_is_never_accepted(method, value, where):
    boundaries, source = ({"x_min": flux(text(value))}, 0.0) if where == "flux" else ({}, text(f"({value})*(1 + x)"))
    options = {} if method is None else {"method": method}
    with contextlib.suppress(GridError):  # a refusal in words
        solution = solve(build(ROD, boundaries, source), **options)
        assert not solution.is_accepted


def test_a_little_heat_in_a_body_that_hardly_conducts_is_not_lost_beside_a_held_one():
    """A face held through 3e6 W/(m2 K), with 1e10 times the heat of the flux that warms the other end by 3 K."""
    materials = [
        {"conductivity": 1e4, "volumetric_heat_capacity": 1e3, "where": text("x < 0.05")},
        {"conductivity": 1e-3, "volumetric_heat_capacity": 10.0, "where": text("x >= 0.05")},
    ]
    laws = {"x_min": held(text("where(t < 5, 1020, 520)")), "x_max": flux(0.1)}
    problem = build(ROD | {"material": materials, "initial": 20.0}, laws, 0.0)
    found, right = (solve(problem, method=name, tolerance=1e-6) for name in ("krylov", "modal"))

    assert found.is_accepted
    np.testing.assert_allclose(found.final, right.final, atol=2e-6 * np.ptp(right.fields))


def test_what_slow_modes_lose_in_the_rounding_of_fast_ones_is_stated_as_error():
    """Rates of 1e13 and of 0.1 1/s in one body: the reduced matrix knows the slow ones to a hundredth."""
    materials = [
        {"conductivity": 1e9, "volumetric_heat_capacity": 1e5, "where": text("x < 0.0025")},
        {"conductivity": 1e-3, "volumetric_heat_capacity": 1e3, "where": text("x >= 0.0025")},
    ]
    laws = {"x_min": held(text("where(t < 50, 100, 90)"))}
    case = ROD | {"domain": {"size": [0.005]}, "material": materials, "initial": 20.0}
    case["resolution"] = {"cells": [7], "end_time": 100.0}
    solution = solve(build(case, laws, 0.0), method="krylov", tolerance=1e-4)

    stated = {audit.name: audit.value for audit in solution.audits}["step_error"]
    assert abs(solution.final[0] - 90.0) <= stated * np.ptp(solution.fields)


def test_a_face_that_is_nowhere_finite_is_named():
    with pytest.raises((FieldError, GridError)) as caught:
        solve(build(ROD, {"x_min": flux(text("log(-1 - t)"))}, 0.0), method="modal")
    assert "x_min" in str(caught.value)
