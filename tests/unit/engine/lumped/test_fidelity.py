"""The lumped model on a grid, and the change between it and the diffusive one."""

import math
from typing import Any

import numpy as np
import pytest

from grid.core.errors import FieldError, InvalidFieldsError, UnsupportedError
from grid.engine import CancelledError, HeatProblem, prepare, solve
from grid.engine.lumped.body import Loads, LumpedBody
from grid.engine.lumped.fidelity import Log
from grid.engine.methods.state import State
from grid.engine.results.solution import Solution
from grid.engine.run.time_loop import make_segments, make_start, make_stepper
from grid.engine.values.value import Constant

STEEL = {
    "conductivity": 45.0, "density": 7850.0, "specific_heat": 470.0,
    "young_modulus": 2e11, "poisson_ratio": 0.3, "thermal_expansion": 1.2e-5,
}  # fmt: skip
CAPACITY = 7850.0 * 470.0
AIR = {"type": "convection", "coefficient": 50.0, "ambient": 20.0}
END = 600.0


def make_case(size: float = 0.02, **changes: Any) -> dict[str, Any]:
    """A steel wall, insulated at x = 0, cooling in air from 800 degC: Bi = 0.022."""
    return {
        "kind": "diffusion", "dimension": 1, "steady": False, "temperature_unit": "degC",
        "domain": {"coordinates": "cartesian", "size": [size]}, "material": STEEL, "boundaries": {"x_max": AIR},
        "initial": 800.0, "resolution": {"cells": [30], "steps": 200, "end_time": END},
    } | changes  # fmt: skip


def run(case: dict[str, Any], **options: Any) -> Solution:
    return solve(HeatProblem.from_case(case), times=[60.0, 150.0, 300.0, END], **options)


def pulse(low: float, high: float, start: float = 100.0, end: float = 110.0) -> dict[str, Any]:
    return {"table": [[0.0, low], [start, high], [end, low]], "interpolation": "previous"}


def hottest(threshold: float, **more: Any) -> dict[str, Any]:
    return {"measure": "hottest_above_mean", "threshold": threshold, **more}


COARSE = {"cells": [15], "steps": 60, "end_time": END}
SLOW = {
    "cooling": make_case(),
    "a varying ambient": make_case(boundaries={"x_max": AIR | {"ambient": {"expression": "20 + 200*sin(t/60)"}}}),
    "radiation": make_case(
        boundaries={"x_max": {"type": "radiation", "emissivity": 0.8, "surroundings": 20.0}}, resolution=COARSE
    ),
    "a heat capacity that rises": make_case(
        material={"conductivity": 45.0, "volumetric_heat_capacity": {"expression": "3.4e6 + 500*T"}},
        resolution=COARSE,
    ),
    "a burst": make_case(
        boundaries={"x_min": {"type": "flux", "value": pulse(1e3, 1e6)}, "x_max": AIR}, breakpoints=[100.0, 110.0]
    ),
    "a body of two dimensions": make_case(
        dimension=2,
        domain={"coordinates": "cartesian", "size": [0.02, 0.03]},
        boundaries={"x_min": AIR, "y_max": AIR},
        resolution={"cells": [10, 12], "steps": 100, "end_time": END},
    ),
    "a masked body": make_case(
        dimension=2,
        domain={"coordinates": "cartesian", "size": [0.02, 0.02], "active": {"expression": "(x < 0.01) | (y < 0.01)"}},
        boundaries={"x_min": AIR, "internal": AIR},
        resolution={"cells": [6, 6], "steps": 60, "end_time": END},
    ),
}


@pytest.mark.parametrize("name", SLOW)
def test_slow_runs_are_lumped_at_least_half_of_the_time_and_the_mean_stays_within_three_per_mille(name):
    solution = run(SLOW[name], model="auto")
    full = run(SLOW[name], model="diffusive")
    span = float(np.ptp(full.fields))

    assert solution.models.lumped_share >= 0.5
    assert solution.is_accepted
    off = [abs(solution.mean_temperature(time) - full.mean_temperature(time)) for time in full.times]
    assert max(off) <= 0.003 * span
    assert solution.certificate is not None
    assert solution.certificate.bound <= 0.05


def test_newtons_law_is_followed_to_rounding():
    """tau = rho c L / h."""
    solution = run(make_case(), model="lumped")
    tau = CAPACITY * 0.02 / 50.0

    for time in solution.times:
        assert solution.mean_temperature(time) == pytest.approx(20.0 + 780.0 * math.exp(-time / tau), abs=1e-8)
    assert np.ptp(solution.final) < 1e-9
    assert (solution.plan.method, solution.plan.model) == ("lumped", "lumped")
    assert "Newton" in solution.plan.reason


def test_a_radiating_body_on_a_grid_is_the_lumped_body():
    """The same law twice: on the grid in steps, and integrated to 1e-10."""
    case = make_case(
        temperature_unit="K", initial=1100.0,
        boundaries={"x_max": {"type": "radiation", "emissivity": 0.8, "surroundings": 300.0}},
    )  # fmt: skip
    body = LumpedBody(Loads(emissivity=Constant(0.8), surroundings=Constant(300.0)), CAPACITY * 0.02, initial=1100.0)

    assert run(case, model="lumped").mean_temperature(END) == pytest.approx(body.run().temperature(END), abs=2e-3)


def test_the_corrected_model_is_off_by_the_square_of_what_newtons_law_is_off_by():
    errors = []
    for size in (0.08, 0.04):
        full = run(make_case(size), model="diffusive", tolerance=1e-6).mean_temperature()
        errors.append(
            [abs(run(make_case(size), model=model).mean_temperature() - full) for model in ("lumped", "corrected")]
        )
    assert errors[0][1] < 0.1 * errors[0][0]
    assert errors[1][1] / errors[1][0] < 0.6 * errors[0][1] / errors[0][0]


@pytest.mark.parametrize(("share", "model"), [(1.05, "lumped"), (0.95, "diffusive")])
def test_the_threshold_is_met_where_the_settled_field_meets_it(share, model):
    """A flux q into one face of an insulated wall: the face settles q L/(3 k) above the mean."""
    q = 5e4
    settled = q * 0.02 / (3.0 * 45.0)
    case = make_case(
        boundaries={"x_max": {"type": "flux", "value": q}}, initial=20.0, adaptive=hottest(share * settled)
    )  # fmt: skip
    solution = run(case)

    assert solution.models.model_at(END) == model
    assert solution.hottest_above_mean(END) == pytest.approx(settled, rel=2e-3)


def test_the_surface_stress_of_a_settled_wall_is_the_closed_form():
    """E alpha q L / (3 k (1 - nu)), tension where the face is cold."""
    flux = -2e4
    case = make_case(boundaries={"x_max": {"type": "flux", "value": flux}})

    stress = run(case, model="corrected").surface_stress("x_max")
    assert stress == pytest.approx(2e11 * 1.2e-5 / 0.7 * 2e4 * 0.02 / (3.0 * 45.0), rel=2e-3)


def test_a_burst_is_met_with_the_diffusive_model_from_its_first_moment():
    case = SLOW["a burst"] | {"adaptive": hottest(20.0, dwell=5.0)}
    solution = run(case)
    leaving, returning = solution.models.switches

    assert (leaving.time, leaving.model) == (100.0, "diffusive")
    assert returning.model == "lumped"
    assert returning.time >= 110.0
    assert leaving.bound > 1.0 > 0.5 > returning.bound
    assert solution.models.model_at(100.0) == "lumped"
    assert solution.models.model_at(110.0) == "diffusive"


def test_no_dwell_holds_more_than_one_return():
    """A load that is on for four seconds in every twenty-four, a dwell of thirty."""
    table = [[24.0 * (n // 2) + 4.0 * (n % 2), 0.0 if n % 2 else 8e5] for n in range(1, 20)]
    flux = {"type": "flux", "value": {"table": table, "interpolation": "previous"}}
    case = make_case(
        boundaries={"x_min": flux}, initial=20.0, adaptive=hottest(60.0, dwell=30.0),
        resolution={"cells": [15], "steps": 120, "end_time": 240.0},
    )  # fmt: skip
    switches = solve(HeatProblem.from_case(case)).models.switches
    returns = [switch.time for switch in switches if switch.model == "lumped"]
    leaves = [switch.time for switch in switches if switch.model == "diffusive"]

    assert len(returns) >= 2
    assert min(back - away for away, back in zip(leaves, returns, strict=False)) >= 30.0 * (1 - 1e-9)


def walk(case: dict[str, Any]) -> list[State]:
    """All states of a run, step by step."""
    plan = prepare(HeatProblem.from_case(case), times=[END])
    stepper, states = make_stepper(plan), [make_start(plan)]
    for segment in make_segments(plan, stepper):
        for number in range(segment.steps):
            states.append(stepper.advance(states[-1], segment, number, 1))
    return states


SWITCHING = SLOW["a burst"] | {"adaptive": hottest(20.0, dwell=5.0)}


def test_no_step_and_no_switch_loses_heat():
    states = walk(SWITCHING)
    models = [Log.unpack(state.controller).model for state in states[1:]]
    heat = np.array([CAPACITY * 0.02 / 30 * state.temperature.sum() for state in states])
    moved = np.array([state.heat_balance.net for state in states])

    assert {"lumped", "diffusive"} == set(models)
    assert np.abs((heat - heat[0]) - (moved - moved[0])).max() <= 1e-12 * np.abs(heat).max()


def test_a_run_continued_in_either_model_gives_the_same_bytes():
    states = walk(SWITCHING)
    plan = prepare(HeatProblem.from_case(SWITCHING), times=[END])
    for start in (36, 190):
        stepper, state = make_stepper(plan), states[start]
        for segment in make_segments(plan, stepper):
            if state.time < segment.end:
                first = segment.find_step(state.time) if state.time > segment.start else 0
                state = stepper.advance(state, segment, first, segment.steps - first)
        assert state.temperature.tobytes() == states[-1].temperature.tobytes()
        assert state.controller == states[-1].controller


def test_a_log_survives_being_packed():
    log = Log("lumped", 3.0, 2.0, 0.1, 5.0, 7.0, inner=(1.0, 2.0)).change(4.0, "diffusive", 0, 1.5)

    assert Log.unpack(log.pack()) == log


def test_a_run_that_starts_uneven_begins_diffusive_and_settles():
    case = make_case(initial={"expression": "500 + 200*cos(pi*x/0.02)"})
    solution = run(case, model="auto")

    assert solution.models.first == "diffusive"
    assert [switch.model for switch in solution.models.switches] == ["lumped"]


def test_the_certificate_of_a_cooling_wall_is_c1_and_holds():
    solution = run(make_case(), model="lumped")
    full = run(make_case(), model="diffusive", tolerance=1e-6)
    certificate = solution.certificate

    assert certificate is not None
    assert (certificate.name, certificate.is_rigorous) == ("C1", True)
    assert certificate.biot_number == pytest.approx(50.0 * 0.02 / 45.0)
    assert certificate.internal_resistance_phi == pytest.approx(50.0 * 0.02 / 135.0, rel=2e-3)
    worst = max(abs(solution.mean_temperature(t) - full.mean_temperature(t)) for t in full.times) / 780.0
    assert worst <= certificate.bound
    assert certificate.estimate <= certificate.bound


def test_the_energy_bound_of_newtons_law_holds_for_loads_that_vary():
    case = SLOW["a varying ambient"] | {"source_term": {"expression": "2e6*where(t > 200, x/0.02, 0)"}}
    solution = run(case, model="lumped")
    full = run(case, model="diffusive")
    certificate = solution.certificate

    assert certificate is not None
    assert certificate.name == "C4"
    span = 800.0 + 180.0
    for time in full.times:
        index = full.find_index(time)
        off = float(np.sqrt(np.mean((full.fields[index] - solution.fields[index]) ** 2)))
        assert off <= certificate.bound * span


def test_a_body_in_two_parts_of_which_one_is_alone_is_left_to_the_diffusive_model():
    """No shape settles: the parts never agree on a rate."""
    parts = {"coordinates": "cartesian", "size": [0.02], "active": {"expression": "(x < 0.005) | (x > 0.015)"}}
    solution = run(make_case(domain=parts, resolution={"cells": [8], "end_time": END}), model="auto")

    assert solution.models.lumped_share == 0.0
    assert solution.is_accepted


@pytest.mark.parametrize("model", ["corrected", "auto", "lumped"])
def test_a_body_of_one_cell_is_lumped_whatever_the_model(model):
    """C dT/dt = q V in an insulated cell."""
    case = make_case(boundaries={}, source_term=1e5, resolution={"cells": [1], "end_time": END})

    assert run(case, model=model).mean_temperature(END) == pytest.approx(800.0 + 1e5 * END / CAPACITY, rel=1e-12)


def test_a_lumped_run_of_a_thick_body_is_rejected_and_a_corrected_one_is_not():
    """Bi = 0.89: phi/e = 0.11, phi^2/2 = 0.04."""
    thick = make_case(0.8)

    assert not run(thick, model="lumped").is_accepted
    assert run(thick, model="corrected").is_accepted
    assert run(thick, model="lumped", model_tolerance=0.2).is_accepted


def test_what_the_lumped_model_cannot_do_is_refused_or_left_to_the_diffusive_one():
    held = make_case(boundaries={"x_max": {"type": "temperature", "value": 20.0}})
    flowing = make_case(velocity=[1e-3])

    with pytest.raises(UnsupportedError, match="given temperature"):
        run(held, model="lumped")
    with pytest.raises(UnsupportedError, match="flow"):
        run(flowing, model="corrected")
    solution = run(flowing, model="auto")
    assert (solution.plan.model, solution.models.model_at(END)) == ("diffusive", "diffusive")
    with pytest.raises(FieldError, match="model"):
        run(held, model="guessed")
    with pytest.raises(FieldError, match="model_tolerance"):
        run(make_case(), model="auto", model_tolerance=math.nan)


def test_a_run_that_changes_model_reports_its_progress_in_time_and_can_be_stopped():
    told: list[tuple[float, float]] = []
    plan = prepare(HeatProblem.from_case(SWITCHING), times=[END])
    plan.solve(lambda fraction, _step, time: told.append((fraction, time)))

    assert told[-1] == (1.0, END)
    assert all(fraction == pytest.approx(time / END) for fraction, time in told)
    with pytest.raises(CancelledError):
        plan.solve(lambda fraction, _step, _time: fraction < 0.3)


@pytest.mark.parametrize(
    ("adaptive", "field"),
    [
        ({"measure": "warmth", "threshold": 1.0}, "adaptive.measure"),
        ({"measure": "hottest_above_mean", "threshold": 0.0}, "adaptive.threshold"),
        ({"measure": "hottest_above_mean", "threshold": 1.0, "return_fraction": 1.5}, "adaptive.return_fraction"),
        ({"measure": "hottest_above_mean", "threshold": 1.0, "dwell": -1.0}, "adaptive.dwell"),
        ({"measure": "surface_stress", "threshold": 1.0}, "adaptive.face"),
        ({"measure": "surface_stress", "threshold": 1.0, "face": "z_max"}, "adaptive.face"),
        ({"measure": "hottest_above_mean"}, "adaptive.threshold"),
        ({"measure": "hottest_above_mean", "threshold": 1.0, "speed": 1.0}, "adaptive"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_by_name(adaptive, field):
    with pytest.raises((FieldError, InvalidFieldsError), match=field):
        HeatProblem.from_case(make_case(adaptive=adaptive))


def test_a_stress_needs_elastic_properties():
    soft = {name: STEEL[name] for name in ("conductivity", "density", "specific_heat")}
    rule = {"measure": "surface_stress", "face": "x_max", "threshold": 1e6}

    with pytest.raises(FieldError, match=r"material.young_modulus"):
        HeatProblem.from_case(make_case(material=soft, adaptive=rule))
    with pytest.raises(FieldError, match=r"material.young_modulus"):
        run(make_case(material=soft)).surface_stress("x_max")
