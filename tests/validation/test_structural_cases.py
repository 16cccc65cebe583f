"""Every published case of stress, integrity and fatigue is met."""

import json
from pathlib import Path
from typing import Any

import pytest

from grid.engine.verification.verification import verify_case

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "cases.json").read_text())["cases"]
STRUCTURAL = [case for case in CASES if case["kind"] in ("stress", "integrity", "fatigue")]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in STRUCTURAL])
def test_a_published_case_is_met_in_every_value(case):
    rows = verify_case(case)

    assert [(row.quantity, row.message) for row in rows if not row.passed] == []


def test_all_three_kinds_are_published():
    assert {case["kind"] for case in STRUCTURAL} == {"stress", "integrity", "fatigue"}
