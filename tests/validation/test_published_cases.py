"""Every published diffusion case is met at its stated resolution, or refused by the name of what is missing."""

import json
from pathlib import Path
from typing import Any

import pytest

from grid.core.errors import UnsupportedError
from grid.engine import HeatProblem, Solution, solve
from grid.engine.quantities import asked_times, compute_quantity

DATA = Path(__file__).parent / "data"
SOURCES = Path(__file__).parents[2] / "src" / "grid"
CASES: list[dict[str, Any]] = json.loads((DATA / "cases.json").read_text())["cases"]
HEAT = [case for case in CASES if case["kind"] in ("diffusion", "extension")]


def try_problem(case: dict[str, Any]) -> HeatProblem | None:
    try:
        return HeatProblem.from_case(case)
    except UnsupportedError:
        return None


SOLVED = [case for case in HEAT if try_problem(case) is not None]


def is_within(entry: dict[str, Any], computed: Any) -> bool:
    tolerance, value = entry["tolerance"], entry["value"]
    if tolerance is None:
        return bool(computed == value)
    match entry.get("compare", "within"):
        case "at_least":
            return computed >= value - tolerance
        case "at_most":
            return computed <= value + tolerance
        case _:
            return abs(computed - value) <= tolerance


def solve_case(case: dict[str, Any], method: str) -> Solution:
    return solve(HeatProblem.from_case(case), times=asked_times(case) or None, method=method)


def methods(case: dict[str, Any]) -> list[str]:
    has_choice = not case["steady"] and HeatProblem.from_case(case).is_linear
    return ["auto", "implicit"] if has_choice else ["auto"]


@pytest.mark.parametrize(
    ("case", "method"), [pytest.param(c, m, id=f"{c['id']}-{m}") for c in SOLVED for m in methods(c)]
)
def test_a_published_case_is_met_at_its_stated_resolution(case, method):
    solution = solve_case(case, method)
    temperature_errors = [0.0]

    for entry in case["expected"]:
        computed = compute_quantity(solution, entry)
        assert is_within(entry, computed), (entry, computed)
        if entry["quantity"] == "temperature":
            temperature_errors.append(abs(computed - entry["value"]))

    assert solution.is_accepted, [audit for audit in solution.audits if audit.verdict == "failed"]
    plain = case["resolution"].get("plain_second_order_error")
    if plain is not None:
        span = max(float(solution.fields.max() - solution.fields.min()), 1.0)
        assert max(temperature_errors) <= max(1.2 * plain, 1e-9 * span)


@pytest.mark.parametrize("case", [pytest.param(c, id=c["id"]) for c in CASES if c not in SOLVED])
def test_what_this_version_cannot_do_is_refused_by_name(case):
    with pytest.raises(UnsupportedError) as caught:
        HeatProblem.from_case(case)

    assert caught.value.feature
    assert case["id"] not in str(caught.value)


def test_most_linear_cases_are_solved():
    linear = {
        "transient",
        "steady",
        "dirichlet",
        "convection",
        "flux",
        "source",
        "heterogeneous",
        "periodic",
        "2d",
        "3d",
    }
    missing = [case["id"] for case in HEAT if set(case["features"]) <= linear and case not in SOLVED]

    assert missing == []


def test_no_source_file_mentions_a_case():
    ids = [case["id"] for case in CASES]
    text = "\n".join(path.read_text() for path in SOURCES.rglob("*.py"))

    assert [case_id for case_id in ids if case_id in text] == []


def test_the_given_cases_follow_the_schema_in_the_package():
    import jsonschema

    shipped = json.loads((SOURCES / "engine" / "data" / "case.schema.json").read_text())

    jsonschema.Draft202012Validator(shipped).validate({"schema_version": 2, "cases": CASES})
