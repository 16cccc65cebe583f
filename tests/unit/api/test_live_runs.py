"""Live runs over HTTP, with a planner that knows one scene."""

import json
from uuid import uuid4

import pytest
from dishka import Provider, Scope
from tests.support import live_runs as words
from tests.support.live_runs import BURST, Planner
from tests.support.service import Catalogue
from tests.unit.api.test_tenancy import BODIES, PREFIX, compared, operations_of

from grid.core.passwords import PasswordHasher
from grid.schemas.live import RunState
from grid.services import live
from grid.services.container import make_container
from grid.services.ports import Doorbell, ImageCatalogue, RunPlanner

RUNS = f"{PREFIX}/engine/runs"
SCENE = {"scene": {"case": {"name": "plate"}}, "tick_s": "0.03125", "rate": 30.0}


@pytest.fixture
def container(settings, bell, hasher):
    doubles = Provider(scope=Scope.APP)
    doubles.provide(lambda: bell, provides=Doorbell)
    doubles.provide(lambda: Catalogue(), provides=ImageCatalogue)  # noqa: PLW0108 - a class would be asked what it needs
    doubles.provide(lambda: hasher, provides=PasswordHasher)

    doubles.provide(lambda: Planner(), provides=RunPlanner)  # noqa: PLW0108 - likewise
    wiring = make_container(settings, doubles)
    yield wiring
    wiring.close()


@pytest.fixture
def run_id(alice):
    answer = alice.post(RUNS, json=SCENE)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def held(uow, is_paused=False):
    """Have a worker run what waits."""
    claim = words.claim(uow).claim
    assert words.begin(uow, claim, is_paused=is_paused)
    return claim


def test_a_run_is_started_listed_and_shown(alice, run_id):
    shown = alice.get(f"{RUNS}/{run_id}").json()

    assert (shown["status"], shown["tick"], shown["speed"], shown["model"]) == ("queued", 0, 1.0, "auto")
    assert shown["message"].endswith("number 1 of those that wait.")
    page = alice.get(RUNS, params={"status": "queued"}).json()
    assert ([run["id"] for run in page["items"]], page["total"]) == ([run_id], 1)
    assert alice.get(RUNS, params={"status": "running"}).json()["items"] == []


def test_a_dry_run_prices_and_starts_nothing(alice):
    answer = alice.post(RUNS, json=SCENE, params={"dry_run": "true"})

    assert answer.status_code == 200
    assert answer.json()["load_share"] == pytest.approx(0.3)
    assert answer.json()["largest_rate"] == pytest.approx(70.0)
    assert alice.get(RUNS).json()["total"] == 0


def test_a_run_that_is_too_dear_or_one_too_many_is_refused_with_the_limit(alice):
    dear = alice.post(RUNS, json={**SCENE, "speed": 3.0})
    assert (dear.status_code, dear.json()["type"]) == (422, "/problems/run-too-dear")
    assert "70 ticks a second" in dear.json()["detail"]
    for _ in range(2):
        assert alice.post(RUNS, json={**SCENE, "speed": "max"}).status_code == 202

    answer = alice.post(RUNS, json=SCENE)

    assert (answer.status_code, answer.json()["type"]) == (429, "/problems/too-many-runs")
    assert int(answer.headers["Retry-After"]) >= 1


def test_the_same_request_under_one_key_starts_one_run(alice):
    headers = {"Idempotency-Key": "k"}
    ids = {alice.post(RUNS, json=SCENE, headers=headers).json()["id"] for _ in range(3)}

    assert len(ids) == 1
    assert alice.post(RUNS, json={**SCENE, "seed": 1}, headers=headers).status_code == 422


@pytest.mark.parametrize(
    "body",
    [{}, {**SCENE, "speed": 0}, {**SCENE, "rate": 1000}, {**SCENE, "tick_s": 1}, {**SCENE, "tick_s": "a"}, [],
     {**SCENE, "scenario": "burst"}, {**SCENE, "epoch": 3}, {**SCENE, "cells": [0]}, {**SCENE, "threads": 9}],
)  # fmt: skip
def test_unfitting_bodies_are_refused(alice, body):
    assert alice.post(RUNS, json=body).status_code == 422


def test_an_event_is_committed_under_its_client_id(alice, run_id):
    event = {**BURST, "client_id": "mine", "at_s": 2.0}

    first = alice.post(f"{RUNS}/{run_id}/events", json=event)
    again = alice.post(f"{RUNS}/{run_id}/events", json=event)

    assert (first.status_code, first.json()) == (
        202, {"run": run_id, "seq": 1, "client_id": "mine", "state": "committed"},
    )  # fmt: skip
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (first.json(), "true")
    assert "Idempotent-Replayed" not in first.headers
    other = alice.post(f"{RUNS}/{run_id}/events", json={**event, "power_w": 1.0})
    assert (other.status_code, other.json()["type"]) == (422, "/problems/client-id-reused")
    command = alice.get(f"{RUNS}/{run_id}/commands/1").json()
    assert (command["kind"], command["payload"], command["at_s"], command["tick"]) == ("event", BURST, 2.0, None)


def test_several_events_are_stored_together(alice, run_id):
    answer = alice.post(f"{RUNS}/{run_id}/events", json=[BURST, BURST, BURST])
    assert [one["seq"] for one in answer.json()] == [1, 2, 3]

    bad = alice.post(f"{RUNS}/{run_id}/events", json=[BURST, {**BURST, "position_m": [7.0]}])
    assert (bad.status_code, bad.json()["errors"][0]["field"]) == (422, "events[1].position_m")
    for body in ([], [BURST] * 51, {**BURST, "at_s": "soon"}, {**BURST, "client_id": 7}, {**BURST, "at_s": -1}):
        assert alice.post(f"{RUNS}/{run_id}/events", json=body).status_code == 422
    page = alice.get(f"{RUNS}/{run_id}/commands", params={"limit": 2}).json()
    assert ([one["seq"] for one in page["items"]], page["next"]) == ([1, 2], 2)
    rest = alice.get(f"{RUNS}/{run_id}/commands", params={"after": 2}).json()
    assert ([one["seq"] for one in rest["items"]], rest["next"]) == ([3], None)


def test_an_event_of_ten_megabytes_and_one_beyond_its_own_limit_are_too_large(alice, run_id):
    for size in (20_000, 10_000_000):
        answer = alice.post(f"{RUNS}/{run_id}/events", json={"kind": "burst", "note": "x" * size})
        assert answer.status_code == 413
    assert alice.get(f"{RUNS}/{run_id}/commands").json()["items"] == []


def test_a_storm_of_events_is_slowed_down(alice, run_id):
    answers = [alice.post(f"{RUNS}/{run_id}/events", json=[{**BURST, "note": n} for _ in range(50)]) for n in range(4)]

    assert 202 in {answer.status_code for answer in answers}
    assert {answer.status_code for answer in answers} <= {202, 409, 429}
    assert answers[-1].status_code in {409, 429}


def test_a_run_is_steered(alice, uow, run_id):
    held(uow)
    assert alice.post(f"{RUNS}/{run_id}/step", json={"ticks": 3}).status_code == 409
    assert alice.post(f"{RUNS}/{run_id}/pause").status_code == 202
    assert alice.post(f"{RUNS}/{run_id}/step", json={"ticks": 3}).status_code == 202
    assert alice.put(f"{RUNS}/{run_id}/speed", json={"speed": 2.0}).status_code == 202
    assert alice.put(f"{RUNS}/{run_id}/speed", json={"speed": 3.0}).status_code == 422
    assert alice.post(f"{RUNS}/{run_id}/resume").status_code == 202
    shown = alice.get(f"{RUNS}/{run_id}").json()
    assert (shown["wanted"], shown["speed"], shown["commands"]) == ("run", 2.0, 4)

    burst = alice.post(f"{RUNS}/{run_id}/events", json=BURST).json()["seq"]
    assert alice.delete(f"{RUNS}/{run_id}/events/{burst}").status_code == 202
    assert alice.delete(f"{RUNS}/{run_id}/events/1").status_code == 404  # it is the pause
    assert alice.post(f"{RUNS}/{run_id}/stop").status_code == 202
    refused = alice.post(f"{RUNS}/{run_id}/events", json=BURST)
    assert (refused.status_code, refused.json()["run_status"]) == (409, "stopping")


def test_a_run_that_waits_is_stopped_at_once_and_can_be_removed(alice, run_id):
    assert alice.post(f"{RUNS}/{run_id}/purge").status_code == 409
    assert alice.delete(f"{RUNS}/{run_id}").status_code == 202
    shown = alice.get(f"{RUNS}/{run_id}").json()
    assert (shown["status"], shown["reason"], shown["message"]) == (
        "stopped",
        "stopped_by_user",
        "You stopped the run.",
    )

    assert alice.post(f"{RUNS}/{run_id}/purge").status_code == 204
    assert alice.get(f"{RUNS}/{run_id}").status_code == 404


def test_events_and_log_of_a_run(alice, uow, run_id):
    claim = held(uow)
    seq = alice.post(f"{RUNS}/{run_id}/events", json=BURST).json()["seq"]
    live.commit_ticks(uow, claim, {seq: 7})

    page = alice.get(f"{RUNS}/{run_id}/events", params={"limit": 2}).json()
    rest = alice.get(f"{RUNS}/{run_id}/events", params={"after": page["next"], "kind": "state"}).json()
    log = alice.get(f"{RUNS}/{run_id}/commands", params={"format": "ndjson"})

    assert [event["payload"]["state"] for event in page["items"] + rest["items"]] == ["queued", "starting", "running"]
    assert rest["next"] is None
    assert log.headers["content-type"] == "application/x-ndjson"
    header, command = (json.loads(line) for line in log.text.splitlines())
    assert (header["tick_s"], command["tick"]) == ("0.03125", 7)


@pytest.fixture
def foreign(bob, administrator, uow):
    """Runs of others: one that waits, one that ticks, one that has ended, and one of an administrator."""
    ticking, waiting = (bob.post(RUNS, json=SCENE).json()["id"] for _ in range(2))
    claim = held(uow)
    assert str(claim.run_id) == ticking
    assert bob.post(f"{RUNS}/{ticking}/events", json=BURST).status_code == 202
    ended, other = (administrator.post(RUNS, json=SCENE).json()["id"] for _ in range(2))
    assert administrator.delete(f"{RUNS}/{ended}").status_code == 202
    return [ticking, waiting, ended, other]


def live_operations(app):
    found = [operation for operation in operations_of(app) if operation.path.startswith("/engine/runs")]
    assert len(found) >= 13
    return found


def test_runs_of_others_and_runs_that_never_were_are_not_found(app, alice, foreign):
    for operation in live_operations(app):
        random = {"run_id": uuid4(), "seq": 1}
        nothing = compared(operation.send(alice, random), random)
        assert nothing[0] == 404, (operation, nothing)
        for run in foreign:
            ids = {"run_id": run, "seq": 1}
            assert compared(operation.send(alice, ids), ids)[:2] == nothing[:2], operation


PICTURES = ("field", "frames", "heatmap.png", "probe")  # which are there once a process draws


def test_their_owner_finds_them_and_nothing_has_changed(app, alice, bob, administrator, foreign):
    def look():
        return [client.get(f"{RUNS}/{run}").json() for client in (bob, administrator) for run in foreign]

    before = [{name: value for name, value in one.items() if name != "request_id"} for one in look()]
    for operation in live_operations(app):
        for run in foreign:
            operation.send(alice, {"run_id": run, "seq": 1})

    assert [{name: value for name, value in one.items() if name != "request_id"} for one in look()] == before
    for operation in live_operations(app):
        if operation.method == "GET" and not operation.path.endswith(("stream", *PICTURES)):
            assert operation.send(bob, {"run_id": foreign[0], "seq": 1}).status_code == 200, operation


def test_everybodys_runs_are_for_administrators_who_ask(alice, administrator, foreign):
    assert alice.get(RUNS, params={"all": "true"}).status_code == 403
    assert alice.get(RUNS).json()["total"] == 0
    assert administrator.get(f"{RUNS}/{foreign[0]}").status_code == 404
    assert administrator.get(f"{RUNS}/{foreign[0]}", params={"all": "true"}).status_code == 200
    assert administrator.get(RUNS, params={"all": "true"}).json()["total"] == 4
    stopped = administrator.post(f"{RUNS}/{foreign[1]}/stop", params={"all": "true"})
    assert stopped.status_code == 202
    shown = administrator.get(f"{RUNS}/{foreign[1]}", params={"all": "true"}).json()
    assert (shown["status"], shown["reason"]) == (RunState.STOPPED, "stopped_by_admin")


def test_nobody_gets_anything_without_a_login(app, anonymous):
    for operation in live_operations(app):
        assert operation.send(anonymous, {"run_id": uuid4(), "seq": 1}).status_code == 401
    assert anonymous.get(RUNS).status_code == 401


def test_the_matrix_knows_bodies_of_every_operation_that_needs_one(app):
    needing = {
        (method.upper(), path.removeprefix(PREFIX))
        for path, item in app.openapi()["paths"].items()
        if "{" in path
        for method, operation in item.items()
        if operation.get("requestBody", {}).get("required")
    }

    assert len(needing) >= 6
    assert needing <= set(BODIES)
