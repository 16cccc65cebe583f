"""`grid scenarios`: what is installed, a run with its expected course, refusals by name."""

import json

import pytest
from typer.testing import CliRunner

from grid.cli.main import app
from grid.cli.scenarios import read_cells
from grid.core.errors import FieldError


def run(*arguments):
    return CliRunner().invoke(app, ["scenarios", *arguments])


def test_the_list_names_every_scenario():
    found = json.loads(run("list", "--json").stdout)
    assert {"burst", "flow", "overload", "cascade", "thermal-cycling"} <= {one["name"] for one in found}
    assert "burst" in run("list").stdout


def test_a_scenario_is_shown_with_its_parameters_and_its_course():
    found = json.loads(run("show", "burst", "--json").stdout)
    assert found["parameters"]["properties"]["power"]["unit"] == "W"
    assert found["events"][0]["event"]["kind"] == "burst"
    assert any(one["quantity"] == "model" for one in found["expected"])
    assert "Carslaw" in run("show", "burst").stdout


def test_a_run_meets_its_course_and_its_log_is_told():
    done = run("run", "overload", "--cells", "32x4", "--json")
    found = json.loads(done.stdout)
    assert done.exit_code == 0
    assert all(one["is_met"] for one in found["expected"])
    assert [alert["to"] for alert in found["alerts"]] == ["firing"]
    assert found["log"][0]["payload"]["kind"] == "overload"
    assert len(found["field_sha256"]) == 64


def test_a_run_is_printed_as_a_table_with_what_was_expected():
    done = run("run", "flow", "--cells", "64")
    assert done.exit_code == 0
    assert "closed" not in done.stderr
    assert "yes" in done.stdout
    assert "NO" not in done.stdout


def test_two_runs_have_one_hash():
    hashes = [json.loads(run("run", "flow", "--cells", "64", "--json").stdout)["field_sha256"] for _ in range(2)]
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run", "nothing"), "no such scenario"),
        (("run", "burst", "-p", "power=1e9"), "power"),
        (("run", "burst", "-p", "colour=red"), "colour"),
        (("run", "burst", "--cells", "4x4"), "cells"),
        (("run", "burst", "--cells", "many"), "--cells"),
        (("run", "burst", "--method", "magic"), "method"),
    ],
)
def test_a_refusal_names_what_is_wrong(arguments, told):
    done = run(*arguments)
    assert done.exit_code != 0
    assert told in done.stderr


def test_cells_are_read_from_text():
    assert read_cells("128") == (128,)
    assert read_cells("8x16X4") == (8, 16, 4)
    for wrong in ("", "8x", "-8", "1x2x3x4", "8.5"):
        with pytest.raises(FieldError):
            read_cells(wrong)
