"""The evaluation of a run's rules by the service's clock: definitions, covers of all rules, and rules in wall time."""

from dataclasses import dataclass, replace
from typing import Any

from grid.database.alert_rules import RuleStateRecord
from grid.database.live_runs import LiveRunRecord
from grid.database.uow import Transaction
from grid.schemas.alerts import AlertState
from grid.services.alerts.covers import Covered, Sighting, apply_input, list_inputs
from grid.services.alerts.definitions import Definition, find_definitions
from grid.services.alerts.metrics import RunMetrics, read_run_metrics
from grid.services.alerts.wall_rules import judge_wall_rule
from grid.services.live.effects import make_wall_event
from grid.services.live.rule_transitions import (
    ALERT_EVENT,
    DEFAULT_SEVERITY,
    Change,
    find_or_start,
    record_service_change,
)

STALE_AFTER_S, NO_DATA_AFTER_S = 3.0, 30.0  # of a rule that names no times of its own


@dataclass(frozen=True)
class _Step:
    """One transition, and the columns of the rule's state that go with it."""

    rule: str
    version: int
    change: Change | None
    part: str
    values: dict[str, Any]


def evaluate_run(tx: Transaction, run: LiveRunRecord, *, writes: bool) -> bool:
    """Evaluate the rules of a run; return whether anything is new.

    Args:
        tx: A transaction; one that may write where `writes`.
        run: As it was read in this transaction.
        writes: Hold the run and store what is new; else only tell whether there is anything.
    """
    if writes:
        held = tx.live_runs.hold(run.id)
        if held is None:
            return False
        run = held
    definitions, states = find_definitions(tx, run), {s.rule: s for s in tx.alert_rules.states_of([run.id])}
    seen, metrics = Sighting.of(run, tx.now()), read_run_metrics(tx, run)
    if seen.phase == "waits" and not states:
        return False
    is_new = False
    for name in sorted(definitions.keys() | states.keys()):
        definition, state = definitions.get(name), states.get(name)
        if _is_unregistered(definition, state):
            is_new = True
            if writes and definition is not None:
                state = _register(tx, run, definition)
        if state is None:
            continue
        for step in _judge(definition, state, run, seen, metrics):
            is_new = True
            if writes:
                state, run = _store(tx, run, state, step)
    return is_new


def _is_unregistered(definition: Definition | None, state: RuleStateRecord | None) -> bool:
    if definition is None:
        return False
    return state is None or (state.cover != "closed" and state.definition != definition.rule)


def _register(tx: Transaction, run: LiveRunRecord, definition: Definition) -> RuleStateRecord:
    """Store the definition of a rule, and give it to alerts that were raised before it was known."""
    state = find_or_start(tx, run, definition.name, definition.version)
    # What an owner has kept once is known as such, so that it goes when the owner removes it.
    origin = "owner" if state.origin == "owner" else definition.origin
    tx.alert_rules.change_state(run.id, definition.name, definition=definition.rule, origin=origin)
    last = tx.alerts.find_last(run.id, definition.name)
    if last is not None and last.severity is None:
        tx.alerts.change(
            last.id, definition=definition.rule, severity=definition.rule.get("severity", DEFAULT_SEVERITY),
            region=definition.rule.get("region"),
        )  # fmt: skip
    return replace(state, definition=definition.rule, origin=origin)


def _judge(
    definition: Definition | None, state: RuleStateRecord, run: LiveRunRecord, seen: Sighting, metrics: RunMetrics
) -> list[_Step]:
    """Return what is new about one rule."""
    rule = state.definition if definition is None else definition.rule
    is_wall = (rule or {}).get("clock", "sim") == "wall"
    if definition is None and is_wall and state.cover != "closed" and seen.phase != "ended":
        change = _cover_change(state, Covered("closed"), run, "revised")
        return [_Step(state.rule, state.version, change, "cover", {"cover": "closed"})]
    if is_wall and definition is not None:
        return _judge_wall(definition, state, run, seen, metrics)
    return _judge_cover(rule or {}, state, run, seen)


def _judge_wall(
    definition: Definition, state: RuleStateRecord, run: LiveRunRecord, seen: Sighting, metrics: RunMetrics
) -> list[_Step]:
    outcome = judge_wall_rule(definition, state, run, seen, metrics)
    if not outcome.is_new or outcome.machine is None:
        return []
    machine = outcome.machine
    values = {
        "machine": machine.pack(), "value": machine.value, "cover": machine.cover, "beneath": machine.beneath,
        "version": machine.version, "counted_from": outcome.counted_from,
    }  # fmt: skip
    if not outcome.changes:
        return [_Step(state.rule, machine.version, None, "value", values)]
    parts = ["cover" if {one.before, one.after} & _COVERS else "value" for one in outcome.changes]
    return [
        _Step(state.rule, machine.version, change, part, values)
        for change, part in zip(outcome.changes, parts, strict=True)
    ]


_COVERS = {"stale", "no_data", "suspended", "closed"}


def _judge_cover(rule: dict[str, Any], state: RuleStateRecord, run: LiveRunRecord, seen: Sighting) -> list[_Step]:
    """Return the changes of the cover of a rule in simulation time, whose value is its run's own."""
    covered, steps = Covered(state.cover, state.beneath, state.counted_from), list[_Step]()
    times = {
        "stale_after": float(rule.get("stale_after_s", STALE_AFTER_S)),
        "no_data_after": float(rule.get("no_data_after_s", NO_DATA_AFTER_S)),
    }
    for told in list_inputs(covered, seen, **times):
        covered = apply_input(covered, told, seen.now)
        values: dict[str, Any] = {
            "cover": covered.cover,
            "beneath": covered.beneath,
            "counted_from": covered.counted_from,
        }
        change = _cover_change(state, covered, run, told)
        state = replace(state, cover=covered.cover, beneath=covered.beneath, counted_from=covered.counted_from)
        if told == "no_data" and rule.get("no_data") == "ok":
            values["ends_alert"] = True
        if told == "sample" and rule.get("no_data") == "ok":
            values["returns_alert"] = True
        steps.append(_Step(state.rule, state.version, change, "cover", values))
    return steps


def _cover_change(state: RuleStateRecord, covered: Covered, run: LiveRunRecord, cause: str) -> Change:
    after = replace(state, cover=covered.cover).shown
    return Change(state.rule, state.version, state.alert, run.tick, run.time_s, state.shown, after, cause)


def _store(
    tx: Transaction, run: LiveRunRecord, state: RuleStateRecord, step: _Step
) -> tuple[RuleStateRecord, LiveRunRecord]:
    values = dict(step.values)
    ends, returns = values.pop("ends_alert", False), values.pop("returns_alert", False)
    if step.change is None:
        tx.alert_rules.change_state(run.id, step.rule, **values)
        return replace(state, **values), run
    state = record_service_change(tx, run, state, step.change, part=step.part, **values)
    if ends or returns:
        _settle_without_data(tx, state, ends=ends)
    is_news = step.part == "value" or state.value in ("firing", "holding")  # that a calm rule is stale is none
    if is_news and not run.state.is_terminal:
        run = _tell(tx, run, state, step)
    return state, run


def _settle_without_data(tx: Transaction, state: RuleStateRecord, *, ends: bool) -> None:
    """End the alert of a rule whose lack of data resolves it, or take the end back when the data are there again."""
    last = tx.alerts.find_last(state.run_id, state.rule)
    if last is None:
        return
    if ends and last.state.is_active:
        ended = {"ended_by": "no_data", "ended_at": tx.now(), "ended_tick": state.tick}
        tx.alerts.change(last.id, state=AlertState.RESOLVED, **ended)
    elif not ends and last.ended_by == "no_data" and state.value in ("firing", "holding"):
        tx.alerts.change(
            last.id, state=AlertState(state.value), ended_by=None, ended_at=None, ended_tick=None, cover=None
        )


def _tell(tx: Transaction, run: LiveRunRecord, state: RuleStateRecord, step: _Step) -> LiveRunRecord:
    """Write the transition as an event of its run as well, marked as the wall clock's."""
    change = step.change
    payload = {
        "rule": state.rule, "rule_version": step.version, "alert": state.alert, "part": step.part,
        "from": getattr(change, "before", None), "to": getattr(change, "after", None),
        "cause": getattr(change, "cause", None), "value": getattr(change, "value", None),
    }  # fmt: skip
    key = f"{state.rule[:80]}-{state.next_n}"
    tx.live_events.add(run.id, run.next_event, [make_wall_event(run, ALERT_EVENT, key, payload)])
    return tx.live_runs.change(run, next_event=run.next_event + 1)
