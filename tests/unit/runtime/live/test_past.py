"""The past of a run, computed again: the bytes of the run itself, from whichever stored state, and its refusals."""

import hashlib
import io
from contextlib import nullcontext
from dataclasses import replace
from uuid import uuid4

import numpy as np
import pytest

from grid.engine.live.clock import plan_clock
from grid.engine.live.commands import Command
from grid.engine.live.errors import RefusedChangeError
from grid.engine.live.scene import Scene
from grid.engine.live.session import Session
from grid.engine.version import compute_numerics_version
from grid.runtime.live import past
from grid.runtime.live.frame_cache import FrameCache, Picture
from grid.runtime.live.messages import LiveCommand, SnapshotFile
from grid.runtime.live.past import PastReader
from grid.runtime.live.past_messages import LookBack
from grid.runtime.store import LocalArtifactStore
from grid.schemas.frame_requests import FrameRequest
from grid.schemas.frames import FrameFlag, decode_frame

pytestmark = pytest.mark.jit
SCENE = {
    "case": {
        "domain": {"size": [1.0, 1.0], "section": 0.01},
        "material": {"conductivity": 50.0, "density": 7850.0, "specific_heat": 470.0},
        "initial": 300.0,
        "boundaries": {"x_min": {"type": "temperature", "value": 320.0}},
        "resolution": {"cells": [16, 16]},
        "temperature_unit": "K",
    }
}
TICK_S = "0.5"
BURST = {"kind": "burst", "position_m": [0.4, 0.5], "radius_m": 0.1, "power_w": 2e5, "duration_s": 5.0}
LOG = (
    LiveCommand(1, "event", BURST, 5),
    LiveCommand(2, "event", {**BURST, "position_m": [0.7, 0.3]}, 12),
    LiveCommand(3, "end-event", {"seq": 2}, 15),
    LiveCommand(4, "end-event", {"seq": 77}, 16),  # was refused
)
WHOLE = FrameRequest(bits=16, codec="none")


@pytest.fixture(scope="module")
def trunk():
    """Sessions of the run at its ticks, as it was when it ran."""
    scene = Scene.from_json(SCENE)
    session = Session(scene, plan_clock(scene, float(TICK_S)))
    kept = {0: session.fork()}
    for tick in range(20):
        for one in LOG:
            if one.tick == tick:
                refusal = pytest.raises(RefusedChangeError) if one.seq == 4 else nullcontext()
                with refusal:
                    session.execute(Command(one.seq, one.kind, one.payload, one.tick))
        session.advance()
        kept[tick + 1] = session.fork()
    return kept


@pytest.fixture
def store(tmp_path):
    return LocalArtifactStore(tmp_path)


def ask(trunk, *ticks, **other):
    clock = trunk[0].clock
    asked = LookBack(
        uuid4(), SCENE, TICK_S, "auto", 0, clock.steps, compute_numerics_version(), (), LOG, ticks, WHOLE, 1000
    )
    return replace(asked, **other)


def keep(store, session):
    data = session.save()
    key = f"live/run/1/{session.tick}"
    store.put(key, io.BytesIO(data))
    return SnapshotFile(key, session.tick, hashlib.sha256(data).hexdigest())


def frame_of(session, asked):
    picture = Picture(session.tick, session.time, 4, 0, {asked.request.field: session.field(asked.request.field)})
    return decode_frame(FrameCache(asked.run_id.bytes[:8], 0).encode(asked.request, picture, 0.0).data)


@pytest.mark.parametrize("kept", [(), (0,), (3,), (14, 7), (20,)])
def test_frames_are_those_of_the_run_from_any_stored_state(trunk, store, kept):
    asked = ask(trunk, 14, 18, snapshots=tuple(keep(store, trunk[tick]) for tick in kept if tick <= 14))

    found = PastReader(store).read(asked)

    assert found.failure is None
    assert found.computed == 18 - max([tick for tick in kept if tick <= 14], default=0)
    for data, tick in zip(found.frames, (14, 18), strict=True):
        frame = decode_frame(data)
        assert (frame.header.tick, frame.header.time_s) == (tick, tick * 0.5)
        assert frame.header.flags & FrameFlag.NOT_LIVE
        assert np.abs(frame.values - trunk[tick].field()).max() <= frame.header.error * (1 + 1e-9)
    np.testing.assert_array_equal(decode_frame(found.frames[0]).values, frame_of(trunk[14], asked).values)


def test_the_session_behind_the_frames_has_the_bytes_of_the_run(trunk, store):
    reader, asked = PastReader(store), ask(trunk, 17)
    reader.read(asked)

    assert reader._sessions[asked.run_id].hash() == trunk[17].hash()


def test_going_on_computes_only_what_lies_between_and_knows_what_was_commanded_since(trunk, store):
    reader, asked = PastReader(store), ask(trunk, 5, log=LOG[:1])
    assert reader.read(asked).computed == 5

    found = reader.read(replace(asked, ticks=(13,), log=LOG))

    assert found.computed == 8
    assert reader._sessions[asked.run_id].hash() == trunk[13].hash()
    assert reader.read(replace(asked, ticks=(4,), log=LOG)).computed == 4  # back: from the begin
    assert reader.read(replace(asked, ticks=(13,), log=LOG, snapshots=(keep(store, trunk[12]),))).computed == 1


def test_what_begins_at_a_boundary_is_not_shown_there(trunk, store):
    weak = {"kind": "damage", "region": "all", "conductivity_factor": 0.5}
    reader = PastReader(store)
    asked = ask(trunk, 6, log=(LiveCommand(1, "event", weak, 6),))

    assert reader.read(asked).failure is None
    assert reader._sessions[asked.run_id].commands == []
    reader.read(replace(asked, ticks=(7,)))
    assert [one.seq for one in reader._sessions[asked.run_id].commands] == [1]


def test_sessions_of_a_few_runs_are_kept(trunk, store, monkeypatch):
    monkeypatch.setattr(past, "MOST_SESSIONS", 1)
    reader, first, second = PastReader(store), ask(trunk, 3), ask(trunk, 4)
    for asked in (first, second):
        reader.read(asked)

    assert list(reader._sessions) == [second.run_id]
    assert reader.read(first).computed == 3


def test_a_damaged_state_is_passed_over(trunk, store):
    good, bad = keep(store, trunk[7]), keep(store, trunk[9])
    asked = ask(trunk, 10, snapshots=(replace(bad, sha256="0" * 64), good))

    assert PastReader(store).read(asked).computed == 3


@pytest.mark.parametrize(
    ("change", "failure", "word"),
    [
        ({"numerics_version": "0"}, "other_numerics", "numerics 0"),
        ({"steps_per_tick": 3}, "other_numerics", "numerics"),
        ({"most_ticks": 9}, "field", "tick: at most 9"),
        ({"request": FrameRequest("stress")}, "field", "field: "),
        ({"request": FrameRequest(region=((20, 40),))}, "field", "region: "),
    ],
)
def test_what_cannot_be_shown_is_told(trunk, store, change, failure, word):
    found = PastReader(store).read(ask(trunk, 10, **change))

    assert (found.failure, found.frames) == (failure, ())
    assert word in found.detail
