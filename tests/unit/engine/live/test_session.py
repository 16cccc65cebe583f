"""Sessions: heat that adds up, and bytes that depend on scene, clock, seed and log alone."""

import dataclasses
import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.engine.live.scenes import FILM, HELD, RADIATING, make_plate, make_two_materials

from grid.core.errors import FieldError, InputError
from grid.engine.errors import CheckpointError
from grid.engine.live.clock import plan_clock
from grid.engine.live.commands import Command, read_commands
from grid.engine.live.errors import RefusedChangeError
from grid.engine.live.events import Burst, CoolingLoss, Damage, Flow, Overload
from grid.engine.live.regions import Box, Disc
from grid.engine.live.scene import Scene
from grid.engine.live.session import MAX_ACTIVE, Session, replay
from grid.engine.live.sums import CompensatedSum

TICKS = 30
SCENES: dict[str, Scene] = {
    "box": make_plate(boundaries={"x_min": FILM, "y_max": HELD}),
    "radiating": make_plate(boundaries={"x_min": RADIATING}),
    "masked": make_two_materials(),
    "rod": make_plate((40,), boundaries={"x_min": FILM}),
    "block": make_plate((8, 7, 6), boundaries={"z_max": FILM}),
}
EVENTS: list[tuple[dict[str, Any], float | None]] = [
    ({"kind": "burst", "radius_m": 0.06, "energy_j": 5e3, "duration_s": 3.0}, 2.2),
    ({"kind": "overload", "power_w": 200.0}, None),
    ({"kind": "damage", "region": "all", "conductivity_factor": 0.6}, 8.0),
    ({"kind": "end-event", "seq": 2}, 10.0),
]


PLAIN = {
    "domain": {"size": [0.3, 0.3], "section": 0.01},
    "material": {"conductivity": 45.0, "density": 7850.0, "specific_heat": 460.0},
    "temperature_unit": "degC",
    "initial": 20.0,
    "resolution": {"cells": [16, 16]},
}


def start(name: str, *, threads: int = 1) -> Session:
    """A session with events that begin, end and damage on the way."""
    scene = SCENES[name]
    session = Session(scene, plan_clock(scene, 0.5), threads=threads)
    for event, at_s in EVENTS:
        if event["kind"] == "end-event":
            tick = round((at_s or 0.0) / 0.5)
            session.execute(Command(len(session.commands) + 1, "end-event", {"seq": event["seq"]}, tick))
        else:
            place = {"position_m": [0.5, 0.4, 0.2][: scene.problem.dimension]} if event["kind"] == "burst" else {}
            session.apply({**event, **place}, at_s=at_s)
    return session


@pytest.fixture(scope="module")
def hashes() -> dict[str, list[str]]:
    """Hash of the field at every tick of a run without interruption, by scene."""
    found: dict[str, list[str]] = {}
    for name in SCENES:
        session, seen = start(name), []
        for _ in range(TICKS):
            session.advance()
            seen.append(session.hash())
        found[name] = seen
    return found


@pytest.mark.parametrize("name", SCENES)
def test_a_run_goes_on_to_the_same_bytes_from_every_tick(name: str, hashes: dict[str, list[str]]) -> None:
    session = start(name)
    for tick in range(TICKS):
        other = Session.load(session.save(), session.scene, session.clock)
        assert other.summary == session.summary
        other.advance(min(3, TICKS - tick))
        assert other.hash() == hashes[name][other.tick - 1]
        session.advance()


@pytest.mark.parametrize("name", SCENES)
def test_ticks_one_by_one_or_together_a_branch_and_a_replay_give_the_same_bytes(
    name: str, hashes: dict[str, list[str]]
) -> None:
    whole = start(name, threads=2)
    whole.advance(11)
    branch = whole.fork()
    whole.advance(TICKS - 11)
    branch.advance(TICKS - 11)
    log = [json.loads(json.dumps(command.to_json())) for command in whole.commands]
    again = replay(whole.scene, whole.clock, read_commands(log), TICKS)
    assert whole.hash() == branch.hash() == again.hash() == hashes[name][-1]
    assert whole.summary == branch.summary == again.summary


def test_a_branch_with_another_event_leaves_its_trunk_alone(hashes: dict[str, list[str]]) -> None:
    trunk = start("box")
    trunk.advance(5)
    branch = trunk.fork()
    branch.apply(Overload(1e4))
    branch.advance(TICKS - 5)
    trunk.advance(TICKS - 5)
    assert trunk.hash() == hashes["box"][-1] != branch.hash()
    assert len(branch.commands) == len(trunk.commands) + 1


def test_another_process_with_other_settings_gives_the_same_bytes(hashes: dict[str, list[str]]) -> None:
    code = "from tests.unit.engine.live.test_session import *; s = start('box'); s.advance(TICKS); print(s.hash())"
    for environment in ({"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo"}, {"PYTHONHASHSEED": "77", "LC_ALL": "C"}):
        import os

        found = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=True
        )
        assert found.stdout.strip() == hashes["box"][-1]


@pytest.mark.parametrize("name", SCENES)
def test_heat_that_is_stored_is_heat_that_came(name: str) -> None:
    session = start(name)
    session.advance(TICKS)
    assert session.summary.balance_residual <= 1e-12
    assert session.summary.stored_heat == pytest.approx(session.state.heat.net * session.scene.section, rel=1e-9)


def test_ten_kilojoules_are_ten_kilojoules() -> None:
    scene = make_plate()
    for duration in (0.01, 0.7, 3.3):
        session = Session(scene, plan_clock(scene, 0.5))
        effective = session.apply(Burst((0.4, 0.4), 0.03, duration, energy=1e4))
        assert effective.energy_j == pytest.approx(1e4, rel=1e-15)
        session.advance(20)
        assert session.summary.stored_heat == pytest.approx(1e4, rel=1e-11)
        assert session.state.heat.generated.value * scene.section == pytest.approx(1e4, rel=1e-13)


def test_a_flux_brings_its_heat_through_the_part_of_the_face() -> None:
    scene = make_plate()
    session = Session(scene, plan_clock(scene, 0.5))
    session.apply(Flow("x_max", 1e5, 4.0, low=(0.2,), high=(0.4,)))
    session.advance(20)
    assert session.summary.stored_heat == pytest.approx(1e5 * 0.2 * scene.section * 4.0, rel=1e-11)


def test_an_insulated_body_after_a_burst_settles_to_its_mean() -> None:
    scene = make_plate((16, 12), material={"conductivity": 400.0, "density": 900.0, "specific_heat": 400.0})
    session = Session(scene, plan_clock(scene, 20.0))
    session.apply(Burst((0.2, 0.2), 0.05, 100.0, energy=1e4))
    session.advance(200)
    capacity = 900.0 * 400.0 * 0.8 * scene.section
    assert session.summary.mean == pytest.approx(300.0 + 1e4 / capacity, rel=1e-12)
    assert session.summary.highest - session.summary.lowest < 1e-6


def test_commands_of_one_tick_take_effect_in_order_of_their_numbers() -> None:
    session = Session(SCENES["box"], plan_clock(SCENES["box"], 0.5))
    session.execute(Command(9, "event", {"kind": "overload", "power_w": 5.0}, 4))
    session.execute(Command(3, "event", {"kind": "overload", "power_w": 7.0}, 4))
    session.execute(Command(12, "end-event", {"seq": 9}, 4))
    session.advance(5)
    assert [(outcome.seq, outcome.tick) for outcome in session.take_outcomes()] == [(3, 4), (9, 4), (12, 4)]
    assert [change.seq for change in session.plan.changes] == [3]
    assert session.take_outcomes() == []


def test_what_the_state_does_not_allow_is_refused_and_changes_nothing() -> None:
    session = Session(SCENES["box"], plan_clock(SCENES["box"], 0.5))
    before = session.hash()
    with pytest.raises(RefusedChangeError, match="no event 5"):
        session.end(5)
    session.apply(Damage(Disc((0.5, 0.4), 0.2), 0.5))
    with pytest.raises(RefusedChangeError, match="which nothing ends"):
        session.end(1)
    with pytest.raises(FieldError, match="tick"):
        session.execute(Command(7, "event", {"kind": "overload", "power_w": 1.0}, -1))
    with pytest.raises(FieldError, match="seq"):
        session.execute(Command(1, "event", {"kind": "overload", "power_w": 1.0}, 3))
    assert session.hash() == before
    assert len(session.commands) == 1
    for _ in range(MAX_ACTIVE - 1):
        session.apply(Overload(1.0))
    with pytest.raises(RefusedChangeError, match="end one first"):
        session.apply(Overload(1.0))


def test_a_scheduled_command_that_is_refused_at_its_tick_says_so_and_is_refused_again_in_a_replay() -> None:
    scene = SCENES["box"]
    session = Session(scene, plan_clock(scene, 0.5))
    session.execute(Command(1, "end-event", {"seq": 40}, 3))
    session.execute(Command(2, "event", {"kind": "overload", "power_w": 50.0}, 5))
    session.advance(8)
    refused, applied = session.take_outcomes()
    assert (refused.seq, refused.effective) == (1, None)
    assert "no event 40" in str(refused.reason)
    assert applied.seq == 2
    assert replay(scene, session.clock, session.commands, 8).hash() == session.hash()


def test_fields_are_read_only_and_named() -> None:
    session = Session(SCENES["block"], plan_clock(SCENES["block"], 0.5))
    field = session.field("temperature")
    assert field.shape == (8, 7, 6)
    with pytest.raises(ValueError, match="read-only"):
        field[0, 0, 0] = 1.0
    with pytest.raises(FieldError, match="structure"):
        session.field("stress")
    with pytest.raises(FieldError, match="field"):
        session.field("colour")  # type: ignore[arg-type]


def test_a_field_that_was_handed_out_stays_what_it_was() -> None:
    session = start("box")
    session.advance(4)
    state, field = session.state, session.field()
    kept = field.copy()
    session.advance(6)
    np.testing.assert_array_equal(field, kept)
    np.testing.assert_array_equal(session.plan.stepper.unwrap(state.temperatures).reshape(field.shape), kept)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_saved_run_are_refused(data: bytes) -> None:
    scene = SCENES["rod"]
    with pytest.raises(CheckpointError):
        Session.load(data, scene, plan_clock(scene, 0.5))


@given(place=st.integers(0, 10_000), flip=st.integers(1, 255))
@settings(max_examples=60, deadline=None)
def test_a_saved_run_with_a_changed_byte_is_refused_or_the_same(place: int, flip: int) -> None:
    session = start("rod")
    session.advance(2)
    data = bytearray(session.save())
    data[place % len(data)] ^= flip
    try:
        other = Session.load(bytes(data), session.scene, session.clock)
    except CheckpointError:
        return
    assert other.hash() == session.hash()


def test_a_saved_run_belongs_to_its_scene_and_clock() -> None:
    session = start("rod")
    with pytest.raises(CheckpointError, match="another spec hash"):
        Session.load(session.save(), SCENES["box"], session.clock)
    with pytest.raises(CheckpointError, match="another"):
        Session.load(session.save(), session.scene, plan_clock(session.scene, 0.25))


def test_a_saved_run_does_not_depend_on_what_a_tick_is_priced_at() -> None:
    session = start("box")
    session.advance(3)
    dearer = dataclasses.replace(session.clock, price=7.0, reason="another calibration", memory_bytes=1)
    other = Session.load(session.save(), session.scene, dearer)
    session.advance(5)
    other.advance(5)
    assert other.hash() == session.hash()


@pytest.mark.parametrize(
    "line",
    [None, {}, {"seq": 1}, {"seq": "1", "kind": "event", "payload": {}, "tick": 0},
     {"seq": 1, "kind": "speech", "payload": {}, "tick": 0}, {"seq": 1, "kind": "event", "payload": [], "tick": 0},
     {"seq": 0, "kind": "event", "payload": {}, "tick": 0}, {"seq": 1, "kind": "event", "payload": {}, "tick": -1}],
)  # fmt: skip
def test_a_line_that_is_no_command_is_refused(line: object) -> None:
    with pytest.raises(InputError):
        list(read_commands([line]))


def test_a_million_additions_lose_nothing() -> None:
    total, plain = CompensatedSum(), 0.0
    for _ in range(1_000_000):
        total, plain = total.add(0.1), plain + 0.1
    assert total.value == 100000.0 + 1_000_000 * (0.1 - 0.1)
    assert abs(plain - 100000.0) > 1e-7


@given(st.lists(st.floats(-1e12, 1e12), max_size=50))
def test_a_compensated_sum_is_the_exact_one_rounded(values: list[float]) -> None:
    import math

    total = CompensatedSum()
    for value in values:
        total = total.add(value)
    assert total.value == pytest.approx(math.fsum(values), rel=1e-15, abs=1e-12 * max(map(abs, values), default=0.0))


def test_frozen_values_cannot_be_written_to() -> None:
    session = start("rod")
    with pytest.raises(dataclasses.FrozenInstanceError):
        session.state.tick = 5  # type: ignore[misc]
    assert CoolingLoss(("x_min",), 0.5).length is None
    assert Box((0.0,), (1.0,)).to_json() == {"box": {"from_m": [0.0], "to_m": [1.0]}}


def test_an_immediate_command_takes_effect_behind_those_that_waited_for_its_tick() -> None:
    """In the order of their numbers, as a run that goes on from an earlier state carries them out."""
    scene, overload = SCENES["box"], {"kind": "overload", "power_w": 200.0}
    live = Session(scene, plan_clock(scene, 0.5))
    live.execute(Command(1, "event", overload, 4))
    live.advance(4)
    live.execute(Command(2, "event", overload, 4))
    again = Session(scene, plan_clock(scene, 0.5))
    again.execute(Command(1, "event", overload, 4))
    again.execute(Command(2, "event", overload, 4))
    again.advance(5)
    live.advance(1)
    assert [outcome.seq for outcome in live.take_outcomes()] == [1, 2]
    assert [outcome.seq for outcome in again.take_outcomes()] == [1, 2]
    assert live.hash() == again.hash()


@pytest.mark.parametrize("policy", ["auto", "diffusive"])
@pytest.mark.parametrize("is_fork_first", [True, False])
def test_what_a_fork_is_told_under_the_same_number_changes_nothing_for_the_other(
    policy: str, is_fork_first: bool
) -> None:
    """Loads and shapes are known by the numbers of commands, which two sessions give alike."""
    scene = Scene.from_json({"case": PLAIN, "fidelity": {"policy": policy, "deviation_k": 5.0}})

    def make(power: float, place: float) -> list[dict[str, Any]]:
        burst = {"kind": "burst", "position_m": [place, 0.15], "radius_m": 0.03, "power_w": power, "duration_s": 4.0}
        return [{"kind": "overload", "power_w": power}, burst]

    def go(session: Session, power: float, place: float) -> str:
        for event in make(power, place):
            session.apply(event)
            session.advance(40)
        return session.hash()

    alone = [go(Session(scene, plan_clock(scene, 1.0)), *words) for words in ((50.0, 0.1), (80.0, 0.2))]
    first = Session(scene, plan_clock(scene, 1.0))
    second = first.fork()
    order = [(second, (80.0, 0.2)), (first, (50.0, 0.1))] if is_fork_first else [
        (first, (50.0, 0.1)), (second, (80.0, 0.2)),
    ]  # fmt: skip
    found = {id(session): go(session, *words) for session, words in order}
    assert [found[id(first)], found[id(second)]] == alone
