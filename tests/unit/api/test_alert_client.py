"""The verbs of alerts, rules, silences, incidents and modes against the application, waited for and awaited."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from tests.support import live_runs as words
from tests.support.alert_words import sample_row, tell
from tests.unit.api.test_client import AppTransport
from tests.unit.api.test_live_client import ADDRESS, AsyncTransport, collect

from grid.client import alerts as alerts_module
from grid.client.client import AsyncGridClient, GridClient
from grid.client.errors import ProblemError
from grid.schemas.live import CommandKind
from grid.services import live
from grid.services.alerts.loop import AlertLoop
from grid.services.incidents.following import IncidentFollower
from grid.services.incidents.runbooks import RunbookFolder
from grid.services.live import Look

HOT = {"name": "hot", "metric": "highest", "raise": 520.0, "clear": 500.0, "severity": "critical", "runbook": "none"}
WARM = {"name": "warm", "metric": "highest", "raise": 400.0, "clear": 350.0}


class AwaitedPart:
    """Verbs of the asynchronous client, asked as if they were the others: one test says what both do."""

    def __init__(self, part):
        self._part = part

    def __getattr__(self, verb):
        def call(*args, **options):
            answer = getattr(self._part, verb)(*args, **options)
            return asyncio.run(collect(answer) if isinstance(answer, AsyncIterator) else answer)

        return call


class Awaited:
    """An asynchronous client whose parts are asked so."""

    def __init__(self, client, token):
        self._client = AsyncGridClient(ADDRESS, lambda **_: token, transport=AsyncTransport(client))

    def __getattr__(self, name):
        return AwaitedPart(getattr(self._client, name))


@pytest.fixture(params=["waits", "awaits"])
def grid(request, alice):
    token = alice.headers["Authorization"].removeprefix("Bearer ")
    if request.param == "awaits":
        yield Awaited(alice, token)
        return
    with GridClient(ADDRESS, lambda **_: token, transport=AppTransport(alice)) as client:
        yield client


@pytest.fixture
def held(uow, alice, tmp_path):
    """A run of Alice with an alert that fires, and the incident that it has opened."""
    claim = words.start(uow, alice.user_id)
    live.renew_leases(uow, [claim], worker_id="worker-1", lease_s=1e6)
    words.send(uow, claim.run_id, CommandKind.RULES, {"rules": [HOT]})
    rows = (sample_row(5, 0, highest=480.0), sample_row(5, 1, highest=600.0))
    live.write_looks(uow, [Look(claim, 64, samples=rows)])
    loop = AlertLoop(uow, follow=IncidentFollower(RunbookFolder(tmp_path / "books")))
    loop.take_turn()
    tell(uow, claim, "ok", "firing", tick=60, value=600.5, first_tick=50)
    loop.take_turn()
    return claim


def test_alerts_are_listed_shown_and_acknowledged(grid, held, monkeypatch):
    monkeypatch.setattr(alerts_module, "PART", 1)
    (alert,) = grid.alerts.list(state=["firing"], run=held.run_id).items

    assert [one.id for one in grid.alerts.iterate()] == [alert.id]
    assert grid.alerts.list(severity=["low"]).items == []
    assert grid.alerts.show(alert.id).explain[0].startswith("hot fired at tick 60")
    assert grid.alerts.acknowledge(alert.id, "mine").note == "mine"
    with pytest.raises(ProblemError) as refusal:
        grid.alerts.show(held.run_id)
    assert refusal.value.status == 404


def test_rules_are_kept_changed_tried_and_removed(grid, held):
    made = grid.alert_rules.add(WARM, held.run_id)

    assert [one.id for one in grid.alert_rules.list(limit=5).items] == [made.id]
    changed = grid.alert_rules.change(made.id, {**WARM, "raise": 410.0}, version=made.version)
    assert changed.version == made.version + 1
    with pytest.raises(ProblemError) as refusal:
        grid.alert_rules.change(made.id, WARM, version=made.version)
    assert refusal.value.status == 412
    assert grid.alert_rules.test([WARM], held.run_id, truth="highest > 500").scores[0].rule == "warm"
    grid.alert_rules.remove(made.id)
    assert grid.alert_rules.list().items == []


def test_silences_are_made_listed_shown_and_ended(grid, held):
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    made = grid.silences.add([{"name": "rule", "value": "hot"}], "work on it", until)

    assert [one.id for one in grid.silences.list(living=True).items] == [made.id]
    assert grid.silences.show(made.id).reason == "work on it"
    grid.silences.end(made.id)
    assert grid.silences.list(living=True).items == []


def test_an_incident_is_worked_proven_exported_and_replayed(grid, held):
    (summary,) = grid.incidents.list(run=held.run_id).items
    incidents, one = grid.incidents, summary.id

    assert incidents.note(one, "looks like the pump").id == one
    assert incidents.acknowledge(one, "mine").state == "acknowledged"
    assert incidents.assign(one, "ada").assigned_to == "ada"
    assert incidents.resolve(one, "cooled down").state == "resolved"
    assert "looks like the pump" in str(incidents.show(one).entries)
    assert incidents.verify(one).is_intact
    assert incidents.export(one).startswith("# ")
    assert incidents.export(one, "json").startswith("{")
    by_hand = incidents.open(held.run_id, "odd noise", severity="low")
    assert (by_hand.title, by_hand.severity) == ("odd noise", "low")
    with pytest.raises(ProblemError) as refusal:
        incidents.take_step(by_hand.id, 1)
    assert refusal.value.status in {404, 409, 422}
    with pytest.raises(ProblemError) as refusal:  # the scene of this run is none that can be computed
        incidents.replay(one)
    assert refusal.value.status == 422


def test_modes_are_listed(grid):
    assert grid.modes.list().mode == "full"
