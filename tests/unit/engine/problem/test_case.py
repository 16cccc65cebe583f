"""Reading cases: every refusal is typed, names the field and its limit, and never repeats the value."""

import copy
import json
import pickle

import pytest

from grid.core.errors import FieldError, InputError, InvalidFieldsError, UnsupportedError
from grid.engine import Expression, HeatProblem, Table, solve

HUGE = 7 * (10**10_000 - 1) // 9  # ten thousand sevens


def refusal(case: object) -> str:
    with pytest.raises((FieldError, InvalidFieldsError)) as caught:
        HeatProblem.from_case(case)
    return str(caught.value)


def test_a_case_becomes_a_frozen_problem(make_case):
    problem = HeatProblem.from_case(
        make_case(
            2,
            id="anything",
            title="prose",
            expected=[{"quantity": "nonsense"}],
            material=[
                {"where": {"expression": "x < 0.5"}, "conductivity": [1.0, 2.0], "density": 2.0, "specific_heat": 3.0},
                {"where": {"expression": "x >= 0.5"}, "conductivity": 4.0, "volumetric_heat_capacity": 6.0},
            ],
            boundaries={
                "x_min": {"type": "temperature", "value": {"table": [[0, 1], [1, 2]], "interpolation": "previous"}},
                "y_max": {"type": "convection", "coefficient": 5, "ambient": {"expression": "20 + y"}},
            },
            breakpoints=[0.05],
            temperature_unit="degC",
        )
    )

    assert problem.domain.spacing == (0.125, 0.125)
    assert problem.boundary("x_min").value == Table((0.0, 1.0), (1.0, 2.0), "previous")
    assert problem.boundary("y_max").ambient == Expression("20 + y")
    assert problem.boundary("y_min").type == "insulated"
    assert problem.breakpoints == (0.05,)
    with pytest.raises(AttributeError):
        problem.steady = True


@pytest.mark.parametrize(
    ("path", "value", "word"),
    [
        ("material.conductivity", -1.0, "W/(m K)"),
        ("material.conductivity", 0, "W/(m K)"),
        ("material.conductivity", float("nan"), "finite"),
        ("material.conductivity", float("inf"), "finite"),
        pytest.param("material.conductivity", HUGE, "finite", id="conductivity-huge"),
        ("material.conductivity", "1.0", "number"),
        ("material.conductivity", True, "number"),
        ("material.conductivity", None, "number"),
        ("material.conductivity", {"expression": "x +"}, "column 4"),
        ("material.conductivity", {"expression": 5}, "text"),
        ("material.conductivity", {"expression": "z"}, "variables"),
        ("material.conductivity", {"expression": "x < 1"}, "number"),
        ("material.conductivity", [1.0, 2.0], "one value"),
        ("material.volumetric_heat_capacity", -5, "J/(m3 K)"),
        ("material.poisson_ratio", 0.5, "below 0.5"),
        ("domain.size", [0.0], "at least 1e-12 and at most 1e+09 m"),
        ("domain.size", [-1.0], " m"),
        ("domain.size", [1e300], " m"),
        ("domain.size", [], "1 to 3"),
        ("domain.size", [1.0] * 4, "1 to 3"),
        ("domain.size", "abc", "list"),
        ("domain.origin", [0.0, 0.0], "1 numbers"),
        ("domain.coordinates", "polar", "cartesian"),
        ("resolution.cells", [0], "at least 1 cell"),
        ("resolution.cells", [-3], "at least 1 cell"),
        ("resolution.cells", [10**9], "cells in all"),
        ("resolution.cells", [1.5], "integer"),
        pytest.param("resolution.cells", [HUGE], "integer", id="cells-huge"),
        ("resolution.cells", [True], "integer"),
        ("resolution.cells", [8, 8], "1 integers"),
        ("resolution.steps", 0, "integer from 1"),
        ("resolution.steps", 10**9, "integer from 1"),
        ("resolution.end_time", 0.0, " s"),
        ("resolution.end_time", float("nan"), "finite"),
        ("initial", {"expression": "t"}, "variables"),
        ("initial", {"table": [[0, 1]]}, "variables"),
        ("source_term", {"expression": "log("}, "column"),
        ("source_term", 1e300, "W/m3"),
        ("breakpoints", [-1.0], " s"),
        ("temperature_unit", "F", "one of"),
        ("steady", "yes", "true or false"),
        ("dimension", 2, "number of lengths"),
        ("contacts", [{"axis": "y", "position": 0.5, "conductance": 1.0}], "one of x"),
        ("contacts", [{"axis": "x", "position": 0.51, "conductance": 1.0}], "face between"),
        ("contacts", [{"axis": "x", "position": 1.0, "conductance": 1.0}], "face between"),
        ("contacts", [{"axis": "x", "position": 0.5, "conductance": 0.0}], "W/(m2 K)"),
        ("contacts", [{"axis": "x", "position": 0.5}], "required"),
        ("boundaries", {"left": {"type": "insulated"}}, "unknown field"),
        ("boundaries", {"z_min": {"type": "insulated"}}, "x_min, x_max"),
        ("boundaries", {"x_min": 5}, "type"),
        ("boundaries", {"x_min": {"type": "magic"}}, "one of"),
        ("boundaries", {"x_min": {"type": "temperature"}}, "required"),
        ("boundaries", {"x_min": {"type": "periodic"}}, "both faces"),
        ("boundaries", {"x_min": {"type": "convection", "coefficient": -1, "ambient": 0}}, "W/(m2 K)"),
        ("boundaries", {"x_min": {"type": "flux", "value": {"table": []}}}, "list"),
        ("boundaries", {"x_min": {"type": "flux", "value": {"table": [[1, 2], [1, 3]]}}}, "increase"),
        ("boundaries", {"x_min": {"type": "flux", "value": {"table": [[0, "a"]]}}}, "pairs"),
        ("boundaries", {"x_min": {"type": "flux", "value": 1, "secret": 2}}, "unknown field"),
    ],
)
def test_what_is_not_physical_is_refused_with_field_and_limit(make_case, path, value, word):
    case = make_case()
    parent = case
    *parents, last = path.split(".")
    for name in parents:
        parent = parent[name]
    parent[last] = value

    message = refusal(case)

    assert path.split(".")[0] in message
    assert word in message
    for secret in ("magic", "polar", "secret", "abc", "7777", "left"):
        assert secret not in message


def test_several_mistakes_are_told_at_once(make_case):
    case = make_case(material={"conductivity": -1.0, "volumetric_heat_capacity": 0.0}, initial=float("nan"))
    message = refusal(case | {"initial": 1.0})

    assert "material.conductivity" in message
    assert "material.volumetric_heat_capacity" in message


@pytest.mark.parametrize("case", [None, [], 5, "text", {}, {"domain": None}, {1: 2}, {"kind": 7}, {"kind": "magic"}])
def test_what_is_no_case_is_refused(case):
    with pytest.raises(InputError):
        HeatProblem.from_case(case)


def test_an_unknown_field_is_refused_and_not_repeated(make_case):
    message = refusal(make_case(conductivty=5.0))

    assert "unknown field" in message
    assert "conductivty" not in message


def test_temperatures_below_absolute_zero_are_refused_unless_relative(make_case):
    assert "at least 0" in refusal(make_case(temperature_unit="K", initial=-1.0))
    assert "at least -273.15" in refusal(make_case(temperature_unit="degC", initial=-274.0))
    assert HeatProblem.from_case(make_case(temperature_unit="relative", initial=-274.0))


@pytest.mark.parametrize(
    ("changes", "feature"),
    [
        ({"kind": "stress"}, "stress"),
        ({"kind": "lumped"}, "lumped"),
    ],
)
def test_a_feature_of_the_format_that_is_missing_is_refused_by_name(make_case, changes, feature):
    with pytest.raises(UnsupportedError, match=feature):
        HeatProblem.from_case(make_case(**changes))


def test_a_case_that_went_through_json_is_the_same_problem(make_case):
    case = make_case(3, initial={"expression": "x*y*z"})

    assert HeatProblem.from_case(json.loads(json.dumps(case))) == HeatProblem.from_case(case)


@pytest.mark.parametrize("copy_of", [lambda problem: pickle.loads(pickle.dumps(problem)), copy.copy])  # noqa: S301 made here
def test_a_copy_of_a_solved_problem_is_equal_and_has_none_of_what_was_found(copy_of):
    """What is found once for a problem may be larger than its fields."""
    source = {"expression": "where((x - 0.3)**2 + y**2 < 0.02, 5, 0)"}
    problem = HeatProblem.from_case(
        {
            "domain": {"size": [1.0, 1.0]},
            "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
            "initial": 0.0,
            "source_term": source,
            "resolution": {"cells": [12, 9], "end_time": 1.0},
        }
    )
    fresh = len(pickle.dumps(problem))
    fields = solve(problem, method="implicit", tolerance=1e-2).fields

    made = copy_of(problem)

    assert made == problem
    assert len(pickle.dumps(made)) < fresh + 500
    assert made._found == {}
    assert solve(made, method="implicit", tolerance=1e-2).fields.tobytes() == fields.tobytes()
