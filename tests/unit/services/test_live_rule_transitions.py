"""Transitions of a run's rules: stored once however often their ticks are computed, with their alerts."""

import json

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from tests.support import live_runs as words
from tests.support.alert_words import alert_event, alerts_of, tell
from tests.support.ledgers import add_owner

from grid.schemas.alerts import AlertState
from grid.schemas.live import RunReason
from grid.services import live
from grid.services.live.rule_transitions import Change


@pytest.fixture
def owner(uow):
    return add_owner(uow)


@pytest.fixture
def held(uow, owner):
    return words.start(uow, owner)


def test_an_alert_is_raised_held_and_resolved_by_the_transitions_of_its_rule(uow, held):
    tell(uow, held, "ok", "pending", tick=10, value=530.0, alert=0)
    assert alerts_of(uow, held) == []

    tell(uow, held, "pending", "firing", tick=12, value=538.25, first_tick=10, first_value=530.0)
    (alert,) = alerts_of(uow, held)
    assert (alert.rule, alert.number, alert.state, alert.value) == ("hot", 1, AlertState.FIRING, 538.25)
    assert (alert.first_tick, alert.first_value, alert.fired_tick, alert.severity) == (10, 530.0, 12, None)

    tell(uow, held, "firing", "holding", tick=20, value=500.0)
    assert alerts_of(uow, held)[0].state is AlertState.HOLDING
    tell(uow, held, "holding", "firing", tick=21, value=541.0)
    tell(uow, held, "firing", "holding", tick=22, value=500.0)
    tell(uow, held, "holding", "ok", tick=30, value=490.0)
    tell(uow, held, "ok", "firing", tick=31, value=600.0, alert=2, first_tick=31)

    first, second = alerts_of(uow, held)
    assert (first.state, first.ended_tick, first.ended_by) == (AlertState.RESOLVED, 30, "value")
    assert (second.number, second.state) == (2, AlertState.FIRING)
    with uow.read() as tx:
        rows = tx.alerts.transitions(held.run_id, "hot")
        state = tx.alert_rules.find_state(held.run_id, "hot")
    assert [row.n for row in rows] == list(range(1, 8))
    assert rows[1].value_hex == (538.25).hex()
    assert (state.value, state.alert, state.next_n, state.cover) == ("firing", 2, 8, None)


def test_ticks_that_are_computed_again_add_nothing(uow, held):
    events = [
        alert_event("ok", "firing", tick=5, value=700.0, first_tick=5),
        alert_event("firing", "ok", tick=9, value=400.0),
    ]
    live.record_events(uow, held, events)

    for _ in range(3):
        live.record_events(uow, held, events)
        with uow.begin() as tx:  # even where the event itself was dropped, and comes as a new one
            from grid.services.live.rule_transitions import record_alert_events

            record_alert_events(tx, tx.live_runs.hold(held.run_id), events)

    (alert,) = alerts_of(uow, held)
    assert alert.state is AlertState.RESOLVED
    with uow.read() as tx:
        assert len(tx.alerts.transitions(held.run_id, "hot")) == 2
        assert tx.alert_rules.find_state(held.run_id, "hot").next_n == 3


def test_a_metric_without_a_value_covers_the_rule_and_its_alert(uow, held):
    tell(uow, held, "ok", "firing", tick=5, value=700.0, first_tick=5)
    tell(uow, held, "firing", "no_data", tick=6, cause="no_data")
    with uow.read() as tx:
        state = tx.alert_rules.find_state(held.run_id, "hot")
    assert (state.value, state.shown, alerts_of(uow, held)[0].cover) == ("firing", "no_data", "no_data")

    tell(uow, held, "no_data", "firing", tick=7)
    (alert,) = alerts_of(uow, held)
    assert (alert.cover, alert.state, alert.value) == (None, AlertState.FIRING, 700.0)

    tell(uow, held, "firing", "closed", tick=8, cause="revised")
    (alert,) = alerts_of(uow, held)
    assert (alert.state, alert.ended_by) == (AlertState.UNRESOLVED, "removed")


def test_a_rule_that_was_removed_and_comes_back_is_covered_by_nothing(uow, held):
    tell(uow, held, "ok", "firing", tick=10, value=700.0, alert=1)
    tell(uow, held, "firing", "closed", tick=20, cause="revised", alert=1)
    tell(uow, held, "ok", "firing", tick=21, value=700.0, alert=1)
    with uow.read() as tx:
        assert tx.alert_rules.find_state(held.run_id, "hot").shown == "firing"
    assert [alert.state for alert in alerts_of(uow, held)] == [AlertState.UNRESOLVED, AlertState.FIRING]


def test_nothing_is_stored_of_a_run_that_another_owner_holds(uow, held):
    live.hand_back_runs(uow, [held])

    assert live.record_events(uow, held, [alert_event("ok", "firing", tick=5, value=1.0)]) is None
    assert alerts_of(uow, held) == []


def test_an_event_that_is_no_transition_is_a_fault_of_the_caller(uow, held):
    for broken in ({"rule": "hot"}, alert_event("ok", "firing", tick=1).payload | {"to": "happy"}):
        with pytest.raises(ValueError, match="transition"):
            Change.read(broken)


def test_transitions_and_how_an_alert_began_never_change(uow, held):
    tell(uow, held, "ok", "firing", tick=5, value=700.0, first_tick=5)
    for statement in (
        "UPDATE alert_transitions SET value = 1.0",
        "UPDATE alerts SET fired_tick = 1",
        "UPDATE alerts SET first_value = 1.0",
    ):
        with pytest.raises(IntegrityError, match="never change"), uow.begin() as tx:
            tx.connection.execute(sa.text(statement))


def test_alerts_and_transitions_go_with_their_run(uow, owner, held, tmp_path):
    from tests.doubles.artifacts import MemoryArtifactStore

    tell(uow, held, "ok", "firing", tick=5, value=700.0, first_tick=5)
    live.fail_run(uow, held, RunReason.DIVERGED)

    live.purge_run(uow, MemoryArtifactStore(), actor_id=owner, owner_id=owner, run_id=held.run_id)

    assert alerts_of(uow, held) == []


def test_the_engines_own_json_is_read_back_whole():
    from grid.engine.live.rules import Rule, RuleInput, activate, advance_rule, start_rule

    active = activate(Rule("hot", "highest", raise_at=1.0, clear_at=0.5), 0.1)
    _, (transition,) = advance_rule(active, start_rule(active), RuleInput("sample", 3, 0.3, 1.5))

    change = Change.read(json.loads(json.dumps(transition.to_json())))

    assert (change.before, change.after, change.value_hex, change.first_tick) == ("ok", "firing", (1.5).hex(), 3)
