"""Phases that conduct unlike each other: one potential with constant conductances, beside the general iteration."""

import numpy as np
import pytest

from grid.engine import HeatProblem, prepare, solve
from grid.engine.methods.implicit import phase_change_kernels as kernels
from grid.engine.methods.implicit.phase_change import EnthalpyStepper
from grid.engine.methods.implicit.phase_conduction import find_conduction

HEAT = {"volumetric_heat_capacity": 2e6, "volumetric_latent_heat": 1e8, "melting_temperature": 1.0}
FACES = {
    "x_min": {"type": "temperature", "value": {"expression": "where(y < 0.005, 30, -20)"}},
    "x_max": {"type": "convection", "coefficient": 300.0, "ambient": {"expression": "where(t < 5, 40, -40)"}},
    "y_min": {"type": "flux", "value": {"expression": "2000*sin(900*x)"}},
    "y_max": {"type": "convection", "coefficient": 2000.0, "ambient": -25.0},
}


def make_case(solid, liquid, cells=(9, 7), **changes):
    """A rectangle that melts, by conductivities of its phases."""
    return {
        "dimension": 2,
        "temperature_unit": "relative",
        "domain": {"size": [0.01, 0.01]},
        "material": {**HEAT, "solid": {"conductivity": solid}, "liquid": {"conductivity": liquid}},
        "initial": -5.0,
        "boundaries": FACES,
        "source_term": {"expression": "1e5*x*t"},
        "resolution": {"cells": list(cells), "end_time": 20.0},
        **changes,
    }


def make_steppers(case):
    """The stepper with compiled turns, and one without."""
    space = prepare(HeatProblem.from_case(case), tolerance=1e-3).space
    fast, slow = (EnthalpyStepper(space, 1.0, tolerance=tolerance) for tolerance in (1e-9, 0.0))
    assert fast.body is not None
    slow.body = None
    return fast, slow


def draw_content(stepper, seed):
    """Enthalpies of cells of which a third is solid, melts, and is liquid; some at a corner."""
    draw, space = np.random.default_rng(seed), stepper.space
    share = draw.choice([-0.3, -0.01, 0.0, 0.2, 0.7, 1.0, 1.01, 1.4], space.capacity.size)
    volume = 0.01 * 0.01 / space.capacity.size
    return share * 1e8 * volume


@pytest.mark.parametrize(("solid", "liquid"), [(60.0, 1.0), (1.0, 60.0), (2.0, 2.0), ([3.0, 1.0], [6.0, 2.0])])
@pytest.mark.parametrize("time", [1.0, 9.0])
def test_the_heat_flow_by_the_potential_is_that_of_mean_conductivities(solid, liquid, time):
    fast, slow = make_steppers(make_case(solid, liquid))
    for seed in range(3):
        content = draw_content(fast, seed)
        one, other = fast._begin(content, time), slow._begin(content, time)
        scale = np.abs(other.flow.net).max()
        assert np.abs(one.flow.net - other.flow.net).max() <= 1e-9 * scale
        assert one.flow.boundary_in == pytest.approx(other.flow.boundary_in, rel=1e-9)
        assert one.flow.boundary_out == pytest.approx(other.flow.boundary_out, rel=1e-9)
        assert one.flow.generated == pytest.approx(other.flow.generated, rel=1e-12)
        assert np.abs(one.temperature - other.temperature).max() <= 1e-10 * 40.0
        assert np.allclose(one.slope, other.slope, rtol=1e-10, atol=0.0)
        assert one.surfaces() == pytest.approx(other.surfaces(), abs=1e-9 * 40.0)


@pytest.mark.parametrize(("solid", "liquid"), [(60.0, 1.0), (1.0, 60.0)])
def test_a_stage_by_the_potential_is_that_of_the_general_iteration(solid, liquid):
    fast, slow = make_steppers(make_case(solid, liquid))
    content = draw_content(fast, 5)
    none = np.zeros_like(content)
    for tau in (0.01, 1.0, 100.0):
        one, other = (stepper._stage(content, none, content, tau, 3.0) for stepper in (fast, slow))
        assert np.abs(one.content - other.content).max() <= 1e-7 * np.abs(other.content - content).max()
        assert np.abs(content + tau * one.flow.net - one.content).max() <= 1e-12 * np.abs(one.content).max()


def test_no_potential_is_taken_where_there_is_none():
    """Conductivities whose ratio differs by axis, or two materials, or a film that knows T, or radiation."""
    plain = make_case(1.0, 2.0)
    two = [
        {**plain["material"], "where": {"expression": "x < 0.004"}},
        {"conductivity": 1.0, "volumetric_heat_capacity": 1e6, "where": {"expression": "x >= 0.004"}},
    ]
    warm = {"type": "convection", "coefficient": {"expression": "300 + T"}, "ambient": 40.0}
    others = [make_case([1.0, 2.0], [2.0, 2.0]), {**plain, "material": two}]
    others += [{**plain, "boundaries": {**FACES, "x_max": warm}}]
    for case in others:
        assert find_conduction(prepare(HeatProblem.from_case(case)).space) is None
    assert find_conduction(prepare(HeatProblem.from_case(plain)).space).ratio == 2.0


@pytest.mark.parametrize("faces", ["held", "film"])
@pytest.mark.parametrize(("solid", "liquid"), [(60.0, 1.0), (1.0, 60.0), (1.0, 1.0 / 60.0), (1.0 / 60.0, 1.0)])
def test_phases_of_which_one_conducts_60_times_as_well_take_few_turns(solid, liquid, faces, monkeypatch):
    """Counted: no stage falls back on the general iteration, and Newton's turns are at most five times as many."""
    law = {"type": "temperature", "value": 40.0}
    if faces == "film":
        law = {"type": "convection", "coefficient": 500.0, "ambient": 40.0}
    changes = {"boundaries": {"x_min": law, "y_min": law}, "source_term": 0.0, "initial": -5.0}
    turns = {"general": 0, "compiled": 0}
    settle = kernels.settle

    def count(*arguments):
        done = settle(*arguments)
        turns["compiled"] += done
        return done

    def refuse(*_):
        raise AssertionError("a stage by the general iteration")

    monkeypatch.setattr(kernels, "settle", count)
    monkeypatch.setattr(EnthalpyStepper, "_general_stage", refuse)
    counts = []
    for pair in ((1.0, 1.0), (solid, liquid)):
        turns["compiled"] = 0
        case = make_case(*pair, cells=(24, 24), **changes)
        case["domain"]["size"] = [0.02, 0.02]
        case["resolution"]["end_time"] = 600.0
        assert solve(HeatProblem.from_case(case), tolerance=1e-3).is_accepted
        counts.append(turns["compiled"])
    assert counts[1] <= 5 * counts[0]
