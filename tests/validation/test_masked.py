"""Masked bodies: cells outside do not exist."""

import numpy as np
import pytest

from grid.core.errors import FieldError, UnsupportedError
from grid.engine import HeatProblem, solve

METHODS = ("explicit", "implicit")


def plate(active, **changes):
    """A 2D plate of 12 x 8 cells masked by `active`, initially a ramp."""
    case = {
        "domain": {"size": [1.2, 0.8], "active": {"expression": active}},
        "material": {"conductivity": 1.0, "volumetric_heat_capacity": 2.0},
        "initial": {"expression": "10*x + 5*y"},
        "resolution": {"cells": [12, 8], "steps": 10, "end_time": 0.02},
    }
    return case | changes


HOLE = "((x - 0.6)**2 + (y - 0.4)**2) > 0.04"


@pytest.mark.parametrize("method", METHODS)
def test_an_insulated_body_with_a_hole_keeps_its_heat(method):
    solution = solve(HeatProblem.from_case(plate(HOLE)), method=method)

    assert abs(solution.metrics["stored_heat_change"]) <= 1e-12 * solution.stored_heat(0)
    assert solution.is_accepted
    assert np.isfinite(solution.fields).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_body_masked_to_a_box_is_that_box(method):
    """What is left of x < 0.6 with a convecting cut is a box of half the length with a convecting face."""
    law = {"type": "convection", "coefficient": 4.0, "ambient": 30.0}
    masked = solve(HeatProblem.from_case(plate("x < 0.6", boundaries={"internal": law})), method=method)
    box = plate("x < 9", boundaries={"x_max": law}) | {"resolution": {"cells": [6, 8], "steps": 10, "end_time": 0.02}}
    box["domain"] = {"size": [0.6, 0.8]}
    plain = solve(HeatProblem.from_case(box), method=method)

    np.testing.assert_allclose(masked.final[:6], plain.final, rtol=1e-10)
    assert masked.heat_rate("internal") == pytest.approx(plain.heat_rate("x_max"), rel=1e-9)
    assert masked.mean_temperature() == pytest.approx(plain.mean_temperature(), rel=1e-12)
    assert masked.temperature_at((0.6, 0.33)) == pytest.approx(plain.temperature_at((0.6, 0.33)), abs=2e-2)
    for name in ("peak_temperature", "minimum_temperature"):
        assert masked.metrics[name] == pytest.approx(plain.metrics[name], rel=1e-10)


@pytest.mark.parametrize("dimension", [2, 3])
def test_a_linear_field_is_exact_in_a_masked_body(dimension):
    field = {"expression": "10 + 3*x + 2*y"}
    axes = "xyz"[:dimension]
    faces = [f"{axis}_{end}" for axis in axes for end in ("min", "max")] + ["internal"]
    case = {
        "domain": {"size": [1.0] * dimension, "active": {"expression": "(x < 0.5) | (y < 0.5)"}},
        "steady": True,
        "material": {"conductivity": [2.0] * dimension},
        "boundaries": {face: {"type": "temperature", "value": field} for face in faces},
        "resolution": {"cells": [8, 8, 4][:dimension]},
    }
    solution = solve(HeatProblem.from_case(case))

    for point in ((0.1, 0.9), (0.5, 0.5), (0.93, 0.21), (0.5, 0.77), (1.0, 0.0)):
        at = (*point, 0.4)[:dimension]
        assert solution.temperature_at(at) == pytest.approx(10 + 3 * at[0] + 2 * at[1], abs=1e-9)
    with pytest.raises(FieldError):
        solution.temperature_at((0.9, 0.9, 0.4)[:dimension])
    assert sum(solution.heat_rate(face) for face in faces) == pytest.approx(0.0, abs=1e-9)


def test_properties_are_not_asked_for_outside_the_body():
    """Conductivity, source and start are undefined for x > 0.6, where no cell is."""
    undefined = {"expression": "sqrt(0.6 - x) + 1"}
    case = plate("x < 0.55", initial=undefined, source_term=undefined)
    case["material"] = {"conductivity": undefined, "volumetric_heat_capacity": undefined}

    assert np.isfinite(solve(HeatProblem.from_case(case)).fields).all()


def test_coefficients_may_depend_on_temperature_in_a_masked_body():
    law = {"type": "radiation", "emissivity": 0.9, "surroundings": 300.0}
    case = plate(HOLE, boundaries={"internal": law}, initial=900.0, temperature_unit="K")
    case["material"] = {
        "conductivity": {"expression": "1 + T/1000"},
        "volumetric_heat_capacity": {"expression": "1e5 + T"},
    }
    case["resolution"] = case["resolution"] | {"end_time": 200.0}
    solution = solve(HeatProblem.from_case(case))

    assert solution.is_accepted, solution.audits
    assert solution.heat_rate("internal") < 0
    assert solution.metrics["peak_temperature"] < 900.0


def test_masks_that_make_no_sense_are_refused():
    with pytest.raises(FieldError, match=r"domain\.active"):
        solve(HeatProblem.from_case(plate("x > 99")))
    with pytest.raises(FieldError, match=r"domain\.active"):
        HeatProblem.from_case(plate("x + 1"))
    unmasked = plate("x < 9", boundaries={"internal": {"type": "insulated"}})
    del unmasked["domain"]["active"]
    with pytest.raises(FieldError, match="internal"):
        HeatProblem.from_case(unmasked)
    contact = {"axis": "x", "position": 0.6, "conductance": 1.0}
    with pytest.raises(UnsupportedError, match="contacts in a masked body"):
        HeatProblem.from_case(plate(HOLE, contacts=[contact]))


def test_a_seam_that_the_mask_cuts_conducts_nothing():
    """A periodic axis whose high end is outside the body: the low end keeps its heat."""
    case = {
        "domain": {"size": [1.0], "active": {"expression": "x < 0.7"}},
        "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
        "initial": {"expression": "cos(3*x)"},
        "boundaries": {"x_min": {"type": "periodic"}, "x_max": {"type": "periodic"}},
        "resolution": {"cells": [4], "steps": 8, "end_time": 0.5},
    }
    for method in ("explicit", "implicit"):
        solution = solve(HeatProblem.from_case(case), method=method)

        assert solution.is_accepted
        assert abs(solution.metrics["stored_heat_change"]) < 1e-12


@pytest.mark.parametrize("method", ["explicit", "implicit"])
def test_a_body_whose_seam_the_mask_cuts_is_a_wall_with_two_equal_faces(method):
    """What lies beyond the seam is outside the body, so `internal` holds there as it does on the other face."""
    cooled = {"type": "convection", "coefficient": 2.0, "ambient": 0.0}
    case = {
        "domain": {"size": [1.0], "active": {"expression": "x < 0.75"}},
        "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
        "initial": 1.0,
        "source_term": 0.5,
        "boundaries": {"x_min": {"type": "periodic"}, "x_max": {"type": "periodic"}, "internal": cooled},
        "resolution": {"cells": [8], "steps": 8, "end_time": 0.5},
    }
    solution = solve(HeatProblem.from_case(case), method=method)
    inside = solution.final[:6]

    np.testing.assert_allclose(inside, inside[::-1], rtol=1e-12)
    assert inside[0] < inside[2]
    assert solution.is_accepted
