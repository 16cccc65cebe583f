"""A calibration scales estimates and decides which method is taken; the bytes of a method never depend on it."""

import json
import os

import numpy as np
import pytest

from grid.core.errors import FieldError
from grid.engine import estimate, prepare, solve
from grid.engine.costs import calibration, calibration_kernels
from grid.engine.costs.calibration import GROUPS, REFERENCE, Calibration
from grid.engine.costs.table import TABLE, price

LAYERED = {"conductivity": {"expression": "where(x > 0.5, 10, 1)"}, "volumetric_heat_capacity": 1.0}
COLD = {"x_min": {"type": "temperature", "value": 0.0}}


@pytest.fixture(autouse=True)
def forget():
    """No calibration is left behind."""
    yield
    calibration.use(None)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where calibrations are looked for."""
    monkeypatch.setenv(calibration.VARIABLE, str(tmp_path))
    return tmp_path


def of(**factors):
    return Calibration(calibration.find_processor(), {name: factors.get(name, 1.0) for name in GROUPS})


def layered(make_problem, cells=24):
    resolution = {"cells": [cells, cells], "end_time": 0.05, "steps": 5}
    return make_problem(2, material=LAYERED, boundaries=COLD, resolution=resolution)


def test_factors_scale_estimates_by_their_groups(make_problem):
    problem = layered(make_problem)
    before = estimate(problem)
    calibration.use(of(**dict.fromkeys(GROUPS, 3.0)))

    assert estimate(problem).work_s == pytest.approx(3.0 * before.work_s)
    assert prepare(problem).summary.calibration == calibration.find_processor()
    for group in GROUPS:
        work = {name: 1.0 for name, operation in TABLE.items() if operation.group == group}
        others = {name: 1.0 for name, operation in TABLE.items() if operation.group != group}
        assert work
        assert price(work, of(**{group: 2.0})) == pytest.approx(2.0 * price(work))
        assert price(others, of(**{group: 2.0})) == price(others)


def test_another_machine_may_choose_another_method_and_the_choice_is_recorded(make_problem):
    problem = layered(make_problem)
    here = solve(problem)
    assert here.plan.method == "exponential"  # products of the operator, which are compiled sweeps
    calibration.use(of(call=0.05, array=0.05, sparse=0.05, dense=0.05, stencil=50.0))
    there = solve(problem)

    assert there.plan.method != here.plan.method
    assert there.plan.calibration != here.plan.calibration == "reference"
    again = solve(problem, chosen=here.plan.method)
    assert again.plan.method == here.plan.method
    assert again.fields.tobytes() == here.fields.tobytes()
    assert again.metrics == here.metrics


@pytest.mark.parametrize("method", ["implicit", "adi", "krylov", "exponential", "modal"])
def test_the_bytes_of_a_method_do_not_depend_on_the_calibration(make_problem, method):
    loads = {"x_min": {"type": "convection", "coefficient": 5.0, "ambient": {"table": [[0, 1], [0.02, 2], [0.05, 0]]}}}
    boundaries = COLD if method == "exponential" else loads
    problem = make_problem(
        2, material=LAYERED, boundaries=boundaries, resolution={"cells": [20, 14], "end_time": 0.05, "steps": 5}
    )
    found = []
    for factors in ({}, {"sparse": 50.0, "stencil": 0.05}, {"sparse": 0.05, "stencil": 50.0, "dense": 50.0}):
        calibration.use(of(**factors))
        found.append(solve(problem, method=method, tolerance=1e-3).fields.tobytes())

    assert found[0] == found[1] == found[2]


def test_a_chosen_method_is_one_of_a_plan(make_problem):
    problem = layered(make_problem)
    with pytest.raises(FieldError, match="chosen"):
        prepare(problem, chosen="magic")
    assert prepare(problem, method="adi", chosen="krylov").summary.method == "adi"  # what is asked for comes first
    steady = make_problem(steady=True, boundaries=COLD)
    assert prepare(steady, chosen="steady").summary.method == "steady"


def test_a_file_is_used_when_the_next_plan_is_made(folder):
    assert calibration.current() is REFERENCE
    calibration.save(of(stencil=2.5), folder)

    assert calibration.current().factor("stencil") == 2.5
    assert not calibration.is_missing()
    calibration.save(of(stencil=4.0), folder)
    file = calibration.find_file(folder)
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))  # clocks of file systems may be coarse
    assert calibration.current().factor("stencil") == 4.0
    calibration.use(REFERENCE)
    assert calibration.current() is REFERENCE


def test_nothing_is_read_where_calibration_is_off(folder, monkeypatch):
    calibration.save(of(stencil=2.5), folder)
    monkeypatch.setenv(calibration.VARIABLE, calibration.OFF)

    assert calibration.current() is REFERENCE
    assert calibration.find_folder() is None
    assert not calibration.is_missing()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda _: "",
        lambda _: "[]",
        lambda _: "[" * 100_000,
        lambda text: text.replace("1.0", "NaN", 1),
        lambda text: text.replace("1.0", "0.0", 1),
        lambda text: text.replace("1.0", "true", 1),
        lambda text: text.replace("1.0", '"1"', 1),
        lambda text: text.replace('"stencil"', '"stensil"'),
        lambda text: text.replace('"format": 1', '"format": 2'),
        lambda text: json.dumps(json.loads(text) | {"version": "0.0.0"}),
        lambda text: json.dumps(json.loads(text) | {"processor": "another one"}),
        lambda text: text + " " * (1 << 17),
    ],
)
def test_a_damaged_file_or_one_of_another_machine_is_ignored(folder, damage):
    file = calibration.save(of(), folder)
    file.write_text(damage(file.read_text()))

    assert calibration.load(file) is None
    assert calibration.current() is REFERENCE
    assert calibration.is_missing()


def test_another_processor_has_a_file_of_its_own(folder, monkeypatch):
    calibration.save(of(stencil=2.5), folder)
    monkeypatch.setattr(calibration, "find_processor", lambda: "Some Other CPU avx2")

    assert calibration.current() is REFERENCE
    calibration.save(of(stencil=7.0), folder)
    assert len(list(folder.glob("*.json"))) == 2
    assert calibration.current().factor("stencil") == 7.0


def test_a_machine_is_measured_in_every_group(monkeypatch):
    for name, value in (("ROUNDS", 1), ("BEYOND", (24, 24, 24)), ("ARRAY", 2_000)):
        monkeypatch.setattr(calibration_kernels, name, value)
    found = calibration.measure()

    assert set(found.factors) == set(GROUPS)
    assert all(calibration.LEAST <= factor <= calibration.MOST for factor in found.factors.values())


def test_the_sweep_that_is_timed_is_one_step_of_heat():
    """A field that is linear in place stays as it is, and a peak loses six parts to its neighbours."""
    shape = (6, 5, 7)
    x, y, z = np.meshgrid(*(np.arange(count, dtype=float) for count in shape), indexing="ij")
    linear, out = 2.0 * x - y + 3.0 * z, np.zeros(shape)
    calibration_kernels.sweep(linear, out, 0.1)
    assert np.allclose(out[1:-1, 1:-1, 1:-1], linear[1:-1, 1:-1, 1:-1])

    peak = np.zeros(shape)
    peak[3, 2, 3] = 1.0
    calibration_kernels.sweep(peak, out, 0.1)
    assert (out[3, 2, 3], out[2, 2, 3], out[3, 2, 4]) == pytest.approx((0.4, 0.1, 0.1))
