"""Alerts, rules, silences, incidents and modes over HTTP."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from tests.support import live_runs as words
from tests.support.alert_words import sample_row, tell
from tests.unit.api.test_tenancy import PREFIX

from grid.database.mode_states import SERVICE, ModeRecord
from grid.schemas.live import CommandKind
from grid.services import live
from grid.services.alerts.loop import AlertLoop
from grid.services.incidents.following import IncidentFollower
from grid.services.incidents.runbooks import RunbookFolder
from grid.services.live import Look

HOT = {"name": "hot", "metric": "highest", "raise": 520.0, "clear": 500.0, "severity": "critical", "runbook": "none"}


@pytest.fixture
def held(uow, alice):
    claim = words.start(uow, alice.user_id)
    live.renew_leases(uow, [claim], worker_id="worker-1", lease_s=1e6)
    return claim


@pytest.fixture
def loop(uow, tmp_path):
    return AlertLoop(uow, follow=IncidentFollower(RunbookFolder(tmp_path / "books")))


@pytest.fixture
def alert(uow, alice, held, loop):
    words.send(uow, held.run_id, CommandKind.RULES, {"rules": [HOT]})
    live.write_looks(uow, [Look(held, 64, samples=(sample_row(5, 0, highest=480.0), sample_row(5, 1, highest=600.0)))])
    loop.take_turn()
    tell(uow, held, "ok", "firing", tick=60, value=600.5, first_tick=50)
    loop.take_turn()
    return alice.get(f"{PREFIX}/alerts").json()["items"][0]


def until(**span):
    return (datetime.now(UTC) + timedelta(**span)).isoformat()


def test_an_alert_is_listed_explained_and_acknowledged(alice, alert, held):
    assert (alert["rule"], alert["state"], alert["severity"], alert["metric"]) == (
        "hot",
        "firing",
        "critical",
        "highest",
    )
    for query, count in (
        ({"state": "firing"}, 1), ({"state": "resolved"}, 0), ({"severity": ["low", "critical"]}, 1),
        ({"run": str(held.run_id)}, 1),
    ):  # fmt: skip
        assert alice.get(f"{PREFIX}/alerts", params=query).json()["total"] == count

    shown = alice.get(f"{PREFIX}/alerts/{alert['id']}").json()
    assert shown["explain"][0] == "hot fired at tick 60 at 600.5, beyond 520; the first breach was at tick 50."
    assert [one["value_hex"] for one in shown["transitions"]] == [(600.5).hex()]
    assert shown["definition"]["raise"] == 520.0

    told = alice.post(f"{PREFIX}/alerts/{alert['id']}/acknowledge", json={"note": "mine"})
    assert (told.status_code, told.json()["note"]) == (200, "mine")
    again = alice.post(f"{PREFIX}/alerts/{alert['id']}/acknowledge")
    assert again.json()["acknowledged_at"] == told.json()["acknowledged_at"]


def test_an_alert_that_has_ended_is_not_acknowledged(uow, alice, alert, held):
    tell(uow, held, "firing", "ok", tick=90, value=400.0)

    answer = alice.post(f"{PREFIX}/alerts/{alert['id']}/acknowledge")

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/alert-state")


def test_a_rule_with_units_is_kept_changed_brought_and_removed(uow, alice, loop):
    answer = alice.post(f"{PREFIX}/engine/runs", json={"scenario": "overload", "cells": [32, 4]})
    run_id = UUID(answer.json()["id"])  # its temperatures are in degrees Celsius
    rule = {
        "name": "warm", "metric": "highest", "raise": "520.15 K", "clear": "240 degC", "for": "2 s", "severity": "low",
        "no_data": {"after": "1 min", "then": "fire"},
    }  # fmt: skip
    made = alice.post(f"{PREFIX}/alert-rules", json={"rule": rule})
    assert made.status_code == 201, made.text
    assert made.json()["rule"] == {**rule, "version": 1}
    assert made.headers["etag"] == '"1"'

    def brought():
        with uow.read() as tx:
            return {one["name"]: one for one in tx.alert_rules.find_sent_rules(run_id)}

    assert list(brought()) == ["over-temperature", "warm"]
    warm = brought()["warm"]
    assert (warm["raise"], warm["clear"]) == (pytest.approx(247.0), 240.0)
    assert (warm["for_s"], warm["no_data_after_s"], warm["no_data"]) == (2.0, 60.0, "fire")
    assert alice.post(f"{PREFIX}/alert-rules", json={"rule": rule}).json()["type"] == "/problems/rule-exists"

    path = f"{PREFIX}/alert-rules/{made.json()['id']}"
    changed = alice.put(path, json={"rule": {**rule, "raise": "300 degC"}}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert (brought()["warm"]["version"], brought()["warm"]["raise"]) == (2, 300.0)
    stale = alice.put(path, json={"rule": rule}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["type"]) == (412, "/problems/rule-changed")
    assert alice.put(path, json={"rule": {**rule, "name": "other"}}).status_code == 422
    words.begin(uow, words.claim(uow).claim)
    loop.take_turn()

    assert alice.delete(path).status_code == 204
    assert list(brought()) == ["over-temperature"]
    assert alice.get(path).status_code == 404


def test_a_rule_with_a_unit_is_not_for_a_run_without_one(uow, alice, held, loop):
    rule = {"name": "warm", "metric": "highest", "raise": "247 degC", "clear": "240 degC"}
    assert alice.post(f"{PREFIX}/alert-rules", json={"rule": rule}).status_code == 201
    refused = alice.post(f"{PREFIX}/alert-rules", json={"rule": {**rule, "name": "x"}, "run": str(held.run_id)})
    plain = {**rule, "name": "plain", "raise": 247.0, "clear": 240.0}
    assert alice.post(f"{PREFIX}/alert-rules", json={"rule": plain}).status_code == 201

    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "rule.raise")
    with uow.read() as tx:
        assert [one["name"] for one in tx.alert_rules.find_sent_rules(held.run_id)] == ["plain"]


def test_a_rule_that_is_none_is_refused_by_its_field(alice):
    for change, field in (
        ({"metric": "hotness"}, "rule.metric"),
        ({"metric": "data_age_s"}, "rule.metric"),  # of the service: by the wall clock alone
        ({"raise": "247 kg"}, "rule.raise"),
        ({"raise": "hot"}, "rule.raise"),
        ({"clear": 999.0}, "rule.clear_at"),
        ({"for": "-1 s"}, "rule.hold"),
        ({"severity": "critical"}, "rule.runbook"),
        ({"colour": "red"}, "rule.colour"),
        ({"stale": {"afterwards": 3}}, "rule.stale"),
    ):
        rule = {"name": "warm", "metric": "highest", "raise": 520.0, "clear": 500.0, **change}
        answer = alice.post(f"{PREFIX}/alert-rules", json={"rule": rule})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


def test_rules_are_tried_on_what_is_stored_of_a_run(alice, alert, held):
    body = {"run": str(held.run_id), "rules": [{**HOT, "runbook": "x"}], "truth": "highest > 550"}
    answer = alice.post(f"{PREFIX}/alert-rules/test", json=body)

    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["truths"], found["resolution_s"]) == (1, 1.0)
    assert found["scores"] == [
        {"rule": "hot", "fired": 1, "false_alarms": 0, "missed": 0, "flaps": 0, "delay_s": None, "warning_s": 0.0}
    ]
    for change, field in (
        ({"truth": "highest"}, "truth"), ({"rules": [{**HOT, "metric": "x"}]}, "rules[0].metric"),
        ({"rules": [{**HOT, "clock": "wall"}]}, "rules[0].clock"),
    ):  # fmt: skip
        wrong = alice.post(f"{PREFIX}/alert-rules/test", json={**body, **change})
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, field)


def test_a_silence_is_made_shown_and_ended(alice, alert, loop):
    body = {"matchers": [{"name": "rule", "value": "hot"}], "reason": "maintenance", "until": until(hours=2)}
    made = alice.post(f"{PREFIX}/silences", json=body)
    assert made.status_code == 201, made.text
    loop.take_turn()
    path = f"{PREFIX}/silences/{made.json()['id']}"
    assert alice.get(path).json()["hidden"] == [alert["id"]]
    assert alice.get(f"{PREFIX}/alerts/{alert['id']}").json()["silence"] == made.json()["id"]

    assert alice.delete(path).json()["end_reason"] == "ended"
    assert alice.delete(path).json()["type"] == "/problems/silence-ended"
    assert alice.get(f"{PREFIX}/silences", params={"living": "true"}).json()["total"] == 0
    loop.take_turn()
    assert alice.get(f"{PREFIX}/alerts/{alert['id']}").json()["silence"] is None


def test_a_silence_that_is_none_is_refused_by_its_field(alice, held):
    of_run = {"name": "run", "value": str(held.run_id)}
    for change, field in (
        ({"until": until(days=8)}, "until"),
        ({"until": until(seconds=-1)}, "until"),
        ({"until": "tomorrow"}, "until"),
        ({"matchers": []}, "matchers"),
        ({"matchers": [{"name": "colour", "value": "red"}]}, "matchers[0].name"),
        ({"matchers": [{"name": "rule", "op": "!=", "value": "x"}]}, "matchers"),
        ({"matchers": [{"name": "run", "value": "x"}]}, "matchers"),
        ({"reason": " "}, "reason"),
        ({"until_below": {"metric": "highest", "value": 1.0}}, "until_below"),
        ({"until_below": {"metric": "hotness", "value": 1.0}, "matchers": [of_run]}, "until_below.metric"),
    ):
        body = {"matchers": [{"name": "rule", "value": "hot"}], "reason": "x", "until": until(hours=1), **change}
        answer = alice.post(f"{PREFIX}/silences", json=body)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


def test_an_incident_is_worked_verified_and_exported(alice, alert):
    (row,) = alice.get(f"{PREFIX}/incidents").json()["items"]
    assert (row["state"], row["severity"]) == ("open", "critical")
    path = f"{PREFIX}/incidents/{row['id']}"
    assert alice.post(f"{path}/notes", json={"text": "looking"}).status_code == 201
    assert alice.post(f"{path}/acknowledge").json()["state"] == "acknowledged"
    assert alice.post(f"{path}/assign", json={"to": "ada"}).json()["assigned_to"] == "ada"
    refused = alice.post(f"{path}/resolve")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/incident-state")
    resolved = alice.post(f"{path}/resolve", json={"reason": "a test"}).json()
    assert resolved["state"] == "resolved"
    assert resolved["acknowledged_s"] is not None

    assert alice.get(f"{path}/verify").json()["is_intact"] is True
    assert alice.get(f"{PREFIX}/alerts/{alert['id']}").json()["incident"] == row["id"]
    text = alice.get(f"{path}/export")
    assert text.headers["content-type"].startswith("text/markdown")
    assert "## highest" in text.text
    document = alice.get(f"{path}/export", params={"format": "json"}).json()
    assert document["is_intact"]
    assert document["entries"][-1]["hash"] == document["head"]
    assert alice.post(f"{path}/steps/1").status_code == 404
    replay = alice.post(f"{path}/replay")
    assert (replay.status_code, replay.json()["type"]) == (422, "/problems/invalid-fields")  # its scene is none


def test_the_replay_of_an_incident_is_a_job(uow, alice):
    answer = alice.post(f"{PREFIX}/engine/runs", json={"scenario": "overload", "cells": [32, 4]})
    claim = words.claim(uow).claim
    words.begin(uow, claim)
    live.write_looks(uow, [Look(claim, 64)])
    made = alice.post(f"{PREFIX}/incidents", json={"run": answer.json()["id"], "title": "odd"}).json()

    replay = alice.post(f"{PREFIX}/incidents/{made['id']}/replay")

    assert replay.status_code == 202, replay.text
    job = alice.get(f"{PREFIX}/jobs/{replay.json()['jobs'][0]}").json()
    assert (job["simulation"], job["metadata"]["kind"]) == ("live", "incident")


def test_an_incident_is_opened_by_hand(alice, held):
    made = alice.post(f"{PREFIX}/incidents", json={"run": str(held.run_id), "title": "odd"})

    assert made.status_code == 201
    assert (made.json()["severity"], made.json()["opened_by"]) == ("high", str(alice.user_id))
    assert alice.post(f"{PREFIX}/incidents", json={"run": str(held.run_id), "title": ""}).status_code == 422


def put_mode(uow, scope, part="physics", rung=1):
    now = datetime.now(UTC)
    with uow.begin() as tx:
        tx.modes.put(ModeRecord(part, scope, rung, now, "ticks take longer than they may", {"ratio": 0.5}, {}, 1, now))


def test_every_answer_about_live_runs_has_the_mode(uow, alice, bob, anonymous, held):
    put_mode(uow, SERVICE, "store")
    put_mode(uow, str(held.run_id))
    run = f"{PREFIX}/engine/runs/{held.run_id}"

    assert alice.get(run).headers["grid-mode"] == "degraded; physics=1; store=1"
    for client, path in (
        (alice, f"{PREFIX}/engine/runs"), (bob, run), (anonymous, run), (alice, f"{PREFIX}/engine/nothing"),
    ):  # fmt: skip
        assert client.get(path).headers["grid-mode"] == "degraded; store=1"
    assert "grid-mode" not in alice.get(f"{PREFIX}/jobs").headers


def test_while_the_disk_is_nearly_full_nothing_new_is_stored_but_runs_can_be_stopped(uow, alice, held):
    put_mode(uow, SERVICE, "store", 2)
    run, scenario = f"{PREFIX}/engine/runs/{held.run_id}", {"scenario": "overload", "cells": [32, 4]}

    refused = [
        alice.post(f"{PREFIX}/engine/runs", json=scenario),
        alice.put(f"{run}/speed", json={"speed": 2.0}),
        alice.post(f"{run}/branches", json={"at_tick": 1}),
    ]

    assert [(one.status_code, one.json()["title"]) for one in refused] == [
        (507, "There is no room left on the disk")
    ] * 3
    assert "disk" in refused[0].json()["detail"]
    assert alice.post(f"{PREFIX}/engine/runs?dry_run=true", json=scenario).status_code == 200
    assert alice.get(run).status_code == 200
    assert alice.post(f"{run}/stop").status_code == 202


def test_modes_are_listed_with_advice_and_only_of_ones_own_runs(uow, alice, bob, held):
    put_mode(uow, SERVICE, "workers", 2)
    put_mode(uow, str(held.run_id))

    found = alice.get(f"{PREFIX}/modes").json()

    assert found["mode"] == "degraded; workers=2"
    assert {(one["part"], one["run"], one["name"]) for one in found["items"]} == {
        ("workers", None, "none living"), ("physics", str(held.run_id), "slower"),
    }  # fmt: skip
    assert all(one["advice"] for one in found["items"])
    assert {one["part"] for one in bob.get(f"{PREFIX}/modes").json()["items"]} == {"workers"}


def test_prometheus_gets_runs_alerts_incidents_and_modes(uow, alice, alert, held):
    put_mode(uow, SERVICE, "store")
    put_mode(uow, str(held.run_id), rung=3)

    text = alice.get("/metrics").text

    for line in (
        'grid_live_runs{status="running"} 1.0', 'grid_live_alerts{severity="critical"} 1.0', "grid_live_incidents 1.0",
        'grid_mode{part="store"} 1.0', 'grid_mode{part="physics"} 3.0', 'grid_mode{part="bell"} 0.0',
        'grid_live_degraded{mode="frozen",part="physics"} 1.0', 'grid_live_degraded{mode="holding",part="store"} 1.0',
    ):  # fmt: skip
        assert line in text
