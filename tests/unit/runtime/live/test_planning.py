"""The planner of live runs: what it takes, what it says of it, and each refusal by its field and limit."""

import copy
import json
import math
import random
import subprocess
import sys
from dataclasses import replace
from threading import Semaphore

import pytest
from tests.support import live_runs as words
from tests.support.fuzzing import NASTY, find_places

from grid.core.errors import FieldError, InputError, InvalidFieldsError, UnavailableError
from grid.engine.live import Session, plan_clock
from grid.engine.live.commands import make_header
from grid.engine.live.scene import Scene
from grid.plugins.registry import load_registry
from grid.plugins.scenario_run import run_scenario
from grid.runtime.live import planning
from grid.runtime.live.command_checks import HeldFaceError, NoLumpedModelError
from grid.runtime.live.planning import LivePlanner
from grid.schemas.live import CommandKind, RunSpec

CASE = {
    "dimension": 2,
    "domain": {"size": [0.1, 0.1]},
    "material": {"conductivity": 50.0, "density": 7800.0, "specific_heat": 470.0},
    "initial": 300.0,
    "resolution": {"cells": [16, 16]},
    "temperature_unit": "K",
}
SPEC = RunSpec(scene={"case": CASE}, tick_s="0.1")
BURST = {"kind": "burst", "position_m": [0.05, 0.05], "radius_m": 0.01, "power_w": 100.0, "duration_s": 1.0}
RULE = {"name": "hot", "metric": "highest", "raise": 400.0, "clear": 350.0}


@pytest.fixture(scope="module")
def planner():
    return LivePlanner(load_registry())


def changed(**case):
    return replace(SPEC, scene={"case": {**CASE, **case}})


def refused(planner, spec):
    """The fields and limits that a specification is refused with."""
    with pytest.raises(InputError) as caught:
        planner.plan(spec)
    errors = caught.value.errors if isinstance(caught.value, InvalidFieldsError) else (caught.value,)
    assert all(isinstance(error, FieldError) for error in errors), caught.value
    return {error.field: error.limit for error in errors}


def test_a_scene_is_planned_as_its_child_will_read_it(planner):
    planned = planner.plan(SPEC)

    scene = Scene.from_json(json.loads(json.dumps(planned.scene)))
    clock = plan_clock(scene, float(planned.tick_s))
    header = make_header(scene, clock, seed=0)
    assert (planned.spec_hash, planned.numerics_version) == (header.spec_hash, header.numerics_version)
    assert (planned.method, planned.steps_per_tick, planned.price_s) == (clock.method, clock.steps, clock.price)
    assert (planned.tick_s, planned.rate, planned.cells, planned.commands) == ("0.1", 30.0, 256, ())
    assert plan_clock(scene, 0.1, method=planned.method).course == clock.course


@pytest.mark.parametrize("name", ["burst", "thermal-cycling"])
def test_a_scenario_brings_its_rules_and_events_with_their_ticks(planner, name):
    scenario = load_registry().get_scenario(name)
    params = scenario.params_model()

    planned = planner.plan(RunSpec(scenario=name, cells=(16, 16)))

    rules, *events = planned.commands
    assert (rules.kind, rules.tick, len(rules.payload["rules"])) == (CommandKind.RULES, 0, len(scenario.rules(params)))
    assert [one.payload for one in events] == [one["event"] for one in scenario.events(params)]
    assert [one.tick * float(planned.tick_s) for one in events] == [one["at_s"] for one in scenario.events(params)]
    assert planned.params == params.model_dump(mode="json")


def test_commands_of_a_scenario_lead_to_the_bytes_of_the_scenario(planner):
    scenario = load_registry().get_scenario("overload")
    expected = run_scenario(scenario, scenario.params_model(), (8, 8)).session
    planned = planner.plan(RunSpec(scenario="overload", cells=(8, 8)))
    scene = Scene.from_json(planned.scene)
    session = Session(scene, plan_clock(scene, float(planned.tick_s), method=planned.method))

    from grid.engine.live import Command

    for seq, one in enumerate(planned.commands, start=1):
        session.execute(Command(seq, one.kind.value, one.payload, one.tick, None if one.at_s is None else 0))
    session.advance(expected.tick)

    assert session.hash() == expected.hash()
    assert [vars(one) for one in session.take_transitions()]


def test_parameters_cells_tick_and_rate_are_taken(planner):
    spec = RunSpec(scenario="flow", params={"heat_flux": 100.0}, cells=(64,), tick_s="2.5", rate=10.0)

    planned = planner.plan(spec)

    assert (planned.cells, planned.tick_s, planned.rate, planned.params["heat_flux"]) == (64, "2.5", 10.0, 100.0)
    assert planned.spec_hash != planner.plan(replace(spec, tick_s=None)).spec_hash


@pytest.mark.parametrize("model", ["auto", "lumped", "diffusive"])
def test_the_model_is_part_of_the_scene_and_its_hash(planner, model):
    planned = planner.plan(RunSpec(scenario="burst", cells=(16, 16), model=model))

    fidelity = Scene.from_json(planned.scene).fidelity
    assert fidelity is not None
    assert fidelity.policy == model
    other = planner.plan(RunSpec(scenario="burst", cells=(16, 16), model="auto"))
    assert (planned.spec_hash == other.spec_hash) == (model == "auto")


@pytest.mark.parametrize(
    ("spec", "field", "limit"),
    [
        (RunSpec(scenario="fire"), "scenario", "burst, flow"),
        (RunSpec(scenario="burst", params={"power": math.nan}), "params.power", "number"),
        (RunSpec(scenario="burst", params={"power": 1e9}), "params.power", "less than or equal to 1000000"),
        (RunSpec(scenario="burst", params={"mood": 1}), "params.mood", "known"),
        (RunSpec(scenario="burst", params={f"p{n}": 1 for n in range(99)}), "params", "at most 5"),
        (RunSpec(scenario="burst", cells=(4, 4)), "cells", "64 to 1048576"),
        (RunSpec(scenario="burst", cells=(2000, 2000)), "cells", "64 to 1048576"),
        (RunSpec(scenario="burst", cells=(64,)), "cells", "2 whole numbers"),
        (RunSpec(scenario="burst", tick_s="1e400"), "tick_s", "seconds"),
        (RunSpec(scenario="burst", tick_s="nan"), "tick_s", "seconds"),
        (RunSpec(scenario="burst", tick_s="1.2.3"), "tick_s", "seconds"),
        (RunSpec(scenario="burst", tick_s="0." + "0" * 40 + "1"), "tick_s", "32 characters"),
        (RunSpec(scenario="burst", tick_s="1e9"), "tick_s", "at most"),
        (RunSpec(scenario="burst", method="magic"), "method", "explicit, rkl2"),
        (RunSpec(scenario="hot-spot-drift", tick_s="30"), "events[0].velocity_m_s[1]", "half a cell a tick"),
        (replace(SPEC, tick_s=None), "tick_s", "required"),
        (replace(SPEC, params={"power": 1.0}), "params", "left out"),
        (replace(SPEC, cells=(8, 8)), "cells", "left out"),
        (replace(SPEC, scene={}), "scene.case", "required"),
        (replace(SPEC, scene={"case": 3}), "scene.case", "an object"),
        (replace(SPEC, scene={"case": CASE, "mood": 1}), "scene", "unknown"),
        (replace(SPEC, scene={"case": CASE, "structure": {"mood": 1}}), "scene.structure", "unknown"),
        (replace(SPEC, scene={"case": CASE, "fidelity": 3}), "scene.fidelity", "an object"),
        (replace(SPEC, scene={"case": CASE, "fidelity": {"policy": "lumped"}}), "scene.fidelity.policy", "auto"),
        (changed(initial=math.nan), "scene", "finite"),
        (changed(initial={"expression": "1/(x-x)"}), "scene.case.initial", "finite"),
        (changed(initial=-5.0), "scene.case.initial", "at least"),
        (changed(source_term={"expression": "1e3/(x-x)"}), "scene.case.source_term", "finite"),
        (changed(source_term={"expression": "x*1e300"}), "scene.case.source_term", "at most"),
        (
            changed(boundaries={"y_min": {"type": "flux", "value": {"expression": "log(x-1)"}}}),
            "scene.case.boundaries.y_min.value", "finite",
        ),
        (
            changed(boundaries={"y_min": {"type": "convection", "coefficient": {"expression": "-T"}, "ambient": 9.0}}),
            "scene.case.boundaries.y_min.coefficient", "at least 0",
        ),
        (changed(domain={"size": [-1.0, 0.1]}), "scene.case.domain.size[0]", "at least"),
        (changed(resolution={"cells": [4, 4]}), "scene.case.resolution.cells", "64 to 1048576"),
        (changed(resolution={"cells": [2000, 2000]}), "scene.case.resolution.cells", "1048576"),
        (changed(steady=True), "scene.case.steady", "transient"),
        (changed(boundaries={"x_min": {"type": "temperature", "value": {"expression": "300+t"}}}), "scene.case", "t"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_field_and_its_limit(planner, spec, field, limit):
    fields = refused(planner, spec)

    assert field in fields, fields
    assert limit in fields[field]


def test_a_body_with_a_held_face_is_not_lumped(planner):
    held = changed(boundaries={"x_min": {"type": "temperature", "value": 300.0}})

    assert "x_min is held" in refused(planner, replace(held, model="lumped"))["model"]
    planned = planner.plan(held)
    with pytest.raises(HeldFaceError, match="x_min"):
        planner.check_command(planned.scene, CommandKind.MODEL, {"model": "lumped"}, tick_s="0.1")
    planner.check_command(planned.scene, CommandKind.MODEL, {"model": "auto"}, tick_s="0.1")


@pytest.mark.parametrize(
    ("case", "feature"),
    [
        ({"velocity": [1.0, 0.0]}, "flow of the medium"),
        ({"material": {**CASE["material"], "conductivity": {"expression": "50 - 0.01*T"}}}, "property that depends"),
        ({"material": {**CASE["material"], "melting_temperature": 350.0, "volumetric_latent_heat": 1e8}}, "phase"),
        ({"material": {**CASE["material"], "conductivity": [[50.0, 5.0], [5.0, 50.0]]}}, "tensor"),
        ({"source_term": {"expression": "T"}}, "source that depends on temperature"),
    ],
)
def test_what_implicit_steps_alone_solve_is_planned_with_them_up_to_a_limit(planner, case, feature):
    planned = planner.plan(changed(**case))
    large = {**CASE["resolution"], "cells": [257, 256]}

    assert (planned.method, planned.steps_per_tick) == ("implicit", 1)
    assert 1e-4 < planned.price_s < 1.0
    limit = refused(planner, changed(**case, resolution=large))["scene.case.resolution.cells"]
    assert "65536" in limit
    assert feature in limit
    assert feature in refused(planner, replace(changed(**case), model="lumped"))["model"]
    assert feature in refused(planner, replace(changed(**case), method="rkl2"))["method"]
    with pytest.raises(NoLumpedModelError, match=feature):
        planner.check_command(planned.scene, CommandKind.MODEL, {"model": "lumped"}, tick_s="0.1")
    planner.check_command(planned.scene, CommandKind.MODEL, {"model": "auto"}, tick_s="0.1")
    session = Session(Scene.from_json(planned.scene), plan_clock(Scene.from_json(planned.scene), 0.1))
    assert session.advance(2).tick == 2


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (BURST, None),
        ({**BURST, "position_m": [0.05, 7.0]}, "position_m"),
        ({**BURST, "position_m": [0.05]}, "position_m"),
        ({**BURST, "power_w": math.nan}, "power_w"),
        ({**BURST, "duration_s": -1.0}, "duration_s"),
        ({**BURST, "mood": 1}, "event"),
        ({**BURST, "velocity_m_s": [0.04, 0.0]}, "velocity_m_s[0]"),
        ({"kind": "earthquake"}, "kind"),
        ({"kind": "flow", "face": "z_min", "heat_flux_w_m2": 1.0, "duration_s": 1.0}, "face"),
        ({"kind": "cooling-loss", "faces": ["x_min"], "remaining": 0.5}, "faces[0]"),
        ({"kind": "damage", "region": "all", "conductivity_factor": 0.0}, "conductivity_factor"),
        ({"kind": "damage", "region": "all", "damage": 1.0}, "stiffness_factor"),
    ],
)  # fmt: skip
def test_events_are_held_to_the_scene(planner, event, field):
    scene = planner.plan(SPEC).scene
    if field is None:
        planner.check_command(scene, CommandKind.EVENT, event, tick_s="0.1")
        return
    with pytest.raises(FieldError) as caught:
        planner.check_command(scene, CommandKind.EVENT, event, tick_s="0.1")
    assert caught.value.field.startswith(field)


EVENTS = [
    {**BURST, "shape": "disc", "velocity_m_s": [0.0, 0.01]},
    {"kind": "flow", "face": "y_min", "from_m": [0.02], "to_m": [0.05], "heat_flux_w_m2": 10.0, "duration_s": 3.0},
    {"kind": "overload", "region": {"disc": {"centre_m": [0.05, 0.05], "radius_m": 0.02}}, "power_w": 5.0},
    {"kind": "overload", "region": {"box": {"from_m": [0.0, 0.0], "to_m": [0.05, 0.05]}}, "power_w": 5.0},
    {"kind": "boundary", "face": "y_max", "law": {"type": "convection", "coefficient": 10.0, "ambient": 300.0}},
    {"kind": "cooling-loss", "faces": ["x_max"], "remaining": 0.5, "duration_s": 1.0},
    {"kind": "damage", "region": "all", "conductivity_factor": 0.5},
]


def test_events_that_were_bent_at_random_are_taken_or_refused_and_nothing_else(planner):
    film = {"x_max": {"type": "convection", "coefficient": 10.0, "ambient": 300.0}}
    scene, rng, taken = planner.plan(changed(boundaries=film)).scene, random.Random(7), 0
    for event in EVENTS:
        planner.check_command(scene, CommandKind.EVENT, event, tick_s="0.1")
    for _ in range(600):
        event = copy.deepcopy(rng.choice(EVENTS))
        *path, last = rng.choice(find_places(event))
        place = event
        for key in path:
            place = place[key]
        place[last] = copy.deepcopy(rng.choice([*NASTY, 0.01, "all", "x_max"]))
        try:
            planner.check_command(scene, CommandKind.EVENT, event, tick_s="0.1")
            taken += 1
        except InputError:
            continue
    assert 0 < taken < 600


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        (RULE, None),
        ({**RULE, "raise": math.inf}, "rules[1].raise"),
        ({**RULE, "clear": 500.0}, "rules[1].clear"),
        ({**RULE, "metric": "mood"}, "rules[1].metric"),
        ({**RULE, "region": "left"}, "rules[1].metric"),
        ({**RULE, "clock": "wall"}, "rules[1].clock"),
        ({**RULE, "name": "first"}, "rules[1].name"),
        ({**RULE, "severity": "critical"}, "rules[1].runbook"),
        ("hot", "rules[1].rule"),
    ],
)
def test_rules_are_held_to_what_a_tick_shows(planner, rule, field):
    payload = {"rules": [{**RULE, "name": "first"}, rule]}
    if field is None:
        planner.check_command({}, CommandKind.RULES, payload, tick_s="0.1")
        return
    with pytest.raises(FieldError) as caught:
        planner.check_command({}, CommandKind.RULES, payload, tick_s="0.1")
    assert caught.value.field.startswith(field)


def test_a_scene_is_read_once_for_many_commands(planner, monkeypatch):
    scene = planner.plan(changed(initial=301.0)).scene
    monkeypatch.setattr(Scene, "from_json", None)

    planner.check_command(json.loads(json.dumps(scene)), CommandKind.EVENT, BURST, tick_s="0.1")


def test_large_scenes_wait_for_their_turn_and_small_ones_do_not(monkeypatch):
    monkeypatch.setattr(planning, "TURN_TIMEOUT_S", 0.0)
    monkeypatch.setattr(planning, "SMALL_CELLS", 256)
    busy = LivePlanner(load_registry(), turns=Semaphore(0))

    assert busy.plan(SPEC).cells == 256
    with pytest.raises(UnavailableError, match="try again"):
        busy.plan(RunSpec(scenario="burst", cells=(16, 17)))
    free = LivePlanner(load_registry(), turns=Semaphore(1))
    for _ in range(2):  # a turn is given back, after a refusal as well
        with pytest.raises(FieldError):
            free.plan(RunSpec(scenario="burst", cells=(16, 17), tick_s="1e9"))
        assert free.plan(RunSpec(scenario="burst", cells=(16, 17))).cells == 272


@pytest.fixture(params=["adapter", "double"])
def port(request, planner):
    """Every planner there is, with a specification that it plans."""
    return (planner, SPEC) if request.param == "adapter" else (words.Planner(), words.SPEC)


def test_a_planner_returns_what_can_be_stored_and_takes_the_rate(port):
    made, spec = port

    planned = made.plan(replace(spec, rate=7.0))

    assert (planned.rate, planned.tick_s) == (7.0, spec.tick_s)
    assert json.loads(json.dumps(planned.scene, allow_nan=False)) == planned.scene
    assert planned.steps_per_tick & (planned.steps_per_tick - 1) == 0
    assert min(planned.price_s, planned.memory_bytes, planned.cells) > 0
    assert len(planned.spec_hash) == 64
    assert planned == made.plan(replace(spec, rate=7.0))


def test_a_planner_refuses_an_event_outside_its_scene_by_field(port):
    made, spec = port
    planned = made.plan(spec)

    made.check_command(planned.scene, CommandKind.EVENT, BURST, tick_s=planned.tick_s)
    with pytest.raises(FieldError) as caught:
        made.check_command(planned.scene, CommandKind.EVENT, {**BURST, "position_m": [7.0, 7.0]}, tick_s=planned.tick_s)
    assert caught.value.field.startswith("position_m")


def test_planning_loads_no_numba_and_importing_it_no_numpy():
    code = """
import sys
from grid.plugins.registry import load_registry
from grid.runtime.live.planning import LivePlanner
from grid.schemas.live import RunSpec
planner = LivePlanner(load_registry())
assert "numpy" not in sys.modules
planner.plan(RunSpec(scenario="burst"))
assert not {"numba", "llvmlite", "scipy", "matplotlib"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True)
