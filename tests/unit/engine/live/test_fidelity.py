"""Models of a live run: leave before a burst, return with hysteresis, and what the lumped model is off by."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.engine.live.scenes import FILM, HELD, RADIATING

from grid.core.errors import FieldError
from grid.engine.live.clock import plan_clock
from grid.engine.live.commands import Command, read_commands
from grid.engine.live.errors import RefusedChangeError
from grid.engine.live.events import BoundaryChange, Burst, CoolingLoss, Flow, Overload
from grid.engine.live.events_json import event_json
from grid.engine.live.fidelity import SHAPE_TICKS
from grid.engine.live.scene import Scene
from grid.engine.live.session import Session, replay
from grid.engine.problem.boundaries import Temperature
from grid.engine.values.value import Constant

ALUMINIUM = {"conductivity": 200.0, "density": 2700.0, "specific_heat": 900.0}
ALL = ("x_min", "x_max", "y_min", "y_max")
TICK = 2.0


def make_scene(policy: str = "auto", film: float = 50.0, cells: tuple[int, ...] = (16, 14), **fidelity: Any) -> Scene:
    """A plate of aluminium of 0.2 m that is cooled all around: Bi = 0.0125 for a film of 50 W/(m2 K)."""
    law = {**FILM, "coefficient": film}
    case = {
        "domain": {"size": [0.2, 0.18], "section": 0.01},
        "material": ALUMINIUM,
        "initial": 300.0,
        "boundaries": dict.fromkeys(ALL, law),
        "resolution": {"cells": list(cells)},
        "temperature_unit": "K",
    }
    return Scene.from_json({"case": case, "fidelity": {"policy": policy, "deviation_k": 3.0, **fidelity}})


def start(policy: str = "auto", **given: Any) -> Session:
    """A session of `make_scene`."""
    scene = make_scene(policy, **given)
    return Session(scene, plan_clock(scene, TICK))


def test_a_uniform_body_with_small_films_is_lumped_from_the_start() -> None:
    session = start()
    session.advance()
    assert session.summary.model == "lumped"
    assert session.state.model.lumped_ticks == 1
    assert session.summary.certificate is not None
    assert session.summary.certificate < 0.05


def test_an_even_overload_stays_lumped_and_follows_its_closed_form() -> None:
    """T = T_a + P/H (1 - exp(-t/tau')), tau' = tau (1 + phi): Newton's law with the internal resistance."""
    session = start()
    session.apply(Overload(30.0))
    capacity = 2700.0 * 900.0 * 0.2 * 0.18 * 0.01
    exchange = 50.0 * 2.0 * (0.2 + 0.18) * 0.01
    tau = capacity / exchange
    for _ in range(10):
        session.advance(40)
        assert session.summary.model == "lumped"
        response = session.state.model.lumped.shape.response  # type: ignore[union-attr]
        slow = 1.0 / response.decay
        assert tau <= slow <= 1.02 * tau
        rest = 290.0 + 30.0 / exchange
        expected = rest + (300.0 - rest) * math.exp(-session.time / slow)
        assert session.summary.mean == pytest.approx(expected, abs=0.01 * abs(expected - 300.0) + 1e-6)
    assert session.summary.balance_residual < 1e-11


def test_the_run_is_diffusive_before_a_burst_is_applied_and_lumped_again_afterwards() -> None:
    session = start()
    session.apply(Burst((0.1, 0.09), 0.01, 20.0, energy=4e4), at_s=100.0)
    models = []
    session.advance(400, lambda summary: models.append(summary.model))
    burst = 50
    assert set(models[:burst]) == {"lumped"}
    assert models[burst] == "diffusive"
    away, back = session.state.model.switches[:2]
    assert (away.model, away.tick) == ("diffusive", burst)
    assert back.model == "lumped"
    assert back.tick >= burst + session.parts.dwell
    assert away.energy_change <= 1e-12
    assert models[-1] == "lumped"
    assert len(session.state.model.switches) == 2


def test_no_temperature_changes_at_a_switch() -> None:
    session = start()
    session.apply(Burst((0.1, 0.09), 0.01, 20.0, energy=4e4), at_s=30.0)
    last, before = "lumped", session.field()
    for _ in range(300):
        kept = session.fork()
        session.advance()
        if session.summary.model != last:
            rate = np.abs(session.field() - before).max()
            other = kept.fork()
            other.choose_model("diffusive")
            other.advance()
            if session.summary.model == "lumped":  # one tick of either model from the same field
                assert np.abs(other.field() - session.field()).max() <= 0.05 * rate + 1e-9
            last = session.summary.model
        before = session.field()
    assert len(session.state.model.switches) == 2


def test_extremes_of_a_lumped_run_are_those_of_its_field_between_two_looks_too() -> None:
    session = start()
    session.apply(Burst((0.1, 0.09), 0.01, 20.0, energy=4e4), at_s=20.0)
    session.apply(Overload(30.0), at_s=300.0)
    worst = 0.0
    for _ in range(300):
        session.advance()
        field, summary = session.field(), session.summary
        if summary.model == "lumped":
            spread = max(float(field.max() - field.min()), 1e-3)
            off = max(abs(summary.highest - float(field.max())), abs(summary.lowest - float(field.min())))
            worst = max(worst, off / spread)
    assert session.state.model.lumped_ticks > 100
    assert worst < 0.1


def scatter(seed: int) -> list[tuple[Any, float]]:
    """Random events with the times at which they begin."""
    random = np.random.default_rng(seed)

    def between(low: float, high: float) -> float:
        return float(random.uniform(low, high))

    found: list[tuple[Any, float]] = []
    for _ in range(int(random.integers(1, 5))):
        at = between(0.0, 300.0)
        kind = random.integers(0, 4)
        if kind == 0:
            place = (between(0.02, 0.16), between(0.02, 0.16))
            found.append((Burst(place, between(0.005, 0.05), 10.0, energy=between(1e2, 5e4)), at))
        elif kind == 1:
            found.append((Overload(between(-200.0, 800.0), duration=between(5.0, 200.0)), at))
        elif kind == 2:
            found.append((CoolingLoss(ALL[:2], between(0.0, 1.0), between(10.0, 200.0)), at))
        else:
            found.append((Flow(str(random.choice(ALL)), between(-2e4, 2e4), 20.0), at))
    return found


@pytest.mark.parametrize("seed", range(12))
def test_the_mean_stays_within_the_certificate_of_the_diffusive_model_and_no_burst_meets_a_lumped_body(
    seed: int,
) -> None:
    runs = {policy: start(policy) for policy in ("auto", "diffusive")}
    for session in runs.values():
        for event, at in scatter(seed):
            session.apply(event, at_s=at)
    bursts = {change.start for change in runs["auto"].plan.changes if isinstance(change.event, Burst)}
    bursts |= {command.tick for command in runs["auto"].waiting if command.payload.get("kind") == "burst"}
    worst = 0.0
    for tick in range(250):
        summaries = [session.advance() for session in runs.values()]
        if tick in bursts:
            assert summaries[0].model == "diffusive"
        worst = max(worst, summaries[0].certificate or 0.0)
        span = runs["diffusive"].state.highest - min(290.0, runs["diffusive"].state.lowest)
        assert abs(summaries[0].mean - summaries[1].mean) <= (worst + 1e-5) * span
    switches = runs["auto"].state.model.switches
    returns = [switch.tick for switch in switches if switch.model == "lumped"]
    leaves = [switch.tick for switch in switches if switch.model == "diffusive"]
    for back in returns:
        earlier = [tick for tick in leaves if tick < back]
        assert not earlier or back - max(earlier) >= runs["auto"].parts.dwell
    assert all(switch.energy_change <= 1e-12 for switch in switches)
    assert runs["auto"].summary.balance_residual < 1e-10


@pytest.mark.parametrize("seed", range(4))
def test_a_run_with_switches_goes_on_to_the_same_bytes(seed: int) -> None:
    def make() -> Session:
        session = start()
        for event, at in scatter(seed):
            session.apply(event, at_s=at / 2.0)
        session.execute(Command(90, "model", {"model": "diffusive"}, 70))
        session.execute(Command(91, "model", {"model": "auto"}, 80))
        return session

    session = make()
    hashes, summaries = [session.hash()], [session.summary]
    for _ in range(160):
        summaries.append(session.advance())
        hashes.append(session.hash())
    other = make()
    for tick in range(0, 160, 3):
        resumed = Session.load(other.save(), other.scene, other.clock)
        assert resumed.hash() == hashes[tick]
        resumed.advance(min(5, 160 - tick))
        assert resumed.hash() == hashes[resumed.tick]
        assert resumed.summary == summaries[resumed.tick]
        assert resumed.state.model.switches == session.state.model.switches[: len(resumed.state.model.switches)]
        other.advance(3)
    assert replay(session.scene, session.clock, session.commands, 160).hash() == hashes[-1]


def test_a_lumped_run_with_a_structure_goes_on_to_the_same_numbers_from_every_tick() -> None:
    case = {
        "domain": {"size": [0.2, 0.18], "section": 0.01},
        "material": {**ALUMINIUM, "young_modulus": 7e10, "poisson_ratio": 0.3, "thermal_expansion": 2.3e-5,
                     "yield_stress": 2e8},
        "initial": 300.0,
        "boundaries": dict.fromkeys(ALL, FILM),
        "resolution": {"cells": [12, 10]},
        "temperature_unit": "K",
    }  # fmt: skip
    life = {"coefficient_pa": 9e8, "exponent": -0.09}
    structure = {"reference_temperature": 290.0, "support": "held", "life": life}
    scene = Scene.from_json({"case": case, "structure": structure, "fidelity": {"deviation_k": 3.0}})

    def make() -> Session:
        session = Session(scene, plan_clock(scene, TICK))
        session.apply(Burst((0.1, 0.09), 0.01, 20.0, energy=2e4), at_s=40.0)
        session.apply(Overload(-60.0, duration=60.0), at_s=520.0)
        return session

    session, other = make(), make()
    seen = [(session.advance(), session.hash()) for _ in range(330)]
    assert {summary.model for summary, _ in seen[-100:]} == {"lumped"}  # back after its dwell
    for tick in range(0, 330, 3):
        resumed = Session.load(other.save(), scene, other.clock)
        resumed.advance(min(19, 330 - tick))
        assert (resumed.summary, resumed.hash()) == seen[resumed.tick - 1]
        other.advance(3)
    np.testing.assert_array_equal(other.field("damage"), session.field("damage"))


@pytest.mark.parametrize("at_s", [None, 250.0])
@pytest.mark.parametrize("heat_flux", [20.0, 2e4])
def test_a_replay_prepares_for_a_load_no_earlier_than_the_run_did(heat_flux: float, at_s: float | None) -> None:
    """A weak load that comes without notice finds the lumped model without its shape; with notice it stays lumped."""
    session = start()
    session.advance(100)
    session.apply(Flow("x_min", heat_flux, 100.0), at_s=at_s)
    session.advance(100)
    log = [json.loads(json.dumps(command.to_json())) for command in session.commands]
    again = replay(session.scene, session.clock, read_commands(log), 200)
    assert session.state.model.switches[0].reason == "loads"
    assert again.state.model.switches == session.state.model.switches
    assert again.hash() == session.hash()


def test_nothing_prepares_for_a_command_that_does_not_say_when_it_was_known() -> None:
    told, silent = start(), start()
    event = event_json(Flow("x_min", 20.0, 100.0))
    told.execute(Command(1, "event", event, 80, known=0))
    silent.execute(Command(1, "event", event, 80))
    for session in (told, silent):
        session.advance(100)
    assert not told.state.model.switches
    assert [switch.tick for switch in silent.state.model.switches][:1] == [80]


def test_a_command_is_known_at_its_tick_or_before() -> None:
    with pytest.raises(FieldError, match="known"):
        list(read_commands([{"seq": 1, "kind": "end-event", "payload": {"seq": 1}, "tick": 3, "known": 4}]))


def test_shapes_are_forgotten_and_found_again_to_the_same_bytes() -> None:
    session, again = start(), start()
    for run in (session, again):
        for number in range(12):
            run.apply(Flow("x_min", 100.0 + number, 20.0), at_s=100.0 + 60.0 * number)
    session.advance(400)
    for _ in range(400):
        again.parts.controller.shapes.known.clear()
        again.advance()
    assert session.hash() == again.hash()
    assert session.summary == again.summary
    assert len(session.parts.controller.shapes.known) <= 8


def test_work_that_another_thread_has_done_changes_no_byte() -> None:
    plain, helped = start(), start()
    for session in (plain, helped):
        session.apply(Flow("x_min", 2e3, 300.0), at_s=150.0)
    for _ in range(200):
        for work in helped.pending():
            work()
        plain.advance()
        helped.advance()
    assert plain.hash() == helped.hash()
    assert not helped.pending()


def test_scheduled_loads_are_known_when_they_begin_so_the_model_stays() -> None:
    session = start()
    session.apply(Flow("x_min", 5e2, 400.0), at_s=(SHAPE_TICKS + 20) * TICK)
    models = []
    session.advance(150, lambda summary: models.append(summary.model))
    assert set(models) == {"lumped"}
    sudden = start()
    sudden.advance(20)
    sudden.apply(Flow("x_min", 5e2, 400.0))
    sudden.advance()
    assert sudden.summary.model == "diffusive"
    assert sudden.state.model.switches[-1].reason == "loads"
    assert math.isinf(sudden.state.model.switches[-1].bound)


def test_a_body_that_is_not_uniform_enough_is_not_lumped() -> None:
    session = start(film=2e4)
    session.advance(5)
    assert session.summary.model == "diffusive"
    session.choose_model("lumped")
    session.advance()
    assert session.summary.model == "lumped"
    assert session.summary.share is not None
    assert session.summary.share > 1.0


def test_the_lumped_model_is_refused_where_a_face_is_held_or_radiates() -> None:
    session = start()
    session.apply(BoundaryChange("x_min", Temperature(Constant(400.0))))
    with pytest.raises(RefusedChangeError, match="held"):
        session.choose_model("lumped")
    case = {"domain": {"size": [0.2]}, "material": ALUMINIUM, "initial": 300.0, "resolution": {"cells": [8]}}
    scene = Scene.from_json({"case": {**case, "boundaries": {"x_min": RADIATING}, "temperature_unit": "K"}})
    radiating = Session(scene, plan_clock(scene, 1.0))
    with pytest.raises(RefusedChangeError, match="radiates"):
        radiating.choose_model("lumped")
    with pytest.raises(FieldError, match=r"payload\.model"):
        radiating.choose_model("best")  # type: ignore[arg-type]
    held = Scene.from_json({"case": {**case, "boundaries": {"x_min": HELD}}, "fidelity": {"deviation_k": 1.0}})
    session = Session(held, plan_clock(held, 1.0))
    session.advance(3)
    assert session.summary.model == "diffusive"


@pytest.mark.parametrize(
    ("raw", "field"),
    [({"policy": "best"}, "policy"), ({"tolerance": 2.0}, "tolerance"), ({"deviation_k": -1.0}, "deviation_k"),
     ({"stress_pa": 1e6}, "stress_pa"), ({"mood": 1}, "unknown"), ([], "object")],
)  # fmt: skip
def test_limits_of_the_model_are_refused_by_name(raw: Any, field: str) -> None:
    case = {"domain": {"size": [0.2]}, "material": ALUMINIUM, "initial": 300.0, "resolution": {"cells": [8]}}
    with pytest.raises(FieldError, match=field):
        Scene.from_json({"case": case, "fidelity": raw})


@given(film=st.floats(0.0, 500.0), power=st.floats(-500.0, 500.0))
@settings(max_examples=15, deadline=None)
def test_heat_of_a_lumped_run_adds_up(film: float, power: float) -> None:
    session = start(film=film, cells=(4, 5))
    session.apply(Overload(power))
    session.advance(60)
    assert session.summary.balance_residual < 1e-11
