"""The past of a run by a real child of a server: the bytes of a session that was here, and a child that is killed."""

import os
import signal
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from grid.core.errors import UnavailableError
from grid.engine.live.clock import plan_clock
from grid.engine.live.commands import Command
from grid.engine.live.scene import Scene
from grid.engine.live.session import Session
from grid.engine.version import compute_numerics_version
from grid.runtime.live.messages import LiveCommand
from grid.runtime.live.past_messages import LookBack
from grid.runtime.past_process import PastProcess
from grid.runtime.slots import SlotFactory
from grid.schemas.frame_requests import FrameRequest
from grid.schemas.frames import decode_frame

pytestmark = pytest.mark.jit
ROOT = Path(__file__).parents[2]
TOYS = "tests.doubles.simulations:load_registry"  # whose kernels are few
SCENE = {
    "case": {
        "domain": {"size": [1.0, 1.0], "section": 0.01},
        "material": {"conductivity": 50.0, "density": 7850.0, "specific_heat": 470.0},
        "initial": 300.0,
        "resolution": {"cells": [16, 16]},
        "temperature_unit": "K",
    }
}
BURST = {"kind": "burst", "position_m": [0.4, 0.5], "radius_m": 0.1, "power_w": 2e5, "duration_s": 2.0}


def test_a_child_computes_the_past_and_another_takes_its_place_when_it_is_killed(tmp_path):
    scene = Scene.from_json(SCENE)
    session = Session(scene, plan_clock(scene, 0.5))
    session.advance(2)
    session.execute(Command(1, "event", BURST, 2))
    session.advance(4)
    asked = LookBack(
        uuid4(), SCENE, "0.5", "auto", 0, session.clock.steps, compute_numerics_version(), (),
        (LiveCommand(1, "event", BURST, 2),), (6,), FrameRequest(bits=16, codec="none"), 100,
    )  # fmt: skip
    home = tmp_path / "home"
    process = PastProcess(lambda: SlotFactory(home, home / "artifacts", registry=TOYS, extra_path=(ROOT,)))
    try:
        for _ in range(2):
            found = process.look_back(asked)
            assert (found.failure, found.detail) == (None, "")
            frame = decode_frame(found.frames[0])
            assert np.abs(frame.values - session.field()).max() <= frame.header.error * (1 + 1e-9)
        assert found.computed == 0  # it was kept where it was asked for
        os.kill(process._child.pid, signal.SIGKILL)
        with pytest.raises(UnavailableError):
            process.look_back(asked)
        assert process.look_back(asked).computed == 6
    finally:
        process.close()
