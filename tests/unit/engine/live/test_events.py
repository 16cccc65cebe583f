"""Events: what they put in, what they refuse, and their JSON."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.engine.live.scenes import FILM, HELD, STEEL, make_plate, make_two_materials

from grid.core.errors import FieldError, InputError
from grid.engine.live.event import Event
from grid.engine.live.events import BoundaryChange, Burst, CoolingLoss, Damage, Flow, Overload
from grid.engine.live.events_json import event_json, read_event
from grid.engine.live.regions import Box, Disc, Everything, Named
from grid.engine.live.scene import Scene
from grid.engine.live.shapes import disc_shares, gauss_shares
from grid.engine.problem.boundaries import Convection, Temperature
from grid.engine.values.expression import Expression
from grid.engine.values.value import Constant

PLATE = make_plate(boundaries={"x_min": FILM, "y_max": HELD})
BURST = {"kind": "burst", "position_m": [0.4, 0.4], "radius_m": 0.05, "power_w": 1e3, "duration_s": 2.0}
FLOW = {"kind": "flow", "face": "x_max", "heat_flux_w_m2": 1e4, "duration_s": 1.0}

EVENTS: list[Event] = [
    Burst((0.4, 0.4), 0.05, 2.0, power=1e3),
    Burst((0.4, 0.4), 0.05, 2.0, energy=1e4, shape="disc", velocity=(0.01, 0.0)),
    Flow("x_max", 1e4, 1.0),
    Flow("x_max", -1e4, 1.0, low=(0.2,), high=(0.4,)),
    Overload(500.0),
    Overload(500.0, Box((0.1, 0.1), (0.3, 0.3)), 3.0),
    Overload(500.0, Disc((0.5, 0.5), 0.2), 3.0),
    BoundaryChange("x_min", Convection(Constant(5.0), Expression("290 + y")), 4.0),
    BoundaryChange("x_max", Temperature(Constant(350.0))),
    CoolingLoss(("x_min",), 0.25, 9.0),
    Damage(Disc((0.5, 0.5), 0.2), conductivity_factor=0.5),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_an_event_is_read_back_from_its_json(event: Event) -> None:
    assert read_event(event_json(event), PLATE) == event


@given(
    x=st.floats(0.0, 1.0), y=st.floats(0.0, 0.8), radius=st.floats(1e-9, 10.0), shape=st.sampled_from(["gauss", "disc"])
)
def test_shares_of_a_burst_add_up_to_one_wherever_it_is_and_however_narrow(
    x: float, y: float, radius: float, shape: Any
) -> None:
    shares = Burst((x, y), radius, 1.0, power=1.0, shape=shape).shares(PLATE, 0.0)
    assert shares is not None
    assert shares.min() >= 0.0
    assert math.fsum(shares) == pytest.approx(1.0, rel=1e-12)


def test_shares_of_a_gauss_are_its_integrals_over_the_cells() -> None:
    domain = PLATE.problem.domain
    shares = gauss_shares(PLATE.problem, (0.31, 0.42), 0.06)
    fine = 200
    x = (np.arange(domain.cells[0] * fine) + 0.5) * domain.spacing[0] / fine
    along_x = np.exp(-((x - 0.31) ** 2) / (2.0 * 0.06**2)).reshape(-1, fine).sum(axis=1)
    np.testing.assert_allclose(shares[:, 5] / shares[:, 5].sum(), along_x / along_x.sum(), rtol=0.0, atol=1e-6)


def test_shares_of_a_disc_are_its_area() -> None:
    shares = disc_shares(PLATE.problem, (0.5, 0.4), 0.25)
    area = shares.sum() * math.prod(PLATE.problem.domain.spacing)
    assert area == pytest.approx(math.pi * 0.25**2, rel=0.01)


def test_a_burst_heats_no_cell_outside_the_body() -> None:
    scene = make_two_materials()
    shares = Burst((0.22, 0.3), 0.05, 1.0, power=1.0).shares(scene, 0.0)
    assert scene.active is not None
    assert shares is not None
    assert shares[~scene.active.reshape(-1)].max() == 0.0
    assert shares.sum() == pytest.approx(1.0, rel=1e-12)


def test_a_burst_in_a_hole_is_refused() -> None:
    with pytest.raises(FieldError, match="position_m"):
        Burst((0.3, 0.3), 1e-4, 1.0, power=1.0).check(make_two_materials())


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"kind": "earthquake"}, "kind"),
    ({}, "kind"),
    (BURST | {"position_m": [1.4, 0.4]}, "position_m"),
    (BURST | {"position_m": [0.4]}, "position_m"),
    (BURST | {"position_m": [0.4, math.nan]}, "position_m"),
    (BURST | {"radius_m": 0.0}, "radius_m"),
    (BURST | {"radius_m": -1.0}, "radius_m"),
    (BURST | {"power_w": math.inf}, "power_w"),
    (BURST | {"power_w": 1e30}, "power_w"),
    (BURST | {"energy_j": 5.0}, "power_w"),
    (BURST | {"duration_s": 0.0}, "duration_s"),
    (BURST | {"duration_s": "1"}, "duration_s"),
    (BURST | {"duration_s": True}, "duration_s"),
    (BURST | {"shape": "star"}, "shape"),
    (BURST | {"colour": "red"}, "unknown field"),
    (BURST | {"velocity_m_s": [1.0, 0.0]}, "velocity_m_s"),
    (FLOW | {"face": "z_max"}, "face"),
    (FLOW | {"face": "y_max"}, "face"),
    (FLOW | {"face": ["x_max"]}, "face"),
    (FLOW | {"from_m": [0.4], "to_m": [0.2]}, "to_m"),
    (FLOW | {"from_m": [0.4]}, "to_m"),
    (FLOW | {"heat_flux_w_m2": 1e16}, "heat_flux_w_m2"),
    ({"kind": "overload", "power_w": 1.0, "region": {"name": "roof"}}, "region"),
    ({"kind": "overload", "power_w": 1.0, "region": {"disc": {"centre_m": [9.0, 9.0], "radius_m": 0.1}}}, "region"),
    ({"kind": "overload", "power_w": 1.0, "region": {"box": {"from_m": [0.2, 0.2], "to_m": [0.1, 0.3]}}}, "region.box"),
    ({"kind": "overload", "power_w": None}, "power_w"),
    ({"kind": "boundary", "face": "x_max", "law": {"type": "temperature", "value": -5.0}}, "boundaries.x_max.value"),
    ({"kind": "boundary", "face": "x_max", "law": {"type": "periodic"}}, "law.type"),
    ({"kind": "boundary", "face": "x_max", "law": {"type": "flux", "value": {"expression": "t"}}}, "law"),
    ({"kind": "cooling-loss", "faces": ["x_max"], "remaining": 0.5}, "faces"),
    ({"kind": "cooling-loss", "faces": ["x_min"], "remaining": 1.5}, "remaining"),
    ({"kind": "cooling-loss", "faces": [], "remaining": 0.5}, "faces"),
    ({"kind": "damage", "region": "all", "conductivity_factor": 0.01}, "conductivity_factor"),
    ({"kind": "damage", "region": "all", "damage": 0.5}, "stiffness_factor"),
]


@pytest.mark.parametrize(("raw", "field"), REFUSED, ids=lambda value: str(value)[:60])
def test_an_event_outside_the_scene_is_refused_by_name(raw: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError, match=field.replace("[", r"\[")):
        read_event(raw, PLATE)


@pytest.mark.parametrize("raw", [None, [], "burst", 5, {"kind": ["burst"]}, {"kind": {}}])
def test_what_is_no_event_is_refused(raw: object) -> None:
    with pytest.raises(FieldError, match="kind"):
        read_event(raw, PLATE)


def test_a_region_by_name_needs_a_scene_that_has_it() -> None:
    with pytest.raises(FieldError, match="region"):
        Named("roof").mask(PLATE.problem, PLATE.regions)
    assert Everything().mask(PLATE.problem, {}).all()


PYTHON: list[Event] = [
    Burst("ab", 0.05, 2.0, power=1e3),  # type: ignore[arg-type]
    Burst(("a", "b"), 0.05, 2.0, power=1e3),  # type: ignore[arg-type]
    Burst((0.4, 0.4), None, 2.0, power=1e3),  # type: ignore[arg-type]
    Burst((0.4, 0.4), 0.05, 2.0, power=1e3, velocity=0.1),  # type: ignore[arg-type]
    Flow(None, 1.0, 1.0),  # type: ignore[arg-type]
    CoolingLoss("x_min", 0.5),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("event", PYTHON, ids=repr)
def test_an_event_made_in_python_of_wrong_types_is_refused_by_name(event: Event) -> None:
    with pytest.raises(FieldError):
        event.check(PLATE)


def test_a_place_in_a_plate_needs_no_number_along_its_thickness() -> None:
    plate = Scene.from_json({
        "case": {
            "domain": {"size": [0.01, 1.0, 0.8], "origin": [0.5, 0.0, 0.0]}, "material": STEEL, "initial": 300.0,
            "dimension": 3, "resolution": {"cells": [1, 24, 20]}, "temperature_unit": "K",
        }
    })  # fmt: skip
    given = {"kind": "burst", "radius_m": 0.05, "power_w": 1.0, "duration_s": 1.0}

    short = read_event({**given, "position_m": [0.4, 0.5], "velocity_m_s": [0.1, 0.0]}, plate)

    assert short == read_event({**given, "position_m": [0.505, 0.4, 0.5], "velocity_m_s": [0.0, 0.1, 0.0]}, plate)
    for wrong in ([0.4], [0.4, 7.0], [0.1, 0.2, 0.3, 0.4]):
        with pytest.raises(FieldError, match="position_m"):
            read_event({**given, "position_m": wrong}, plate)
    with pytest.raises(FieldError, match="position_m"):
        read_event({**given, "position_m": [0.4, 0.5]}, make_plate((24, 20, 4)))
