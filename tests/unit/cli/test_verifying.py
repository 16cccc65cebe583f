"""`grid verify`: rows on stdout, trouble on stderr, and an exit status a script can use."""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

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


def test_each_case_is_told_as_it_ends(file):
    lines = run(file, "--json").stderr.splitlines()

    assert lines[0].startswith("1/2 wall: 1 of 1 values pass, ")
    assert lines[1].startswith("2/2 wrong: 0 of 1 values pass, ")


def test_processes_give_the_rows_of_one_in_the_order_of_the_file(file):
    before = dict(os.environ)
    shared, after = run(file, "--json", "--jobs", 2), dict(os.environ)
    alone = run(file, "--json")

    assert (shared.stdout, shared.exit_code) == (alone.stdout, 1)
    assert sorted(line.split(" ")[1] for line in shared.stderr.splitlines()[:2]) == ["wall:", "wrong:"]
    assert {name for name in after if "THREADS" in name} == {name for name in before if "THREADS" in name}


@pytest.mark.parametrize("jobs", ["0", "-1", "257", "many"])
def test_a_number_of_jobs_outside_its_limits_is_refused(file, jobs):
    assert run(file, "--jobs", jobs).exit_code == 2


LONG = {
    **WALL, "id": "long", "steady": False, "initial": {"expression": "sin(40*x)"},
    "material": {"conductivity": {"expression": "2 + T/1000"}, "volumetric_heat_capacity": 1.0},
    "boundaries": WALL["boundaries"] | {"x_max": {"type": "temperature", "value": {"expression": "10 + sin(5*t)"}}},
    "resolution": {"cells": [3000], "end_time": 1e3, "steps": 9_000_000},
    "expected": [{**WALL["expected"][0], "time": 1e3}],
}  # fmt: skip
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


def start_long(tmp_path):
    """A run of two cases that last, once another has told of itself, in a session of its own, and its processes."""
    path = tmp_path / "long.json"
    path.write_text(json.dumps({"schema_version": 2, "cases": [WALL, LONG, {**LONG, "id": "longer"}]}))
    command = [sys.executable, "-m", "grid.cli.main", "verify", str(path), "--jobs", "2", "--json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    hear_interrupts = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore them
    run = subprocess.Popen(command, text=True, start_new_session=True, preexec_fn=hear_interrupts, **pipes)  # noqa: PLW1509
    assert run.stderr.readline().startswith("1/3 wall: ")
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    workers = [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(workers) == 2
    return run, workers


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@linux
def test_ctrl_c_ends_the_processes_and_says_so(tmp_path):
    run, workers = start_long(tmp_path)
    os.killpg(run.pid, signal.SIGINT)
    out, err = run.communicate(timeout=30)

    assert (run.returncode, out) == (130, "")
    assert "grid: interrupted" in err.splitlines()  # a coverage run warns of its own, before or after
    assert "Traceback" not in err
    assert not any(is_running(pid) for pid in workers)


@linux
def test_a_process_that_is_ended_from_outside_fails_its_cases_and_not_the_run(tmp_path):
    run, workers = start_long(tmp_path)
    os.kill(workers[0], signal.SIGKILL)
    out, err = run.communicate(timeout=60)

    assert run.returncode == 1
    assert [row["passed"] for row in json.loads(out)] == [True, False, False]
    assert all("fewer --jobs" in row["message"] for row in json.loads(out)[1:])
    assert "Traceback" not in err
    assert not any(is_running(pid) for pid in workers)
