"""Bodies with k(T), c(T) and radiation whose heat flow is compiled: against the same flow found array by array."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from grid.engine import HeatProblem, solve
from grid.engine.linear import systems
from grid.engine.linear.iteration import solve_balance
from grid.engine.linear.newton import can_differentiate, make_newton_solver
from grid.engine.methods.implicit import stepper
from grid.engine.methods.implicit.adaptive import AdaptiveStepper, Controller
from grid.engine.methods.implicit.conduction_body import ConductionBody
from grid.engine.run.planning import prepare
from grid.engine.run.time_loop import make_stepper
from grid.engine.space import conduction_kernels as kernels
from grid.engine.space.conduction_faces import is_compiled
from grid.engine.space.discretise import discretise
from grid.engine.space.nonlinear import freeze, stored_between
from grid.engine.space.property_curves import Curves, make_curve
from grid.engine.values.expression import Expression
from grid.engine.values.value import Constant, Table

COPPER = {"conductivity": {"expression": "401 - 0.06*(T - 20)"}, "density": 8960.0, "specific_heat": 385.0}
GLASS = {"conductivity": {"table": [[0, 1.0], [60, 1.4], [200, 1.6]], "of": "T"}, "volumetric_heat_capacity": 2e6}
STEEL = {
    "conductivity": {"expression": "60 - 0.05*T + 1e-5*T**2"},
    "density": 7800.0,
    "specific_heat": {"expression": "440 + 0.4*T"},
}
PLAIN = {"conductivity": [3.0, 9.0, 1.0], "volumetric_heat_capacity": 1.5e6}
RADIATION = {
    "type": "convection_radiation", "coefficient": 5.0, "ambient": 20.0, "emissivity": 0.8, "surroundings": 60.0
}  # fmt: skip


def body(materials=(COPPER, STEEL), *, cells=(6, 5, 4), **changes):
    """A masked box of two materials, one beside the other, heated from below by a table of time, with all the laws."""
    size = [0.01 * count for count in cells]
    half = size[0] / 2
    if len(cells) == 2:
        materials = [m | ({"conductivity": m["conductivity"][:2]} if m is PLAIN else {}) for m in materials]
    parts = [
        {**material, "where": {"expression": f"x {sign} {half}"}}
        for material, sign in zip(materials, "<>", strict=True)
    ]
    return {
        "dimension": len(cells),
        "temperature_unit": "degC",
        "domain": {"size": size, "active": {"expression": f"(x < {0.7 * size[0]}) | (y < {0.5 * size[1]})"}},
        "material": parts,
        "initial": {"expression": "20 + 1000*x"},
        "boundaries": {
            "x_min": {"type": "flux", "value": {"table": [[0, 0.0], [10, 2e4], [20, 2e4], [21, 0.0]]}},
            "x_max": {"type": "temperature", "value": 40.0},
            "y_min": RADIATION,
            "y_max": {"type": "convection", "coefficient": {"expression": "20 + 100*x"}, "ambient": 15.0},
            "internal": {"type": "convection", "coefficient": 50.0, "ambient": 25.0},
        },
        "resolution": {"cells": list(cells), "end_time": 40.0},
    } | changes


def make_space(case):
    space = discretise(HeatProblem.from_case(case))
    assert is_compiled(space)
    return space, ConductionBody(space)


def warm_field(space, seed=0):
    return space.fill(20.0 + 80.0 * np.random.default_rng(seed).random(space.capacity.size))


PERIODIC = {
    "domain": {"size": [0.06, 0.05, 0.04]},
    "boundaries": {
        "x_min": {"type": "insulated"}, "y_min": {"type": "periodic"}, "y_max": {"type": "periodic"},
        "x_max": RADIATION,
    },
    "contacts": [{"axis": "x", "position": 0.03, "conductance": 2e3}],
}  # fmt: skip


@pytest.mark.parametrize(
    "case",
    [
        body(),
        body((GLASS, PLAIN)),
        body((COPPER, COPPER), cells=(8, 4)),
        body((STEEL, GLASS), cells=(6, 4), source_term={"expression": "1e5*x*t"}),
        body((COPPER, STEEL), **PERIODIC),
        body((GLASS, GLASS), **PERIODIC),
    ],
    ids=["two laws", "table beside a tensor's diagonal", "one law", "source", "ring with a contact", "contact alone"],
)
def test_what_flows_is_what_the_arrays_give(case):
    """To rounding: in each cell, through the boundary both ways, and from sources."""
    space, compiled = make_space(case)
    temperature = warm_field(space)
    frozen, loads = freeze(space, temperature, 7.0)
    expected, moment = compiled.join(frozen.heat_flow(temperature, loads)), compiled.find_flow(temperature, 7.0)

    scale = np.abs(expected.net).max()
    np.testing.assert_allclose(moment.flow.net, expected.net, rtol=0.0, atol=1e-11 * scale)
    np.testing.assert_allclose(moment.flow.faces[0], expected.faces[0], rtol=0.0, atol=1e-11 * scale)
    into = expected.boundary_in
    assert (moment.flow.boundary_in, moment.flow.generated) == pytest.approx((into, expected.generated), rel=1e-9)
    assert moment.flow.prescribed == expected.prescribed


def test_the_slopes_of_faces_are_the_derivatives_of_their_heat():
    space, compiled = make_space(body())
    temperature, rise = warm_field(space), 1e-4
    low, high = (compiled.find_flow(temperature + way, 7.0) for way in (-rise, rise))

    expected = (low.heats - high.heats) / (2.0 * rise)
    found = compiled.find_flow(temperature, 7.0).slopes
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-6 * np.abs(expected).max())


@settings(max_examples=8, deadline=None)
@given(slope=st.floats(-0.3, 0.5), tau=st.floats(0.5, 200.0), nearby=st.floats(0.5, 2.0), growth=st.floats(-0.05, 0.5))
def test_a_stage_is_the_one_that_newtons_method_finds(slope, tau, nearby, growth):
    """Whatever the kept matrix belongs to: a step nearby, and conductivities that since have risen by some times."""
    law = {"conductivity": {"expression": f"100 + {slope!r}*T + 1e-3*T**2"}, "density": 8000.0,
           "specific_heat": {"expression": f"400 + {growth!r}*T"}}  # fmt: skip
    space, compiled = make_space(body((law, GLASS), cells=(6, 4)))
    base, none = warm_field(space), np.zeros(space.capacity.size)

    def make_solver(temperature):
        frozen, loads = freeze(space, temperature, 7.0)
        return make_newton_solver(frozen, loads, temperature, 7.0, shift=1.0, tau=tau)

    reference = compiled.make_reference(nearby * tau), nearby * tau
    found = compiled.settle((base, none, base), tau, 7.0, reference, make_solver, 1e-9)
    expected = solve_balance(space, base, none, base, shift=1.0, tau=tau, time=7.0)

    np.testing.assert_allclose(found.temperature[space.active], expected.temperature[space.active], atol=1e-6)
    stored = stored_between(space, base, found.temperature)[space.active]
    left = stored - tau * found.flow.net[space.active]
    assert np.abs(left).max() <= 1e-11 * np.abs(stored).max() + 1e-9  # of each cell, and of all with the faces:
    assert stored.sum() == pytest.approx(tau * found.flow.faces[0].sum(), abs=1e-10 * np.abs(stored).sum())


@pytest.mark.parametrize("tau", [1e-2, 1.0, 1e6])
def test_a_kept_matrix_solves_its_system_as_well_as_corrections_need(tau):
    """C + tau K at the start; in double precision where a capacity is lost beside conductances in single precision."""
    space, compiled = make_space(body())
    start = space.initial_temperature()
    frozen, loads = freeze(space, start, 0.0)
    exact = make_newton_solver(frozen, loads, start, 0.0, shift=1.0, tau=tau)
    right = np.where(space.active, np.random.default_rng(1).standard_normal(space.capacity.size), 0.0)

    expected, found = exact.solve(right), compiled.make_reference(tau).solve(right)
    np.testing.assert_allclose(found, expected, rtol=0.0, atol=1e-3 * np.abs(expected).max())


def test_what_is_not_physical_is_left_to_the_arrays():
    space, compiled = make_space(body())
    cold = np.full(space.capacity.size, 7000.0)  # at which copper's straight line is negative

    assert compiled.find_flow(cold, 7.0) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"source_term": {"expression": "1e5 - 10*T"}},
        {"velocity": [1e-4, 0.0, 0.0], "domain": {"size": [0.06, 0.05, 0.04]}},
        {"boundaries": {"x_min": {"type": "flux", "value": {"expression": "1e3 - T"}}}},
    ],
)
def test_loads_of_temperature_and_flows_have_no_compiled_heat_flow(changes):
    case = body((COPPER, COPPER), **changes)
    if "velocity" in changes:
        case["material"] = {"conductivity": COPPER["conductivity"], "volumetric_heat_capacity": 1e6}
        del case["boundaries"]

    assert not is_compiled(discretise(HeatProblem.from_case(case)))


@pytest.mark.parametrize(("materials", "cells"), [((COPPER, STEEL), (8, 6)), ((GLASS, PLAIN), (44, 30))])
def test_a_run_closes_its_heat_and_holds_its_tolerance(materials, cells):
    """Against a run with a tolerance a hundred times as tight, of the span; a matrix for each step, and few."""
    problem, times = HeatProblem.from_case(body(materials, cells=cells)), (5.0, 12.0, 20.0, 40.0)
    rough, fine = (solve(problem, times=times, tolerance=tolerance, method="implicit") for tolerance in (1e-3, 1e-5))

    inside = rough.body
    span = max(float(np.ptp(field[inside])) for field in fine.snapshots)
    errors = [np.abs(a - b)[inside].max() for a, b in zip(rough.snapshots, fine.snapshots, strict=True)]
    assert max(errors) <= 1e-3 * span
    audits = {audit.name: audit for audit in rough.audits}
    assert audits["energy_balance"].value <= 1e-12
    assert rough.is_accepted
    assert math.isfinite(rough.metrics["iterations"])


def test_a_bend_of_a_load_needs_no_steps_as_short_as_a_jump_does():
    """The same power on a ramp and in steps: fewer steps, of which only those after jumps begin short."""
    ramp, jump = body(), body()
    table = {"table": [[0, 0.0], [10, 2e4], [20, 2e4], [21, 0.0]], "interpolation": "previous"}
    jump["boundaries"] = {**jump["boundaries"], "x_min": {"type": "flux", "value": table}}
    for case in (ramp, jump):
        case["resolution"] = {"cells": [12, 12, 10], "end_time": 40.0}
    plans = [prepare(HeatProblem.from_case(case), method="implicit", tolerance=1e-3) for case in (ramp, jump)]

    bends = [make_stepper(plan).bends for plan in plans]
    assert bends[0] >= {10.0, 20.0, 21.0}
    assert not bends[1]


@given(power=st.integers(0, 8), place=st.integers(0, 255), wanted=st.floats(1e-4, 20.0))
def test_halved_steps_begin_where_steps_of_their_length_may(power, place, wanted):
    """So that a segment of any length is left by steps of few lengths, and always ends where it ends."""
    stepper = AdaptiveStepper(None, (7.0,), 7.0, frozenset(), 1e-3, changes=False, halves=True)
    segment, time = stepper.make_segment(0.0, 7.0), 7.0 * (place % 2**power) / 2**power
    control = Controller(wanted, 0.0, 0.1, 1.0, 0.0, 1.0)
    step, end = stepper._cut(control, time, segment)

    assert step <= wanted * (1.0 + 1e-9)
    assert 7.0 / step == pytest.approx(2.0 ** round(math.log2(7.0 / step)), rel=1e-12)
    assert end <= 7.0
    assert (time / step) == pytest.approx(round(time / step), abs=1e-6)


def test_a_curve_is_the_integral_of_its_property():
    """Against Gauss's rule: a polynomial, a product of two, and a table with what lies beyond its ends."""
    laws = [
        (Expression("3 + 0.5*T - 1e-3*T**2"),),
        (Expression("8000 - 0.4*T"), Expression("400 + 0.3*T"), Constant(2.0)),
        (Table((0.0, 50.0, 80.0), (1.0, 4.0, 2.0), of="T"),),
    ]
    nodes, weights = np.polynomial.legendre.leggauss(8)
    for factors in laws:
        curve = make_curve(factors, 20.0, 273.15)
        ends = np.array([-30.0, 0.0, 20.0, 50.0, 65.0, 80.0, 130.0])  # with the points of the table among them
        for low, high in itertools.pairwise(ends):
            coordinates = 0.5 * (low + high) + 0.5 * (high - low) * nodes
            values = math.prod(np.asarray(factor.evaluate({"T": coordinates})) for factor in factors)
            expected = 0.5 * (high - low) * float(weights @ np.broadcast_to(values, nodes.shape))
            assert integrate(curve, high) - integrate(curve, low) == pytest.approx(expected, rel=1e-11)


def integrate(curve, temperature):
    at = int(np.searchsorted(curve.edges, temperature, side="right")) - 1
    return float(np.polynomial.polynomial.polyval(temperature - curve.origins[at], curve.coefficients[at]))


def test_what_jumps_or_is_no_polynomial_has_no_curve():
    assert make_curve((Table((0.0, 50.0), (1.0, 4.0), "previous", of="T"),), 20.0, 273.15) is None
    assert make_curve((Expression("exp(T/100)"),), 20.0, 273.15) is None
    assert make_curve((Expression("1 + x*T"),), 20.0, 273.15) is None


@settings(max_examples=60, deadline=None)
@given(
    own=st.floats(-100.0, 900.0), ambient=st.floats(-200.0, 1500.0), film=st.floats(-6.0, 12.0),
    imposed=st.sampled_from([0.0, 1e4, -2e5]), which=st.integers(0, 3),
)  # fmt: skip
def test_a_surface_is_where_the_half_cell_and_its_law_agree(own, ambient, film, imposed, which):
    """Straight lines and tables in closed form, a piece crossed or a parabola by Newton's method: against bisection."""
    laws = (
        Expression("60 - 0.03*T"), Table((0.0, 300.0, 600.0), (60.0, 20.0, 45.0), of="T"),
        Expression("60 - 0.05*T + 4e-5*T**2"), Constant(35.0),
    )  # fmt: skip
    curves, factor, film = Curves(), 2e3, 10.0**film
    number = -1 if which == 3 else curves.add((laws[which],), 20.0, 273.15)
    own, laid = np.array([own]), curves.lay_out()
    potential, slope = np.empty(1), np.empty(1)
    kernels.find_potentials(own, np.array([number]), *laid, potential, slope)
    if which == 3:
        potential, slope = 35.0 * own, np.array([35.0])

    def flux_of_law(surface):
        return film * (ambient - surface) + imposed

    def gap(surface):
        beyond, _ = kernels.find_potential(surface, number, 35.0, *laid)
        return flux_of_law(surface) - factor * (beyond - potential[0])

    flux, fall, is_found = kernels.find_surface(
        own[0], potential[0], slope[0], factor, (film, ambient, imposed, 0.0), 273.15, number, 35.0, *laid
    )  # fmt: skip
    low, high = sorted((own[0], ambient + imposed / film))
    ends = [max(low - 1.0, -300.0), min(high + 1.0, 1900.0)]  # where all these conductivities are positive
    if not gap(ends[0]) > 0.0 > gap(ends[1]):
        return
    surface = brentq(gap, *ends, xtol=1e-12, rtol=1e-14)
    scale = factor * slope[0]
    beyond, steep = kernels.find_potential(surface, number, 35.0, *laid)
    assert is_found
    assert flux == pytest.approx(factor * (beyond - potential[0]), rel=1e-9, abs=1e-9 * scale)
    assert fall == pytest.approx(film * scale / (film + factor * steep), rel=1e-6)


@pytest.mark.parametrize("rise", [0.001, 0.05])
def test_a_box_that_iterations_would_solve_is_compiled_while_factors_are_cheap(rise, monkeypatch):
    """A conductivity that changes little, and one that grows tenfold, with matrices at later fields."""
    warm = {"conductivity": {"expression": f"2*(1 + {rise}*(T - 20))"}, "volumetric_heat_capacity": 2e6}
    case = body(
        (warm, STEEL),
        cells=(18, 16, 15),
        initial=20.0,
        resolution={"cells": [18, 16, 15], "end_time": 6.0},
        domain={"size": [0.18, 0.16, 0.15]},
    )
    case["boundaries"] = {
        "x_min": {"type": "temperature", "value": 220.0},
        "y_max": {"type": "convection", "coefficient": 100.0, "ambient": {"table": [[0, 20.0], [40, 60.0]]}},
    }
    monkeypatch.setattr(systems, "FACTOR_SECONDS", 0.0)  # as if the box were larger
    problem = HeatProblem.from_case(case)
    assert not can_differentiate(prepare(problem).space)
    compiled = solve(problem, method="implicit", tolerance=1e-2)

    monkeypatch.setattr(stepper, "COMPILED_CELLS", 0)
    iterated = solve(problem, method="implicit", tolerance=1e-2)

    assert make_stepper(prepare(problem, method="implicit", tolerance=1e-2)).scheme.body is None
    np.testing.assert_allclose(compiled.final, iterated.final, atol=1e-2 * 200.0)
    assert abs(compiled.metrics["heat_balance_residual"]) < 1e-9
