"""`grid convergence`: a row for each quantity and direction, and refusals by name."""

import json

import pytest
from typer.testing import CliRunner

from grid.cli.main import app

ROD = {
    "kind": "diffusion",
    "dimension": 1,
    "steady": False,
    "domain": {"coordinates": "cartesian", "size": [1.0]},
    "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
    "initial": {"expression": "sin(pi*x)"},
    "boundaries": {"x_min": {"type": "temperature", "value": 0.0}, "x_max": {"type": "temperature", "value": 0.0}},
    "resolution": {"cells": [10], "steps": 10, "end_time": 0.1},
}


def run(folder, document, *arguments):
    file = folder / "case.json"
    file.write_text(json.dumps(document))
    return CliRunner().invoke(app, ["convergence", str(file), *arguments])


def test_json_tells_order_limit_and_band_of_each_direction(tmp_path):
    done = run(tmp_path, ROD, "--json")
    studies = json.loads(done.stdout)

    assert done.exit_code == 0
    assert [study["direction"] for study in studies] == ["space", "space", "time", "time"]
    assert all(study["observed_order"] == pytest.approx(2.0, abs=0.2) for study in studies)
    assert all(study["uncertainty"] > 0.0 and study["extrapolated"] is not None for study in studies)


def test_a_table_is_printed_for_people(tmp_path):
    told = run(tmp_path, ROD, "--refine", "space", "--levels", "4").stdout

    assert "10, 20, 40, 80" in told
    assert "monotonic" in told
    assert "mean_temperature" in told
    assert told.count("space") == 2


@pytest.mark.parametrize(
    ("document", "arguments", "told"),
    [
        (ROD, ("--levels", "1"), "levels"),
        (ROD | {"steady": True}, ("--refine", "time"), "steady"),
        ({"kind": "fatigue", "model": "history"}, (), "no grid to refine"),
        ([], (), "object"),
    ],
)
def test_what_cannot_be_refined_is_refused(tmp_path, document, arguments, told):
    done = run(tmp_path, document, *arguments)

    assert done.exit_code == 3
    assert told in done.stderr
