"""Limits of live runs on the application as it is wired: each refusal names what is wrong and what would be right."""

import json

import pytest
from tests.support import live_runs as words

from grid.schemas.live import SAMPLE_METRICS

RUNS = "/api/v1/engine/runs"
PLATE = {"scenario": "burst", "cells": [16, 16]}
BURST = {"kind": "burst", "position_m": [0.005, 0.4, 0.5], "radius_m": 0.05, "power_w": 100.0, "duration_s": 5.0}
CASE = {
    "dimension": 2,
    "domain": {"size": [0.1, 0.1]},
    "material": {"conductivity": 50.0, "density": 7800.0, "specific_heat": 470.0},
    "initial": 300.0,
    "resolution": {"cells": [16, 16]},
    "temperature_unit": "K",
}


@pytest.fixture
def run_id(alice):
    answer = alice.post(RUNS, json=PLATE)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


@pytest.fixture(scope="module")
def carol(open_clients, tmp_path_factory):
    """A user whose requests are all refused, so that one application does for them."""
    with open_clients(tmp_path_factory.mktemp("refused")) as opened:
        client = opened.log_in("carol")
        client.run_id = client.post(RUNS, json=PLATE).json()["id"]
        yield client


def problem(answer, status):
    """Status, type and fields of a refusal."""
    assert answer.status_code == status, answer.text
    document = answer.json()
    fields = {error["field"]: error["limit"] for error in document.get("errors", ())}
    return document["type"].rpartition("/")[2], fields, document["detail"]


def test_a_scenario_is_planned_and_its_first_commands_are_in_the_log(alice, run_id):
    shown = alice.get(f"{RUNS}/{run_id}").json()
    rules, burst = alice.get(f"{RUNS}/{run_id}/commands").json()["items"]

    assert (shown["scenario"], shown["tick_s"], shown["rate"], shown["commands"]) == ("burst", "1.0", 15.0, 2)
    assert (rules["kind"], rules["tick"], rules["by"]) == ("rules", 0, None)
    assert (burst["kind"], burst["tick"], burst["at_s"]) == ("event", 40, 40.0)
    assert alice.post(f"{RUNS}/{run_id}/events", json=BURST).json()["seq"] == 3


def test_a_dry_run_tells_method_price_and_the_largest_rate(alice):
    priced = alice.post(RUNS, json={**PLATE, "cells": [256, 256]}, params={"dry_run": "true"}).json()

    assert (priced["method"], priced["cells"], priced["tick_s"]) == ("rkl2", 65536, "1.0")
    assert priced["load_share"] == pytest.approx(priced["price_s"] * 15.0)
    assert priced["largest_rate"] == pytest.approx(0.7 / priced["price_s"], rel=1e-3)


@pytest.mark.parametrize("change", [{"velocity": [0.01, 0.0]}, {"material": {
    **CASE["material"], "melting_temperature": 350.0, "latent_heat": 1e5}}])  # fmt: skip
def test_a_body_of_ones_own_that_flows_or_melts_starts_with_implicit_ticks(alice, change):
    body = {"scene": {"case": {**CASE, **change}}, "tick_s": "0.1", "rate": 5.0}

    started = alice.post(RUNS, json=body)

    assert started.status_code == 202, started.text
    assert alice.get(f"{RUNS}/{started.json()['id']}").json()["method"] == "implicit"


@pytest.mark.parametrize(
    ("body", "field", "limit"),
    [
        ({"scenario": "fire"}, "scenario", "burst"),
        ({**PLATE, "params": {"power": -1}}, "params.power", "greater"),
        ({**PLATE, "params": {"mood": 1}}, "params.mood", "known"),
        ({**PLATE, "cells": [4, 4]}, "cells", "64 to 1048576"),
        ({**PLATE, "cells": [2048, 2048]}, "cells", "64 to 1048576"),
        ({**PLATE, "method": "magic"}, "method", "implicit"),
        ({**PLATE, "tick_s": "1e9"}, "tick_s", "at most"),
        ({**PLATE, "scene": {"case": CASE}}, "scenario", "not both"),
        ({"scene": {"case": CASE}}, "tick_s", "required"),
        ({"scene": {"case": {**CASE, "steady": True}}, "tick_s": "0.1"}, "scene.case.steady", "transient"),
        ({"scene": {"case": CASE, "mood": 1}, "tick_s": "0.1"}, "scene", "unknown"),
    ],
)
def test_a_run_is_refused_by_field_and_limit(carol, body, field, limit):
    _, fields, _ = problem(carol.post(RUNS, json=body), 422)

    assert limit in fields[field]
    assert carol.get(RUNS).json()["total"] == 1


@pytest.mark.parametrize(
    ("case", "word"),
    [
        ({"velocity": [1.0, 0.0]}, "flow of the medium"),
        ({"material": {**CASE["material"], "melting_temperature": 350.0, "volumetric_latent_heat": 1e8}}, "phase"),
    ],
)
def test_physics_that_implicit_ticks_alone_compute_is_refused_beyond_their_cells(carol, case, word):
    large = {**CASE, **case, "resolution": {"cells": [257, 256]}}
    _, fields, _ = problem(carol.post(RUNS, json={"scene": {"case": large}, "tick_s": "0.1"}), 422)

    assert word in fields["scene.case.resolution.cells"]
    assert "65536" in fields["scene.case.resolution.cells"]


def test_a_scene_that_is_too_dear_is_refused_with_the_largest_rate(carol):
    answer = carol.post(RUNS, json={**PLATE, "cells": [512, 512], "speed": 100.0})

    code, _, detail = problem(answer, 422)
    assert code == "run-too-dear"
    assert "ticks a second fit" in detail


def test_a_user_has_two_runs(alice, bob, run_id):
    assert alice.post(RUNS, json=PLATE).status_code == 202

    for _ in range(3):
        answer = alice.post(RUNS, json=PLATE)
        assert problem(answer, 429)[0] == "too-many-runs"
        assert int(answer.headers["Retry-After"]) >= 1
    assert bob.post(RUNS, json=PLATE).status_code == 202
    assert alice.post(f"{RUNS}/{run_id}/stop").status_code == 202
    assert alice.post(RUNS, json=PLATE).status_code == 202


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"position_m": [0.005, 7.0, 0.5]}, "position_m"),
        ({"position_m": [0.4]}, "position_m"),
        ({"power_w": 1e300}, "power_w"),
        ({"duration_s": -1.0}, "duration_s"),
        ({"at_s": -1.0}, "at_s"),
        ({"velocity_m_s": [0.0, 0.05, 0.0]}, "velocity_m_s[1]"),
        ({"kind": "earthquake"}, "kind"),
        ({"client_id": ""}, "client_id"),
        ({"client_id": "a b"}, "client_id"),
    ],
)
def test_an_event_is_refused_by_field(carol, change, field):
    _, fields, _ = problem(carol.post(f"{RUNS}/{carol.run_id}/events", json={**BURST, **change}), 422)

    assert any(name.startswith(field) for name in fields), fields
    assert len(carol.get(f"{RUNS}/{carol.run_id}/commands").json()["items"]) == 2


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_no_json(carol, number):
    body = json.dumps(BURST).replace("100.0", number).encode()
    url = f"{RUNS}/{carol.run_id}/events"

    answer = carol.post(url, content=body, headers={"Content-Type": "application/json"})

    assert problem(answer, 422)[0] == "invalid-json"


def test_a_request_has_fifty_events_of_sixteen_kibibytes(alice, run_id):
    events = f"{RUNS}/{run_id}/events"
    _, fields, _ = problem(alice.post(events, json=[BURST] * 51), 422)
    assert fields == {"events": "must be 1 to 50"}
    for size in (16 * 1024, 10_000_000):
        problem(alice.post(events, json={**BURST, "shape": "x" * size}), 413)
    assert list(problem(alice.post(events, json=[BURST, {**BURST, "at_s": "soon"}]), 422)[1]) == ["events[1].at_s"]
    bad = alice.post(events, json=[BURST, {**BURST, "power_w": "much"}])
    assert list(problem(bad, 422)[1]) == ["events[1].power_w"]

    answers = alice.post(events, json=[BURST] * 50).json()

    assert [answer["seq"] for answer in answers] == list(range(3, 53))
    code, _, detail = problem(alice.post(events, json=[BURST] * 15), 409)  # 64 may wait, beside those of the scenario
    assert (code, "64" in detail) == ("too-many-commands", True)


def test_an_event_is_at_most_a_million_ticks_ahead(alice, run_id):
    events = f"{RUNS}/{run_id}/events"
    assert alice.post(events, json={**BURST, "at_s": 1e6}).status_code == 202

    _, fields, _ = problem(alice.post(events, json={**BURST, "at_s": 1.0001e6}), 422)

    assert fields == {"at_s": "must be at most 1e+06 s, 1000000 ticks ahead"}


def test_one_id_a_hundred_times_is_one_effect(alice, run_id):
    answers = [alice.post(f"{RUNS}/{run_id}/events", json={**BURST, "client_id": "once"}) for _ in range(100)]

    assert {answer.status_code for answer in answers} == {202}
    assert {answer.json()["seq"] for answer in answers} == {3}
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 99
    assert alice.get(f"{RUNS}/{run_id}").json()["commands"] == 3
    keyed = [alice.post(f"{RUNS}/{run_id}/pause", headers={"Idempotency-Key": "p"}).json() for _ in range(3)]
    assert {one["seq"] for one in keyed} == {4}


def test_several_events_under_one_key_act_once(alice, run_id):
    def send(key, count=3):
        answer = alice.post(f"{RUNS}/{run_id}/events", json=[BURST] * count, headers={"Idempotency-Key": key})
        return [one["seq"] for one in answer.json()] if answer.status_code == 202 else problem(answer, 422)

    assert send("k") == send("k") == [3, 4, 5]
    assert send("x" * 255) == send("x" * 255) == [6, 7, 8]
    assert send("k", count=1) == [3]
    assert send("no key")[1] == {"Idempotency-Key": "must be 1 to 255 visible ASCII characters"}
    assert alice.get(f"{RUNS}/{run_id}").json()["commands"] == 8


def test_nothing_is_sent_to_a_run_that_has_ended(alice, run_id):
    assert alice.delete(f"{RUNS}/{run_id}").status_code == 202

    for method, path, body in (
        ("POST", "events", BURST), ("PUT", "model", {"model": "auto"}), ("PUT", "rules", {"rules": []}),
        ("POST", "checkpoints", None), ("PUT", "speed", {"speed": 1.0}),
    ):  # fmt: skip
        answer = alice.request(method, f"{RUNS}/{run_id}/{path}", json=body)
        assert (problem(answer, 409)[0], answer.json()["run_status"]) == ("run-state", "stopped")


def test_the_model_is_chosen_and_an_unknown_or_an_impossible_one_is_refused(alice, run_id):
    assert alice.put(f"{RUNS}/{run_id}/model", json={"model": "diffusive"}).json()["seq"] == 3
    assert alice.get(f"{RUNS}/{run_id}").json()["model"] == "diffusive"
    assert "model" in problem(alice.put(f"{RUNS}/{run_id}/model", json={"model": "best"}), 422)[1]
    held = {**CASE, "boundaries": {"x_min": {"type": "temperature", "value": 300.0}}}
    other = alice.post(RUNS, json={"scene": {"case": held}, "tick_s": "0.1"}).json()["id"]

    code, _, detail = problem(alice.put(f"{RUNS}/{other}/model", json={"model": "lumped"}), 409)

    assert (code, "x_min" in detail) == ("held-face", True)


def test_rules_are_read_replaced_and_guarded_by_their_version(alice, run_id):
    rules = f"{RUNS}/{run_id}/rules"
    first = alice.get(rules)
    assert [rule["name"] for rule in first.json()["rules"]] == ["hot-spot", "near-yield"]
    changed = {"rules": [{**first.json()["rules"][0], "raise": 100.0, "clear": 90.0}]}

    assert alice.put(rules, json=changed, headers={"If-Match": first.headers["ETag"]}).status_code == 202
    late = alice.put(rules, json={"rules": []}, headers={"If-Match": first.headers["ETag"]})

    assert problem(late, 412)[0] == "rules-changed"
    second = alice.get(rules)
    assert second.json() == {"version": 1, **changed}
    assert second.headers["ETag"] == '"1"'
    assert alice.put(rules, json={"rules": []}, headers={"If-Match": "*"}).status_code == 202
    for tag in ("1", 'W/"1"', '"x"'):
        assert "If-Match" in problem(alice.put(rules, json=changed, headers={"If-Match": tag}), 422)[1]
    assert alice.get(rules).json() == {"version": 2, "rules": []}


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"raise": "hot"}, "rules[0].raise"),
        ({"clear": 500.0}, "rules[0].clear"),
        ({"metric": "mood"}, "rules[0].metric"),
        ({"mood": 1}, "rules[0].mood"),
    ],
)
def test_a_rule_is_refused_by_field(carol, rule, field):
    given = {"name": "hot", "metric": "highest", "raise": 400.0, "clear": 350.0, **rule}

    _, fields, _ = problem(carol.put(f"{RUNS}/{carol.run_id}/rules", json={"rules": [given]}), 422)

    assert any(name.startswith(field) for name in fields), fields
    assert "rules" in problem(carol.put(f"{RUNS}/{carol.run_id}/rules", json={"rules": [given] * 51}), 422)[1]


def test_checkpoints_are_asked_for_and_listed(alice, uow, run_id):
    claim = words.claim(uow).claim
    assert words.begin(uow, claim)
    assert alice.post(f"{RUNS}/{run_id}/checkpoints").json()["seq"] == 3
    kept, _ = words.snapshot(uow, claim, tick=7, kind="user", pinned=True)
    words.snapshot(uow, claim, tick=9)

    newest, asked = alice.get(f"{RUNS}/{run_id}/checkpoints").json()["items"]

    assert (newest["tick"], newest["kind"], newest["pinned"]) == (9, "auto", False)
    assert (asked["id"], asked["tick"], asked["time_s"], asked["kind"], asked["pinned"]) == (
        str(kept), 7, 7.0, "user", True,
    )  # fmt: skip
    assert (asked["bytes"], asked["sha256"], "key" in asked) == (1000, "cd" * 32, False)


def test_metrics_have_every_name(alice, run_id):
    shown = alice.get(f"{RUNS}/{run_id}/metrics").json()

    assert (shown["status"], shown["model"], shown["age_s"], shown["time_s"]) == ("queued", None, None, None)
    assert tuple(shown["metrics"]) == SAMPLE_METRICS
    assert set(shown["metrics"].values()) == {None}
