"""Alert rules: the machine agrees with a model of whole histories, and forgets nothing in a restart."""

import json
from dataclasses import replace
from itertools import pairwise
from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.alert_model import (
    LETTERS,
    VALUE,
    Terms,
    Told,
    build_history,
    check_alerts,
    judge,
    run_machine,
)

from grid.core.errors import FieldError
from grid.engine.live.rule_definition import count_spans
from grid.engine.live.rules import (
    Rule,
    RuleInput,
    RuleState,
    activate,
    advance_rule,
    evaluate,
    revise_rules,
    start_rule,
)

VALUE_STATES = ("ok", "pending", "firing", "holding")

# Each row of the table, by the names that the model gives to what an input did.
TABLE = {
    "ok, B, nothing to wait for": ["ok: B to firing"],
    "ok, B": ["ok: B to pending"],
    "pending, B, long enough": ["pending: B to firing"],
    "pending, B, not long enough": ["pending: B to pending"],
    "pending, N": ["pending: N to ok"],
    "pending, C": ["pending: C to ok"],
    "firing, B": ["firing: B to firing"],
    "firing, N": ["firing: N to firing"],
    "firing, C, no hold": ["firing: C to ok"],
    "firing, C": ["firing: C to holding"],
    "holding, B": ["holding: B to firing"],
    "holding, N": ["holding: N to holding"],
    "holding, C, long enough": ["holding: C to ok"],
    "holding, C, not long enough": ["holding: C to holding"],
    "any of the four, S": [f"stale: {state} to stale" for state in VALUE_STATES],
    "stale, a sample": [f"stale: sample from {state}" for state in VALUE_STATES],
    "stale, X, keep": ["stale: X, keep"],
    "stale, X, fire": ["stale: X, fire"],
    "stale, X, ok": ["stale: X, ok"],
    "no data fires": ["no_data: fires"],
    "no_data, a sample": [f"no_data: sample from {state}" for state in VALUE_STATES],
    "any, P": [f"paused: {state} to suspended" for state in (*VALUE_STATES, "stale", "no_data")],
    "suspended, R": [f"resumed: suspended to {state}" for state in VALUE_STATES],
    "any, E": [f"ended: {state} to closed" for state in (*VALUE_STATES, "stale", "no_data", "suspended")],
    "any, a new version, still firing": ["revised: firing to firing", "revised: holding to holding"],
    "any, a new version, another state": [
        "revised: ok to pending",
        "revised: ok to firing",
        "revised: pending to ok",
        "revised: pending to firing",
        "revised: firing to ok",
        "revised: firing to holding",
    ],
}


def test_machine_and_model_agree_on_random_histories_that_reach_every_row_of_the_table():
    found = check_alerts(histories=1_000, inputs=50, restarts=250)

    assert (found.histories, found.inputs, found.restarts, found.divergences) == (1_000, 50_000, 250, 0)
    assert {row: n for row, names in TABLE.items() if (n := sum(found.rows[name] for name in names)) < 100} == {}
    assert [name for names in TABLE.values() for name in names if not found.rows[name]] == []


@st.composite
def terms(draw, **fixed):
    clock = draw(st.sampled_from(["sim", "wall"]))
    unit = 1 if clock == "sim" else 1000
    drawn = {
        "op": draw(st.sampled_from("><")),
        "hold": draw(st.integers(0, 4)) * unit,
        "min_samples": draw(st.integers(1, 3)),
        "keep": draw(st.integers(0, 3)) * unit,
        "no_data": draw(st.sampled_from(["keep", "fire", "ok"])),
        "clock": clock,
        "shift": draw(st.integers(0, 2)),
        "metric": draw(st.sampled_from(["highest", "mean"])),
    }
    return Terms(**(drawn | fixed))


def steps(words):
    pause = st.sampled_from([200, 1000, 2000])
    return st.lists(st.tuples(st.sampled_from(words), pause, terms()), min_size=1, max_size=30)


SAMPLES = list(LETTERS) * 3
WORDS = [*SAMPLES, "null", "no_data", "stale", "paused", "resumed", "revised", "ended"]
histories = st.builds(build_history, terms(), steps(WORDS))


@given(history=histories, restarts=st.frozensets(st.integers(0, 29)))
def test_machine_and_model_agree_whatever_happens_and_whenever_it_restarts(history, restarts):
    changes, _ = run_machine(history, restarts)

    assert changes == judge(history)


@given(history=histories)
def test_between_two_fires_of_a_rule_the_first_alert_is_resolved(history):
    changes, _ = run_machine(history)
    fires = [change for change in changes if change.after == "firing" and change.before in ("ok", "pending")]

    assert [change.alert for change in fires] == list(range(1, len(fires) + 1))
    for first, second in pairwise(fires):
        between = changes[changes.index(first) + 1 : changes.index(second)]
        assert sum(change.after == "ok" and change.before in ("firing", "holding") for change in between) == 1


@given(
    terms=terms(clock="sim", no_data="keep", shift=0, metric="highest"),
    steps=steps([*SAMPLES, "null", "stale", "paused", "resumed"]),
)
def test_no_alert_without_a_breach_at_every_sample_of_its_hold(terms, steps):
    history = build_history(terms, steps)
    changes, _ = run_machine(history)

    for fire in (change for change in changes if change.after == "firing" and change.before in ("ok", "pending")):
        samples = [told.given.value for told in history[: fire.index + 1] if told.given.value is not None]
        last = samples[-max(terms.hold + 1, terms.min_samples) :]
        assert len(last) == max(terms.hold + 1, terms.min_samples)
        assert all(abs(value) == VALUE["B"] for value in last)


@given(
    terms=terms(clock="sim", no_data="keep", shift=0, min_samples=1, metric="highest"),
    letters=st.lists(st.sampled_from("BC"), min_size=1, max_size=30),
    factor=st.integers(2, 5),
)
def test_shorter_ticks_scale_the_ticks_of_all_transitions(terms, letters, factor):
    """Each sample lasts for `factor` ticks of a run whose ticks are shorter by as much; times in seconds stay."""
    sign = 1.0 if terms.op == ">" else -1.0
    rule = terms.activate(1).rule

    def run(tick, letters):
        states, found = (start_rule(activate(rule, tick)),), []
        for number, letter in enumerate(letters):
            given = {"highest": sign * VALUE[letter]}
            states, transitions = evaluate([activate(rule, tick)], states, given, number, number * tick)
            found += [(each.tick, each.before, each.after) for each in transitions]
        return found

    coarse = run(0.1, letters)
    fine = run(0.1 / factor, [letter for letter in letters for _ in range(factor)])

    assert fine == [(factor * tick, before, after) for tick, before, after in coarse]


@given(terms=terms(clock="sim", no_data="keep"), steps=steps([*SAMPLES, "stale", "no_data", "paused", "resumed"]))
def test_staleness_and_pauses_change_no_alert_of_a_rule_in_simulation_time(terms, steps):
    """They are found by the clock of the service, which a replay does not have."""
    history = build_history(terms, steps)
    samples = [told for told in history if told.given.kind == "sample"]

    def list_values(history: list[Told]) -> list[tuple[int, str, str]]:
        changes, _ = run_machine(history) if history else ([], [])
        both = [change for change in changes if {change.before, change.after} <= set(VALUE_STATES)]
        return [(history[each.index].given.tick, each.before, each.after) for each in both]

    assert list_values(history) == list_values(samples)


def play(rule: Rule, *values: float | None, tick: float = 1.0) -> list[tuple[int, str, str]]:
    active = activate(rule, tick)
    states, found = (start_rule(active),), []
    for number, value in enumerate(values):
        states, transitions = evaluate([active], states, {rule.key: value}, number, number * tick)
        found += [(each.tick, each.before, each.after) for each in transitions]
    return found


def test_a_value_that_swings_around_the_threshold_fires_once():
    rule = Rule("hot", "highest", raise_at=1000.0, clear_at=900.0)

    assert play(rule, 980, 1010, 990, 1020, 905, 1001, 900) == [(1, "ok", "firing"), (6, "firing", "ok")]


def test_an_alert_falls_below_its_threshold_with_the_other_operator():
    rule = Rule("slow", "rate_ratio", "<", raise_at=0.9, clear_at=0.98, keep_firing_for=2.0)

    assert play(rule, 1.0, 0.9, 0.89, 0.95, 0.98, 0.97, 0.99, 1.0, 1.0) == [
        (2, "ok", "firing"),
        (4, "firing", "holding"),
        (7, "holding", "ok"),
    ]


def test_ticks_without_a_value_count_for_no_timer():
    rule = Rule("hot", "highest", raise_at=1.0, clear_at=1.0, hold=3.0)

    assert play(rule, 2.0, 2.0, None, None, None, nan, 2.0, 2.0) == [
        (0, "ok", "pending"),
        (2, "pending", "no_data"),
        (6, "no_data", "pending"),
        (7, "pending", "firing"),
    ]


def test_a_gap_in_wall_time_counts_for_no_timer():
    active = activate(Rule("old", "data_age_s", raise_at=1.0, clear_at=1.0, hold=3.0, clock="wall"), 1.0)
    state, found = start_rule(active), []
    told = [
        ("sample", 0),
        ("sample", 1000),
        ("stale", 4000),
        ("sample", 60_000),
        ("sample", 61_000),
        ("sample", 62_000),
    ]
    for kind, now in told:
        value = 2.0 if kind == "sample" else None
        state, transitions = advance_rule(active, state, RuleInput(kind, 0, 0.0, value, now))
        found += [(now, each.before, each.after) for each in transitions]

    assert found == [
        (0, "ok", "pending"),
        (4000, "pending", "stale"),
        (60_000, "stale", "pending"),
        (62_000, "pending", "firing"),
    ]


def test_no_data_fires_after_the_hold_and_the_next_breach_belongs_to_the_same_alert():
    rule = Rule("hot", "highest", raise_at=1.0, clear_at=1.0, hold=2.0, no_data="fire")

    assert play(rule, 2.0, None, None, None, 2.0, 0.0) == [
        (0, "ok", "pending"),
        (1, "pending", "no_data"),
        (3, "pending", "firing"),
        (4, "no_data", "firing"),
        (5, "firing", "ok"),
    ]


def test_a_transition_says_when_why_and_with_which_value_to_the_bit():
    rule = Rule("hot", "highest", raise_at=1.0, clear_at=0.5, hold=0.2, region="core", version=3)
    active = activate(rule, 0.1)
    states = (start_rule(active),)
    for tick, value in ((7, 1.25), (8, 1.5)):
        states, _ = evaluate([active], states, {"highest[core]": value}, tick, tick * 0.1)
    states, (fire,) = evaluate([active], states, {"highest[core]": 1.1}, 9, 9 * 0.1)

    assert fire.to_json() == {
        "rule": "hot",
        "rule_version": 3,
        "alert": 1,
        "tick": 9,
        "time_s": 9 * 0.1,
        "from": "pending",
        "to": "firing",
        "cause": "sample",
        "value": 1.1,
        "value_hex": "0x1.199999999999ap+0",
        "threshold": 1.0,
        "first_tick": 7,
        "first_value": 1.25,
    }
    assert states[0].is_firing


def test_the_end_of_a_run_closes_an_alert_that_fires_and_does_not_resolve_it():
    active = activate(Rule("hot", "highest", raise_at=1.0, clear_at=1.0), 1.0)
    state, _ = advance_rule(active, start_rule(active), RuleInput("sample", 1, 1.0, 2.0))
    state, (end,) = advance_rule(active, state, RuleInput("ended", 2, 2.0))

    assert (end.before, end.after, end.alert, state.value, state.is_firing) == ("firing", "closed", 1, "firing", False)
    for kind in ("sample", "stale", "no_data", "paused", "resumed", "ended", "revised"):
        assert advance_rule(active, state, RuleInput(kind, 3, 3.0, 0.0)) == (state, ())


def test_transitions_come_in_the_order_of_the_rules():
    rules = [activate(Rule(name, "highest", raise_at=1.0, clear_at=1.0), 1.0) for name in ("b", "a", "c")]
    _, transitions = evaluate(rules, [start_rule(rule) for rule in rules], {"highest": 2.0}, 0, 0.0)

    assert [each.rule for each in transitions] == ["b", "a", "c"]


def test_rules_that_are_revised_keep_their_alerts_and_those_that_are_gone_are_closed():
    first = [Rule(name, "highest", raise_at=1.0, clear_at=1.0) for name in ("goes", "stays", "changes", "falls")]
    rules = [activate(rule, 1.0) for rule in first]
    states, _ = evaluate(rules, [start_rule(rule) for rule in rules], {"highest": 2.0}, 4, 4.0)
    changed = replace(first[2], version=2, raise_at=1.5)
    risen = replace(first[3], version=2, raise_at=3.0, clear_at=2.5)
    new = Rule("new", "highest", raise_at=1.0, clear_at=1.0)
    second = [activate(rule, 1.0) for rule in (risen, first[1], changed, new)]

    states, transitions = revise_rules(second, states, 5, 5.0)

    assert [(each.rule, each.before, each.after, each.cause) for each in transitions] == [
        ("goes", "firing", "closed", "revised"),
        ("falls", "firing", "ok", "revised"),
    ]
    assert [(state.rule, state.version, state.value, state.alert) for state in states] == [
        ("falls", 2, "ok", 1),
        ("stays", 1, "firing", 1),
        ("changes", 2, "firing", 1),
        ("new", 1, "ok", 0),
    ]


def test_a_state_is_not_told_of_another_version_unawares():
    rule = Rule("hot", "highest", raise_at=1.0, clear_at=1.0)
    state = start_rule(activate(rule, 1.0))

    with pytest.raises(FieldError, match="revise it first"):
        advance_rule(activate(replace(rule, version=2), 1.0), state, RuleInput("sample", 0, 0.0, 2.0))


@pytest.mark.parametrize(
    ("duration", "tick", "counts"), [(0.0, 0.1, 0), (0.3, 0.1, 3), (0.9, 0.3, 3), (0.31, 0.1, 4), (1.0, 1 / 30, 30)]
)
def test_times_are_rounded_up_to_whole_ticks(duration, tick, counts):
    assert count_spans(duration, tick) == counts


VALID = {"name": "hot", "metric": "highest", "raise": 520.0, "clear": 510.0}
FULL = VALID | {
    "op": ">",
    "region": "core",
    "for_s": 2.5,
    "min_samples": 3,
    "keep_firing_for_s": 1.5,
    "clock": "wall",
    "stale_after_s": 1.0,
    "no_data_after_s": 5.0,
    "no_data": "fire",
    "severity": "critical",
    "labels": {"part": "rim"},
    "runbook": "over-temperature",
    "summary": "The rim is too hot",
    "version": 2,
}


def test_a_rule_is_written_as_it_is_read():
    assert Rule.from_json(VALID).to_json() == VALID
    assert Rule.from_json(FULL).to_json() == {name: value for name, value in FULL.items() if name != "op"}
    assert Rule.from_json(json.loads(json.dumps(Rule.from_json(FULL).to_json()))) == Rule.from_json(FULL)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("name", {"name": "Hot"}),
        ("name", {"name": "hot\n"}),
        ("metric", {"metric": ""}),
        ("op", {"op": ">="}),
        ("raise_at", {"raise": nan}),
        ("clear_at", {"clear": inf}),
        ("clear_at", {"clear": 520.1}),
        ("clear_at", {"op": "<"}),
        ("hold", {"for_s": -1.0}),
        ("hold", {"for_s": True}),
        ("min_samples", {"min_samples": 0}),
        ("min_samples", {"min_samples": 1.0}),
        ("keep_firing_for", {"keep_firing_for_s": 1e10}),
        ("stale_after", {"stale_after_s": 0.0}),
        ("no_data_after", {"no_data_after_s": 2.0}),
        ("no_data", {"no_data": "resolve"}),
        ("clock", {"clock": "utc"}),
        ("severity", {"severity": "fatal"}),
        ("runbook", {"severity": "critical"}),
        ("labels", {"labels": {"a b": "x"}}),
        ("labels.a", {"labels": {"a": 1}}),
        ("labels.a", {"labels": [("a", "x"), ("a", "y")]}),
        ("labels", {"labels": "ab"}),
        ("region", {"region": ""}),
        ("summary", {"summary": "two\nlines"}),
        ("version", {"version": 0}),
        ("colour", {"colour": "red"}),
    ],
)
def test_a_rule_outside_its_limits_is_refused_by_the_name_of_the_field(field, changes):
    with pytest.raises(FieldError) as refused:
        Rule.from_json(VALID | changes)

    assert refused.value.field == field


@pytest.mark.parametrize("missing", sorted(VALID))
def test_a_rule_needs_a_name_a_metric_and_both_thresholds(missing):
    with pytest.raises(FieldError, match=f"^{missing}: required"):
        Rule.from_json({name: value for name, value in VALID.items() if name != missing})


@given(
    state=st.builds(
        RuleState,
        rule=st.text(max_size=5),
        version=st.integers(1, 9),
        metric=st.text(max_size=5),
        value=st.sampled_from(VALUE_STATES),
        since=st.integers(-(2**60), 2**60),
        samples=st.integers(0, 9),
        alert=st.integers(0, 9),
        first_tick=st.none() | st.integers(0, 2**40),
        first_value=st.none() | st.floats(allow_nan=False),
        last_clock=st.none() | st.integers(0, 2**60),
        last_tick=st.none() | st.integers(0, 2**40),
        last_value=st.none() | st.floats(allow_nan=False),
        has_gap=st.booleans(),
        cover=st.sampled_from([None, "stale", "no_data", "suspended", "closed"]),
        beneath=st.sampled_from([None, "stale", "no_data"]),
    )
)
def test_a_packed_state_loses_nothing(state):
    read = RuleState.unpack(json.loads(json.dumps(state.pack(), allow_nan=False)))

    assert read == state
    assert repr(read) == repr(state)  # the sign of a zero as well


@settings(max_examples=200)
@given(
    field=st.sampled_from(sorted(start_rule(activate(Rule.from_json(VALID), 1.0)).pack())),
    junk=st.sampled_from(["x", 1.5, [], {}, object(), b"0x1p+0", "0x1p+99999"]),
)
def test_what_is_no_packed_state_is_refused(field, junk):
    packed = start_rule(activate(Rule.from_json(VALID), 1.0)).pack()
    if field in ("rule", "metric") and isinstance(junk, str):
        return

    with pytest.raises(FieldError):
        RuleState.unpack(packed | {field: junk})
    with pytest.raises(FieldError):
        RuleState.unpack({name: value for name, value in packed.items() if name != field})
