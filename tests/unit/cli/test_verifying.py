"""`grid verify`: rows on stdout, trouble on stderr, and an exit status a script can use."""

import json

import pytest
from typer.testing import CliRunner

from grid.cli.main import app

WALL = {
    "id": "wall",
    "kind": "diffusion",
    "dimension": 1,
    "steady": True,
    "domain": {"coordinates": "cartesian", "size": [1.0]},
    "material": {"conductivity": 2.0},
    "boundaries": {"x_min": {"type": "temperature", "value": 0.0}, "x_max": {"type": "temperature", "value": 10.0}},
    "resolution": {"cells": [10]},
    "expected": [{"quantity": "temperature", "at": {"x": 0.3}, "value": 3.0, "tolerance": 0.1, "unit": "K"}],
}
WRONG = {**WALL, "id": "wrong", "expected": [{**WALL["expected"][0], "value": 7.0}]}
COLUMNS = {
    "case", "kind", "quantity", "at", "time", "value", "expected", "error_over_tolerance", "error_over_plain",
    "passed", "message",
}  # fmt: skip


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "cases.json"
    path.write_text(json.dumps({"schema_version": 2, "cases": [WALL, WRONG]}))
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["verify", *map(str, arguments)])


def test_json_is_a_list_of_rows_and_nothing_else(file):
    result = run(file, "--json")
    rows = json.loads(result.stdout)

    assert [row["passed"] for row in rows] == [True, False]
    assert all(set(row) == COLUMNS for row in rows)


def test_the_exit_status_is_zero_only_if_every_row_passes(file):
    assert run(file, "--case", "wall", "--json").exit_code == 0
    assert run(file, "--json").exit_code == 1


def test_people_see_the_count_and_on_stderr_the_reason(file):
    result = run(file)

    assert "1 of 2 values of 2 cases pass" in result.stdout
    assert "wrong: off by 4" in result.stderr
    assert "off by" not in result.stdout


@pytest.mark.parametrize("content", [b"", b"\xff", b"[1", b'{"a": NaN}', b"[]", b'{"schema_version": 2, "cases": 5}'])
def test_a_hostile_file_is_refused_in_one_sentence(tmp_path, content):
    path = tmp_path / "hostile.json"
    path.write_bytes(content)
    result = run(path, "--json")

    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr.startswith("grid: ")
    assert "Traceback" not in result.stderr


def test_a_case_that_is_not_there_is_refused(file):
    assert run(file, "--case", "missing").exit_code == 3
