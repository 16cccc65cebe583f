"""What opens incidents, joins them and fills their timeline, in the transaction that has evaluated the alerts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from grid.core.ids import new_id
from grid.core.storable import storable_text
from grid.database.alerts import AlertRecord
from grid.database.incidents import IncidentRecord, NewIncidentEntry
from grid.database.live_runs import LiveRunRecord
from grid.database.uow import Transaction
from grid.schemas.alerts import IncidentState
from grid.schemas.jobs import JsonObject
from grid.services.alerts.grouping import find_group_key
from grid.services.alerts.notices import describe_alert
from grid.services.incidents.runbooks import RunbookFolder
from grid.services.live.effects import make_wall_event

REOPENED_WITHIN: Final = timedelta(minutes=10)  # after which a resolved incident is closed
EVENTS_AT_ONCE: Final = 500  # of one incident and turn
MOST_TITLE: Final = 300  # characters
# Events of a run that belong on the timeline of its incidents.
TOLD: Final = (
    "alert", "applied", "refused", "switch", "failed-cell", "failed-region", "yield", "snapshot", "resumed", "state",
    "behind", "on-time", "mode",
)  # fmt: skip


@dataclass(frozen=True)
class IncidentFollower:
    """Follows the alerts of every turn.

    Args:
        runbooks: That rules name.
    """

    runbooks: RunbookFolder

    def __call__(self, tx: Transaction, active: Sequence[AlertRecord]) -> None:
        """Open, join, fill, reopen and close incidents."""
        for alert in active:
            if alert.severity == "critical" and alert.incident_id is None and alert.is_loud:
                self._take(tx, alert)
        for incident in tx.incidents.in_states(IncidentState.OPEN, IncidentState.ACKNOWLEDGED):
            fill_timeline(tx, incident)
        for incident in tx.incidents.in_states(IncidentState.RESOLVED):
            if incident.resolved_at is not None and tx.now() - incident.resolved_at >= REOPENED_WITHIN:
                tx.incidents.append(incident.id, [NewIncidentEntry("closed", {})])
                tx.incidents.change(incident.id, state=IncidentState.CLOSED, closed_at=tx.now())

    def _take(self, tx: Transaction, alert: AlertRecord) -> None:
        """Let an alert join the incident of its group; open one, or open one anew, where none is open."""
        last = tx.incidents.find_last(find_group_key(alert))
        told = describe_alert(alert)
        if last is not None and last.state.is_living:
            tx.incidents.append(last.id, [NewIncidentEntry("joined", told, alert.fired_tick)])
        elif last is not None and last.state is IncidentState.RESOLVED:  # closed ten minutes after it was resolved
            tx.incidents.append(last.id, [NewIncidentEntry("reopened", told, alert.fired_tick)])
            tx.incidents.change(last.id, state=IncidentState.OPEN, resolved_at=None)
            announce(tx, tx.live_runs.hold(last.run_id), last, IncidentState.OPEN)
        else:
            last = self._open(tx, alert, told)
        if last is not None:
            tx.alerts.change(alert.id, incident_id=last.id)

    def _open(self, tx: Transaction, alert: AlertRecord, told: JsonObject) -> IncidentRecord | None:
        run = tx.live_runs.hold(alert.run_id)
        if run is None:
            return None
        summary = (alert.definition or {}).get("summary") or f"{alert.rule} of {alert.metric}"
        return open_incident(
            tx, run, group_key=find_group_key(alert), title=f"{alert.rule}: {summary}", severity="critical",
            opened_by=None, first_tick=alert.first_tick if alert.first_tick is not None else alert.fired_tick,
            cause=NewIncidentEntry("opened", {"alert": told}, alert.fired_tick),
            runbook=self.find_runbook((alert.definition or {}).get("runbook")),
        )  # fmt: skip

    def find_runbook(self, name: object) -> JsonObject | None:
        """Return the runbook of a name as an incident keeps it; its name alone where there is no such file."""
        if not isinstance(name, str):
            return None
        runbook = self.runbooks.find(name)
        return runbook.to_json() if runbook is not None else {"name": name, "title": name, "steps": [], "text": ""}


def open_incident(
    tx: Transaction, run: LiveRunRecord, *, group_key: str, title: str, severity: str, opened_by: UUID | None,
    first_tick: int | None, cause: NewIncidentEntry, runbook: JsonObject | None,
) -> IncidentRecord:  # fmt: skip
    """Store an incident of a run that is held, and pin the nearest snapshot before its first breach."""
    snapshot = _pin(tx, run, first_tick)
    incident = IncidentRecord(
        id=new_id(), owner_id=run.owner_id, run_id=run.id, group_key=group_key,
        title=storable_text(title, MOST_TITLE), severity=severity, state=IncidentState.OPEN, opened_at=tx.now(),
        opened_by=opened_by, assigned_to=None, resolved_at=None, closed_at=None, first_tick=first_tick,
        snapshot=snapshot, numerics_version=run.numerics_version, runbook=runbook, event_cursor=run.next_event - 1,
    )  # fmt: skip
    tx.incidents.add(incident)
    pinned = NewIncidentEntry("snapshot", snapshot or {"none": "the run had no snapshot at or before the breach"})
    tx.incidents.append(incident.id, [cause, pinned])
    announce(tx, run, incident, IncidentState.OPEN)
    return incident


def announce(tx: Transaction, run: LiveRunRecord | None, incident: IncidentRecord, state: IncidentState) -> None:
    """Write a change of an incident as an event of its run, which is held; one that has ended takes no more events."""
    if run is None or run.state.is_terminal:
        return
    payload = {"id": str(incident.id), "state": state.value, "title": incident.title}
    event = make_wall_event(run, "incident", str(incident.id), payload)
    tx.live_events.add(run.id, run.next_event, [event])
    tx.live_runs.change(run, next_event=run.next_event + 1)


def fill_timeline(tx: Transaction, incident: IncidentRecord) -> None:
    """Append what has happened in the run of an incident since the last look."""
    events = tx.live_events.read(incident.run_id, after=incident.event_cursor, limit=EVENTS_AT_ONCE)
    if not events:
        return
    entries = [
        NewIncidentEntry(
            event.kind, {"n": event.n, "origin": event.origin.value, **event.payload}, event.tick, at=event.created_at
        )
        for event in events
        if event.kind in TOLD
    ]
    tx.incidents.append(incident.id, entries)
    tx.incidents.change(incident.id, event_cursor=events[-1].n)


def append_to_open(tx: Transaction, entries: Iterable[NewIncidentEntry]) -> None:
    """Append entries about the service to every incident that is open."""
    listed = list(entries)
    for incident in tx.incidents.in_states(IncidentState.OPEN, IncidentState.ACKNOWLEDGED):
        tx.incidents.append(incident.id, listed)


def _pin(tx: Transaction, run: LiveRunRecord, first_tick: int | None) -> JsonObject | None:
    """Pin the latest snapshot at or before a tick; of several at one tick the newest."""
    before = [one for one in tx.live_snapshots.of_run(run.id) if first_tick is None or one.tick <= first_tick]
    if not before:
        return None
    snapshot = before[0]
    tx.live_snapshots.pin(run.id, snapshot.id, pinned=True)
    return {"id": str(snapshot.id), "tick": snapshot.tick, "sha256": snapshot.sha256}
