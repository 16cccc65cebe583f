"""Work ahead of ticks: done by another thread, told again until it is done, and without an effect on the bytes."""

import threading

import numpy as np
import pytest
from tests.unit.runtime.live.test_loop import FakeChannel, control, propose

from grid.engine.live import Command, Scene, plan_clock, replay
from grid.runtime.live.ahead import AheadWorker
from grid.runtime.live.loop import LiveLoop
from grid.runtime.live.messages import StartRun

CASE = {
    "domain": {"size": [0.3, 0.2], "section": 0.01},
    "material": {"conductivity": 200.0, "density": 2700.0, "specific_heat": 900.0},
    "initial": 300.0,
    "boundaries": {"x_min": {"type": "convection", "coefficient": 20.0, "ambient": 290.0}},
    "resolution": {"cells": [12, 10]},
    "temperature_unit": "K",
}
SCENE = {"case": CASE, "fidelity": {"policy": "auto", "deviation_k": 5.0}}
BURST = {"kind": "burst", "position_m": [0.1, 0.1], "radius_m": 0.05, "power_w": 4.0, "duration_s": 1e5}
TICK, RATE = "5.0", 20.0


def test_shapes_are_solved_ahead_and_the_field_is_that_of_a_replay_that_solves_them_in_its_ticks() -> None:
    channel = FakeChannel([(0.5, propose(1, BURST)), (12.0, control(2, "stop"))])
    worker = AheadWorker()
    loop = LiveLoop(StartRun(SCENE, TICK, RATE), channel, channel.clock, ahead=worker.give)
    ended = loop.run()
    assert worker.done >= 1
    assert loop.session.summary.model == "lumped"
    scene = Scene.from_json(SCENE)
    log = [Command(1, "event", BURST, channel.proposed[1])]
    again = replay(scene, plan_clock(scene, float(TICK)), log, ended.tick)
    assert again.hash() == ended.field_sha256
    assert [one.tick for one in again.state.model.switches] == [one.tick for one in loop.session.state.model.switches]


def test_what_comes_while_it_is_at_work_is_left_to_the_next_tick() -> None:
    worker, may_end, ended = AheadWorker(), threading.Event(), threading.Event()
    worker.give([may_end.wait])
    worker.give([lambda: pytest.fail("it was to be told again")])
    may_end.set()
    while worker.done < 1 or worker._is_busy:
        threading.Event().wait(0.001)
    worker.give([ended.set])
    assert ended.wait(5.0)
    assert worker.done <= 2


def test_work_that_fails_ends_nothing() -> None:
    worker, ended = AheadWorker(), threading.Event()
    worker.give([lambda: np.linalg.inv(np.zeros((2, 2))), ended.set])
    assert ended.wait(5.0)
