"""Phase change: closed forms, heat that closes, and limits in which it must agree with something simpler."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from grid.core.errors import FieldError, InputError, UnsupportedError
from grid.engine import HeatProblem, solve
from grid.engine.verification.quantities import compute_quantity

WATER = {
    "conductivity": 0.6,
    "volumetric_heat_capacity": 4.2e6,
    "volumetric_latent_heat": 42e6,
    "melting_temperature": 0.0,
}
INSULATED_PAIR = {
    "density": 2.0,
    "melting_temperature": 10.0,
    "latent_heat": 30.0,
    "solid": {"conductivity": 2.0, "specific_heat": 1.0},
    "liquid": {"conductivity": 0.5, "specific_heat": 3.0},
}


def slab(material, **changes):
    return {
        "dimension": 1,
        "domain": {"size": [0.01]},
        "material": material,
        "initial": 0.0,
        "boundaries": {"x_min": {"type": "temperature", "value": -5.0}},
        "temperature_unit": "relative",
        "resolution": {"cells": [100], "steps": 300, "end_time": 200.0},
        **changes,
    }


def run(case, **arguments):
    solution = solve(HeatProblem.from_case(case), **arguments)
    assert solution.is_accepted, [audit for audit in solution.audits if audit.verdict == "failed"]
    return solution


def one_phase(stefan_number):
    """lambda of a body that starts at its melting temperature (Carslaw and Jaeger 1959, 11.2 III)."""
    equation = lambda x: math.sqrt(math.pi) * x * math.exp(x * x) * math.erf(x) - stefan_number  # noqa: E731 short
    return brentq(equation, 1e-6, 3.0)


@pytest.mark.parametrize("face", ["x_min", "x_max"])
@pytest.mark.parametrize(("wall", "phase"), [(-2.0, "liquid"), (-20.0, "liquid"), (5.0, "solid")])
def test_a_front_from_a_held_face_advances_with_the_root_of_time(face, wall, phase):
    stefan_number = abs(wall) * WATER["volumetric_heat_capacity"] / WATER["volumetric_latent_heat"]
    case = slab(WATER, initial_phase=phase, boundaries={face: {"type": "temperature", "value": wall}})
    case["resolution"] = {"cells": [200], "steps": 700, "end_time": 100.0}
    solution = run(case, times=[25.0, 100.0])

    coefficient = compute_quantity(solution, {"quantity": "front_coefficient"})
    assert coefficient == pytest.approx(one_phase(stefan_number), rel=0.01)
    direction = "+x" if face == "x_min" else "-x"
    ways = [abs(solution.melting_front(direction, t) - (0.0 if face == "x_min" else 0.01)) for t in (25.0, 100.0)]
    assert ways[1] / ways[0] == pytest.approx(2.0, rel=0.02)


def test_melting_is_freezing_with_the_sign_of_all_temperatures_turned():
    freezing = run(slab(WATER, initial_phase="liquid"))
    warm = {"x_min": {"type": "temperature", "value": 5.0}}
    melting = run(slab(WATER, initial_phase="solid", boundaries=warm))

    assert np.abs(freezing.final + melting.final).max() < 1e-9
    assert np.abs(freezing.liquid_fraction() + melting.liquid_fraction() - 1.0).max() < 1e-9


def test_the_heat_of_a_frozen_layer_left_through_the_face():
    solution = run(slab(WATER, initial_phase="liquid"))
    frozen = WATER["volumetric_latent_heat"] * solution.melting_front("+x")
    cooled = WATER["volumetric_heat_capacity"] * float(solution.final.sum()) * 1e-4

    left = solution.metrics["heat_out"] - solution.metrics["heat_in"]
    assert left == pytest.approx(frozen - cooled, rel=1e-9)
    assert solution.stored_heat(0) - solution.stored_heat(-1) == pytest.approx(left, rel=1e-9)


@settings(max_examples=12, deadline=None)
@given(
    hot=st.floats(11.0, 60.0),
    cold=st.floats(-60.0, 9.0),
    dimension=st.sampled_from([1, 2]),
    is_periodic=st.booleans(),
    steps=st.integers(1, 12),
)
def test_an_insulated_body_keeps_its_heat_whatever_melts(hot, cold, dimension, is_periodic, steps):
    case = slab(INSULATED_PAIR, boundaries={})
    case |= {"dimension": dimension, "domain": {"size": [1.0, 0.5][:dimension]}}
    case["initial"] = {"expression": f"where(x < 0.37, {hot!r}, {cold!r})"}
    case["resolution"] = {"cells": [9, 4][:dimension], "steps": steps, "end_time": 1.0}
    if is_periodic:
        case["boundaries"] = {f"x_{end}": {"type": "periodic"} for end in ("min", "max")}
    solution = solve(HeatProblem.from_case(case), steps=steps)  # so few may be rejected for their size alone

    assert {audit.name for audit in solution.audits if audit.verdict == "failed"} <= {"step_error"}
    heat = max(abs(hot), abs(cold)) * 10.0
    assert abs(solution.metrics["stored_heat_change"]) <= 1e-10 * heat
    assert cold - 1e-4 <= solution.final.min()
    assert solution.final.max() <= hot + 1e-4


@pytest.mark.parametrize(("hot", "cold"), [(20.0, 0.0), (60.0, 5.0), (12.0, -60.0)])
def test_an_insulated_body_ends_at_the_temperature_of_its_mean_enthalpy(hot, cold):
    """H of the liquid is 60 + 6 (T - 10), of the solid 2 (T - 10), of what melts anything from 0 to 60 at 10."""
    case = slab(INSULATED_PAIR, boundaries={}, domain={"size": [1.0]})
    case["initial"] = {"expression": f"where(x < 0.5, {hot!r}, {cold!r})"}
    case["resolution"] = {"cells": [10], "steps": 300, "end_time": 3000.0}
    mean = 0.5 * (60.0 + 6.0 * (hot - 10.0) + 2.0 * (cold - 10.0))
    expected = 10.0 + min(mean, 0.0) / 2.0 + max(mean - 60.0, 0.0) / 6.0
    solution = run(case)

    assert np.abs(solution.final - expected).max() < 1e-3
    assert solution.liquid_fraction().mean() == pytest.approx(min(max(mean / 60.0, 0.0), 1.0), abs=1e-3)


def test_an_enthalpy_without_a_corner_is_an_ordinary_heat_capacity():
    table = {"conductivity": 2.0, "volumetric_enthalpy": {"table": [[-100.0, -300.0], [50.0, 150.0], [90.0, 270.0]]}}
    plain = {"conductivity": 2.0, "volumetric_heat_capacity": 3.0}
    changes = {
        "domain": {"size": [1.0]},
        "initial": {"expression": "30 + 60*x"},
        "resolution": {"cells": [12], "steps": 20, "end_time": 0.1},
    }
    melted, ordinary = (solve(HeatProblem.from_case(slab(m, **changes)), method="implicit") for m in (table, plain))

    assert np.abs(melted.final - ordinary.final).max() < 1e-6
    assert melted.metrics["stored_heat_change"] == pytest.approx(ordinary.metrics["stored_heat_change"], rel=1e-7)


def test_a_narrow_mushy_zone_is_nearly_a_sharp_melting_temperature():
    c, latent = WATER["volumetric_heat_capacity"], WATER["volumetric_latent_heat"]
    table = [[-10.0, -10 * c], [-0.01, -0.01 * c], [0.0, latent], [10.0, latent + 10 * c]]
    mushy = run(slab({"conductivity": 0.6, "volumetric_enthalpy": {"table": table}}))
    sharp = run(slab(WATER, initial_phase="liquid"))

    assert np.abs(mushy.final - sharp.final).max() < 0.05
    assert mushy.metrics["heat_out"] == pytest.approx(sharp.metrics["heat_out"], rel=0.005)


def test_a_plane_front_is_the_same_in_two_dimensions():
    """In equal steps: in steps by their error the line counts the largest error, the plane the mean square."""
    line = run(slab(WATER, resolution={"cells": [20], "end_time": 100.0}), method="implicit", steps=150)
    sheet = slab(WATER, resolution={"cells": [20, 3], "end_time": 100.0}, dimension=2)
    sheet["domain"] = {"size": [0.01, 0.002]}
    plane = run(sheet, method="implicit", steps=150)

    assert np.abs(plane.final - line.final[:, None]).max() < 1e-8
    assert plane.melting_front("+x") == pytest.approx(line.melting_front("+x"), abs=1e-10)


def test_a_material_that_does_not_melt_lies_beside_one_that_does():
    case = slab([{**WATER, "where": {"expression": "x < 0.005"}}])
    case["material"].append(
        {"conductivity": 5.0, "density": 1e3, "specific_heat": 1e3, "where": {"expression": "x >= 0.005"}}
    )
    solution = run(case)

    assert solution.final.min() < -1.0
    assert solution.metrics["heat_balance_residual"] == pytest.approx(0.0, abs=1e-9 * solution.metrics["heat_out"])
    assert np.all(np.isnan(solution.liquid_fraction()) == (solution.coordinates["x"] > 0.005))
    assert 0.0 < solution.melting_front("+x") < 0.005


def test_properties_of_the_phases_come_first_and_the_rest_from_the_material():
    common = {"density": 2.0, "conductivity": 3.0, "specific_heat": 5.0, "melting_temperature": 0.0}
    implied = {**common, "latent_heat": 7.0, "liquid": {"conductivity": 1.0}, "solid": {"specific_heat": 4.0}}
    explicit = {
        "melting_temperature": 0.0,
        "volumetric_latent_heat": 14.0,
        "solid": {"conductivity": 3.0, "volumetric_heat_capacity": 8.0},
        "liquid": {"conductivity": 1.0, "volumetric_heat_capacity": 10.0},
    }

    materials = [HeatProblem.from_case(slab(material)).materials for material in (implied, explicit)]
    assert materials[0] == materials[1]


def test_a_body_at_its_melting_temperature_starts_in_the_phase_asked_for():
    solid, liquid = (run(slab(WATER, initial_phase=phase)) for phase in ("solid", "liquid"))

    assert liquid.stored_heat(0) - solid.stored_heat(0) == pytest.approx(42e6 * 0.01)
    assert np.all(solid.liquid_fraction(0.0) == 0.0)
    with pytest.raises(FieldError, match="two phases"):
        solid.melting_front("+x")  # it only gets colder


@pytest.mark.parametrize(
    "material",
    [
        {**WATER, "latent_heat": 1.0},
        {"conductivity": 1.0, "volumetric_heat_capacity": 1.0, "melting_temperature": 0.0},
        {"conductivity": 1.0, "volumetric_heat_capacity": 1.0, "melting_temperature": 0.0, "latent_heat": 1.0},
        {**WATER, "volumetric_latent_heat": -1.0},
        {**WATER, "volumetric_latent_heat": 0.0},
        {**WATER, "melting_temperature": "warm"},
        {**WATER, "solid": {"colour": 1.0}},
        {**WATER, "liquid": 3.0},
        {**WATER, "solid": {"conductivity": -1.0}},
        {**WATER, "solid": {"conductivity": [1.0, 2.0]}},
        {**WATER, "liquid": {"volumetric_heat_capacity": 0.0}},
        {"conductivity": 1.0, "volumetric_enthalpy": {"table": [[0.0, 0.0]]}},
        {"conductivity": 1.0, "volumetric_enthalpy": {"table": [[0.0, 0.0], [1.0, -1.0]]}},
        {"conductivity": 1.0, "volumetric_enthalpy": {"table": [[0.0, 0.0], [0.0, 1.0]]}},
        {"conductivity": 1.0, "volumetric_enthalpy": {"table": [[0.0, 0.0], [1.0, 1e300]]}},
        {"conductivity": 1.0, "volumetric_enthalpy": 5.0},
        {**WATER, "volumetric_enthalpy": {"table": [[0.0, 0.0], [1.0, 1.0]]}},
        {"volumetric_enthalpy": {"table": [[0.0, 0.0], [1.0, 1.0]]}},
    ],
)
def test_a_phase_change_that_is_not_physical_is_refused(material):
    with pytest.raises(InputError, match="material"):
        HeatProblem.from_case(slab(material))


def test_melting_below_absolute_zero_or_from_an_unknown_phase_is_refused():
    with pytest.raises(InputError, match="melting_temperature"):
        HeatProblem.from_case(slab({**WATER, "melting_temperature": -1.0}, temperature_unit="K", initial=1.0))
    with pytest.raises(InputError, match="initial_phase"):
        HeatProblem.from_case(slab(WATER, initial_phase="gas"))


@pytest.mark.parametrize(
    "changes",
    [
        {"velocity": [1.0]},
        {"material": {**WATER, "volumetric_heat_capacity": {"expression": "4e6 + T"}}},
    ],
)
def test_what_a_phase_change_does_not_go_with_is_refused_by_name(changes):
    with pytest.raises(UnsupportedError, match="phase change"):
        HeatProblem.from_case(slab(WATER) | changes)


@pytest.mark.parametrize("cells", [1, 2])
def test_the_smallest_bodies_melt_too(cells):
    solution = run(slab(WATER, resolution={"cells": [cells], "steps": 50, "end_time": 1e4}))

    assert np.all(solution.liquid_fraction() == 0.0)
    assert np.abs(solution.final + 5.0).max() < 0.5


@pytest.mark.parametrize("flux", [4000.0, -4000.0])
@pytest.mark.parametrize(("solid", "liquid"), [(0.1, 2.0), (2.0, 0.1)])
def test_a_strong_flux_through_phases_that_conduct_very_differently_is_stored_to_the_last_joule(flux, solid, liquid):
    material = {
        "melting_temperature": 0.0,
        "volumetric_latent_heat": 100.0,
        "volumetric_heat_capacity": 10.0,
        "solid": {"conductivity": solid},
        "liquid": {"conductivity": liquid},
    }
    case = slab(material, domain={"size": [1.0]}, initial=-math.copysign(5.0, flux))
    case["boundaries"] = {"x_min": {"type": "flux", "value": flux}}
    case["resolution"] = {"cells": [20], "steps": 100, "end_time": 0.05}
    solution = run(case)

    assert solution.metrics["stored_heat_change"] == pytest.approx(0.05 * flux, rel=1e-9)
    assert 0.0 < solution.liquid_fraction().mean() < 1.0


@pytest.mark.parametrize("flux", [40.0, -40.0])
@pytest.mark.parametrize("contrast", [1e3, 1e-3])
@pytest.mark.parametrize("steps", [5, 30])
def test_phases_that_conduct_a_thousand_times_better_are_solved_in_long_steps(flux, contrast, steps):
    """Heat in is heat stored, and the face that is heated is the first to change."""
    material = {
        "melting_temperature": 0.0,
        "volumetric_latent_heat": 100.0,
        "volumetric_heat_capacity": 10.0,
        "solid": {"conductivity": contrast**0.5},
        "liquid": {"conductivity": contrast**-0.5},
    }
    case = slab(material, domain={"size": [1.0]}, initial=-math.copysign(5.0, flux))
    case["boundaries"] = {"x_min": {"type": "flux", "value": flux}}
    case["resolution"] = {"cells": [20], "steps": steps, "end_time": 2.0}
    solution = solve(HeatProblem.from_case(case), steps=steps)  # so few may be rejected for their size alone

    assert {audit.name for audit in solution.audits if audit.verdict == "failed"} <= {"step_error"}
    assert solution.metrics["stored_heat_change"] == pytest.approx(2.0 * flux, rel=1e-9)
    changed = solution.liquid_fraction() if flux > 0.0 else 1.0 - solution.liquid_fraction()
    assert changed[0] - changed[-1] > 0.9


@pytest.mark.parametrize("cells", [3, 5])
def test_a_front_that_goes_from_cell_to_cell_takes_few_steps_within_the_tolerance(cells):
    """Each cell freezes for long while its neighbours wait, then its rate jumps: a step ends there."""
    problem = HeatProblem.from_case(
        slab(WATER, resolution={"cells": [cells], "end_time": 500.0}, initial_phase="liquid")
    )
    solution = solve(problem, tolerance=1e-4)
    fine = solve(problem, tolerance=1e-5)

    assert solution.is_accepted
    assert np.abs(solution.final - fine.final).max() <= 1.1e-4 * np.ptp(fine.final)
    assert solution.metrics["steps"] <= 80.0


def test_a_step_whose_iteration_stalls_is_taken_in_parts_and_still_stores_its_heat(monkeypatch):
    problem = HeatProblem.from_case(slab(WATER, resolution={"cells": [20], "end_time": 500.0}, initial_phase="liquid"))
    whole = solve(problem, steps=10)
    monkeypatch.setattr(
        "grid.engine.methods.implicit.phase_change.ITERATIONS", 4
    )  # of which a front that crosses more cells needs more
    parts = solve(problem, steps=10)

    assert parts.metrics["rejected_steps"] > whole.metrics["rejected_steps"] == 0.0
    assert parts.metrics["heat_balance_residual"] == pytest.approx(0.0, abs=1e-9 * parts.metrics["heat_out"])
    assert np.abs(parts.final - whole.final).max() < 0.05
