"""`grid solve`: figures at once, one file by its suffix, a folder as the service makes it, refusals by name."""

import io
import json
import math
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from grid.cli import solving
from grid.cli.main import app
from grid.engine.progress import Progress

ROD = {
    "kind": "diffusion",
    "dimension": 1,
    "steady": False,
    "domain": {"coordinates": "cartesian", "size": [1.0]},
    "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
    "initial": {"expression": "sin(pi*x)"},
    "boundaries": {"x_min": {"type": "temperature", "value": 0.0}, "x_max": {"type": "temperature", "value": 0.0}},
    "resolution": {"cells": [40], "steps": 20, "end_time": 0.1},
}


@pytest.fixture
def rod(tmp_path):
    path = tmp_path / "rod.json"
    path.write_text(json.dumps(ROD))
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["solve", *map(str, arguments)])


def test_figures_are_printed_without_any_file(rod, tmp_path):
    """The mean of sin(pi x) is 2/pi and falls as exp(-pi^2 t)."""
    done = run(rod, "--json")
    document = json.loads(done.stdout)

    assert done.exit_code == 0
    assert document["metrics"]["mean_temperature"] == pytest.approx(2 / math.pi * math.exp(-0.1 * math.pi**2), rel=5e-3)
    assert document["files"] == []
    assert list(tmp_path.iterdir()) == [rod]
    assert document["plan"]["reason"]


def test_nothing_is_drawn_where_nobody_looks(rod):
    command = [sys.executable, "-m", "grid.cli.main", "solve", str(rod), "--method", "implicit", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stderr == ""
    assert json.loads(done.stdout)["plan"]["calibration"] == "reference"


def test_a_bar_is_drawn_on_a_terminal(monkeypatch):
    drawn = io.StringIO()
    monkeypatch.setattr(solving, "errors", lambda: Console(file=drawn, force_terminal=True, width=100))
    monkeypatch.setattr(solving.sys, "stderr", SimpleNamespace(isatty=lambda: True, write=len, flush=lambda: None))
    with solving._progress() as show:
        show(Progress(0.25, 1.0, 3, 2.0, 6.0, "adi"))
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.getvalue())
    assert re.search(r"adi .* 25% 2\.0 s, about 6\.0 s left", text), text

    monkeypatch.setattr(solving.sys, "stderr", SimpleNamespace(isatty=lambda: False))
    with solving._progress() as show:
        assert show is None


def test_the_peak_of_the_surfaces_is_named_beside_that_of_the_cells():
    """The hottest place of a heated plate is its hot face, half a cell beyond the hottest centre."""
    plate = Path(__file__).parents[3] / "docs" / "examples" / "plate.json"
    metrics = json.loads(run(plate, "--json").stdout)["metrics"]

    assert metrics["peak_surface_temperature"] == pytest.approx(200.0)
    assert metrics["minimum_temperature"] < metrics["peak_temperature"] < metrics["peak_surface_temperature"]


def test_the_heat_balance_closes_and_is_printed(rod):
    balance = json.loads(run(rod, "--json").stdout)["heat_balance"]
    assert balance["stored"] == pytest.approx(balance["in"] - balance["out"] + balance["generated"])
    assert balance["unit"] == "J/m2"

    told = run(rod).stdout
    for name in ("stored", "in", "out", "generated", "residual"):
        assert f"heat {name} [J/m2]" in told
    assert "plan: " in told


def test_a_suffix_chooses_the_kind_of_file(rod, tmp_path):
    path = tmp_path / "rod.npy"
    done = run(rod, "--out", path, "--fields", 4, "--json")

    assert json.loads(done.stdout)["files"] == [str(path)]
    assert np.load(path).shape == (5, 40)


def test_a_method_by_name_and_a_tolerance_are_followed(rod):
    plan = json.loads(run(rod, "--method", "implicit", "--tolerance", "1e-6", "--json").stdout)["plan"]

    assert plan["method"] == "implicit"
    assert run(rod, "--method", "magic").exit_code == 3
    assert run(rod, "--tolerance", "-1").exit_code == 3


def test_a_folder_holds_what_the_service_makes(rod, tmp_path):
    done = run(rod, "--out", tmp_path / "results", "--json")

    assert done.exit_code == 0, done.stderr
    assert {path.name for path in (tmp_path / "results").iterdir()} == {
        "result.csv",
        "meta.json",
        "simulation_results.png",
        "temperature_field.npy",
    }


def test_a_folder_follows_the_tolerance_and_the_number_of_fields(rod, tmp_path):
    for name, options in (("coarse", ()), ("fine", ("--tolerance", "1e-6", "--fields", 5))):
        done = run(rod, "--method", "implicit", *options, "--out", tmp_path / name, "--json")
        assert done.exit_code == 0, done.output
    coarse, fine = (np.load(tmp_path / name / "temperature_field.npy") for name in ("coarse", "fine"))
    closed = run(rod, "--method", "implicit", "--tolerance", "1e-6", "--fields", 5, "--out", tmp_path / "field.npy")

    assert closed.exit_code == 0
    assert (len(coarse), len(fine)) == (21, 6)
    np.testing.assert_array_equal(fine, np.load(tmp_path / "field.npy"))
    assert np.abs(coarse[-1] - fine[-1]).max() > 1e-6  # of a span of 1: the tolerance was another one


@pytest.mark.parametrize(("option", "value"), [("fields", 1001), ("tolerance", 0.5)])
def test_a_folder_refuses_by_name_what_its_files_cannot_hold(rod, tmp_path, option, value):
    done = run(rod, f"--{option}", value, "--out", tmp_path / "made")

    assert done.exit_code == 3
    assert f"{option}: should be" in done.stderr
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(("option", "value"), [("fields", 5), ("tolerance", 1e-3)])
def test_a_folder_refuses_options_of_time_for_a_steady_state(tmp_path, option, value):
    file = tmp_path / "steady.json"
    steady = {name: entry for name, entry in ROD.items() if name != "initial"}
    file.write_text(json.dumps(steady | {"steady": True, "resolution": {"cells": [4]}}))

    done = run(file, f"--{option}", value, "--out", tmp_path / "made")

    assert done.exit_code == 3
    assert f"{option}: only for a problem in time" in done.stderr


def test_a_case_of_a_file_of_cases_is_named(tmp_path):
    file = tmp_path / "cases.json"
    entry = {"quantity": "mean_temperature", "time": 0.1, "value": 0.2, "tolerance": 1.0, "unit": "K"}
    cases = [{**ROD, "id": name, "expected": [entry]} for name in ("one", "two")]
    file.write_text(json.dumps({"schema_version": 2, "cases": cases}))

    assert run(file, "--case", "two").exit_code == 0
    assert "--case" in run(file).stderr
    assert run(file, "--case", "three").exit_code == 3


@pytest.mark.parametrize(
    ("out", "told"), [("rod.xlsx", ".nc"), ("nowhere/rod.nc", "folder that exists")], ids=["suffix", "folder"]
)
def test_a_place_that_cannot_be_written_is_refused_before_solving(rod, tmp_path, out, told):
    done = run(rod, "--out", tmp_path / out)

    assert done.exit_code == 3
    assert told in done.stderr
    assert list(tmp_path.iterdir()) == [rod]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"material": {"conductivity": -1.0, "volumetric_heat_capacity": 1.0}}, "material.conductivity"),
        ({"initial": {"expression": "1/0"}}, "initial"),
        ({"colour": "red"}, "an unknown field"),
        ({"kind": "fatigue"}, "grid verify"),
    ],
)
def test_a_problem_that_is_not_physical_is_refused_by_field(tmp_path, change, told):
    file = tmp_path / "bad.json"
    file.write_text(json.dumps(ROD | change))
    done = run(file, "--out", tmp_path / "bad.npy")

    assert done.exit_code == 3
    assert told in done.stderr
    assert not (tmp_path / "bad.npy").exists()


def test_solving_a_rod_loads_neither_settings_nor_plugins_nor_pictures(rod):
    code = (
        "import sys, json\nfrom grid.cli.main import app\n"
        f"app(['solve', {str(rod)!r}, '--json'], standalone_mode=False)\n"
        "print(json.dumps([name.partition('.')[0] for name in sys.modules]), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = set(json.loads(done.stderr))
    assert "numpy" in loaded
    assert not loaded & {"pydantic_settings", "pluggy", "matplotlib", "xarray", "zarr", "sqlalchemy"}


def test_a_model_is_asked_for_by_name_and_told_in_the_plan(rod, tmp_path):
    cooled = ROD | {
        "boundaries": {"x_max": {"type": "convection", "coefficient": 0.01, "ambient": 0.0}},
        "initial": 1.0,
    }
    rod.write_text(json.dumps(cooled))
    for model in ("diffusive", "lumped"):
        result = CliRunner().invoke(app, ["solve", str(rod), "--model", model, "--json"])
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["plan"]["model"] == model
    out = CliRunner().invoke(app, ["solve", str(rod), "--model", "lumped", "--out", str(tmp_path / "made")])
    assert out.exit_code == 0, out.output


def test_a_model_that_is_none_is_refused_by_name(rod):
    result = CliRunner().invoke(app, ["solve", str(rod), "--model", "guessed"])
    assert result.exit_code == 3
    assert "model" in result.output


def test_the_error_of_space_is_one_flag_away_and_near_the_true_one(rod):
    result = CliRunner().invoke(app, ["solve", str(rod), "--richardson", "--tolerance", "1e-7", "--json"])
    assert result.exit_code == 0, result.output
    metrics = json.loads(result.stdout)["metrics"]
    middle = math.sin(math.pi * (0.5 - 0.5 / 40)) * math.exp(-0.1 * math.pi**2)  # centre of the hottest cell
    assert metrics["space_error"] == pytest.approx(abs(metrics["peak_temperature"] - middle), rel=0.5)


def test_a_folder_of_files_has_no_error_of_space(rod, tmp_path):
    result = CliRunner().invoke(app, ["solve", str(rod), "--richardson", "--out", str(tmp_path / "made")])
    assert result.exit_code == 3
    assert "richardson" in result.output


LAYERED = ROD | {
    "material": [
        {"where": {"expression": "(x < 0.51) | (x > 0.512)"}, "conductivity": 1.0, "volumetric_heat_capacity": 1.0},
        {"where": {"expression": "(x >= 0.51) & (x <= 0.512)"}, "conductivity": 0.01, "volumetric_heat_capacity": 1.0},
    ]
}


@pytest.mark.parametrize("into_folder", [False, True])
def test_warnings_are_told_on_stderr_and_in_the_document(tmp_path, into_folder):
    """A layer of 2 mm in cells of 25 mm is named."""
    path = tmp_path / "layered.json"
    path.write_text(json.dumps(LAYERED))

    done = run(path, "--json", *(["--out", tmp_path / "out"] if into_folder else []))

    [warning] = json.loads(done.stdout)["warnings"]
    assert warning.startswith("material[1].where: 0.002 m thick along x")
    assert f"warning: {warning}" in done.stderr


def test_a_problem_without_warnings_prints_none(rod):
    done = run(rod, "--json")

    assert json.loads(done.stdout)["warnings"] == []
    assert done.stderr == ""
