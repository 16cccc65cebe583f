"""`grid alerts`, `grid silences`, `grid incidents` against the application, as people type them."""

import json
from functools import cache

import pytest
from tests.support import live_runs as words
from tests.support.alert_words import sample_row
from tests.unit.api.test_client import AppTransport
from typer.testing import CliRunner

from grid.cli.incidents import compare
from grid.cli.main import app as command_line
from grid.cli.silences import read_below, read_matcher
from grid.client.client import GridClient
from grid.core.errors import FieldError
from grid.database.live_events import NewLiveEvent
from grid.plugins.registry import load_registry
from grid.plugins.scenario_run import run_scenario
from grid.services import live
from grid.services.alerts.loop import AlertLoop
from grid.services.incidents.following import IncidentFollower
from grid.services.incidents.runbooks import RunbookFolder
from grid.services.live import Look

RUNBOOK = """---
title: Too hot
steps:
  - check: {metric: mean, op: "<", value: 1000}
  - do: {kind: model, payload: {model: diffusive}}
---
"""


@pytest.fixture
def grid(alice, monkeypatch):
    """Runs a command as Alice; returns what it printed, read where it is JSON."""
    token = alice.headers["Authorization"].removeprefix("Bearer ")

    def connect(*_args):
        return GridClient("http://127.0.0.1:8000", lambda **_: token, transport=AppTransport(alice))

    monkeypatch.setattr(GridClient, "from_settings", connect)

    def run(*arguments, code=0):
        done = CliRunner().invoke(command_line, [str(one) for one in arguments])
        assert done.exit_code == code, done.output + str(done.exception)
        return json.loads(done.stdout) if "--json" in arguments else done.output

    return run


@pytest.fixture
def loop(uow, tmp_path):
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "too-hot.md").write_text(RUNBOOK)
    return AlertLoop(uow, follow=IncidentFollower(RunbookFolder(tmp_path / "books")))


@cache
def run_overload():
    """What the rules of the scenario say of it."""
    scenario = load_registry().get_scenario("overload")
    return tuple(run_scenario(scenario, scenario.params_model(), (32, 4)).transitions)


@pytest.fixture
def incident(uow, alice, grid, loop):
    """The incident of a run of `overload`, whose rule has told what the same run tells here."""
    told = run_overload()  # may compile for longer than a run may be silent, whose alerts are then held back
    answer = alice.post("/api/v1/engine/runs", json={"scenario": "overload", "cells": [32, 4]})
    assert answer.status_code == 202, answer.text
    held = words.claim(uow).claim
    assert words.begin(uow, held)
    live.renew_leases(uow, [held], worker_id="worker-1", lease_s=1e6)
    rules = alice.get(f"/api/v1/engine/runs/{held.run_id}/rules").json()["rules"]
    critical = [{**rule, "severity": "critical", "runbook": "too-hot"} for rule in rules]
    put = alice.put(f"/api/v1/engine/runs/{held.run_id}/rules", json={"rules": critical})
    assert live.commit_ticks(uow, held, {put.json()["seq"]: 1}) is not None
    live.write_looks(uow, [Look(held, 64, samples=(sample_row(5, 0, mean=100.0), sample_row(5, 1, mean=150.0)))])
    loop.take_turn()
    events = [
        NewLiveEvent(one.tick, one.tick, "alert", one.to_json(), f"{one.rule}-{one.alert}-{one.after}") for one in told
    ]
    assert live.record_events(uow, held, events)
    loop.take_turn()
    (row,) = grid("incidents", "list", "--json")["items"]
    return row


def test_alerts_are_listed_shown_explained_and_acknowledged(grid, incident):
    (alert,) = grid("alerts", "list", "--json")["items"]
    assert (alert["rule"], alert["severity"]) == ("over-temperature", "critical")
    assert "over-temperature" in grid("alerts", "list", "--run", alert["run"])
    assert "firing" in grid("alerts", "show", alert["id"])
    assert "The rule raises at mean > 150" in grid("alerts", "explain", alert["id"])
    assert "is acknowledged" in grid("alerts", "ack", alert["id"], "--note", "mine")
    assert grid("alerts", "list", "--state", "resolved", "--json")["total"] == 0


def test_an_incident_is_shown_worked_verified_and_exported(grid, incident, tmp_path):
    name = incident["id"]
    assert "too-hot" in grid("incidents", "show", name)
    grid("incidents", "note", name, "Looking.")
    assert "acknowledged" in grid("incidents", "ack", name)
    grid("incidents", "assign", name, "ada")
    assert "done" in grid("incidents", "step", name, 1)
    assert "confirm" in grid("incidents", "step", name, 2, code=3)
    assert "done" in grid("incidents", "step", name, 2, "--yes")
    grid("incidents", "resolve", name, code=5)
    grid("incidents", "resolve", name, "--reason", "a test")
    assert grid("incidents", "verify", name, "--json")["is_intact"]
    grid("incidents", "export", name, "--out", tmp_path / "one.md")
    assert "## Timeline" in (tmp_path / "one.md").read_text()
    assert json.loads(grid("incidents", "export", name, "--format", "json"))["is_intact"]
    assert "is open" in grid("incidents", "open", "by hand", "--run", incident["run"])


def test_a_replay_sees_the_same_alert_at_the_same_tick_with_the_same_value(grid, incident):
    found = grid("incidents", "replay", incident["id"], "--json")

    assert found["verdict"] == "identical"
    assert [row["to"] for row in found["transitions"]] == ["firing"]
    assert found["transitions"][0]["then"] == found["transitions"][0]["now"]


def test_a_recorded_run_is_tried_with_rules_that_see_every_tick(grid, incident, tmp_path, alice):
    file, log = tmp_path / "rules.yaml", tmp_path / "log.ndjson"
    file.write_text("- {name: hot, metric: mean, raise: 140 degC, clear: 130 degC, for: 4 s}\n")
    path = f"/api/v1/engine/runs/{incident['run']}/commands"
    lines = alice.get(path, params={"format": "ndjson"}).text.splitlines()
    log.write_text("\n".join([*lines, json.dumps({"end": {"tick": 700, "field_sha256": None}})]))

    found = grid("alerts", "test", file, "--log", log, "--truth", "mean > 150 degC", "--max-false", 0, "--json")

    (score,) = found["scores"]
    assert (score["fired"], score["false_alarms"], score["missed"]) == (1, 0, 0)
    assert score["warning_s"] > 60.0

    (again,) = grid("alerts", "test", file, "--run", incident["run"], "--truth", "mean > 150 degC", "--json")["scores"]
    assert (again["fired"], again["length_s"]) == (0, 126.0)  # the run is at tick 64, and goes on


def test_rules_of_a_file_are_kept_replaced_and_removed(grid, incident, tmp_path):
    file = tmp_path / "rules.yaml"
    file.write_text("rules: [{name: late, metric: data_age_s, clock: wall, raise: 1 min, clear: 30 s}]")
    (made,) = grid("alerts", "rules", "apply", file, "--json")
    assert (made["version"], made["rule"]["raise"]) == (1, "1 min")
    (again,) = grid("alerts", "rules", "apply", file, "--json")
    assert (again["id"], again["version"]) == (made["id"], 2)
    assert "late" in grid("alerts", "rules", "list")
    grid("alerts", "rules", "remove", made["id"])
    assert grid("alerts", "rules", "list", "--json")["total"] == 0
    file.write_text("rules: [{name: late, metric: hotness, raise: 1, clear: 0}]")
    assert "rules[0].metric" in grid("alerts", "rules", "apply", file, code=3)


def test_silences_are_added_listed_shown_and_ended(grid, incident, loop):
    made = grid("silences", "add", "-m", "rule=over-temperature", "--reason", "maintenance", "--hours", 2, "--json")
    loop.take_turn()
    assert "over-temperature" in grid("silences", "list")
    assert len(grid("silences", "show", made["id"], "--json")["hidden"]) == 1
    assert "hid" in grid("silences", "show", made["id"])
    assert "has ended" in grid("silences", "end", made["id"])
    grid("silences", "end", made["id"], code=5)
    assert grid("silences", "list", "--ended", "--json")["total"] == 1


def test_a_test_of_rules_is_a_check(grid, tmp_path):
    file = tmp_path / "rules.yaml"
    file.write_text("rules: [{name: early, metric: mean, raise: 80 degC, clear: 75 degC}]")
    options = ("--scenario", "overload", "--cells", "32x4", "--truth", "mean > 150 degC")
    assert "early" in grid("alerts", "test", file, *options, "--max-missed", 0)
    done = grid("alerts", "test", file, "--scenario", "overload", "--cells", "32x4", "--max-false", 0, code=8)
    assert "false_alarms 1 is more than 0" in done
    assert "--scenario" in grid("alerts", "test", file, code=3)
    file.write_text("rules: [{name: slow, metric: rate_ratio, clock: wall, raise: 2, clear: 1}]")
    assert "simulation time" in grid("alerts", "test", file, *options, code=3)


def test_matchers_and_limits_are_read_from_words():
    assert read_matcher("severity!=low") == {"name": "severity", "op": "!=", "value": "low"}
    assert read_matcher("label.team=a=b") == {"name": "label.team", "op": "=", "value": "a=b"}
    assert read_below("highest=480") == {"metric": "highest", "value": 480.0}
    for wrong in ("rule", "=x", "rule="):
        with pytest.raises(FieldError):
            read_matcher(wrong)
    with pytest.raises(FieldError):
        read_below("highest=hot")


def test_a_replay_that_differs_is_told_by_its_first_transition():
    class Seen:
        def __init__(self, value):
            self.tick, self.before, self.after, self.value, self.value_hex = 5, "ok", "firing", value, value.hex()

    then = Seen(600.0)
    key = (5, "ok", "firing")
    assert compare([then], {key: Seen(600.0)})[1] == "identical"
    assert compare([then], {key: Seen(600.0 + 1e-9)})[1] == "within tolerance"
    assert compare([then], {key: Seen(601.0)})[1] == "different"
    assert compare([then], {})[1] == "different"
