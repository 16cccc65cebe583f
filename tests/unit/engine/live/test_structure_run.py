"""Runs with a structure: failures and loads that move go on to the same bytes, and what they do to the heat."""

import numpy as np
import pytest
from tests.unit.engine.live.scenes import FILM, STEEL

from grid.engine.live import Burst, Damage, Disc, Overload, Scene, Session, plan_clock, replay
from grid.engine.live.regions import Named

ELASTIC = {"young_modulus": 2.1e11, "poisson_ratio": 0.3, "thermal_expansion": 1.2e-5, "yield_stress": 2.5e8}
LIFE = {"coefficient_pa": 9e8, "exponent": -0.09}
STRUCTURE = {"reference_temperature": 300.0, "life": LIFE, "temperature_limit": 420.0, "conductivity_factor": 0.5}


def start(**structure: object) -> Session:
    """A plate of steel whose cells fail above 420 K, with a burst that makes some of them."""
    case = {
        "domain": {"size": [0.5, 0.4], "section": 0.01},
        "material": {**STEEL, **ELASTIC},
        "initial": 300.0,
        "boundaries": {"x_min": FILM},
        "resolution": {"cells": [20, 16]},
        "temperature_unit": "K",
    }
    scene = Scene.from_json({"case": case, "structure": {**STRUCTURE, **structure}})
    session = Session(scene, plan_clock(scene, 0.5))
    session.apply(Burst((0.2, 0.2), 0.03, 8.0, energy=1.5e5), at_s=2.0)
    session.apply(Damage(Disc((0.4, 0.1), 0.05), stiffness_factor=0.4, damage_sum=0.2), at_s=6.0)
    return session


@pytest.mark.parametrize("level", ["plate", "potential"])
def test_a_run_with_failures_goes_on_to_the_same_bytes_from_every_tick(level: str) -> None:
    session, other = start(stress_level=level), start(stress_level=level)
    seen = []
    session.advance(40, lambda _: seen.append((session.hash(), session.summary)))
    assert session.summary.failed_cells > 0
    assert session.plan.stepper.name == "rkl2"
    for tick in range(40):
        resumed = Session.load(other.save(), other.scene, other.clock)
        resumed.advance(min(9, 40 - tick))
        found, summary = seen[resumed.tick - 1]
        assert resumed.hash() == found
        assert resumed.summary == summary
        other.advance()
    again = replay(session.scene, session.clock, session.commands, 40)
    assert again.summary == session.summary
    for name in ("temperature", "stress", "utilisation", "damage", "state"):
        np.testing.assert_array_equal(again.field(name), session.field(name))  # type: ignore[arg-type]


def test_a_branch_has_cycles_and_damage_of_its_own() -> None:
    trunk = start()
    trunk.advance(5)
    branch = trunk.fork()
    kept = trunk.field("damage").copy(), trunk.hash()
    branch.apply(Burst((0.4, 0.3), 0.02, 4.0, energy=1e5))
    branch.advance(30)
    np.testing.assert_array_equal(trunk.field("damage"), kept[0])
    assert trunk.hash() == kept[1]
    assert branch.summary.failed_cells > trunk.summary.failed_cells


def test_failures_are_told_with_cell_and_reason() -> None:
    session = start(ultimate_ratio=50.0)
    session.advance(40)
    failures = session.take_failures()
    cells = [failure for failure in failures if failure.kind == "failed-cell" and failure.name != "others"]
    assert {failure.payload["reason"] for failure in cells} == {"temperature"}
    hot = np.argwhere(session.field("state") == 2.0).tolist()
    assert all(failure.payload["cell"] in hot for failure in cells)
    assert session.take_failures() == []
    assert session.summary.balance_residual < 1e-11


def test_work_of_another_thread_on_the_potential_changes_no_byte() -> None:
    plain, helped = (start(stress_level="potential", ultimate_ratio=1.0) for _ in range(2))
    for _ in range(40):
        for work in helped.pending():
            work()
        plain.advance()
        helped.advance()
    assert plain.hash() == helped.hash()
    assert plain.summary == helped.summary
    assert plain.summary.peak_by_potential is not None


def cascade(ratio: float) -> Session:
    """Nine regions, 100 W each, insulated from each other by time: they fail at `ratio` times their own rise."""
    case = {
        "domain": {"size": [0.3, 0.3], "section": 0.01},
        "material": {**STEEL, **ELASTIC, "conductivity": 1e-6},
        "initial": 300.0,
        "resolution": {"cells": [9, 9]},
        "temperature_unit": "K",
    }
    capacity = STEEL["density"] * STEEL["specific_heat"] * 0.1 * 0.1 * 0.01
    limit = 300.0 + ratio * 100.0 * 50.0 / capacity  # what one region reaches under its own load after 50 s
    structure = {
        "reference_temperature": 300.0,
        "regions": {"tiles": [3, 3], "load_w": 100.0},
        "capacity": {"mean_temperature": limit},
    }
    scene = Scene.from_json({"case": case, "structure": structure})
    session = Session(scene, plan_clock(scene, 1.0))
    session.apply(Overload(400.0, Named("tile-1-1")))
    return session


def test_the_load_of_a_failed_region_moves_to_its_neighbours_and_heats_them() -> None:
    session = cascade(1.95)
    failed_at = None
    for tick in range(40):
        session.advance()
        loads = session.state.structure.loads  # type: ignore[union-attr]
        assert loads is not None
        assert loads.residual == 0.0
        if session.summary.failed_regions and failed_at is None:
            failed_at = tick + 1
    assert failed_at == 20  # 500 W reach in 19.5 s what 100 W reach in 97.5 s
    field = session.field().reshape(3, 3, 3, 3).mean(axis=(1, 3)) - 300.0
    capacity = STEEL["density"] * STEEL["specific_heat"] * 0.1 * 0.1 * 0.01
    np.testing.assert_allclose(field[1, 1], 500.0 * 20.0 / capacity, rtol=1e-6)  # its overload has stopped
    np.testing.assert_allclose(field[0, 1], (100.0 * 40.0 + 25.0 * 20.0) / capacity, rtol=1e-6)
    np.testing.assert_allclose(field[0, 0], 100.0 * 40.0 / capacity, rtol=1e-6)
    assert session.summary.balance_residual < 1e-11


def test_a_cascade_goes_on_to_the_same_bytes_and_sheds_at_last() -> None:
    session, other = cascade(0.5), cascade(0.5)
    seen = []
    session.advance(60, lambda _: seen.append(session.hash()))
    assert session.summary.failed_regions == 9
    assert session.summary.shed_w == pytest.approx(900.0)
    for tick in range(0, 60, 3):
        resumed = Session.load(other.save(), other.scene, other.clock)
        resumed.advance(min(7, 60 - tick))
        assert resumed.hash() == seen[resumed.tick - 1]
        other.advance(3)
    regions = [failure for failure in session.take_failures() if failure.kind == "failed-region"]
    assert len(regions) == 9


def test_what_fails_at_the_initial_field_is_told_and_emits_no_source() -> None:
    case = {
        "domain": {"size": [0.2], "section": 0.01},
        "material": {**STEEL, **ELASTIC},
        "initial": {"expression": "500.0 - 1000.0*x"},
        "source_term": 1e5,
        "resolution": {"cells": [16]},
        "temperature_unit": "K",
    }
    scene = Scene.from_json({"case": case, "structure": {**STRUCTURE, "ultimate_ratio": 50.0}})
    session = Session(scene, plan_clock(scene, 0.5))
    failed = int((session.field() >= 420.0).sum())
    assert session.summary.failed_cells == failed > 0
    assert [failure.kind for failure in session.take_failures()].count("failed-cell") == failed
    session.advance()
    generated = session.state.heat.generated.value
    assert generated == pytest.approx(1e5 * 0.2 * (16 - failed) / 16 * 0.5, rel=1e-12)
    resumed = Session.load(session.save(), scene, session.clock)
    assert resumed.take_failures() == []
    session.advance(5)
    resumed.advance(5)
    assert resumed.summary == session.summary
