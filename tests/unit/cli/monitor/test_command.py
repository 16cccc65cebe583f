"""`grid monitor` from the command line: what it refuses, and what it does not load."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from grid.cli.main import app
from grid.cli.monitor import app as monitor_app
from grid.cli.monitor.local import LocalSource


def run(*arguments):
    return CliRunner().invoke(app, ["monitor", *arguments])


def test_help_of_grid_loads_neither_textual_nor_numpy():
    script = (
        "import sys; from typer.testing import CliRunner; from grid.cli.main import app; "
        "answer = CliRunner().invoke(app, ['--help']); assert 'monitor' in answer.stdout, answer; "
        "print(sorted({'textual', 'numpy', 'websockets'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--scenario", "nothing"), "no such scenario"),
        (("--scenario", "burst", "-p", "power=1e9"), "power"),
        (("--scenario", "burst", "--cells", "4x4"), "cells: 64 to 1048576 cells in all"),
        (("--scenario", "burst", "--cells", "many"), "--cells: has the form"),
        (("--scenario", "burst", "--speed", "fast"), "--speed: a number, 0.1 to 100, or max"),
        (("--scenario", "burst", "--speed", "1000"), "speed: 0.1 to 100, or max"),
        (("0b2f6a4e-1111-4222-8333-444455556666", "--scenario", "burst"), "not both"),
    ],
)
def test_refusals_name_what_is_wrong(arguments, told):
    done = run(*arguments)
    assert done.exit_code != 0
    assert told in done.stderr


def test_without_a_server_the_refusal_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("GRID_HOME", str(tmp_path))
    monkeypatch.setenv("GRID_PORT", "9")
    done = run("0b2f6a4e-1111-4222-8333-444455556666")
    assert done.exit_code != 0
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


def test_a_scenario_is_watched_with_what_was_asked_for(monkeypatch):
    watched = []
    monkeypatch.setattr(monitor_app, "run_monitor", watched.append)
    done = run("--scenario", "burst", "-p", "power=500", "--cells", "16x16", "--speed", "max", "--paused")

    assert done.exit_code == 0, done.output
    (source,) = watched
    assert isinstance(source, LocalSource)
    assert (source._start.speed, source._start.is_paused) == ("max", True)
    assert source._start.log[0].payload["power_w"] == 500.0
    assert source._run.cells == (1, 16, 16)
