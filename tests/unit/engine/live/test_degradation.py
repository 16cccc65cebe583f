"""Simpler physics by command: what is left out, what stays beneath, and bytes that follow from the log."""

import json
from typing import Any

import pytest
from tests.unit.engine.live.test_fidelity import make_scene
from tests.unit.engine.live.test_structure_run import start as start_structure

from grid.core.errors import FieldError
from grid.engine.live.clock import plan_clock
from grid.engine.live.commands import Command, read_commands
from grid.engine.live.errors import RefusedChangeError
from grid.engine.live.events import Burst
from grid.engine.live.session import Session, replay

TICK = 2.0


def start(policy: str = "diffusive") -> Session:
    """A cooled plate with a burst in it, whose limit of the lumped model is far exceeded."""
    scene = make_scene(policy, deviation_k=0.01)
    session = Session(scene, plan_clock(scene, TICK))
    session.apply(Burst((0.05, 0.06), 0.02, 400.0, energy=5e3))
    return session


def mode(session: Session, physics: str, *, ahead: int = 0) -> None:
    number = len(session.commands) + 1
    session.execute(Command(number, "mode", {"physics": physics}, session.tick + ahead))


@pytest.mark.parametrize("policy", ["auto", "diffusive"])
def test_a_run_is_lumped_above_its_limit_while_it_may_not_be_full_and_chooses_again_afterwards(policy: str) -> None:
    session = start(policy)
    session.advance(10)
    assert session.summary.model == "diffusive"
    mode(session, "lumped")
    session.advance(40)  # its shapes take effect some ticks after they were asked for
    assert (session.summary.model, session.summary.physics) == ("lumped", "lumped")
    assert session.summary.share is not None
    assert session.summary.share > 1.0
    assert session.state.model.policy == policy
    switch = session.state.model.switches[-1]
    assert (switch.model, switch.reason) == ("lumped", "overload")
    assert abs(switch.energy_change) <= 1e-12
    mode(session, "full")
    session.advance(2)
    assert (session.summary.model, session.summary.physics) == ("diffusive", "full")
    assert session.state.model.policy == policy
    assert session.summary.balance_residual < 1e-11


def test_a_model_that_is_chosen_meanwhile_holds_afterwards() -> None:
    session = start("auto")
    mode(session, "lumped")
    session.advance(40)
    session.choose_model("diffusive")
    session.advance(3)
    assert session.summary.model == "lumped"
    mode(session, "full")
    session.advance()
    assert (session.summary.model, session.state.model.policy) == ("diffusive", "diffusive")


def test_without_stress_by_potential_no_cell_fails_by_it_and_it_comes_back() -> None:
    def run(*modes: tuple[int, str]) -> Session:
        session = start_structure(stress_level="potential", stress_ticks=3, ultimate_ratio=1.0, temperature_limit=2e3)
        for seq, (tick, physics) in enumerate(modes, start=100):
            session.execute(Command(seq, "mode", {"physics": physics}, tick))
        session.advance(40)
        return session

    full, without, later = run(), run((2, "no-stress")), run((2, "no-stress"), (30, "full"))
    reasons = {failure.payload.get("reason") for failure in full.take_failures() if failure.kind == "failed-cell"}
    assert "stress" in reasons
    assert full.summary.peak_by_potential is not None
    assert without.summary.peak_by_potential is None
    assert all(failure.payload.get("reason") != "stress" for failure in without.take_failures())
    assert without.summary.utilisation is not None
    assert later.summary.peak_by_potential is not None
    assert not [work for work in without.pending() if getattr(work, "__name__", "") == "solve"]


@pytest.mark.parametrize("kind", ["heat", "structure"])
def test_a_degraded_run_is_replayed_and_resumed_to_the_same_bytes(kind: str) -> None:
    def begin() -> Session:
        return start("auto") if kind == "heat" else start_structure(stress_level="potential", stress_ticks=3)

    session, other = begin(), begin()
    physics = "lumped" if kind == "heat" else "no-stress"
    for one in (session, other):
        one.execute(Command(50, "mode", {"physics": physics}, 6))
        one.execute(Command(51, "mode", {"physics": "full"}, 52))
    seen: list[tuple[str, Any]] = []
    session.advance(60, lambda summary: seen.append((session.hash(), summary)))
    assert {summary.physics for _, summary in seen} == {"full", physics}
    for _ in range(12):
        other.advance(5)
        resumed = Session.load(other.save(), other.scene, other.clock)
        resumed.advance(min(4, 60 - resumed.tick))
        assert (resumed.hash(), resumed.summary) == seen[resumed.tick - 1]
    lines = json.loads(json.dumps([command.to_json() for command in session.commands]))
    again = replay(session.scene, session.clock, read_commands(lines), 60)
    assert (again.hash(), again.summary) == seen[-1]


def test_what_cannot_be_left_out_is_refused_and_changes_nothing() -> None:
    session = start()
    with pytest.raises(RefusedChangeError, match="no stress by potential"):
        mode(session, "no-stress")
    session.execute(
        Command(2, "event", {"kind": "boundary", "face": "x_min", "law": {"type": "temperature", "value": 310.0}}, 0)
    )
    with pytest.raises(RefusedChangeError, match="held at a temperature"):
        mode(session, "lumped")
    for payload in ({"physics": "none"}, {}, {"physics": "full", "rung": 2}):
        with pytest.raises(FieldError, match="payload"):
            session.execute(Command(9, "mode", payload, session.tick))
    assert session.state.physics == "full"
    assert len(session.commands) == 2
