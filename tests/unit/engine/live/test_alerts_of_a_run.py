"""Alert rules of a run see every tick, and a resumed or replayed run raises the same alerts with the same values."""

import math

import pytest
from tests.unit.engine.live.scenes import make_plate

from grid.core.errors import FieldError
from grid.engine.live import Command, Overload, Rule, Session, plan_clock, replay

CAPACITY = 7800.0 * 470.0 * 0.8 * 0.01
HOT = Rule("hot", "mean", raise_at=305.0, clear_at=303.0, hold=2.0)


def start(*rules: Rule) -> Session:
    """An insulated plate that 20 kW warm up."""
    scene = make_plate()
    session = Session(scene, plan_clock(scene, 0.5), rules=rules)
    session.apply(Overload(2e4))
    return session


def test_an_alert_fires_at_the_tick_of_the_closed_form_after_its_hold() -> None:
    session = start(HOT)
    session.advance(40)
    pending, firing = session.take_transitions()
    crossing = math.floor(5.0 * CAPACITY / 2e4 / 0.5) + 1  # the first tick above 305
    assert (pending.after, pending.tick) == ("pending", crossing)
    assert (firing.after, firing.tick) == ("firing", crossing + 4)
    assert firing.value == pytest.approx(300.0 + 2e4 * 0.5 * firing.tick / CAPACITY, rel=1e-12)
    assert firing.first_tick == crossing
    assert session.take_transitions() == []
    assert session.state.alerts[0].is_firing


def test_a_resumed_and_a_replayed_run_decide_the_same_at_the_same_ticks() -> None:
    low = Rule("cold", "highest", "<", raise_at=303.0, clear_at=304.0)
    session, other = start(HOT, low), start(HOT, low)
    session.execute(Command(5, "rules", {"rules": [HOT.to_json() | {"raise": 306.0, "version": 2}]}, 30))
    other.execute(Command(5, "rules", {"rules": [HOT.to_json() | {"raise": 306.0, "version": 2}]}, 30))
    session.advance(50)
    expected = session.take_transitions()
    assert {change.rule for change in expected} == {"hot", "cold"}
    seen = []
    for _ in range(50):
        other = Session.load(other.save(), other.scene, other.clock)
        other.advance()
        seen += other.take_transitions()
    assert seen == expected
    again = replay(session.scene, session.clock, session.commands, 50, rules=[HOT, low])
    assert again.take_transitions() == expected


def test_rules_that_a_run_cannot_have_are_refused() -> None:
    for rules in ([HOT, HOT], [Rule("age", "mean", raise_at=1.0, clear_at=0.5, clock="wall")], [HOT] * 51, ["hot"]):
        with pytest.raises(FieldError):
            start(*rules)  # type: ignore[arg-type]
    session = start()
    for payload in ({}, {"rules": "hot"}, {"rules": [{"name": "x"}]}):
        with pytest.raises(FieldError):
            session.execute(Command(9, "rules", payload, session.tick))
