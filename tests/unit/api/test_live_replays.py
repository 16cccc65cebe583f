"""Replays, frozen spans and branches of live runs over HTTP, with the engine behind them."""

import asyncio
import json

import pytest
from tests.doubles.artifacts import MemoryArtifactStore
from tests.support import live_runs as words
from tests.support.live_carrier import Carrier
from tests.unit.api.test_client import AppTransport
from tests.unit.api.test_live_client import ADDRESS, AsyncTransport
from tests.unit.api.test_tenancy import PREFIX
from typer.testing import CliRunner

from grid.cli.main import app as commands
from grid.client.client import AsyncGridClient, GridClient
from grid.plugins.registry import load_registry
from grid.schemas.live_log import read_lines

RUNS = f"{PREFIX}/engine/runs"
LIVE = load_registry().get("live")


@pytest.fixture
def run_id(alice, uow):
    """A run of a scenario that has ended."""
    answer = alice.post(RUNS, json={"scenario": "overload", "cells": [64], "speed": 10.0})
    assert answer.status_code == 202, answer.text
    claimed = words.claim(uow)
    Carrier(uow, MemoryArtifactStore(), claimed, until=20).run()
    return answer.json()["id"]


def params_of(client, answer):
    assert answer.status_code == 202, answer.text
    (job,) = answer.json()["jobs"]
    return client.get(f"{PREFIX}/jobs/{job}").json()["params"]


def test_the_exported_log_is_the_whole_input_of_a_replay(alice, run_id):
    text = alice.get(f"{RUNS}/{run_id}/commands", params={"format": "ndjson"}).text
    log = read_lines(text.splitlines())
    assert (log["header"]["scenario"], log["commands"][0]["kind"]) == ("overload", "rules")

    (outcome,) = LIVE.solve([LIVE.params_model.model_validate({"log": log})], lambda _: frozenset()).outcomes

    assert outcome.metrics["verdict"] == "identical"


def test_a_run_is_replayed_once_under_one_key(alice, run_id):
    keyed = {"Idempotency-Key": "again"}
    first = alice.post(f"{RUNS}/{run_id}/replays", headers=keyed)
    again = alice.post(f"{RUNS}/{run_id}/replays", headers=keyed)
    assert params_of(alice, first)["log"]["header"]["run"] == run_id
    assert first.json() == again.json()
    assert alice.post(f"{RUNS}/{run_id}/replays").json() != first.json()


def test_a_span_is_frozen_and_a_wrong_one_refused(alice, run_id):
    tick_s = float(alice.get(f"{RUNS}/{run_id}").json()["tick_s"])
    params = params_of(alice, alice.post(f"{RUNS}/{run_id}/freeze", json={"from_s": 2 * tick_s, "to_s": 9 * tick_s}))
    assert (params["from_s"], params["log"]["end"]["tick"]) == (2 * tick_s, 9)
    for body, field in (
        ({"from_s": 1e9}, "from_s"), ({"from_s": 0, "to_s": 1e9}, "to_s"), ({}, "from_s"),
        ({"from_s": -1}, "from_s"), ({"from_s": 0, "of": 1}, "of"),
    ):  # fmt: skip
        answer = alice.post(f"{RUNS}/{run_id}/freeze", json=body)
        assert answer.status_code == 422
        assert field in answer.text


def test_a_branch_is_a_run_of_its_own_and_the_fifth_is_refused(alice, run_id):
    body = {"at_tick": 10, "keep_commands": False, "paused": True, "name": "what if", "speed": "max"}
    answer = alice.post(f"{RUNS}/{run_id}/branches", json=body)
    assert answer.status_code == 202, answer.text
    made = answer.json()
    assert (made["parent_id"], made["parent_tick"], made["tick"], made["name"]) == (run_id, 10, 10, "what if")
    assert (made["wanted"], made["speed"], made["status"]) == ("pause", None, "queued")
    for _ in range(3):
        assert alice.post(f"{RUNS}/{run_id}/branches", json={}).status_code == 202
    fifth = alice.post(f"{RUNS}/{run_id}/branches", json={})
    assert (fifth.status_code, fifth.json()["type"]) == (429, "/problems/too-many-runs")
    assert "4 branches of 4" in fifth.json()["detail"]


def test_the_same_request_under_one_key_makes_one_branch(alice, bob, run_id):
    path, body, headers = f"{RUNS}/{run_id}/branches", {"at_tick": 5, "paused": True}, {"Idempotency-Key": "twice"}
    first, again = (alice.post(path, json=body, headers=headers) for _ in range(2))
    assert first.status_code == again.status_code == 202, again.text
    assert first.json()["id"] == again.json()["id"]
    other = alice.post(path, json={**body, "at_tick": 6}, headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    wrong = alice.post(path, json=body, headers={"Idempotency-Key": "a b"})
    assert (wrong.status_code, "Idempotency-Key" in wrong.text) == (422, True)
    assert bob.post(path, json=body, headers=headers).status_code == 404
    listed = [run for run in alice.get(RUNS).json()["items"] if run["parent_id"] == run_id]
    assert len(listed) == 1


def test_a_branch_that_cannot_be_is_refused(alice, run_id):
    for body, status in (
        ({"at_tick": 10**6}, 422), ({"at_tick": -1}, 422), ({"at_tick": 1.5}, 422), ({"speed": 1000.0}, 422),
        ({"snapshot": "no"}, 422), ({"snapshot": "01a22d30-ef92-70db-8264-d9368e90898b"}, 404), ({"tick": 1}, 422),
    ):  # fmt: skip
        assert alice.post(f"{RUNS}/{run_id}/branches", json=body).status_code == status, body


def test_a_run_that_has_not_ticked_has_nothing_to_replay(alice):
    run = alice.post(RUNS, json={"scenario": "flow", "cells": [64]}).json()["id"]
    for path, body in (("replays", None), ("freeze", {"from_s": 0.0}), ("branches", {})):
        answer = alice.post(f"{RUNS}/{run}/{path}", json=body)
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/run-state")


@pytest.fixture(params=["waits", "awaits"])
def replays(request, alice):
    """The verbs of the client, and those of the client that is awaited."""
    token = alice.headers["Authorization"].removeprefix("Bearer ")
    if request.param == "waits":
        return GridClient(ADDRESS, lambda **_: token, transport=AppTransport(alice)).replays
    found = AsyncGridClient(ADDRESS, lambda **_: token, transport=AsyncTransport(alice)).replays

    class Awaited:
        def __getattr__(self, verb):
            return lambda *args, **options: asyncio.run(getattr(found, verb)(*args, **options))

    return Awaited()


def test_the_client_replays_freezes_and_branches(alice, replays, run_id):
    tick_s = float(alice.get(f"{RUNS}/{run_id}").json()["tick_s"])
    jobs = [replays.replay(run_id), replays.freeze(run_id, tick_s, 5 * tick_s)]
    found = [alice.get(f"{PREFIX}/jobs/{job}").json() for job in jobs]
    assert [job["metadata"]["kind"] for job in found] == ["replay", "freeze"]
    assert found[1]["params"]["log"]["end"]["tick"] == 5
    made = replays.branch(run_id, at_tick=7, keep_commands=False, paused=True, speed="max", name="other")
    assert (str(made.parent_id), made.parent_tick, made.wanted, made.name) == (run_id, 7, "pause", "other")


def test_a_replay_is_shown_without_its_log(alice, run_id, monkeypatch):
    token = alice.headers["Authorization"].removeprefix("Bearer ")
    monkeypatch.setattr(
        GridClient, "from_settings", lambda *_: GridClient(ADDRESS, lambda **_: token, transport=AppTransport(alice))
    )
    job = alice.post(f"{RUNS}/{run_id}/replays").json()["jobs"][0]

    shown = CliRunner().invoke(commands, ["jobs", "show", job])

    assert shown.exit_code == 0, shown.output
    flat = "".join(shown.stdout.split())
    assert "commands," in flat
    assert f"/api/v1/engine/runs/{run_id}/commands?format=ndjson" in flat
    assert "position_m" not in flat
    assert len(shown.stdout) < 4_000


def test_the_command_line_branches_at_the_boundary_at_or_before_a_time(alice, run_id, monkeypatch):
    token = alice.headers["Authorization"].removeprefix("Bearer ")

    def from_settings(*_):
        return GridClient(ADDRESS, lambda **_: token, transport=AppTransport(alice))

    monkeypatch.setattr(GridClient, "from_settings", from_settings)
    tick_s = float(alice.get(f"{RUNS}/{run_id}").json()["tick_s"])

    def grid(*arguments, code=0):
        done = CliRunner().invoke(commands, ["branch", run_id, *map(str, arguments)])
        assert done.exit_code == code, done.output
        return done.output

    made = json.loads(grid("--at-s", 7.5 * tick_s, "--drop-commands", "--paused", "--json"))
    assert (made["parent_tick"], made["wanted"]) == (7, "pause")
    assert "from tick 3 of run" in grid("--at-tick", 3)
    assert "at_tick" in grid("--at-s", 1e6, code=3)
    assert "--at-s" in grid("--at-s", 1.0, "--at-tick", 3, code=3)
    assert "--at-s" in grid("--at-s", "nan", code=3)
    assert "--speed" in grid("--speed", "fast", code=3)
