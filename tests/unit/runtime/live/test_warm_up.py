"""Loading of kernels before the first tick: both models and a burst are tried, and the run is left as it was."""

import pytest

from grid.engine.live import Burst, Scene, Session, plan_clock
from grid.engine.live.commands import Command
from grid.engine.live.events_json import event_json
from grid.runtime.live.child import _warm_up

STEEL = {"conductivity": 45.0, "density": 7850.0, "specific_heat": 460.0}


def make_session(size, cells) -> Session:
    domain = {"size": size, "section": 0.01} if len(size) < 3 else {"size": size}
    case = {
        "domain": domain, "material": STEEL, "temperature_unit": "degC", "initial": 20.0,
        "resolution": {"cells": cells},
    }  # fmt: skip
    scene = Scene.from_json({"case": case, "fidelity": {"policy": "auto", "deviation_k": 1.0}})
    return Session(scene, plan_clock(scene, 1.0))


@pytest.mark.parametrize(
    ("size", "cells"), [([0.3], [64]), ([0.3, 0.3], [8, 8]), ([0.01, 0.3, 0.3], [1, 8, 8])]
)  # fmt: skip
def test_both_models_and_a_burst_are_tried_elsewhere(monkeypatch, size, cells):
    session = make_session(size, cells)
    before = session.save()
    tried, advance = [], Session.advance

    def spy(other, *arguments):
        summary = advance(other, *arguments)
        tried.append((other is session, summary.model, [command.kind for command in other.commands]))
        return summary

    monkeypatch.setattr(Session, "advance", spy)
    _warm_up(session)

    assert tried == [(False, "lumped", []), (False, "diffusive", ["model", "event"])]
    assert session.save() == before


def test_commands_with_the_numbers_of_what_was_tried_do_what_they_say():
    """What a session knows of loads goes by the numbers of commands, so nothing that was tried may be found there."""
    event = Burst((0.1, 0.2), radius=0.05, duration=6.0, power=500.0)
    saved = []
    for is_warm in (False, True):
        session = make_session([0.3, 0.3], [8, 8])
        if is_warm:
            _warm_up(session)
        session.execute(Command(2, "event", event_json(event), 3, 0))  # as a scenario's, behind its rules
        session.advance(12)
        saved.append((session.save(), [(one.tick, one.bound) for one in session.state.model.switches]))

    assert saved[0] == saved[1]
    assert saved[0][1]
