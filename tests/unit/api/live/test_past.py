"""Pictures of the past by the API: any tick that a run has passed, recomputed by a reader in this process."""

import hashlib
import io
from dataclasses import dataclass, field
from uuid import uuid4

import numpy as np
import pytest
from dishka import Provider, Scope
from tests.support import live_runs
from tests.support.service import Catalogue

from grid.core.errors import UnavailableError
from grid.core.ids import new_id
from grid.core.passwords import PasswordHasher
from grid.database.live_snapshots import NewSnapshot
from grid.engine.live.clock import plan_clock
from grid.engine.live.commands import Command
from grid.engine.live.scene import Scene
from grid.engine.live.session import Session
from grid.engine.version import compute_numerics_version
from grid.runtime.live.past import PastReader
from grid.runtime.live.past_messages import LookedBack
from grid.schemas.frames import decode_frames
from grid.services import live
from grid.services.container import make_container
from grid.services.live import past
from grid.services.ports import ArtifactStore, Doorbell, FrameBus, ImageCatalogue, PastComputer

pytestmark = pytest.mark.jit
RUNS = "/api/v1/engine/runs"
SCENE = {
    "case": {
        "domain": {"size": [1.0, 0.5], "section": 0.01},
        "material": {"conductivity": 50.0, "density": 7850.0, "specific_heat": 470.0},
        "initial": 300.0,
        "resolution": {"cells": [16, 8]},
        "temperature_unit": "K",
    }
}
BURST = {"kind": "burst", "position_m": [0.4, 0.25], "radius_m": 0.1, "power_w": 2e5, "duration_s": 2.0}
END = 24


@dataclass
class InlinePast:
    """Computes in this process, or answers what it was told to."""

    reader: PastReader | None = None
    asked: list = field(default_factory=list)
    answer: LookedBack | Exception | None = None

    def look_back(self, asked):
        self.asked.append(asked)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer or self.reader.read(asked)


@pytest.fixture
def computer():
    return InlinePast()


@pytest.fixture
def container(settings, bell, hasher, bus, computer):
    doubles = Provider(scope=Scope.APP)
    doubles.provide(lambda: bell, provides=Doorbell)
    doubles.provide(lambda: Catalogue(), provides=ImageCatalogue)  # noqa: PLW0108 - a class would be asked what it needs
    doubles.provide(lambda: hasher, provides=PasswordHasher)
    doubles.provide(lambda: bus, provides=FrameBus)
    doubles.provide(lambda: computer, provides=PastComputer)
    wiring = make_container(settings, doubles)
    computer.reader = PastReader(wiring.get(ArtifactStore))
    yield wiring
    wiring.close()


@pytest.fixture
def states(uow, alice, container):
    """A run of Alice that stands at a tick, with a burst in its log and one stored state; its sessions by tick."""
    scene = Scene.from_json(SCENE)
    clock = plan_clock(scene, 0.125)
    live_runs.submissions(
        uow, scene=SCENE, tick_s="0.125", method="auto", steps_per_tick=clock.steps,
        numerics_version=compute_numerics_version(),
    ).submit(alice.user_id, live_runs.SPEC)  # fmt: skip
    claim = live_runs.claim(uow).claim
    assert live_runs.begin(uow, claim)
    session = Session(scene, clock)
    found = {0: session.fork()}
    for tick in range(END):
        if tick == 4:
            session.execute(Command(1, "event", BURST, 4))
        session.advance()
        found[tick + 1] = session.fork()
    answer = alice.post(f"{RUNS}/{claim.run_id}/events", json=BURST)
    assert answer.status_code == 202, answer.text
    live.commit_ticks(uow, claim, {1: 4})
    live.write_looks(uow, [live.Look(claim, END)])
    keep(uow, container.get(ArtifactStore), claim, found[16])
    return claim.run_id, found


def keep(uow, store, claim, session):
    data = session.save()
    snapshot_id = new_id()
    key = f"live/{claim.run_id}/1/{snapshot_id}"
    store.put(key, io.BytesIO(data))
    row = NewSnapshot(snapshot_id, session.tick, 1, key, len(data), hashlib.sha256(data).hexdigest())
    assert live.add_snapshot(uow, claim, row) is not None


def test_the_field_at_a_tick_of_the_past_is_that_of_the_run(alice, states, computer):
    run_id, sessions = states
    for query, tick, begin in (
        ({"tick": 10}, 10, 0),
        ({"t": 1.3}, 10, 0),
        ({"tick": 16}, 16, 16),
        ({"tick": 20}, 20, 16),
    ):
        answer = alice.get(f"{RUNS}/{run_id}/field", params={"format": "npy", **query})
        assert answer.status_code == 200, answer.text
        assert answer.headers["grid-tick"] == str(tick)
        error = float(answer.headers["grid-error"])
        values = np.load(io.BytesIO(answer.content))
        assert np.abs(values - sessions[tick].field()).max() <= error * (1 + 1e-9)
        assert max((one.tick for one in computer.asked[-1].snapshots), default=0) == begin


def test_a_heat_map_and_a_value_of_the_past(alice, states):
    run_id, sessions = states

    picture = alice.get(f"{RUNS}/{run_id}/heatmap.png", params={"tick": 12, "width": 32})
    probed = alice.get(f"{RUNS}/{run_id}/probe", params={"tick": 12, "x": 0.4, "y": 0.25}).json()

    assert (picture.status_code, picture.content[:4], picture.headers["grid-tick"]) == (200, b"\x89PNG", "12")
    assert (probed["tick"], probed["time_s"], probed["cell"]) == (12, 1.5, [6, 4])
    assert probed["value"] == pytest.approx(sessions[12].field()[6, 4], abs=probed["error"] + 1e-9)


def test_frames_of_the_past_follow_each_other(alice, states):
    run_id, sessions = states

    answer = alice.get(f"{RUNS}/{run_id}/frames", params={"from_tick": 8, "to_tick": 20, "count": 4, "bits": 16})

    assert (answer.status_code, answer.headers["grid-frames"]) == (200, "4")
    assert answer.headers["content-type"] == "application/vnd.grid.frames"
    frames = list(decode_frames(answer.content))
    assert [frame.header.tick for frame in frames] == [8, 12, 16, 20]
    for frame in frames:
        assert frame.header.flags & 4
        assert np.abs(frame.values - sessions[frame.header.tick].field()).max() <= frame.header.error * (1 + 1e-9)
    alone = alice.get(f"{RUNS}/{run_id}/frames", params={"tick": 8, "codec": "none", "level": 1})
    (frame,) = decode_frames(alone.content)
    assert (frame.header.tick, frame.codes.shape) == (8, (8, 4))


def test_what_is_outside_the_past_or_costs_too_much_names_field_and_limit(alice, states, monkeypatch):
    run_id, _ = states
    wrong = [
        ("field", {"tick": END + 1}, "tick"),
        ("field", {"t": 99.0}, "t"),
        ("probe", {"tick": 1, "t": 1.0, "x": 0.1, "y": 0.1}, "t"),
        ("field", {"tick": 3, "field": "stress"}, "field"),
        ("frames", {"from_tick": 5, "to_tick": 4}, "to_tick"),
        ("frames", {"from_tick": 5, "tick": 4}, "from_tick"),
        ("frames", {"from_tick": END + 1}, "from_tick"),
        ("frames", {"tick": 4, "bits": 9}, "bits"),
    ]
    for path, query, name in wrong:
        answer = alice.get(f"{RUNS}/{run_id}/{path}", params=query)
        assert answer.status_code == 422, (path, query, answer.text)
        assert [error["field"] for error in answer.json()["errors"]] == [name], answer.text
    for query in ({"tick": -1}, {"tick": "x"}, {"t": "nan"}, {"count": 121, "from_tick": 0}, {"level": 3}):
        assert alice.get(f"{RUNS}/{run_id}/frames", params=query).status_code == 422, query
    monkeypatch.setattr("grid.api.live.past.MOST_BYTES", 512)
    answer = alice.get(f"{RUNS}/{run_id}/frames", params={"from_tick": 0, "to_tick": 9, "count": 3})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "count")
    monkeypatch.setattr(past, "MOST_WORK_S", 0.05)
    answer = alice.get(f"{RUNS}/{run_id}/field", params={"tick": 12})
    assert answer.status_code == 422
    assert "nearest kept is 0 or 16" in answer.text


def test_a_run_of_other_numerics_or_a_process_that_ends_is_told(alice, states, computer):
    run_id, _ = states
    for given, status in (
        (LookedBack(failure="other_numerics", detail="The run was computed by others."), 409),
        (LookedBack(), 503),
        (UnavailableError("The process has ended."), 503),
    ):
        computer.answer = given
        assert alice.get(f"{RUNS}/{run_id}/field", params={"tick": 3}).status_code == status


def test_the_past_of_what_is_not_yours_is_not_found(bob, states, computer):
    run_id, _ = states
    for path in ("field", "heatmap.png", "probe", "frames"):
        for one in (run_id, uuid4()):
            place = {"x": 0.1, "y": 0.1} if path == "probe" else {}
            answer = bob.get(f"{RUNS}/{one}/{path}", params={"tick": 3, **place})
            assert answer.status_code == 404, answer.text
    assert computer.asked == []


def test_what_is_asked_beyond_the_places_of_a_user_is_refused(alice, states, monkeypatch):
    monkeypatch.setattr("grid.api.stream_places.MAX_STREAMS_PER_USER", 0)
    run_id, _ = states

    assert alice.get(f"{RUNS}/{run_id}/field", params={"tick": 3}).status_code == 429
