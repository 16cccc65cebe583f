"""Scenarios over HTTP: everything that a form needs, and what will happen."""

from pathlib import Path

import jsonschema
import pytest

SCENARIOS = "/api/v1/scenarios"
PICTURES = Path(__file__).parents[3] / "docs" / "images" / "scenarios"


def test_a_stranger_gets_nothing(anonymous):
    assert anonymous.get(SCENARIOS).status_code == 401
    assert anonymous.get(f"{SCENARIOS}/burst").status_code == 401


def test_every_scenario_says_what_a_form_needs(alice):
    items = alice.get(SCENARIOS).json()["items"]

    assert {"burst", "cascade", "thermal-cycling"} <= {item["name"] for item in items}
    for item in items:
        shown = alice.get(item["link"]).json()
        jsonschema.Draft202012Validator.check_schema(shown["parameters"])
        jsonschema.validate(shown["defaults"], shown["parameters"])
        assert shown.items() >= item.items()
        assert (PICTURES / shown["picture"]).is_file()
        assert shown["expected"]
        assert all(one["source"] for one in shown["expected"])


def test_a_burst_shows_its_event_its_rules_and_its_course(alice):
    shown = alice.get(f"{SCENARIOS}/burst").json()

    assert shown["parameters"]["properties"]["power"]["unit"] == "W"
    assert (shown["events"][0]["event"]["kind"], shown["events"][0]["at_s"]) == ("burst", 40.0)
    assert [rule["name"] for rule in shown["rules"]] == ["hot-spot", "near-yield"]
    assert {one["quantity"] for one in shown["expected"]} == {"temperature", "model"}
    assert (shown["tick_s"], shown["rate"], shown["cells"], shown["axes"]) == (1.0, 15.0, [128, 128], [2])


@pytest.mark.parametrize("name", ["fire", "BURST", "..%2F..", "a" * 64])
def test_an_unknown_scenario_is_not_found(alice, name):
    assert alice.get(f"{SCENARIOS}/{name}").status_code == 404
