"""Checkpoints: a run goes on to the same bytes with every method; what does not belong to a plan is refused."""

import numpy as np
import pytest

from grid.core.errors import UnsupportedError
from grid.engine import CancelledError, HeatProblem, prepare
from grid.engine.errors import CheckpointError
from grid.engine.methods import METHODS
from grid.engine.run.checkpoint import load, pack, unpack

TIMES = [0.01, 0.03, 0.08]


def some_plan(make_case, method, dimension=2, **options):
    case = make_case(
        dimension,
        initial={"expression": "1 + sin(3*x)"},
        boundaries={
            "x_min": {"type": "temperature", "value": 0.0},
            "x_max": {"type": "convection", "coefficient": 2.0, "ambient": 3.0},
        },
        resolution={"cells": [7] * dimension, "steps": 40, "end_time": 0.08},
    )
    problem = HeatProblem.from_case(case)
    try:
        return prepare(problem, method=method, times=TIMES, **options)
    except UnsupportedError:  # a method that takes no number of steps
        return prepare(problem, method=method, times=TIMES, **({"tolerance": 1e-3} | options))


def stopped_at(plan, path, call):
    """A run with checkpoints, stopped at a report; how many reports there are."""
    calls = []

    def watch(*_):
        calls.append(1)
        return len(calls) != call

    try:
        solution = plan.solve(watch, checkpoint=path, every=0.0)
    except CancelledError:
        return None, len(calls)
    return solution, len(calls)


def require_same(one, two):
    assert one.fields.tobytes() == two.fields.tobytes()
    assert one.metrics == two.metrics
    assert one.audits == two.audits
    assert one.heat_balance == two.heat_balance
    for name in ("time", "minimum", "mean", "maximum"):
        assert getattr(one.history, name).tobytes() == getattr(two.history, name).tobytes()


CASES = [(method.name, 2, {}) for method in METHODS if method.name != "forced"] + [  # see test_forced
    ("explicit", 1, {}),
    ("implicit", 2, {"tolerance": 1e-3}),
]


@pytest.mark.parametrize(("method", "dimension", "options"), CASES)
def test_a_run_cut_anywhere_goes_on_to_the_same_bytes(make_case, tmp_path, method, dimension, options):
    plan, path = some_plan(make_case, method, dimension, **options), tmp_path / "run.checkpoint"
    whole, reports = stopped_at(plan, path, 0)

    assert whole is not None
    require_same(plan.resume(path), whole)  # from the end
    for call in {2, reports // 3, reports // 2, reports - 1}:
        if 1 < call < reports:
            stopped_at(plan, path, call)
            assert load(path, plan).state.time < TIMES[-1]
            require_same(plan.resume(path), whole)


@pytest.mark.jit
def test_a_checkpoint_in_bytes_is_the_checkpoint(make_case, tmp_path):
    plan, path = some_plan(make_case, "implicit"), tmp_path / "run.checkpoint"
    stopped_at(plan, path, 9)

    kept = load(path, plan)
    again = unpack(pack(kept, plan), plan)

    assert again.state.temperature.tobytes() == kept.state.temperature.tobytes()
    assert (again.state.time, again.state.heat_balance, again.rows) == (
        kept.state.time,
        kept.state.heat_balance,
        kept.rows,
    )
    assert [field.tobytes() for field in again.fields] == [field.tobytes() for field in kept.fields]
    assert list(tmp_path.iterdir()) == [path]  # no part of a file is left


@pytest.mark.jit
def test_what_does_not_belong_to_the_plan_is_refused(make_case, tmp_path, monkeypatch):
    plan, path = some_plan(make_case, "implicit"), tmp_path / "run.checkpoint"
    stopped_at(plan, path, 5)
    data = path.read_bytes()

    others = {
        "another method": some_plan(make_case, "explicit"),
        "another tolerance": some_plan(make_case, "implicit", tolerance=1e-3),
        "another dimension": some_plan(make_case, "implicit", 1),
    }
    for name, other in others.items():
        with pytest.raises(CheckpointError):
            other.resume(path)
        assert name
    for damaged in (b"", b"PK\x03\x04", data[:-40], data[: len(data) // 2], np.zeros(9).tobytes()):
        with pytest.raises(CheckpointError):
            unpack(damaged, plan)
    with pytest.raises(CheckpointError, match="cannot be read"):
        plan.resume(tmp_path / "nothing")
    monkeypatch.setattr("grid.engine.run.checkpoint.compute_numerics_version", lambda: "another")
    with pytest.raises(CheckpointError, match="numerics version"):
        plan.resume(path)


@pytest.mark.jit
def test_a_checkpoint_waits_for_its_time(make_case, tmp_path):
    path = tmp_path / "run.checkpoint"

    some_plan(make_case, "implicit").solve(checkpoint=path, every=3600.0)

    assert not path.exists()
