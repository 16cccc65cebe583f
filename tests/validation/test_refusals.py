"""What is not physical is refused with its field and its limit before any step is taken."""

import copy
from importlib import import_module
from typing import Any

import pytest

from grid.core.errors import FieldError, InvalidFieldsError
from grid.engine import HeatProblem, prepare
from grid.engine.verification.verification import SOLVERS

PLATE = {
    "dimension": 2,
    "steady": False,
    "temperature_unit": "K",
    "domain": {"size": [1.0, 1.0]},
    "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
    "initial": 300.0,
    "boundaries": {},
    "resolution": {"cells": [8, 8], "steps": 2, "end_time": 0.1},
}
GLASS = {"young_modulus": 7e10, "poisson_ratio": 0.22, "thermal_expansion": 9e-6, "yield_stress": 3e7}
BAR = {
    "kind": "stress",
    "model": "bar",
    "material": GLASS,
    "supports": {"x_min": "fixed", "x_max": "fixed"},
    "load": {"type": "uniform", "temperature_change": 50.0},
    "expected": [],
}
BALL = {
    "kind": "lumped",
    "model": "body",
    "lumped": {
        "geometry": {"shape": "sphere", "diameter": 0.01},
        "density": 7800.0,
        "specific_heat": 500.0,
        "coefficient": 20.0,
        "ambient": 20.0,
        "initial": 200.0,
    },
    "expected": [],
}


def change(case: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of a case with another value at a path; missing objects on the way are made."""
    case = copy.deepcopy(case)
    *way, last = path.split(".")
    parent = case
    for name in way:
        parent = parent.setdefault(name, {})
    parent[last] = value
    return case


def find_refusals(call: Any) -> list[FieldError]:
    with pytest.raises((FieldError, InvalidFieldsError)) as caught:
        call()
    return list(caught.value.errors) if isinstance(caught.value, InvalidFieldsError) else [caught.value]


GREY = {"type": "radiation", "emissivity": 2.0, "surroundings": 300.0}
COLD = {"type": "convection", "coefficient": -5.0, "ambient": 300.0}
HOT = {"type": "temperature", "value": 400.0}
HEAT = [
    ("material.conductivity", -1.0, "material.conductivity", "at least 1e-12"),
    ("material.conductivity", [1.0, -2.0], "material.conductivity[1]", "at least"),
    ("material.conductivity", [[1.0, 0.5], [0.0, 1.0]], "material.conductivity", "symmetric"),
    ("material.conductivity", [[1.0, 2.0], [2.0, 1.0]], "material.conductivity", "positive definite"),
    ("material.conductivity", {"expression": "x - 0.5"}, "material.conductivity", "everywhere"),
    ("material.volumetric_heat_capacity", 0.0, "material.volumetric_heat_capacity", "at least"),
    ("material.poisson_ratio", 0.5, "material.poisson_ratio", "below 0.5"),
    ("boundaries.x_min", GREY, "boundaries.x_min.emissivity", "at most 1"),
    ("boundaries.x_min", COLD, "boundaries.x_min.coefficient", "at least 0"),
    ("boundaries.x_min", {"type": "temperature", "value": -1.0}, "boundaries.x_min.value", "at least 0"),
    ("boundaries.x_min", {"type": "magic"}, "boundaries.x_min.type", "one of"),
    ("boundaries.w_min", HOT, "boundaries", "an unknown field"),
    ("boundaries.x_min", {"type": "periodic"}, "boundaries.x_min", "both faces"),
    ("resolution.cells", [0, 8], "resolution.cells", "at least 1"),
    ("resolution.cells", [8], "resolution.cells", "2 integers"),
    ("resolution.steps", 0, "resolution.steps", "from 1"),
    ("resolution.end_time", -1.0, "resolution.end_time", "at least"),
    ("domain.size", [1.0, -1.0], "domain.size[1]", "at least"),
    ("initial", {"expression": "temperature + 1"}, "initial.expression", "unknown name"),
    ("initial", {"expression": "magic(x)"}, "initial.expression", "unknown name"),
    ("initial", {"expression": "300 + 1/(x - 0.0625)"}, "initial", "everywhere a finite number"),
    ("source_term", {"expression": "1/(t - t)"}, "source_term", "everywhere a finite number"),
    ("initial", -5.0, "initial", "at least 0"),
    ("colour", "red", "case", "an unknown field"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "field", "limit"), HEAT, ids=[f"{row[2]}-{n}" for n, row in enumerate(HEAT)])
def test_a_heat_problem_that_is_not_physical_is_refused_before_a_step(path, value, field, limit):
    case = change(PLATE, path, value)
    refusals = find_refusals(lambda: prepare(HeatProblem.from_case(case)))

    assert [(one.field, limit in one.limit) for one in refusals] == [(field, True)]


@pytest.mark.parametrize(
    ("cuts", "told"),
    [(("x < 0.6", "x > 0.3"), "exactly one"), (("x < 0.3", "x > 0.6"), "exactly one")],
    ids=["two", "none"],
)
def test_regions_that_overlap_or_leave_a_gap_are_refused(cuts, told):
    regions = [PLATE["material"] | {"where": {"expression": cut}} for cut in cuts]
    [refusal] = find_refusals(lambda: prepare(HeatProblem.from_case(PLATE | {"material": regions})))

    assert refusal.field.startswith("material")
    assert told in refusal.limit


OTHERS = [
    (BAR, "material.poisson_ratio", 0.5, "poisson_ratio"),
    (BAR, "material.young_modulus", -1.0, "young_modulus"),
    (BAR, "material.yield_stress", 0.0, "yield_stress"),
    (BAR, "supports.x_min", "glued", "supports.x_min"),
    (BAR, "load.temperature_change", "hot", "temperature_change"),
    (BALL, "lumped.density", -1.0, "density"),
    (BALL, "lumped.emissivity", 2.0, "emissivity"),
    (BALL, "lumped.geometry.diameter", 0.0, "diameter"),
    (BALL, "lumped.coefficient", -5.0, "coefficient"),
]


@pytest.mark.parametrize(
    ("case", "path", "value", "field"), OTHERS, ids=[f"{row[0]['kind']}-{row[1]}" for row in OTHERS]
)
def test_a_case_of_another_kind_that_is_not_physical_is_refused_by_field(case, path, value, field):
    module = import_module(SOLVERS[case["kind"]])
    module.prepare_case(case)  # right as it is

    refusals = find_refusals(lambda: module.prepare_case(change(case, path, value)))
    assert any(field in one.field and one.limit for one in refusals)


def test_a_load_that_divides_by_zero_on_the_way_is_refused_by_name():
    load = {"type": "flux", "value": {"expression": "1/(t - 0.05)"}}
    case = change(PLATE, "boundaries.x_min", load)
    problem = HeatProblem.from_case(case)

    [refusal] = find_refusals(lambda: prepare(problem, method="implicit", steps=2))
    assert refusal.field == "boundaries.x_min.value"


def test_a_lumped_load_that_divides_by_zero_is_refused_by_name():
    compute = import_module(SOLVERS["lumped"]).prepare_case(
        change(BALL, "lumped.coefficient", {"expression": "1/(t - t)"})
    )

    [refusal] = find_refusals(lambda: compute({"quantity": "temperature", "time": 10.0}))
    assert "coefficient" in refusal.field
