"""Convergence studies find the order and the limit that exact solutions prescribe."""

import math

import pytest

from grid.core.errors import FieldError, UnsupportedError
from grid.engine.verification.convergence import judge, study_case

ENDS = {"x_min": {"type": "temperature", "value": 0.0}, "x_max": {"type": "temperature", "value": 0.0}}


def rod(make_case, **changes):
    resolution = {"cells": [10], "steps": 10, "end_time": 0.1}
    case = make_case(1, initial={"expression": "sin(pi*x)"}, boundaries=ENDS, resolution=resolution)
    return case | {"expected": [{"quantity": "temperature", "at": {"x": 0.5}, "time": 0.1}]} | changes


@pytest.mark.parametrize("direction", ["space", "time"])
def test_a_smooth_rod_converges_at_second_order_in_each_direction(make_case, direction):
    [found] = study_case(rod(make_case), levels=4, directions=[direction])

    assert found.behaviour == "monotonic"
    assert found.observed_order == pytest.approx(2.0, abs=0.1)
    assert found.sizes == (10, 20, 40, 80)


def test_the_band_about_the_finest_grid_holds_the_exact_value(make_case):
    """The middle of the rod is exp(-pi^2 t); 320 steps leave the error to the cells."""
    case = rod(make_case, resolution={"cells": [8], "steps": 320, "end_time": 0.1})
    [found] = study_case(case, directions=["space"])
    exact = math.exp(-0.1 * math.pi**2)

    assert abs(found.values[-1] - exact) <= found.uncertainty
    assert abs(found.extrapolated - exact) < 0.05 * abs(found.values[-1] - exact)
    assert found.gci == pytest.approx(found.uncertainty / found.values[-1])


def test_a_steady_wall_that_is_exact_on_every_grid_is_settled(make_case):
    case = make_case(1, steady=True, boundaries=ENDS | {"x_max": {"type": "temperature", "value": 10.0}})
    entry = {"quantity": "temperature", "at": {"x": 0.3}}
    [found] = study_case(case | {"expected": [entry]})

    assert (found.direction, found.behaviour, found.observed_order) == ("space", "settled", None)
    assert found.uncertainty < 1e-10


def test_without_expected_values_the_mean_and_the_middle_are_studied(make_case):
    case = rod(make_case)
    del case["expected"]
    names = {(found.quantity["quantity"], found.direction) for found in study_case(case)}

    assert names == {(name, way) for name in ("mean_temperature", "temperature") for way in ("space", "time")}
    masked = case | {"domain": {"size": [1.0], "active": {"expression": "x < 0.6"}}}
    assert {found.quantity["quantity"] for found in study_case(masked)} == {"mean_temperature"}


def test_values_of_a_known_series_are_judged_by_the_formulas():
    """1 + h^2 with h = 1, 1/2, 1/4: order 2, limit 1, and a band of 1.25 |e| / 3."""
    found = judge({}, "space", (1, 2, 4), (2.0, 1.25, 1.0625))
    assert (found.observed_order, found.extrapolated) == (pytest.approx(2.0), pytest.approx(1.0))
    assert found.uncertainty == pytest.approx(1.25 * 0.1875 / 3)

    first = judge({}, "space", (1, 2, 4), (1.8, 1.4, 1.2))  # of first order: a wider band
    assert first.uncertainty == pytest.approx(1.25 * 0.2)
    lucky = judge({}, "space", (1, 2, 4), (1.0 + 1 / 64, 1.0 + 1 / 8192, 1.0 + 1 / 2**20))
    assert lucky.uncertainty == pytest.approx(3.0 * (1 / 8192 - 1 / 2**20) / 3.0)


@pytest.mark.parametrize(
    ("values", "behaviour"),
    [((1.0, 2.0, 1.5), "oscillating"), ((1.0, 1.1, 1.4), "diverging"), ((0.0, 0.0, 0.0), "settled")],
)
def test_values_that_follow_no_power_have_no_order(values, behaviour):
    found = judge({}, "time", (1, 2, 4), values)

    assert (found.behaviour, found.observed_order) == (behaviour, None)
    assert found.extrapolated == (0.0 if behaviour == "settled" else None)
    assert (found.uncertainty is None) == (behaviour == "diverging")


@pytest.mark.parametrize(
    ("changes", "options", "field"),
    [
        ({}, {"levels": 2}, "levels"),
        ({"resolution": {"cells": [2**26], "steps": 1, "end_time": 0.1}}, {}, "levels"),
        ({"resolution": {"cells": [2**20], "steps": 2**17, "end_time": 0.1}}, {}, "levels"),
        ({"steady": True}, {"directions": ["time"]}, "direction"),
        ({"expected": [{"quantity": "colour", "time": 0.1}]}, {}, "quantity"),
    ],
)
def test_what_cannot_be_refined_is_refused_by_field(make_case, changes, options, field):
    with pytest.raises(FieldError) as caught:
        study_case(rod(make_case, **changes), **options)

    assert caught.value.field == field


@pytest.mark.parametrize("case", [{"kind": "fatigue"}, {"kind": "lumped"}, {"kind": "stress"}])
def test_a_kind_without_a_grid_is_refused_by_name(case):
    with pytest.raises(UnsupportedError, match="no grid to refine"):
        study_case(case)
