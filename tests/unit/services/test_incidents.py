"""Incidents: opened by a critical alert or by hand, worked by people, and proven unchanged."""

import json
from contextlib import contextmanager
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from tests.support import live_runs as words
from tests.support.alert_stage import staged
from tests.support.alert_words import tell
from tests.support.ledgers import add_owner

from grid.core.errors import FieldError, NotFoundError
from grid.core.ids import new_id
from grid.database.windows import Window
from grid.schemas.alerts import IncidentState
from grid.schemas.live import CommandKind
from grid.services import live
from grid.services.alerts.notices import describe_alert
from grid.services.incidents.following import IncidentFollower
from grid.services.incidents.proof import export_json, export_markdown, verify_incident
from grid.services.incidents.runbooks import RunbookFolder, read_runbook
from grid.services.incidents.working import IncidentService, IncidentStateError

RUNBOOK = """---
title: The plate is too hot
steps:
  - check: {metric: highest, op: "<", value: 520}
  - title: Leave the lumped model
    do: {kind: model, payload: {model: diffusive}}
  - say: Tell the operator on duty.
---
# What it means

The limit of the material is near.
"""
RULE = {
    "name": "hot", "metric": "highest", "raise": 500.0, "clear": 490.0, "severity": "critical", "runbook": "too-hot",
    "summary": "The plate is too hot",
}  # fmt: skip


@pytest.fixture
def books(tmp_path):
    folder = tmp_path / "runbooks"
    folder.mkdir()
    (folder / "too-hot.md").write_text(RUNBOOK)
    return RunbookFolder(folder)


@contextmanager
def worked(maker, tmp_path, books):
    with staged(maker, tmp_path, follow=IncidentFollower(books)) as one:
        one.service = IncidentService(one.uow, words.commands(one.uow), books)
        yield one


@pytest.fixture
def stage(sqlite_maker, tmp_path, books):
    with worked(sqlite_maker, tmp_path, books) as one:
        yield one


@pytest.fixture
def stage_anywhere(database_maker, tmp_path, books):
    """The same on either database, for what asks it the most."""
    with worked(database_maker, tmp_path, books) as one:
        yield one


def fire(stage, **more):
    words.send(stage.uow, stage.held.run_id, CommandKind.RULES, {"rules": [{**RULE, **more}]})
    stage.ticks(2, ratio=1.0, highest=450.0)
    for tick in (50, 90, 130):
        words.snapshot(stage.uow, stage.held, tick)
    tell(stage.uow, stage.held, "ok", "firing", tick=100, value=600.5, first_tick=95, first_value=501.0)
    stage.ticks(1, ratio=1.0, highest=600.0)


def incidents(stage):
    return stage.service.list(Window(size=50), owner_id=stage.owner).items


def kinds(view):
    return [entry.kind for entry in view.entries]


def do(stage, verb, incident_id, **more):
    call = getattr(stage.service, verb)
    return call(actor_id=stage.owner, owner_id=stage.owner, incident_id=incident_id, **more)


def test_a_critical_alert_opens_an_incident_and_pins_the_snapshot_before_its_breach(stage_anywhere):
    stage = stage_anywhere
    fire(stage)
    (incident,) = incidents(stage)

    assert (incident.state, incident.severity, incident.title) == (
        IncidentState.OPEN, "critical", "hot: The plate is too hot",
    )  # fmt: skip
    assert (incident.first_tick, incident.snapshot["tick"]) == (95, 90)
    with stage.uow.read() as tx:
        pinned = [one.tick for one in tx.live_snapshots.of_run(stage.held.run_id) if one.pinned]
    assert pinned == [90]
    assert [step["kind"] for step in incident.runbook["steps"]] == ["check", "do", "say"]

    stage.ticks(2, ratio=1.0)
    assert len(incidents(stage)) == 1
    view = stage.service.get(owner_id=stage.owner, incident_id=incident.id)
    assert kinds(view)[:2] == ["opened", "snapshot"]
    assert json.loads(view.entries[0].payload)["alert"]["value"] == 600.5
    assert verify_incident(stage.uow, owner_id=stage.owner, incident_id=incident.id).is_intact


def test_the_timeline_takes_up_what_happens_in_the_run(stage):
    fire(stage)
    (incident,) = incidents(stage)
    tell(stage.uow, stage.held, "firing", "holding", tick=140, value=480.0)
    tell(stage.uow, stage.held, "holding", "ok", tick=150, value=470.0)
    stage.ticks(1, ratio=1.0)

    view = stage.service.get(owner_id=stage.owner, incident_id=incident.id)
    told = [(entry.tick, entry.content["to"]) for entry in view.entries if entry.kind == "alert"]
    assert told == [(140, "holding"), (150, "ok")]


def test_it_is_acknowledged_assigned_noted_and_resolved_and_its_times_are_measured(stage_anywhere):
    stage = stage_anywhere
    fire(stage)
    (incident,) = incidents(stage)
    stage.clock.advance(30.0)
    view = do(stage, "acknowledge", incident.id)
    assert (view.record.state, view.acknowledged_s) == (IncidentState.ACKNOWLEDGED, 30.0)
    assert stage.alerts()["hot"].acknowledged_by == stage.owner
    assert len(do(stage, "acknowledge", incident.id).entries) == len(view.entries)  # again: nothing more
    do(stage, "assign", incident.id, to="ada")
    do(stage, "note", incident.id, text="Looking at the fan.")

    with pytest.raises(IncidentStateError, match="hot fires: give a reason"):
        do(stage, "resolve", incident.id)
    stage.clock.advance(60.0)
    view = do(stage, "resolve", incident.id, reason="a test")
    assert (view.record.state, view.record.assigned_to, view.resolved_s) == (IncidentState.RESOLVED, "ada", 90.0)
    with pytest.raises(IncidentStateError):
        do(stage, "resolve", incident.id, reason="twice")
    events = live.read_events(stage.uow, owner_id=None, run_id=stage.held.run_id, kinds=("incident",))
    assert [event.payload["state"] for event in events] == ["open", "acknowledged", "resolved"]
    assert verify_incident(stage.uow, owner_id=stage.owner, incident_id=incident.id).is_intact


def test_it_is_reopened_within_ten_minutes_and_closed_after(stage):
    fire(stage)
    (incident,) = incidents(stage)
    do(stage, "resolve", incident.id, reason="false")
    tell(stage.uow, stage.held, "firing", "ok", tick=200, value=1.0)
    stage.ticks(1, ratio=1.0)
    tell(stage.uow, stage.held, "ok", "firing", tick=210, value=700.0, alert=2, first_tick=210)
    stage.ticks(1, ratio=1.0)
    (again,) = incidents(stage)
    assert (again.id, again.state) == (incident.id, IncidentState.OPEN)

    do(stage, "resolve", incident.id, reason="really")
    stage.clock.advance(601.0)
    stage.ticks(1, ratio=1.0)
    assert incidents(stage)[0].state is IncidentState.CLOSED
    with pytest.raises(IncidentStateError):
        do(stage, "note", incident.id, text="late")
    tell(stage.uow, stage.held, "firing", "ok", tick=220, value=1.0, alert=2)
    tell(stage.uow, stage.held, "ok", "firing", tick=230, value=700.0, alert=3, first_tick=230)
    stage.ticks(1, ratio=1.0)
    assert len(incidents(stage)) == 2


def test_steps_of_the_runbook_check_send_and_say(stage):
    fire(stage)
    (incident,) = incidents(stage)

    assert do(stage, "take_step", incident.id, number=1).is_done is False  # 600 K is not below 520
    stage.ticks(1, ratio=1.0, highest=450.0)
    checked = do(stage, "take_step", incident.id, number=1)
    assert (checked.is_done, checked.entry.content["found"]) == (True, 450.0)
    with pytest.raises(FieldError, match="confirm"):
        do(stage, "take_step", incident.id, number=2)
    first = do(stage, "take_step", incident.id, number=2, is_confirmed=True).entry.content["seq"]
    assert do(stage, "take_step", incident.id, number=2, is_confirmed=True).entry.content["seq"] == first
    with stage.uow.read() as tx:
        command = tx.live_commands.find(stage.held.run_id, first)
    assert (command.kind, command.payload, command.actor_id) == (CommandKind.MODEL, {"model": "diffusive"}, stage.owner)
    assert do(stage, "take_step", incident.id, number=3).is_done
    with pytest.raises(NotFoundError):
        do(stage, "take_step", incident.id, number=4)


def test_somebody_else_finds_nothing(stage):
    fire(stage)
    (incident,) = incidents(stage)
    other = add_owner(stage.uow, "bob")

    assert stage.service.list(Window(size=50), owner_id=other).items == []
    for verb, more in (
        ("note", {"text": "x"}), ("acknowledge", {}), ("assign", {"to": "x"}), ("resolve", {"reason": "x"}),
        ("take_step", {"number": 1}),
    ):  # fmt: skip
        with pytest.raises(NotFoundError):
            getattr(stage.service, verb)(actor_id=other, owner_id=other, incident_id=incident.id, **more)
    with pytest.raises(NotFoundError):
        stage.service.open(actor_id=other, owner_id=other, run_id=stage.held.run_id, title="mine")
    with pytest.raises(NotFoundError):
        verify_incident(stage.uow, owner_id=other, incident_id=incident.id)


def test_one_is_opened_by_hand(stage):
    stage.ticks(1, ratio=1.0)
    view = stage.service.open(
        actor_id=stage.owner, owner_id=stage.owner, run_id=stage.held.run_id, title="odd noise", runbook="too-hot"
    )

    assert (view.record.severity, view.record.opened_by, view.record.snapshot) == ("high", stage.owner, None)
    for wrong, error in (
        ({"title": " "}, FieldError), ({"title": "x", "severity": "huge"}, FieldError),
        ({"title": "x", "runbook": "none"}, NotFoundError),
    ):  # fmt: skip
        with pytest.raises(error):
            stage.service.open(actor_id=stage.owner, owner_id=stage.owner, run_id=stage.held.run_id, **wrong)


def test_the_database_refuses_changes_of_entries(stage_anywhere):
    stage = stage_anywhere
    fire(stage)
    for statement in ("UPDATE incident_entries SET payload = '{}'", "DELETE FROM incident_entries"):
        with pytest.raises(IntegrityError, match="append-only"), stage.uow.begin() as tx:
            tx.connection.execute(sa.text(statement))


@pytest.mark.parametrize("change", ["first", "last", "removed last", "removed middle", "swapped", "rehashed last"])
def test_verification_finds_any_change(sqlite_maker, tmp_path, books, change):
    with staged(sqlite_maker, tmp_path, follow=IncidentFollower(books)) as stage:
        fire(stage)
        stage.service = IncidentService(stage.uow, words.commands(stage.uow), books)
        (incident,) = incidents(stage)
        do(stage, "note", incident.id, text="one")
        with stage.uow.begin() as tx:
            entries = tx.incidents.entries(incident.id)
            for name in ("incident_entries_no_update", "incident_entries_no_delete"):
                tx.connection.execute(sa.text(f"DROP TRIGGER {name}"))
            edit = {
                "first": "UPDATE incident_entries SET payload = '{}' WHERE n = 1",
                "last": f"UPDATE incident_entries SET payload = '{{}}' WHERE n = {len(entries)}",
                "removed last": f"DELETE FROM incident_entries WHERE n = {len(entries)}",
                "removed middle": "DELETE FROM incident_entries WHERE n = 2",
                "swapped": "UPDATE incident_entries SET n = -1 WHERE n = 1",
                "rehashed last": rehash(entries[-1]),
            }[change]
            tx.connection.execute(sa.text(edit))

        report = verify_incident(stage.uow, owner_id=stage.owner, incident_id=incident.id)

        assert not report.is_intact


def rehash(entry):
    """A last entry that was changed by somebody who knows how hashes are made."""
    forged = replace(entry, payload="{}")
    return f"UPDATE incident_entries SET payload = '{{}}', hash = '{forged.compute_hash()}' WHERE n = {entry.n}"


def test_an_export_holds_every_hash_and_text_that_markdown_cannot_misread(stage):
    fire(stage, summary="hot | <b>now</b>")
    (incident,) = incidents(stage)
    view = stage.service.get(owner_id=stage.owner, incident_id=incident.id)
    report = verify_incident(stage.uow, owner_id=stage.owner, incident_id=incident.id)

    document = json.loads(json.dumps(export_json(view, report)))
    text = export_markdown(view, report, [(90, 480.0), (95, 501.0), (100, 600.5)], "highest")

    assert [entry["hash"] for entry in document["entries"]] == [entry.hash for entry in view.entries]
    assert document["head"] == view.entries[-1].hash
    assert "<b>" not in text
    assert "hot \\|" in text
    assert text.count("#" * 60) == 1
    assert describe_alert(stage.alerts()["hot"])["runbook"] == "too-hot"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("---\nsteps: 3\n---\n", "steps"),
        ("---\nother: 3\n---\n", "runbook"),
        ("---\nsteps: [{say: x, do: {kind: stop}}]\n---\n", "steps[0]"),
        ("---\nsteps: [{do: {kind: explode}}]\n---\n", "steps[0].do"),
        ("---\nsteps: [{check: {metric: highest, op: '=', value: 1}}]\n---\n", "steps[0].check.op"),
        ("---\nsteps: [{check: {metric: highest, op: '<', value: hot}}]\n---\n", "steps[0].check.value"),
    ],
)
def test_a_runbook_that_is_none_is_refused_by_name(text, field):
    with pytest.raises(FieldError) as caught:
        read_runbook("x", text.encode())
    assert caught.value.field == field


def test_a_folder_gives_only_its_own_files(books, tmp_path):
    (tmp_path / "secret.md").write_text("secret")
    (books.path / "broken.md").write_text("---\nsteps: 3\n---\n")

    assert books.find("../secret") is None
    assert books.find("broken") is None
    assert books.find(str(new_id())) is None
    assert books.names() == ["broken", "too-hot"]
    assert RunbookFolder(tmp_path / "nowhere").names() == []
