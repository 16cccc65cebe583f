"""Runs with the method `implicit`: bytes that scene, clock and log alone decide, heat that adds up, refusals."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from tests.unit.engine.live.implicit_scenes import CASES, make_scene
from tests.unit.engine.live.scenes import FILM, HELD, make_plate

from grid.core.errors import FieldError
from grid.engine.errors import DivergedError, NotConvergedError
from grid.engine.live import implicit_stage, implicit_tick
from grid.engine.live.clock import plan_clock
from grid.engine.live.commands import Command, read_commands
from grid.engine.live.errors import RefusedChangeError, UnsettledTickError
from grid.engine.live.events import BoundaryChange, Burst, CoolingLoss, Damage, Flow, Overload
from grid.engine.live.fidelity_limits import Fidelity
from grid.engine.live.needs import FACTORED_CELLS, IMPLICIT_CELLS
from grid.engine.live.regions import Disc
from grid.engine.live.session import Session, replay
from grid.engine.methods.implicit.phase_change import EnthalpyStepper
from grid.engine.problem.boundaries import Flux, Temperature
from grid.engine.values.expression import Expression
from grid.engine.values.value import Constant

TICK, TICKS = 2.0, 9
EVENTS: list[tuple[dict[str, Any], float | None]] = [
    ({"kind": "burst", "radius_m": 0.06, "energy_j": 2e4, "duration_s": 7.0}, 3.0),
    ({"kind": "overload", "power_w": 200.0}, None),
    ({"kind": "cooling-loss", "faces": ["x_min"], "remaining": 0.3, "duration_s": 4.0}, 10.0),
    ({"kind": "damage", "region": "all", "conductivity_factor": 0.6}, 14.0),
]


def start(name: str, *, threads: int = 1) -> Session:
    """A session with events that begin, end and damage on the way."""
    scene = make_scene(name)
    session = Session(scene, plan_clock(scene, TICK), threads=threads)
    assert session.clock.method == "implicit"
    for event, at_s in EVENTS:
        given = dict(event)
        if event["kind"] == "burst":
            given["position_m"] = [0.6, 0.4, 0.2][: scene.problem.dimension]
        law = scene.problem.boundary("x_min")
        if event["kind"] == "cooling-loss" and not (law.films or law.radiates):
            continue
        session.apply(given, at_s=at_s)
    session.execute(Command(len(session.commands) + 1, "end-event", {"seq": 2}, 9))
    return session


@cache
def run_whole(name: str) -> tuple[list[str], list[bytes], Any]:
    """Hashes of the field at every tick, what is saved before every third one, and the last summary."""
    session = start(name)
    hashes, saved = [], []
    for tick in range(TICKS):
        if tick % 3 == 0:
            saved.append(session.save())
        session.advance()
        hashes.append(session.hash())
    return hashes, saved, session.summary


@pytest.mark.parametrize("name", CASES)
def test_a_run_goes_on_to_the_same_bytes_from_its_saved_ticks(name: str) -> None:
    hashes, saved, last = run_whole(name)
    for index, data in enumerate(saved):
        session = start(name)
        other = Session.load(data, session.scene, session.clock)
        assert other.tick == 3 * index
        other.advance(min(3, TICKS - other.tick) if index else TICKS)
        assert other.hash() == hashes[other.tick - 1]
        assert other.tick < TICKS or other.summary == last


@pytest.mark.parametrize("name", CASES)
def test_a_branch_and_a_replay_of_the_log_give_the_same_bytes(name: str) -> None:
    hashes, _, last = run_whole(name)
    whole = start(name, threads=2)
    whole.advance(7)
    branch = whole.fork()
    branch.advance(TICKS - 7)
    log = [json.loads(json.dumps(command.to_json())) for command in whole.commands]
    again = replay(whole.scene, whole.clock, read_commands(log), TICKS)
    assert branch.hash() == again.hash() == hashes[-1]
    assert branch.summary == again.summary == last
    assert whole.hash() == hashes[6]


def test_another_process_with_other_threads_of_the_blas_gives_the_same_bytes() -> None:
    names = ["capacity", "flow", "phases"]
    code = f"from tests.unit.engine.live.test_implicit_session import *; print([run_whole(n)[0][-1] for n in {names}])"
    environment = {**os.environ, "PYTHONHASHSEED": "7", "OPENBLAS_NUM_THREADS": "3", "TZ": "Asia/Tokyo"}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str([run_whole(name)[0][-1] for name in names])


@pytest.mark.parametrize("name", CASES)
def test_heat_that_is_stored_is_heat_that_came(name: str) -> None:
    summary = run_whole(name)[2]
    assert summary.balance_residual <= 1e-10
    assert 290.0 <= summary.lowest <= summary.highest < 700.0


def test_a_change_of_a_branch_leaves_its_trunk_alone() -> None:
    trunk = start("phases")
    trunk.advance(7)
    branch = trunk.fork()
    branch.apply(Overload(1e4))
    branch.advance(TICKS - 7)
    trunk.advance(TICKS - 7)
    assert trunk.hash() == run_whole("phases")[0][-1] != branch.hash()


@pytest.mark.parametrize("name", ["conductivity", "capacity", "tensor", "flow", "melting", "phases", "glowing"])
def test_a_burst_and_a_flux_bring_the_heat_that_they_say(name: str) -> None:
    scene = make_scene(name, boundaries={}, velocity=[0.0, 0.0], source_term={"expression": "0*T"})
    session = Session(scene, plan_clock(scene, TICK))
    session.apply(Burst((0.4, 0.4), 0.05, 5.0, energy=1e4))
    session.apply(Flow("x_max", 1e5, 4.0, low=(0.2,), high=(0.4,)))
    session.advance(8)
    faces = sum(0.2 <= (row + 0.5) * 0.8 / scene.problem.domain.cells[1] <= 0.4 for row in range(64))
    through = 1e5 * faces * 0.8 / scene.problem.domain.cells[1] * scene.section * 4.0
    assert session.summary.stored_heat == pytest.approx(1e4 + through, rel=1e-9)


@pytest.mark.parametrize("name", ["conductivity", "tensor", "flow", "melting"])
def test_laws_that_events_leave_are_those_of_a_scene_that_has_them(name: str) -> None:
    cool = {"type": "convection", "coefficient": 400.0, "ambient": 290.0}
    weak, other = {**cool, "coefficient": 100.0}, {"type": "temperature", "value": 312.0}
    ours = make_scene(name, boundaries={"x_min": cool, "y_max": FILM})
    session = Session(ours, plan_clock(ours, TICK))
    session.apply(CoolingLoss(("x_min",), 0.25))
    session.apply(BoundaryChange("y_max", Temperature(Constant(312.0))))
    theirs = make_scene(name, boundaries={"x_min": weak, "y_max": other})
    expected = Session(theirs, plan_clock(theirs, TICK))
    for one in (session, expected):
        one.advance(5)
    np.testing.assert_allclose(session.field(), expected.field(), rtol=1e-12)


HALVED: dict[str, Any] = {
    "conductivity": {"conductivity": {"table": [[T, 0.5 * k] for T, k in CASES["conductivity"][1]["material"][
        "conductivity"]["table"]], "of": "T"}, "density": 7800.0, "specific_heat": 470.0},
    "tensor": {"conductivity": [[25.0, 10.0], [10.0, 15.0]], "density": 7800.0, "specific_heat": 470.0},
    "flow": {"conductivity": 2.5, "density": 7800.0, "specific_heat": 470.0},
    "melting": {**CASES["melting"][1]["material"], "conductivity": 25.0},
    "phases": {**CASES["phases"][1]["material"], "solid": {"conductivity": 25.0, "specific_heat": 470.0},
               "liquid": {"conductivity": 15.0, "specific_heat": 520.0}},
}  # fmt: skip


@pytest.mark.parametrize("name", HALVED)
def test_damage_is_a_body_of_that_conductivity(name: str) -> None:
    tick = 5.0 if name == "flow" else 200.0  # a flow crosses half a cell in it
    boundaries = {"x_min": {"type": "temperature", "value": 340.0}, "y_max": FILM}
    ours = make_scene(name, boundaries=boundaries)
    session = Session(ours, plan_clock(ours, tick))
    session.apply({"kind": "damage", "region": "all", "conductivity_factor": 0.5})
    theirs = make_scene(name, boundaries=boundaries, material=HALVED[name])
    expected = Session(theirs, plan_clock(theirs, tick))
    for one in (session, expected):
        one.advance(5)
    np.testing.assert_allclose(session.field(), expected.field(), rtol=1e-8)
    assert np.ptp(session.field()) > 5.0


def test_failed_cells_emit_no_source_and_regions_their_load() -> None:
    scene = make_scene("conductivity", boundaries={}, source_term=1e5)
    session = Session(scene, plan_clock(scene, TICK))
    session._use(session.plan.with_failed(np.arange(70)))
    session.advance(2)
    assert session.summary.stored_heat == pytest.approx(0.5 * 1e5 * 0.8 * scene.section * 2 * TICK, rel=1e-9)


def test_a_stage_that_does_not_converge_halves_the_tick_by_a_fixed_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions, parts = [], list[list[int]]()
    for turns in (implicit_stage.TURNS, 4, 4):
        monkeypatch.setattr(implicit_stage, "TURNS", turns)
        scene = make_scene("conductivity")
        session, taken = Session(scene, plan_clock(scene, 100.0)), list[int]()
        session.apply(Burst((0.6, 0.4), 0.06, 300.0, energy=2e5))
        session.advance(6, on_tick=lambda summary, taken=taken: taken.append(summary.substeps))  # type: ignore[misc]
        sessions.append(session)
        parts.append(taken)
    assert parts[1] == parts[2]
    assert 2 <= max(parts[1]) <= 64
    assert sessions[1].hash() == sessions[2].hash()
    assert sessions[1].summary.balance_residual <= 1e-10
    assert sessions[1].summary.highest == pytest.approx(sessions[0].summary.highest, abs=0.5)


@pytest.mark.parametrize("name", ["conductivity", "melting"])
def test_a_tick_without_a_solution_is_named_and_the_state_is_that_before(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = start(name)
    session.advance(2)
    before = session.hash()
    monkeypatch.setattr(implicit_stage, "TURNS", 1)
    monkeypatch.setattr(implicit_tick, "HALVINGS", 2)
    monkeypatch.setattr(EnthalpyStepper, "try_step", _stall)
    with pytest.raises(UnsettledTickError, match="do not converge") as caught:
        session.advance()
    assert isinstance(caught.value, DivergedError)
    assert caught.value.time_s == 3 * TICK
    assert (session.tick, session.hash()) == (2, before)


def _stall(*_: object) -> None:
    raise NotConvergedError("enthalpies of a phase change", 100, 1.0, 1e-10, cell=7)


def test_a_conductivity_that_vanishes_ends_a_run_with_its_name() -> None:
    scene = make_scene("conductivity", material={
        "conductivity": {"expression": "50 - 0.1*(T - 300)"}, "density": 7800.0, "specific_heat": 470.0})  # fmt: skip
    session = Session(scene, plan_clock(scene, TICK))
    session.apply(Burst((0.4, 0.4), 0.05, 100.0, power=1e5))
    with pytest.raises(UnsettledTickError, match=r"material\.conductivity"):
        session.advance(50)
    assert np.isfinite(session.field()).all()


@pytest.mark.parametrize("name", ["conductivity", "flow", "front"])
def test_a_step_that_would_make_a_new_extreme_is_damped(name: str) -> None:
    dimension = len(CASES[name][0])
    cells = (40,) if dimension == 1 else (20, 10)
    scene = make_scene(name, cells, boundaries={"x_min": HELD, "x_max": {"type": "temperature", "value": 500.0}})
    session = Session(scene, plan_clock(scene, 400.0))
    for _ in range(4):
        session.advance()
        assert session.summary.lowest >= 300.0 - 1e-3
        assert session.summary.highest <= 500.0 + 1e-3
        assert session.summary.balance_residual <= 1e-10


def test_a_moving_source_passes_through_a_body_whose_conductivity_varies() -> None:
    scene = make_scene("conductivity", boundaries={})
    session = Session(scene, plan_clock(scene, TICK))
    session.apply(Burst((0.3, 0.4), 0.08, 10.0, power=1e3, velocity=(0.01, 0.0)))
    session.advance(5)
    assert session.summary.stored_heat == pytest.approx(1e4, rel=1e-9)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("flow", {}, "a flow of the medium"),
    ("tensor", {}, "a full conductivity tensor"),
    ("melting", {}, "a phase change"),
    ("conductivity", {}, "a property that depends on temperature"),
    ("tensor", {"material": {"conductivity": 5.0, "density": 1.0, "specific_heat": 1.0},
                "source_term": {"expression": "100 - T"}}, "a source that depends on temperature"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "feature"), REFUSED)
def test_larger_scenes_are_refused_by_their_feature_and_limit(name: str, changes: dict[str, Any], feature: str) -> None:
    scene = make_scene(name, (257, 256), **changes)
    with pytest.raises(FieldError, match=feature) as caught:
        plan_clock(scene, 1.0)
    assert caught.value.field == "case.resolution.cells"
    assert str(IMPLICIT_CELLS) in caught.value.limit


def test_general_melting_is_refused_beyond_its_own_limit() -> None:
    with pytest.raises(FieldError, match=str(FACTORED_CELLS)):
        plan_clock(make_scene("glowing", (70, 70)), 1.0)
    assert plan_clock(make_scene("phases", (70, 70)), 1.0).method == "implicit"
    assert plan_clock(make_scene("melting rod", (5000,), boundaries={"x_min": FILM}), 1.0).method == "implicit"


def test_a_flow_over_many_cells_in_a_tick_is_priced_by_its_parts() -> None:
    scene = make_scene("flow")
    prices = [plan_clock(scene, tick).price for tick in (1.0, 8.0, 80.0, 1e6)]
    assert prices[0] == prices[1] < 5.0 * prices[1] < prices[2]
    assert prices[3] == pytest.approx(64.0 * prices[0], rel=0.1)


@pytest.mark.parametrize("method", ["explicit", "rkl2"])
def test_other_methods_name_what_they_do_not_compute(method: str) -> None:
    with pytest.raises(FieldError, match=f"{method} does not compute a flow of the medium"):
        plan_clock(make_scene("flow"), 1.0, method=method)


def test_implicit_serves_on_request_and_takes_ticks_that_no_other_method_takes() -> None:
    plate = make_plate(boundaries={"x_min": FILM})
    assert plan_clock(plate, 1.0, method="implicit").reason == "requested"
    fine = make_plate((2000,), boundaries={"x_min": HELD})
    with pytest.raises(FieldError, match="method implicit takes longer ones"):
        plan_clock(fine, 1e6)
    clock = plan_clock(fine, 1e6, method="implicit")
    assert (clock.method, clock.steps, clock.stages) == ("implicit", 1, 0)
    session = Session(fine, clock)
    session.advance(2)
    assert session.summary.mean == pytest.approx(310.0, abs=1e-5)
    with pytest.raises(FieldError, match="at most 65536 cells"):
        plan_clock(make_plate((300, 300)), 1.0, method="implicit")


@pytest.mark.parametrize("name", CASES)
def test_no_lumped_model_is_claimed(name: str) -> None:
    scene = make_scene(name)
    with pytest.raises(FieldError, match="no certificate holds") as caught:
        plan_clock(replace(scene, fidelity=Fidelity("lumped", 0.05, 10.0)), 1.0)
    assert caught.value.field == "fidelity.policy"
    auto = replace(scene, fidelity=Fidelity("auto", 0.05, 10.0))
    session = Session(auto, plan_clock(auto, 1.0))
    with pytest.raises(RefusedChangeError, match="no certificate holds"):
        session.choose_model("lumped")
    session.choose_model("auto")
    session.advance(2)
    assert (session.summary.model, session.summary.share, session.summary.certificate) == ("diffusive", None, None)


def test_a_linear_scene_on_request_has_its_lumped_model_still() -> None:
    scene = replace(make_plate(boundaries={"x_min": FILM}), fidelity=Fidelity("auto", 0.05, 50.0))
    session = Session(scene, plan_clock(scene, 1.0, method="implicit"))
    session.choose_model("lumped")
    session.advance(3)
    assert session.summary.model == "lumped"
    session.choose_model("diffusive")
    session.apply(Burst((0.4, 0.4), 0.05, 5.0, power=1e3))
    session.advance(3)
    assert session.summary.model == "diffusive"
    assert session.summary.balance_residual <= 1e-9
    session.apply(BoundaryChange("x_max", Flux(Expression("40*(300 - T)"))))
    with pytest.raises(RefusedChangeError, match="does not follow"):
        session.choose_model("lumped")
    session.advance(2)
    assert session.summary.model == "diffusive"


def test_a_law_of_temperature_is_taken_by_implicit_alone() -> None:
    law = Flux(Expression("40*(300 - T)"))
    plate = make_plate(boundaries={"x_min": FILM})
    with pytest.raises(FieldError, match="values without T"):
        Session(plate, plan_clock(plate, 1.0)).apply(BoundaryChange("x_max", law))
    given = make_plate(boundaries={"x_max": {"type": "flux", "value": {"expression": "400*(320 - T)"}}})
    film = make_plate(boundaries={"x_max": {"type": "convection", "coefficient": 400.0, "ambient": 320.0}})
    ours, theirs = (Session(one, plan_clock(one, TICK, method="implicit")) for one in (given, film))
    assert plan_clock(given, TICK).method == "implicit"
    for session in (ours, theirs):
        session.advance(5)
    np.testing.assert_allclose(ours.field(), theirs.field(), rtol=1e-9)


def test_the_scene_of_a_case_with_a_disc_of_damage_stays_finite() -> None:
    session = start("two materials")
    session.apply(Damage(Disc((0.5, 0.4), 0.2), 0.05))
    session.advance(TICKS)
    assert np.isfinite(session.field()).all()
    assert session.summary.balance_residual <= 1e-10
