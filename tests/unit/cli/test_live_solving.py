"""`grid solve --scenario` and `grid replay LOG`: the simulation `live` from the command line, without a server."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from grid.cli.main import app as commands
from grid.plugins.registry import load_registry
from grid.plugins.scenario_run import start_scenario

OVERLOAD = ("solve", "--scenario", "overload", "--cells", "64", "-p", "power=20000", "--until-s", "200")


def run(*arguments: object, code: int = 0) -> Any:
    done = CliRunner().invoke(commands, [str(part) for part in arguments])
    assert done.exit_code == code, done.output
    return json.loads(done.stdout) if "--json" in arguments and done.stdout else done.output


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of a run that an overload reaches."""
    path = tmp_path_factory.mktemp("logs") / "overload.ndjson"
    run(*OVERLOAD, "--out", path)
    return path


def test_a_scenario_has_the_field_of_the_session_and_of_the_job(tmp_path: Path) -> None:
    told = run(*OVERLOAD, "--out", tmp_path / "field.npy", "--json")
    scenario = load_registry().get_scenario("overload")
    session = start_scenario(scenario, scenario.params_model(power=20000.0), (64,))
    session.advance(told["metrics"]["ticks"])
    live = load_registry().get("live")
    point = {"scenario": "overload", "cells": [64], "until_s": 200.0, "params": {"power": 20000.0}}
    job = live.solve([live.params_model.model_validate(point)], lambda _: frozenset())

    assert told["field_sha256"] == session.hash() == job.outcomes[0].field_sha256
    assert np.load(tmp_path / "field.npy").tobytes() == session.field().tobytes() == job.records[0]["final"].tobytes()
    assert session.summary.mean > 71.0  # the overload has begun


def test_a_folder_gets_all_files_and_people_get_a_table(tmp_path: Path) -> None:
    told = run(*OVERLOAD, "--out", tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == set(load_registry().get("live").files)
    assert "energy_balance" in told
    assert "expected_01_mean" in told
    events = [json.loads(line) for line in (tmp_path / "out" / "events.ndjson").read_text().splitlines()]
    assert [event["kind"] for event in events] == ["applied", "end"]


def test_a_scenario_that_misses_its_course_ends_with_8() -> None:
    told = run("solve", "--scenario", "burst", "--cells", "8x8", "--json", code=8)
    assert told["metrics"]["met"] < told["metrics"]["expected"]


def test_a_log_is_replayed_identically_as_lines_and_as_an_object(log: Path, tmp_path: Path) -> None:
    told = run("replay", log, "--json")
    assert told["metrics"]["verdict"] == "identical"
    header, *lines = [json.loads(line) for line in log.read_text().splitlines()]
    document = {
        "header": header,
        "commands": [line for line in lines if "seq" in line],
        "events": [line["event"] for line in lines if "event" in line],
        "end": next(line["end"] for line in lines if "end" in line),
    }
    (tmp_path / "log.json").write_text(json.dumps(document))
    again = run("replay", tmp_path / "log.json", "--json")
    assert again["field_sha256"] == told["field_sha256"] == document["end"]["field_sha256"]
    (tmp_path / "bare.ndjson").write_text(json.dumps(header))
    assert run("replay", tmp_path / "bare.ndjson", "--to-s", "100", "--json")["metrics"]["time_s"] == 100.0


def test_a_changed_log_ends_with_8_and_names_the_tick(log: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed.ndjson"
    changed.write_text(log.read_text().replace('"power_w":20000.0', '"power_w":20000.5'))
    told = run("replay", changed, "--json", code=8)
    assert (told["metrics"]["verdict"], told["metrics"]["first_difference"]) == ("different", 40)


def test_a_span_of_a_log_is_written(log: Path, tmp_path: Path) -> None:
    run("replay", log, "--from-s", "90", "--to-s", "120", "--out", tmp_path / "span.csv")
    rows = (tmp_path / "span.csv").read_text().splitlines()
    assert rows[0].startswith("tick,time_s,lowest")
    assert [float(row.split(",")[1]) for row in rows[1:]] == [90.0 + 2.0 * index for index in range(16)]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("solve",), 3, "--scenario"),
        (("solve", "--scenario", "storm"), 4, "scenario"),
        ((*OVERLOAD, "--tolerance", "0.1"), 3, "--tolerance"),
        ((*OVERLOAD, "--richardson"), 3, "--richardson"),
        ((*OVERLOAD, "--method", "magic"), 3, "method"),
        ((*OVERLOAD, "--model", "best"), 3, "model"),
        ((*OVERLOAD, "--out", "field.vti"), 3, "--out"),
        ((*OVERLOAD, "-p", "power=-5"), 3, "power"),
        ((*OVERLOAD, "-p", "colour=5"), 3, "colour"),
        (("solve", "--scenario", "burst", "--cells", "4x4"), 3, "cells"),
        (("solve", "--scenario", "flow", "--until-s", "1e300"), 3, "until_s"),
    ],
)
def test_what_cannot_be_solved_is_refused_by_name(arguments: tuple[str, ...], code: int, words: str) -> None:
    assert words in run(*arguments, code=code)


def test_a_problem_takes_no_options_of_a_scenario(tmp_path: Path) -> None:
    problem = tmp_path / "problem.json"
    problem.write_text("{}")
    assert "--cells" in run("solve", problem, "--cells", "8x8", code=3)
    assert "--scenario" in run("solve", problem, "--scenario", "burst", code=3)


@pytest.mark.parametrize("text", ["", "nonsense", "[1]", '{"a": 1}\n{"b": 2}'])
def test_a_file_that_is_no_log_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "log.ndjson").write_text(text)
    assert "grid:" in run("replay", tmp_path / "log.ndjson", code=3)
