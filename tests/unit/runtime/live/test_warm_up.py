"""Loading of kernels before the first tick: both models and a burst are tried, and the run is left as it was."""

import pytest

from grid.engine.live import Scene, Session, plan_clock
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
def test_both_models_and_a_burst_are_tried_on_forks(monkeypatch, size, cells):
    session = make_session(size, cells)
    before = session.save()
    tried, advance = [], Session.advance

    def spy(fork, *arguments):
        summary = advance(fork, *arguments)
        tried.append((fork is session, summary.model, [command.kind for command in fork.commands]))
        return summary

    monkeypatch.setattr(Session, "advance", spy)
    _warm_up(session)

    assert tried == [(False, "lumped", []), (False, "diffusive", ["model", "event"])]
    assert session.save() == before
