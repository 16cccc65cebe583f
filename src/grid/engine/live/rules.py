"""The machine of alert rules: state and input go in, the next state and its transitions come out.

    rules = (activate(Rule("hot", "highest", raise_at=520.0, clear_at=510.0, hold=2.0), tick=1 / 30),)
    states = tuple(start_rule(rule) for rule in rules)
    states, transitions = evaluate(rules, states, {"highest": 538.2}, tick=41, time_s=41 / 30)

B is a sample beyond `raise_at`, C one at or beyond `clear_at`, N one between them, the dead band:

========  =======================================  ===========================================================
from      on                                       to
========  =======================================  ===========================================================
ok        B                                        pending; firing where neither `hold` nor `min_samples` waits
pending   B, after `hold` and `min_samples`        firing, a new alert
pending   N, C                                     ok; the timer starts anew
firing    C                                        holding; ok where `keep_firing_for` is 0
holding   B                                        firing, the same alert
holding   N                                        holding, which starts anew
holding   C, after `keep_firing_for`               ok, resolved
any       no sample for a while                    stale, covering the state beneath; the gap counts for no timer
any       a metric without a value, or stale long  no_data; then as `Rule.no_data` says
stale     a sample                                 the state beneath, and then that sample
any       the run pauses                           suspended, until it ticks again
any       the run ends                             closed; an alert that fires stays unresolved
any       a new version of the rule                the last sample weighed again, at its own time
========  =======================================  ===========================================================

Rules in simulation time count ticks, and ticks without a sample count for no timer. So their alerts follow from the
samples alone, whatever the service says of staleness and pauses by its own clock.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from grid.core.errors import FieldError
from grid.engine.live.rule_definition import ActiveRule, Rule, activate
from grid.engine.live.rule_state import Cover, InputKind, RuleInput, RuleState, Transition, ValueState

__all__ = [
    "ActiveRule",
    "Rule",
    "RuleInput",
    "RuleState",
    "Transition",
    "activate",
    "advance_rule",
    "evaluate",
    "revise_rules",
    "start_rule",
]


def start_rule(active: ActiveRule) -> RuleState:
    """The state of a rule that has been told nothing."""
    return RuleState(active.rule.name, active.rule.version, active.rule.key)


def advance_rule(active: ActiveRule, state: RuleState, given: RuleInput) -> tuple[RuleState, tuple[Transition, ...]]:
    """Tell a rule something: the state after it, and what changed, in order.

    Args:
        active: The rule in force.
        state: Before it; of another version only where the input is `revised`.
        given: What happened. Readings of the clock never fall.

    Raises:
        FieldError: The state is of another rule or version.
    """
    rule = active.rule
    if state.cover == "closed" and state.rule == rule.name:
        return state, ()
    if state.rule != rule.name or (state.version != rule.version and given.kind != "revised"):
        raise FieldError("state", f"of rule {rule.name}, version {rule.version}; revise it first")
    if _is_nothing_new(rule, state, given):
        value = float(given.value)  # type: ignore[arg-type]  # it is a number where it was compared
        return replace(state, last_clock=given.clock, last_tick=given.tick, last_value=value), ()
    kind = given.kind
    if kind == "sample" and (given.value is None or math.isnan(given.value)):
        kind = "no_data"
    step = _Step(active, state, given, kind)
    _STEPS[kind](step)
    return step.state, tuple(step.transitions)


def evaluate(
    rules: Sequence[ActiveRule],
    states: Sequence[RuleState],
    metrics: Mapping[str, float | None],
    tick: int,
    time_s: float,
    now: int | None = None,
) -> tuple[tuple[RuleState, ...], tuple[Transition, ...]]:
    """Tell every rule its metric's value at a tick; transitions come in the order of the rules.

    Args:
        rules: All of one clock.
        states: Of the rules, in their order.
        metrics: Values by `Rule.key`; one that is missing or None is no data.
        tick, time_s: Of the run.
        now: Reading of the clock in milliseconds, for rules in wall time.
    """
    after: list[RuleState] = []
    transitions: list[Transition] = []
    for active, state in zip(rules, states, strict=True):
        given = RuleInput("sample", tick, time_s, metrics.get(active.rule.key), now)
        state_after, changes = advance_rule(active, state, given)
        after.append(state_after)
        transitions += changes
    return tuple(after), tuple(transitions)


def revise_rules(
    rules: Sequence[ActiveRule], states: Sequence[RuleState], tick: int, time_s: float, now: int | None = None
) -> tuple[tuple[RuleState, ...], tuple[Transition, ...]]:
    """Bring other rules into force: states of the new rules, in their order, and what changed by it.

    A rule that is there already keeps its state, and a new version of it weighs the last sample again. One that is
    there no more is closed.
    """
    given = RuleInput("revised", tick, time_s, now=now)
    known = {state.rule: state for state in states}
    names = {active.rule.name for active in rules}
    transitions: list[Transition] = []
    for state in states:
        if state.rule not in names and state.cover != "closed":
            change = Transition(state.rule, state.version, state.alert, tick, time_s, state.shown, "closed", "revised")
            transitions.append(change)
    after = []
    for active in rules:
        state = known.get(active.rule.name, start_rule(active))
        if state.version != active.rule.version:
            state, changes = advance_rule(active, state, given)
            transitions += changes
        after.append(state)
    return tuple(after), tuple(transitions)


def _is_nothing_new(rule: Rule, state: RuleState, given: RuleInput) -> bool:
    """True for a sample that only has to be noted, as nearly all of them are: calm while ok, or not cleared yet."""
    value = given.value
    if given.kind != "sample" or value is None or math.isnan(value) or state.cover is not None or state.has_gap:
        return False
    if state.value == "ok":
        return not rule.is_breached(value)
    return state.value == "firing" and not rule.is_cleared(value)


class _Step:
    """One input on its way through the machine."""

    def __init__(self, active: ActiveRule, state: RuleState, given: RuleInput, kind: InputKind) -> None:
        self.active, self.rule, self.state, self.given, self.kind = active, active.rule, state, given, kind
        self.transitions: list[Transition] = []

    def change(self, **changes: Any) -> None:
        """Replace fields of the state without a transition."""
        self.state = replace(self.state, **changes)

    def enter(self, value: ValueState, sample: float | None, threshold: float | None, **changes: Any) -> None:
        """Change `value`, and note the transition."""
        before = self.state.value
        self.change(value=value, **changes)
        self._note(before, value, sample, threshold)

    def fire(self, sample: float | None) -> None:
        """Raise a new alert."""
        threshold = None if sample is None else self.rule.raise_at
        self.enter("firing", sample, threshold, samples=0, alert=self.state.alert + 1)

    def cover(self, cover: Cover | None, beneath: Cover | None = None) -> None:
        """Change the cover, and note the transition of what is shown."""
        before = self.state.shown
        self.change(cover=cover, beneath=beneath)
        self._note(before, self.state.shown, None, None)

    def _note(
        self, before: ValueState | Cover, after: ValueState | Cover, sample: float | None, threshold: float | None
    ) -> None:
        given, state = self.given, self.state
        first = (state.first_tick, state.first_value) if after == "firing" else (None, None)
        self.transitions.append(
            Transition(
                self.rule.name, self.rule.version, state.alert, given.tick, given.time_s,
                before, after, self.kind, sample, threshold, *first,
            )
        )  # fmt: skip


def _take_sample(step: _Step) -> None:
    state, given = step.state, step.given
    assert given.value is not None  # noqa: S101 - `advance_rule` made it no data
    value = float(given.value)
    since = state.since + _find_gap(step.rule, state, given.clock)
    if state.cover in ("stale", "no_data"):
        step.cover(None)
    step.change(since=since, has_gap=state.cover == "suspended", beneath=None)
    _weigh(step, value, given.clock, given.tick, count=1)
    step.change(last_clock=given.clock, last_tick=given.tick, last_value=value)


def _find_gap(rule: Rule, state: RuleState, clock: int) -> int:
    """Counts between the last sample and this one that no timer may use."""
    if state.last_clock is None:
        return 0
    if rule.clock == "sim":  # every tick has a sample, or the metric had no value at it
        return max(0, clock - state.last_clock - 1)
    return max(0, clock - state.last_clock) if state.has_gap else 0


def _weigh(step: _Step, value: float, clock: int, tick: int, count: int) -> None:
    """Compare a sample with the thresholds; it was taken at `clock`, and counts as `count` more breaches."""
    if step.rule.is_breached(value):
        _breach(step, value, clock, tick, count)
    elif step.rule.is_cleared(value):
        _clear(step, value, clock)
    elif step.state.value == "pending":
        step.enter("ok", value, step.rule.raise_at, samples=0)
    elif step.state.value == "holding":
        step.change(since=clock)


def _breach(step: _Step, value: float, clock: int, tick: int, count: int) -> None:
    state, active = step.state, step.active
    if state.value == "firing":
        return
    if state.value == "holding":
        step.enter("firing", value, step.rule.raise_at)
        return
    if state.value == "pending" and state.samples:
        step.change(samples=state.samples + count)
    else:  # the first in a row; what was pending for lack of data has told nobody
        step.change(since=clock, samples=1, first_tick=tick, first_value=value)
    if clock - step.state.since >= active.hold and step.state.samples >= step.rule.min_samples:
        step.fire(value)
    elif state.value == "ok":
        step.enter("pending", value, step.rule.raise_at)


def _clear(step: _Step, value: float, clock: int) -> None:
    state, keep = step.state, step.active.keep_firing_for
    if state.value == "pending":
        step.enter("ok", value, step.rule.raise_at, samples=0)
    elif state.value == "firing" and keep:
        step.enter("holding", value, step.rule.clear_at, since=clock)
    elif state.value == "firing" or (state.value == "holding" and clock - state.since >= keep):
        step.enter("ok", value, step.rule.clear_at)


def _lose_data(step: _Step) -> None:
    state = step.state
    if state.cover == "suspended":
        return
    if state.cover != "no_data":
        step.cover("no_data")
    step.change(has_gap=True)
    if step.rule.no_data == "ok" and state.value != "ok":
        step.enter("ok", None, None, samples=0)
    elif step.rule.no_data == "fire":
        _fire_without_data(step)


def _fire_without_data(step: _Step) -> None:
    """Let lack of data fire after `hold`, as a breach does; it waits for no number of samples."""
    state, given = step.state, step.given
    if state.value == "firing":
        return
    if state.value == "holding":
        step.enter("firing", None, None)
        return
    if state.value == "ok" or state.samples:  # the time of breaches before is not added
        step.change(since=given.clock, samples=0, first_tick=given.tick, first_value=None)
    if given.clock - step.state.since >= step.active.hold:
        step.fire(None)
    elif state.value == "ok":
        step.enter("pending", None, None)


def _grow_stale(step: _Step) -> None:
    if step.state.cover is None:
        step.cover("stale")
        step.change(has_gap=True)


def _pause(step: _Step) -> None:
    if step.state.cover != "suspended":
        step.cover("suspended", beneath=step.state.cover)
        step.change(has_gap=True)


def _resume(step: _Step) -> None:
    if step.state.cover == "suspended":
        step.cover(step.state.beneath)
        step.change(has_gap=True)


def _close(step: _Step) -> None:
    step.cover("closed")


def _revise(step: _Step) -> None:
    """Weigh the last sample again with the new version, at its own time and not as another breach."""
    state, rule = step.state, step.rule
    is_same = state.metric == rule.key
    step.change(version=rule.version, metric=rule.key, last_value=state.last_value if is_same else None)
    fires_without_data = "no_data" in (state.cover, state.beneath) and rule.no_data == "fire"
    if step.state.last_value is None or fires_without_data:
        return
    assert state.last_clock is not None and state.last_tick is not None  # noqa: PT018, S101 - set with the value
    _weigh(step, step.state.last_value, state.last_clock, state.last_tick, count=0)


_STEPS: dict[InputKind, Callable[[_Step], None]] = {
    "sample": _take_sample,
    "stale": _grow_stale,
    "no_data": _lose_data,
    "paused": _pause,
    "resumed": _resume,
    "ended": _close,
    "revised": _revise,
}
