"""Loads and coefficients in force: order, overlays and what ends, and damage against a body made anew."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.engine.live.scenes import FILM, HELD, RADIATING, STEEL, make_plate, make_two_materials

from grid.core.errors import FieldError
from grid.engine import HeatProblem
from grid.engine.live.changes import Change, count_ticks, describe, find_start, make_change
from grid.engine.live.clock import find_limits, plan_clock
from grid.engine.live.event import Event
from grid.engine.live.events import BoundaryChange, Burst, CoolingLoss, Damage, Flow, Overload
from grid.engine.live.plan import LivePlan
from grid.engine.live.regions import Box
from grid.engine.live.scene import Scene
from grid.engine.live.weakening import weaken
from grid.engine.problem.boundaries import Convection, Temperature
from grid.engine.space.discretise import discretise
from grid.engine.values.value import Constant

PLATE = make_plate(boundaries={"x_min": FILM, "y_max": HELD})
CLOCK = plan_clock(PLATE, 0.5)


def plan_with(*events: Event, scene: Scene = PLATE) -> LivePlan:
    """A plan with events that began at tick 0, numbered from 1."""
    clock = plan_clock(scene, 0.5)
    plan = LivePlan.make(scene, clock)
    return plan.with_changes(make_change(seq, event, 0, clock) for seq, event in enumerate(events, start=1)).at(0)


def test_a_plan_without_changes_has_the_loads_of_the_problem() -> None:
    plan, space = LivePlan.make(PLATE, CLOCK), discretise(PLATE.problem)
    for ours, theirs in zip(plan.loads(0).face_laws, space.loads(0.0).face_laws, strict=True):
        np.testing.assert_array_equal(ours.transmittance, theirs.transmittance)
        np.testing.assert_array_equal(ours.reference, theirs.reference)


def test_sources_add_up_to_their_powers_over_the_section() -> None:
    plan = plan_with(Burst((0.4, 0.4), 0.05, 10.0, power=700.0), Overload(300.0, Box((0.1, 0.1), (0.5, 0.5))))
    source = plan.loads(0).source
    assert source is not None
    assert source.sum() * PLATE.section == pytest.approx(1000.0, rel=1e-12)


def test_the_last_law_of_a_face_wins_and_the_one_before_returns() -> None:
    first, second = Convection(Constant(50.0), Constant(280.0)), Temperature(Constant(333.0))
    plan = plan_with(BoundaryChange("x_min", first, 10.0), BoundaryChange("x_min", second, 2.0))
    space = discretise(PLATE.problem)
    assert np.max(plan.loads(0).face_laws[0].reference) == 333.0
    assert np.max(plan.at(4).loads(4).face_laws[0].reference) == 280.0
    assert np.max(plan.at(20).loads(20).face_laws[0].reference) == space.loads(0.0).face_laws[0].reference


def test_a_lost_film_is_the_law_with_the_film_that_remains() -> None:
    weak = make_plate(boundaries={"x_min": {**FILM, "coefficient": 5.0}, "y_max": HELD})
    ours = plan_with(CoolingLoss(("x_min",), 0.25)).loads(0).face_laws[0]
    np.testing.assert_allclose(ours.transmittance, discretise(weak.problem).loads(0.0).face_laws[0].transmittance)
    gone = plan_with(CoolingLoss(("x_min",), 0.0)).loads(0).face_laws[0]
    assert np.max(gone.transmittance) == 0.0


def test_losses_of_films_multiply_and_hold_for_the_law_that_is_in_force() -> None:
    changed = BoundaryChange("x_min", Convection(Constant(80.0), Constant(280.0)))
    ours = plan_with(CoolingLoss(("x_min",), 0.5), changed, CoolingLoss(("x_min",), 0.5)).loads(0).face_laws[0]
    weak = make_plate(
        boundaries={"x_min": {"type": "convection", "coefficient": 20.0, "ambient": 280.0}, "y_max": HELD}
    )
    np.testing.assert_allclose(ours.transmittance, discretise(weak.problem).loads(0.0).face_laws[0].transmittance)


def test_a_flux_acts_on_the_part_of_a_face_and_nowhere_else() -> None:
    law = plan_with(Flow("x_max", 1e4, 5.0, low=(0.2,), high=(0.4,))).loads(0).face_laws[1]
    y = (np.arange(20) + 0.5) * 0.04
    np.testing.assert_array_equal(law.imposed, np.where((y >= 0.2) & (y <= 0.4), 1e4, 0.0))


def test_a_radiating_face_is_its_tangent_where_its_heat_is_that_of_the_law() -> None:
    scene = make_plate(boundaries={"x_min": RADIATING})
    plan = LivePlan.make(scene, plan_clock(scene, 0.5))
    field = np.full(480, 900.0)
    space = discretise(scene.problem)
    flux = plan.loads(0, field).face_laws[0].heat_flux(field[space.patches[0].cells])
    surface = 900.0 + flux / space.half_conductance[0]
    np.testing.assert_allclose(flux, 0.8 * 5.670374419e-8 * (280.0**4 - surface**4), rtol=1e-9)


def test_a_moving_burst_stands_at_the_middle_of_its_path_over_a_tick() -> None:
    burst = Burst((0.3, 0.4), 0.05, 10.0, power=1.0, velocity=(0.02, 0.0))
    plan = plan_with(burst)
    for tick in (0, 3, 19):
        source = plan.loads(tick).source
        assert source is not None
        x = (np.arange(24) + 0.5) / 24.0
        centre = (source.reshape(24, 20).sum(axis=1) * x).sum() / source.sum()
        assert centre == pytest.approx(0.3 + 0.02 * 0.5 * (tick + 0.5), abs=1e-9)


def test_a_source_too_fast_for_the_tick_is_refused_with_the_largest_speed() -> None:
    burst = Burst((0.3, 0.4), 0.05, 0.1, power=1.0, velocity=(1.0, 0.0))
    with pytest.raises(FieldError, match=r"at most 0\.0416667 m/s"):
        burst.check_speed(PLATE, 0.5)


@pytest.mark.parametrize("cells", [(12,), (8, 6), (5, 4, 3)])
def test_damaged_cells_are_a_body_of_another_material_there(cells: tuple[int, ...]) -> None:
    weak = [
        {**STEEL, "conductivity": 10.0, "where": {"expression": "x < 0.5"}},
        {**STEEL, "where": {"expression": "x >= 0.5"}},
    ]
    cells = (cells[0] * 2, *cells[1:])  # so that the border lies on faces
    scene, other = make_plate(cells), make_plate(cells, material=weak)
    intact, made = discretise(scene.problem), discretise(other.problem)
    x = (np.arange(cells[0]) + 0.5) / cells[0]
    factors = np.where(x < 0.5, 0.2, 1.0).reshape(-1, *(1,) * (len(cells) - 1)) * np.ones(cells)
    found = weaken(intact, factors.reshape(-1))
    for ours, theirs in zip(found.conductances, made.conductances, strict=True):
        np.testing.assert_allclose(ours, np.broadcast_to(theirs, ours.shape), rtol=1e-13)
    for near, half in zip(found.half_conductance, made.half_conductance, strict=True):
        np.testing.assert_allclose(near, half, rtol=1e-13)


def test_damage_of_a_periodic_body_reaches_over_the_joined_ends() -> None:
    scene = make_plate((6, 4), boundaries={"x_min": {"type": "periodic"}, "x_max": {"type": "periodic"}})
    factors = np.ones((6, 4))
    factors[0] = 0.5
    found = weaken(discretise(scene.problem), factors.reshape(-1)).conductances[0]
    np.testing.assert_array_equal(found[0], found[-1])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-13)


def test_damage_is_never_less_than_before() -> None:
    half, weak = Damage(Box((0.0, 0.0), (0.5, 0.8)), 0.5), Damage(Box((0.0, 0.0), (1.0, 0.8)), 0.8)
    plan = plan_with(half, weak)
    assert plan.factors is not None
    np.testing.assert_array_equal(plan.factors.reshape(24, 20)[:, 0], np.repeat([0.5, 0.8], 12))
    assert plan.stepper.name == "rkl2"
    assert plan.at(1).changes == ()


@given(
    film=st.floats(0.0, 1e9), tick=st.floats(1e-3, 1e3), factor=st.floats(0.05, 1.0),
    faces=st.lists(st.sampled_from([FILM, HELD, {"type": "insulated"}]), min_size=4, max_size=4),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_steps_and_stages_hold_for_whatever_a_command_brings(
    film: float, tick: float, factor: float, faces: list[dict[str, object]]
) -> None:
    names = ("x_min", "x_max", "y_min", "y_max")
    scene = make_two_materials(boundaries=dict(zip(names, faces, strict=True)) | {"internal": FILM})
    clock = plan_clock(scene, tick)
    plan = LivePlan.make(scene, clock).with_changes(
        [
            make_change(1, BoundaryChange("x_min", Convection(Constant(film), Constant(0.0))), 0, clock),
            make_change(2, BoundaryChange("internal", Temperature(Constant(500.0))), 0, clock),
            make_change(3, Damage(Box((0.0, 0.0), (0.7, 0.5)), factor), 0, clock),
        ]
    ).at(0)  # fmt: skip
    total = plan.space.diagonal(plan.loads(0)) * plan.space.rate
    assert clock.steps & (clock.steps - 1) == 0
    assert clock.tick / clock.steps * total.max() <= 0.4 * (1.0 + 1e-9)
    assert clock.tick * clock.stiffness <= 0.5 * (clock.stages**2 + clock.stages - 2)
    assert clock.stiffness >= total.max() * (1.0 - 1e-12)


def test_the_stiffest_state_is_every_face_held() -> None:
    held = make_plate(boundaries=dict.fromkeys(("x_min", "x_max", "y_min", "y_max"), HELD))
    space = discretise(held.problem)
    stable, _ = find_limits(discretise(make_plate().problem))
    assert stable == pytest.approx(1.0 / np.max(space.diagonal(space.loads(0.0)) * space.rate), rel=1e-12)


def test_a_clock_says_what_it_does_not_take_and_why_it_takes_implicit_steps() -> None:
    base = {"domain": {"size": [1.0]}, "material": STEEL, "initial": 300.0, "resolution": {"cells": [64]}}
    for change, feature in (
        ({"velocity": [0.1]}, "flow"),
        ({"material": {**STEEL, "conductivity": {"expression": "50 + 0.01*T"}}}, "property"),
        ({"source_term": {"expression": "-T"}}, "source"),
    ):
        clock = plan_clock(Scene.from_json({"case": base | change}), 0.1)
        assert (clock.method, clock.steps) == ("implicit", 1)
        assert feature in clock.reason
    with pytest.raises(FieldError, match="steady"):
        Scene(HeatProblem.from_case({**base, "steady": True, "boundaries": {"x_min": HELD}}))
    with pytest.raises(FieldError, match="without t"):
        Scene.from_json({"case": base | {"boundaries": {"x_min": {"type": "flux", "value": {"expression": "t"}}}}})
    with pytest.raises(FieldError, match="tick_s"):
        plan_clock(Scene.from_json({"case": base}), 1e8)
    with pytest.raises(FieldError, match="method"):
        plan_clock(make_two_materials(), 0.1, method="explicit")


@given(duration=st.floats(1e-6, 1e6), tick=st.floats(1e-3, 1e3), energy=st.floats(-1e9, 1e9))
def test_a_length_is_rounded_to_ticks_and_its_energy_is_not(duration: float, tick: float, energy: float) -> None:
    clock = plan_clock(make_plate((4,)), tick)
    change = make_change(1, Burst((0.5,), 0.1, duration, energy=energy), 7, clock)
    found = describe(change, clock)
    assert change.ticks is not None
    assert change.ticks >= 1
    assert abs(change.ticks * tick - duration) <= 0.5 * tick * (1.0 + 1e-9) or change.ticks == 1
    assert found.power_w is not None
    assert found.power_w * change.ticks * tick == pytest.approx(energy, rel=1e-14)
    assert (found.tick, found.step) == (7, 7 * clock.steps)
    assert count_ticks(1e-30, clock) == 1


def test_a_start_is_the_next_boundary() -> None:
    clock = CLOCK
    assert find_start(None, 5, clock) == 5
    assert find_start(1.0, 5, clock) == 5
    assert find_start(3.0, 5, clock) == 6
    assert find_start(3.01, 5, clock) == 7
    for wrong in (-1.0, float("nan"), float("inf"), 1e9):
        with pytest.raises(FieldError, match="at_s"):
            find_start(wrong, 5, clock)


def test_changes_keep_the_order_of_their_numbers() -> None:
    one, two = (Change(seq, Overload(1.0), 0, None) for seq in (1, 2))
    plan = LivePlan.make(PLATE, CLOCK).with_changes([two]).with_changes([one])
    assert [change.seq for change in plan.changes] == [1, 2]
