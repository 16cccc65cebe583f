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
DEFAULT_SEVERITY: Final = "medium"  # of a rule that names none


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
    state, last = find_or_start(tx, run, change.rule, change.rule_version), tx.alerts.find_last(run.id, change.rule)
    number = find_number(change, last)
    part = "cover" if change.after in COVERS or change.before in COVERS else "value"
    if not _add(tx, run, change, state, number, part, "engine"):
        return False
    values: dict[str, Any] = {"version": change.rule_version, "alert": number}
    if change.after in COVERS:
        values["metric_cover"] = change.after
    else:
        values["value"] = change.after
        # A rule that was removed and comes back begins with a value: nothing covers it any more.
        if change.before in COVERS or state.metric_cover == "closed":
            values["metric_cover"] = None
    _follow(tx, run, _advance(tx, state, change, **values), change, last)
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
    last = tx.alerts.find_last(run.id, change.rule)
    number = find_number(change, last)
    _add(tx, run, change, state, number, part, "service")
    after = _advance(tx, state, change, **values, alert=number)
    _follow(tx, run, after, change, last)
    return after


def find_number(change: Change, last: AlertRecord | None) -> int:
    """Return the number of the alert that a transition is about.

    The engine counts anew where a rule was removed and comes back; alerts of a rule of a run are counted on.
    """
    return (last.number if last is not None else 0) + (1 if is_new_alert(change) else 0)


def is_new_alert(change: Change) -> bool:
    """True where a rule fires, and not again after it held."""
    return change.after == "firing" and change.before in ("ok", "pending")


def find_or_start(tx: Transaction, run: LiveRunRecord, rule: str, version: int) -> RuleStateRecord:
    """Return what is known of a rule in a run that is held; the first question makes its row."""
    state = tx.alert_rules.find_state(run.id, rule)
    if state is not None:
        return state
    state = RuleStateRecord(
        run_id=run.id, rule=rule, version=version, definition=None, origin=None, value="ok", metric_cover=None,
        cover=None, beneath=None, counted_from=None, alert=0, machine=None, next_n=1, changed_at=tx.now(),
        tick=run.tick,
    )  # fmt: skip
    tx.alert_rules.states.add([vars(state)])
    return state


def _add(
    tx: Transaction, run: LiveRunRecord, change: Change, state: RuleStateRecord, number: int, part: str, actor: str
) -> bool:
    return tx.alerts.add_transition(
        TransitionRecord(
            run.id, change.rule, state.next_n, change.tick, change.time_s, tx.now(), number, part, change.before,
            change.after, change.cause, change.value, change.value_hex, change.threshold, change.rule_version, actor,
        )
    )  # fmt: skip


def _advance(tx: Transaction, state: RuleStateRecord, change: Change, **values: Any) -> RuleStateRecord:
    values |= {"next_n": state.next_n + 1, "changed_at": tx.now(), "tick": change.tick}
    tx.alert_rules.change_state(state.run_id, state.rule, **values)
    return replace(state, **values)


def _follow(
    tx: Transaction, run: LiveRunRecord, state: RuleStateRecord, change: Change, last: AlertRecord | None
) -> None:
    """Raise, change or end the alert of a rule."""
    if is_new_alert(change):
        _raise_alert(tx, run, state, change)
    elif last is not None and last.state.is_active:
        _change_alert(tx, last, change)


def _raise_alert(tx: Transaction, run: LiveRunRecord, state: RuleStateRecord, change: Change) -> None:
    definition = state.definition
    if definition is not None and definition.get("version", 1) != change.rule_version:
        definition = None  # another version fired than the one that is known; the loop looks it up
    alert = AlertRecord(
        id=new_id(), run_id=run.id, owner_id=run.owner_id, rule=change.rule, number=state.alert,
        rule_version=change.rule_version, definition=definition,
        severity=None if definition is None else definition.get("severity", DEFAULT_SEVERITY),
        region=(definition or {}).get("region"), state=AlertState.FIRING, cover=None, value=change.value,
        threshold=change.threshold, first_tick=change.first_tick, first_value=change.first_value,
        fired_tick=change.tick, fired_time_s=change.time_s, fired_at=tx.now(), ended_tick=None, ended_at=None,
        ended_by=None, acknowledged_by=None, acknowledged_at=None, note=None, inhibited_by=None, silence_id=None,
        incident_id=None,
    )  # fmt: skip
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
