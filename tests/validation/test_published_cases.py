"""Every published diffusion case is met at its stated resolution, or refused by the name of what is missing."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from grid.core.errors import UnsupportedError
from grid.engine import HeatProblem, Solution, solve
from grid.engine.verification.quantities import asked_times, compute_quantity
from grid.engine.verification.verification import Row, verify_case

pytestmark = pytest.mark.usefixtures("without_coverage")

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


@cache
def verified(case_id: str) -> tuple[Row, ...]:
    [case] = [case for case in CASES if case["id"] == case_id]
    return verify_case(case)


def is_diffusion(case: dict[str, Any]) -> bool:
    return case["kind"] == "diffusion" and not case["steady"]


@pytest.mark.parametrize("case", [pytest.param(c, id=c["id"]) for c in SOLVED])
def test_a_published_case_is_met_at_its_stated_resolution(case):
    rows = verified(case["id"])

    assert [row for row in rows if not row.passed] == []
    plain = case["resolution"].get("plain_second_order_error")
    if plain is not None and rows[0].error_over_plain is not None:
        values = [row.expected for row in rows if row.quantity == "temperature"]
        span = max(max(values) - min(values), 1.0)
        assert rows[0].error_over_plain <= max(1.2, 1e-9 * span / plain)


def test_half_of_the_transient_cases_are_twice_as_good_as_a_plain_scheme():
    ratios = [verified(case["id"])[0].error_over_plain for case in SOLVED if is_diffusion(case)]
    known = [ratio for ratio in ratios if ratio is not None]

    assert len(known) >= 15
    assert sum(ratio <= 0.5 for ratio in known) >= len(known) / 2


LINEAR = [case for case in SOLVED if not case["steady"] and HeatProblem.from_case(case).is_linear]


@pytest.mark.parametrize("case", [pytest.param(c, id=c["id"]) for c in LINEAR])
def test_equal_implicit_steps_meet_a_published_case_too(case):
    solution = solve_case(case, "implicit")

    for entry in case["expected"]:
        if entry["quantity"] != "observed_order":
            computed = compute_quantity(solution, entry)
            assert computed == entry["value"] if entry["tolerance"] is None else is_within(entry, computed), entry
    assert solution.is_accepted, [audit for audit in solution.audits if audit.verdict == "failed"]


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

    shipped = json.loads((SOURCES / "engine" / "problem" / "case.schema.json").read_text())

    jsonschema.Draft202012Validator(shipped).validate({"schema_version": 2, "cases": CASES})
