"""Alerts as people see them: listed, explained, acknowledged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from grid.core.errors import ConflictError, NotFoundError
from grid.core.storable import storable_text
from grid.database.alerts import AlertRecord, TransitionRecord
from grid.database.job_queries import Count
from grid.database.uow import Transaction, UnitOfWork
from grid.database.windows import Window
from grid.schemas.alerts import AlertState
from grid.services import audit
from grid.services.jobs import Page

MOST_NOTE: Final = 1000  # characters


class AlertStateError(ConflictError):
    """The alert has ended."""

    code, title = "alert-state", "The state of the alert does not allow this"

    def __init__(self, state: str) -> None:
        super().__init__(state)
        self.alert_state = state

    def __str__(self) -> str:
        return f"The alert is {self.alert_state}; only one that fires is acknowledged."


@dataclass(frozen=True)
class ExplainedAlert:
    """An alert with its transitions, and why it is as it is, in sentences."""

    alert: AlertRecord
    transitions: tuple[TransitionRecord, ...]
    explanation: tuple[str, ...]


def list_alerts(
    uow: UnitOfWork, window: Window[UUID], *, owner_id: UUID | None, states: Sequence[AlertState] = (),
    run_id: UUID | None = None, severities: Sequence[str] = (),
) -> Page[AlertRecord]:  # fmt: skip
    """Read a part of the list of alerts, newest first; inhibited and silenced ones are among them."""
    with uow.read() as tx:
        items, following, total = tx.alerts.read_window(
            window, owner_id=owner_id, states=states, run_id=run_id, severities=severities
        )
    return Page(items, window, Count(total, True), following)


def get_alert(uow: UnitOfWork, *, owner_id: UUID | None, alert_id: UUID) -> ExplainedAlert:
    """Read one alert, and explain it.

    Raises:
        NotFoundError: There is no such alert for this owner.
    """
    with uow.read() as tx:
        alert = _find(tx, owner_id, alert_id)
        transitions = tx.alerts.transitions(alert.run_id, alert.rule, alert=alert.number)
        return ExplainedAlert(alert, tuple(transitions), tuple(_explain(tx, alert)))


def acknowledge_alert(
    uow: UnitOfWork, *, actor_id: UUID, owner_id: UUID | None, alert_id: UUID, note: str | None = None
) -> AlertRecord:
    """Say that somebody looks after an alert: it is not told again while it fires. A repetition changes nothing.

    Raises:
        NotFoundError: There is no such alert for this owner.
        AlertStateError: It has ended.
    """
    with uow.begin() as tx:
        alert = _find(tx, owner_id, alert_id, is_held=True)
        if not alert.state.is_active:
            raise AlertStateError(alert.state.value)
        if alert.acknowledged_at is None:
            words = storable_text(note.strip(), MOST_NOTE) if note else None
            tx.alerts.change(alert_id, acknowledged_by=actor_id, acknowledged_at=tx.now(), note=words)
            audit.record(tx, actor_id=actor_id, action="alert.acknowledge", subject=f"alert:{alert_id}")
        return _find(tx, owner_id, alert_id)


def _find(tx: Transaction, owner_id: UUID | None, alert_id: UUID, *, is_held: bool = False) -> AlertRecord:
    alert = tx.alerts.find(alert_id, owner_id, is_held=is_held)
    if alert is None:
        raise NotFoundError("alert")
    return alert


def _explain(tx: Transaction, alert: AlertRecord) -> list[str]:
    rule = alert.definition or {}
    words = [_explain_firing(alert), alert.state.sentence]
    if rule:
        op = rule.get("op", ">")
        words.append(
            f"The rule raises at {rule['metric']} {op} {rule['raise']:g} and clears at {rule['clear']:g}"
            + (f", after {rule['for_s']:g} s" if rule.get("for_s") else "")
            + (f", and holds for {rule['keep_firing_for_s']:g} s" if rule.get("keep_firing_for_s") else "")
            + "."
        )
    state = tx.alert_rules.find_state(alert.run_id, alert.rule)
    if alert.state.is_active and state is not None and (state.cover or state.metric_cover):
        words.append(f"Its value is not to be trusted now: {state.cover or state.metric_cover}.")
    if alert.ended_by is not None:
        ends = {
            "value": "its value",
            "no_data": "lack of data",
            "end": "the end of the run",
            "removed": "a change of rules",
        }
        words.append(f"It was ended by {ends.get(alert.ended_by, alert.ended_by)} at tick {alert.ended_tick}.")
    if alert.inhibited_by is not None:
        words.append(f"It is not told, because {alert.inhibited_by} explains it.")
    if alert.silence_id is not None:
        silence = tx.silences.find(alert.silence_id)
        reason = f": {silence.reason}" if silence is not None else ""
        words.append(f"It is not told, because silence {alert.silence_id} hides it{reason}.")
    if alert.acknowledged_at is not None:
        words.append(f"It was acknowledged at {alert.acknowledged_at.isoformat(timespec='seconds')}.")
    if alert.incident_id is not None:
        words.append(f"It belongs to incident {alert.incident_id}.")
    return words


def _explain_firing(alert: AlertRecord) -> str:
    found = "" if alert.value is None else f" at {alert.value:g}"
    limit = "" if alert.threshold is None else f", beyond {alert.threshold:g}"
    first = "" if alert.first_tick is None else f"; the first breach was at tick {alert.first_tick}"
    return f"{alert.rule} fired at tick {alert.fired_tick}{found}{limit}{first}."
