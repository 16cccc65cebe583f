"""Transitions of alert rules, as they are stored: with what they change about the rule's state and about its alert.

The process of a run evaluates its rules and tells of transitions by events; the maintenance loop evaluates what follows
the wall clock. Both end here, in the transaction that holds the row of the run.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from grid.core.ids import new_id
from grid.database.alert_rules import RuleStateRecord
from grid.database.alerts import AlertRecord, TransitionRecord
from grid.database.live_events import NewLiveEvent
from grid.database.live_runs import LiveRunRecord
from grid.database.uow import Transaction
from grid.schemas.alerts import COVERS, VALUE_STATES, AlertState
from grid.schemas.live import EventOrigin

ALERT_EVENT: Final = "alert"  # kind of the event by which a run tells of a transition


@dataclass(frozen=True)
class Change:
    """A transition, not yet stored: what `grid.engine.live.rule_state.Transition.to_json` writes.

    Args:
        rule, rule_version: Name and version of the rule.
        alert: Number of its alert; 0 before the first.
        tick, time_s: Of the run [s].
        before, after: What it shows.
        cause: Kind of the input that decided.
        value, value_hex, threshold: The sample and what it was compared with, where one decided.
        first_tick, first_value: Of the first breach in a row, where the rule fires.
    """

    rule: str
    rule_version: int
    alert: int
    tick: int
    time_s: float
    before: str
    after: str
    cause: str
    value: float | None = None
    value_hex: str | None = None
    threshold: float | None = None
    first_tick: int | None = None
    first_value: float | None = None

    @classmethod
    def read(cls, payload: Mapping[str, Any]) -> "Change":
        """Read the payload of an event.

        Raises:
            ValueError: It is none of a transition: a fault of the caller.
        """
        names = {"from": "before", "to": "after"}
        try:
            change = cls(**{names.get(name, name): value for name, value in payload.items()})
        except TypeError as error:
            raise ValueError(f"an event `{ALERT_EVENT}` is no transition: {error}") from error
        if not {change.before, change.after} <= {*VALUE_STATES, *COVERS}:
            raise ValueError("a transition between states that rules do not have")
        return change


def record_alert_events(tx: Transaction, run: LiveRunRecord, events: Iterable[NewLiveEvent]) -> None:
    """Store the transitions that a run tells of; what it has told before, of a tick computed again, changes nothing.

    Args:
        tx: The transaction that holds the run.
        run: It.
        events: Of any kinds; those that are no transitions, or not the engine's, are left alone.
    """
    for event in events:
        if event.kind == ALERT_EVENT and event.origin is EventOrigin.ENGINE and "rule" in event.payload:
            record_engine_change(tx, run, Change.read(event.payload))


def record_engine_change(tx: Transaction, run: LiveRunRecord, change: Change) -> bool:
    """Store a transition that the engine has decided; False where it has been stored before."""
    state = find_or_start(tx, run, change.rule, change.rule_version)
    part = "cover" if change.after in COVERS or change.before in COVERS else "value"
    if not _add(tx, run, change, state, part, "engine"):
        return False
    values: dict[str, Any] = {"version": change.rule_version, "alert": max(state.alert, change.alert)}
    if change.after in COVERS:
        values["metric_cover"] = change.after
    else:
        values["value"] = change.after
        if change.before in COVERS:
            values["metric_cover"] = None
    _advance(tx, state, change, **values)
    _follow(tx, run, change)
    return True


def record_service_change(
    tx: Transaction, run: LiveRunRecord, state: RuleStateRecord, change: Change, *, part: str, **values: Any
) -> RuleStateRecord:
    """Store a transition that the maintenance loop has decided, and return the rule's state after it.

    Args:
        tx: The transaction that holds the run.
        run: It.
        state: Of the rule, as it was read in this transaction.
        change: The transition.
        part: `value` of a rule in wall time, or `cover` of any.
        values: Further columns of the state.
    """
    _add(tx, run, change, state, part, "service")
    after = _advance(tx, state, change, **values)
    _follow(tx, run, change)
    return after


def find_or_start(tx: Transaction, run: LiveRunRecord, rule: str, version: int) -> RuleStateRecord:
    """Return what is known of a rule in a run that is held; the first question makes its row."""
    state = tx.alert_rules.find_state(run.id, rule)
    if state is not None:
        return state
    state = RuleStateRecord(
        run.id, rule, version, None, None, "ok", None, None, None, 0, None, 1, tx.now(), run.tick
    )  # fmt: skip
    tx.alert_rules.states.add([vars(state)])
    return state


def _add(tx: Transaction, run: LiveRunRecord, change: Change, state: RuleStateRecord, part: str, actor: str) -> bool:
    return tx.alerts.add_transition(
        TransitionRecord(
            run.id, change.rule, state.next_n, change.tick, change.time_s, tx.now(), change.alert, part, change.before,
            change.after, change.cause, change.value, change.value_hex, change.threshold, change.rule_version, actor,
        )
    )  # fmt: skip


def _advance(tx: Transaction, state: RuleStateRecord, change: Change, **values: Any) -> RuleStateRecord:
    values |= {"next_n": state.next_n + 1, "changed_at": tx.now(), "tick": change.tick}
    tx.alert_rules.change_state(state.run_id, state.rule, **values)
    return replace(state, **values)


def _follow(tx: Transaction, run: LiveRunRecord, change: Change) -> None:
    """Raise, change or end the alert of a rule."""
    known = tx.alerts.find_number(run.id, change.rule, change.alert) if change.alert else None
    if change.after == "firing" and known is None and change.alert:
        _raise_alert(tx, run, change)
    elif known is not None and known.state.is_active:
        _change_alert(tx, known, change)


def _raise_alert(tx: Transaction, run: LiveRunRecord, change: Change) -> None:
    state = tx.alert_rules.find_state(run.id, change.rule)
    definition = state.definition if state is not None and state.version == change.rule_version else None
    alert = AlertRecord(
        id=new_id(), run_id=run.id, owner_id=run.owner_id, rule=change.rule, number=change.alert,
        rule_version=change.rule_version, definition=definition, severity=(definition or {}).get("severity"),
        region=(definition or {}).get("region"), state=AlertState.FIRING, cover=None, value=change.value,
        threshold=change.threshold, first_tick=change.first_tick, first_value=change.first_value,
        fired_tick=change.tick, fired_time_s=change.time_s, fired_at=tx.now(), ended_tick=None, ended_at=None,
        ended_by=None, acknowledged_by=None, acknowledged_at=None, note=None, inhibited_by=None, silence_id=None,
        incident_id=None,
    )  # fmt: skip
    if definition is not None and alert.severity is None:  # a default that `Rule.to_json` leaves out
        alert = replace(alert, severity="medium")
    tx.alerts.add(dict(vars(alert)))


def _change_alert(tx: Transaction, alert: AlertRecord, change: Change) -> None:
    ended: dict[str, Any] = {"ended_tick": change.tick, "ended_at": tx.now(), "cover": None}
    match change.after:
        case "ok":
            by = "no_data" if change.cause == "no_data" else "value"
            tx.alerts.change(alert.id, state=AlertState.RESOLVED, value=change.value, ended_by=by, **ended)
        case "closed":
            by = "removed" if change.cause == "revised" else "end"
            tx.alerts.change(alert.id, state=AlertState.UNRESOLVED, ended_by=by, **ended)
        case "stale" | "no_data" | "suspended":
            tx.alerts.change(alert.id, cover=change.after)
        case "firing" | "holding":
            value = {} if change.value is None else {"value": change.value}
            tx.alerts.change(alert.id, state=AlertState(change.after), cover=None, **value)
