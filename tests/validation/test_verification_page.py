"""docs/verification.md shows the given cases, each with the values that are expected of it."""

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CASES = json.loads((ROOT / "tests" / "validation" / "data" / "cases.json").read_text())["cases"]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("verification_page", ROOT / "scripts" / "verification_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_in_step_with_the_cases(script):
    assert script.find_stale(script.PAGE.read_text(encoding="utf-8"), CASES) == []


def test_no_value_on_the_page_fails(script):
    page = script.PAGE.read_text(encoding="utf-8")
    total = sum(len(case["expected"]) for case in CASES)

    assert "**FAIL**" not in page
    assert f"**{total} of {total} values of {len(CASES)} cases pass.**" in page


def test_a_page_that_shows_another_value_is_noticed(script):
    page = script.PAGE.read_text(encoding="utf-8")
    value = script.write_value(CASES[0]["expected"][0]["value"])

    assert script.find_stale(page.replace(value, f"9{value}"), CASES)
    assert script.find_stale(page.replace(f"### {CASES[0]['id']}:", "### gone:"), CASES)
