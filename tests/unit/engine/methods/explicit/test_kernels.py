"""Compiled kernels: threads, dimensions and the interpreter give the same numbers."""

import os
import subprocess
import sys

import numpy as np
import pytest

from grid.engine import HeatProblem, prepare, solve, warm
from grid.engine.run.time_loop import make_stepper

BOUNDARIES = {
    "x_min": {"type": "temperature", "value": 0.0},
    "y_max": {"type": "convection", "coefficient": 3.0, "ambient": 2.0},
    "z_min": {"type": "flux", "value": -1.0},
}


def some_case(make_case, dimension):
    axes = "xyz"[:dimension]
    boundaries = {face: boundary for face, boundary in BOUNDARIES.items() if face[0] in axes}
    boundaries |= {"y_min": {"type": "periodic"}, "y_max": {"type": "periodic"}} if dimension == 3 else {}
    return make_case(
        dimension,
        boundaries=boundaries,
        material={"conductivity": {"expression": "1 + x"}, "volumetric_heat_capacity": {"expression": "2 - x"}},
        source_term={"expression": "sin(3*x)"},
        resolution={"cells": [6, 5, 4][:dimension], "steps": 20, "end_time": 0.02},
    )


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_threads_do_not_change_a_byte(make_case, dimension):
    plan = prepare(HeatProblem.from_case(some_case(make_case, dimension)), method="explicit")
    serial, parallel = make_stepper(plan), make_stepper(plan)
    parallel.is_parallel = True
    state = _start(serial)
    segment = serial.make_segment(0.0, 0.02)

    one, two = (s.advance(state, segment, 0, segment.steps) for s in (serial, parallel))

    assert one.temperature.tobytes() == two.temperature.tobytes()
    assert one.heat_balance == two.heat_balance


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_a_run_cut_in_two_is_the_run_in_one(make_case, dimension):
    plan = prepare(HeatProblem.from_case(some_case(make_case, dimension)), method="explicit")
    stepper = make_stepper(plan)
    state = _start(stepper)
    segment = stepper.make_segment(0.0, 0.02)

    whole = stepper.advance(state, segment, 0, segment.steps)
    half = stepper.advance(state, segment, 0, segment.steps // 2)
    rest = stepper.advance(half, segment, segment.steps // 2, segment.steps - segment.steps // 2)

    assert rest.temperature.tobytes() == whole.temperature.tobytes()
    assert state.temperature.tobytes() == np.ones_like(state.temperature).tobytes()  # never written to


def _start(stepper):
    from grid.engine.methods.state import Bounds, HeatBalance, State

    return State(0.0, 0, stepper.space.initial_temperature(), HeatBalance(), Bounds(1.0, 1.0))


@pytest.mark.parametrize("dimension", [1, 2])
def test_a_problem_extruded_into_another_dimension_is_the_same(make_problem, dimension):
    boundaries = {"x_min": {"type": "temperature", "value": 0.0}}
    low = solve(make_problem(dimension, boundaries=boundaries), method="explicit")
    high = solve(make_problem(dimension + 1, boundaries=boundaries), method="implicit")

    np.testing.assert_allclose(high.final, np.broadcast_to(low.final[..., None], high.final.shape), atol=3e-3)


def test_the_kernels_run_without_compilation():
    code = (
        "from grid.engine import HeatProblem, solve\n"
        "for d in (1, 2, 3):\n"
        "    case = {'domain': {'size': [1.0]*d}, 'material': {'conductivity': 1.0, 'volumetric_heat_capacity': 1.0},\n"
        "            'initial': 1.0, 'boundaries': {'x_min': {'type': 'temperature', 'value': 0.0}},\n"
        "            'resolution': {'cells': [4]*d, 'end_time': 0.01}}\n"
        "    print(solve(HeatProblem.from_case(case), method='explicit').final.tobytes().hex())\n"
    )
    outputs = []
    for disabled in ("0", "1"):
        environment = os.environ | {"NUMBA_DISABLE_JIT": disabled}
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        fields = [np.frombuffer(bytes.fromhex(line)) for line in run.stdout.split()]
        outputs.append(np.concatenate(fields))

    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-12)


def test_warming_runs_every_kernel():
    warm(serial=True)
    warm(serial=False)
