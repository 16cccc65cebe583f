"""`grid calibrate`: a machine is measured, kept and shown; doctor says by whose speed methods are chosen."""

import json

import pytest
from typer.testing import CliRunner

from grid.cli.main import app
from grid.core.settings import Settings
from grid.engine.costs import calibration, calibration_kernels


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where this machine's calibration is kept, after a quick measurement."""
    for name, value in (("ROUNDS", 1), ("BEYOND", (24, 24, 24)), ("ARRAY", 2_000)):
        monkeypatch.setattr(calibration_kernels, name, value)
    monkeypatch.setenv(calibration.VARIABLE, str(tmp_path))
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, ["calibrate", *arguments])


def test_a_machine_is_measured_and_used_from_then_on(folder):
    before = json.loads(run("--show", "--json").stdout)
    made = json.loads(run("--json").stdout)

    assert before["processor"] == "reference"
    assert set(before["factors"].values()) == {1.0}
    assert made["file"] == str(calibration.find_file(folder))
    assert made["processor"] == calibration.find_processor() == calibration.current().processor
    assert json.loads(run("--show", "--json").stdout) == made
    assert "stencil operations" in run("--show").stdout


def test_nothing_is_measured_where_it_is_off(folder, monkeypatch):
    monkeypatch.setenv(calibration.VARIABLE, calibration.OFF)
    refused = run()

    assert refused.exit_code != 0
    assert "GRID_CALIBRATION" in refused.stderr
    assert list(folder.iterdir()) == []
    assert run("--show").exit_code == 0


def test_doctor_says_by_whose_speed_methods_are_chosen(folder, tmp_path):
    from grid.cli.doctor import _speed

    def say(where):
        [finding] = _speed(Settings(grid_home=tmp_path / "home", grid_calibration=where))
        return finding.sentence

    assert "Not measured" in say(str(folder))
    assert "off" in say("off")
    run()
    assert calibration.find_processor() in say(str(folder))
