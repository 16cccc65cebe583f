"""Running a plan: stop times, reports, cancelling, divergence, choice of method, repeated use."""

import pickle

import numpy as np
import pytest

from grid.core.errors import DivergedError, FieldError
from grid.engine import CancelledError, SingularError, prepare, solve
from grid.engine.methods.state import Bounds, HeatBalance, State
from grid.engine.run.time_loop import Recorder


def heated_rod(make_problem, **changes):
    return make_problem(boundaries={"x_min": {"type": "temperature", "value": 0.0}}, **changes)


@pytest.mark.parametrize("method", ["explicit", "implicit"])
def test_steps_land_on_asked_times(make_problem, method):
    times = (0.013, 0.05, 0.1)
    solution = solve(heated_rod(make_problem), times=times, method=method)

    assert solution.times == (0.0, *times)
    assert solution.fields.shape == (4, 8)
    for time in times:
        assert solution.mean_temperature(time) < 1.0
    with pytest.raises(FieldError, match="times asked for"):
        solution.temperature_at((0.5,), 0.02)


@pytest.mark.parametrize("method", ["explicit", "implicit"])
def test_a_load_that_jumps_between_steps_is_seen_exactly(make_problem, method):
    """An insulated body under 5 W/m3 until a breakpoint and 1 W/m3 after it gains exactly their integral."""
    source = {"expression": "where(t < 0.0337, 5.0, 1.0)"}
    problem = make_problem(source_term=source, breakpoints=[0.0337])
    solution = solve(problem, method=method)

    assert solution.metrics["heat_generated"] == pytest.approx(5 * 0.0337 + 0.1 - 0.0337, rel=1e-12)
    assert solution.mean_temperature() == pytest.approx(1.0 + 5 * 0.0337 + 0.1 - 0.0337, rel=1e-12)


@pytest.mark.parametrize("interpolation", ["previous", "linear"])
def test_the_knots_of_a_table_are_landed_on_without_being_asked_for(make_problem, interpolation):
    table = {"table": [[0.0, 5.0], [0.0337, 1.0]], "interpolation": interpolation}
    solution = solve(make_problem(boundaries={"x_min": {"type": "flux", "value": table}}), method="implicit")

    ramp = 3.0 if interpolation == "linear" else 5.0
    assert solution.metrics["heat_in"] == pytest.approx(ramp * 0.0337 + 0.1 - 0.0337, rel=1e-10)


@pytest.mark.parametrize("method", ["explicit", "implicit"])
def test_progress_is_reported_about_fifty_times_and_ends_at_one(make_problem, method):
    calls = []
    solution = solve(
        heated_rod(make_problem, resolution={"cells": [64], "steps": 500, "end_time": 0.1}),
        method=method,
        times=[0.03, 0.1],
        on_step=lambda *call: calls.append(call),
    )

    fractions, steps, times = zip(*calls, strict=True)
    assert 10 <= len(calls) <= 60
    assert list(fractions) == sorted(fractions)
    assert (fractions[-1], times[-1]) == (1.0, 0.1)
    assert steps[-1] == solution.metrics["steps"]
    assert solution.history.time.size == len(calls) + 1
    assert (np.diff(solution.history.mean) <= 0).all()


@pytest.mark.parametrize("method", ["explicit", "implicit"])
def test_a_run_stops_when_it_is_told_to(make_problem, method):
    with pytest.raises(CancelledError) as caught:
        solve(heated_rod(make_problem), method=method, on_step=lambda fraction, _step, _time: fraction < 0.4)

    assert 0 < caught.value.time_s < 0.1


def test_a_steady_problem_reports_and_can_be_cancelled(make_problem):
    problem = make_problem(steady=True, boundaries={"x_min": {"type": "temperature", "value": 3.0}})

    assert solve(problem).final == pytest.approx(np.full(8, 3.0))
    with pytest.raises(CancelledError):
        solve(problem, on_step=lambda *_: False)


def test_a_steady_body_that_exchanges_no_heat_is_singular(make_problem):
    for boundaries in ({}, {"x_min": {"type": "flux", "value": 5.0}}):
        with pytest.raises(SingularError):
            solve(make_problem(steady=True, boundaries=boundaries))


def test_a_temperature_that_is_not_finite_ends_the_run_with_a_typed_error(make_problem):
    """No accepted input gets there, so the watch is shown a state that a broken stepper would have made."""
    plan = prepare(make_problem())
    state = State(0.05, 7, np.array([1.0, np.nan] * 4), HeatBalance(), Bounds(0.0, 1.0))

    with pytest.raises(DivergedError) as caught:
        Recorder(plan.space).record(state)
    assert (caught.value.step, caught.value.time_s) == (7, 0.05)


@pytest.mark.parametrize("method", ["explicit", "implicit"])
def test_the_largest_numbers_that_are_accepted_stay_finite(make_problem, method):
    problem = make_problem(
        material={"conductivity": 1e-12, "volumetric_heat_capacity": 1e-9},
        source_term=1e18,
        resolution={"cells": [3], "steps": 4, "end_time": 1e3},
    )
    assert np.isfinite(solve(problem, method=method).final).all()


@pytest.mark.parametrize("material", [{}, {"conductivity": {"expression": "1 + x"}}])
def test_auto_takes_the_cheapest_method_and_says_why(make_problem, material):
    changes = {"material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0} | material}
    plan = prepare(heated_rod(make_problem, resolution={"cells": [50], "end_time": 1e-4}, **changes))
    priced = [other.seconds for other in plan.summary.alternatives if other.seconds is not None]

    assert plan.summary.estimate.work_s <= min(priced)
    assert f"{plan.summary.method} is estimated at" in plan.summary.reason
    assert (plan.summary.method == "spectral") == (not material)
    assert plan.solve().plan == plan.summary


def test_a_plan_may_be_solved_again_and_gives_the_same_bytes(make_problem):
    plan = prepare(heated_rod(make_problem), method="implicit")

    assert plan.solve().fields.tobytes() == plan.solve().fields.tobytes()


def test_both_methods_agree_within_their_step_errors(make_problem):
    problem = heated_rod(make_problem, resolution={"cells": [20], "steps": 200, "end_time": 0.1})
    explicit, implicit = solve(problem, method="explicit"), solve(problem, method="implicit")

    allowed = sum(audit.value for s in (explicit, implicit) for audit in s.audits if audit.name == "step_error")
    assert np.abs(explicit.final - implicit.final).max() <= allowed


def test_until_keeps_the_step_and_changes_the_end(make_problem):
    plan = prepare(heated_rod(make_problem), until=0.2, method="implicit")

    assert plan.times == (0.0, 0.2)
    assert plan.summary.time_step == pytest.approx(0.1 / 20)


@pytest.mark.parametrize(
    "arguments",
    [{"times": []}, {"times": [-1.0]}, {"times": [float("nan")]}, {"until": -1.0}, {"method": "magic"}, {"steps": 0}],
)
def test_arguments_of_a_run_are_checked(make_problem, arguments):
    with pytest.raises(FieldError):
        solve(heated_rod(make_problem), **arguments)


def test_a_property_that_is_not_physical_somewhere_is_refused_before_any_step(make_problem):
    bad = [
        {"material": {"conductivity": {"expression": "x - 0.5"}, "volumetric_heat_capacity": 1.0}},
        {"material": {"conductivity": 1.0, "volumetric_heat_capacity": {"expression": "1/(x - 0.0625)"}}},
        {"initial": {"expression": "log(x - 0.5)"}},
        {"source_term": {"expression": "1/(x - 0.0625)"}},
        {"boundaries": {"x_min": {"type": "temperature", "value": {"expression": "1/x"}}}},
        {"boundaries": {"x_min": {"type": "convection", "coefficient": {"expression": "-t - 1"}, "ambient": 0.0}}},
        {"material": [{"where": {"expression": "x < 0.4"}, "conductivity": 1.0, "volumetric_heat_capacity": 1.0}] * 2},
    ]
    for changes in bad:
        with pytest.raises(FieldError) as caught:
            prepare(make_problem(**changes))
        assert caught.value.field.split(".")[0].split("[")[0] in next(iter(changes))


def test_a_run_that_ended_can_be_rejected(make_problem):
    """One implicit step over many time constants of the finest mode, from a rough start: the step error says no."""
    problem = make_problem(
        initial={"expression": "where(x < 0.5, 0.0, 1.0)"},
        resolution={"cells": [32], "steps": 1, "end_time": 0.05},
    )
    solution = solve(problem, method="implicit")

    assert not solution.is_accepted
    assert [audit.name for audit in solution.audits if audit.verdict == "failed"] == ["step_error"]


def test_a_solution_survives_pickling(make_problem):
    solution = solve(heated_rod(make_problem))
    copy = pickle.loads(pickle.dumps(solution))  # noqa: S301 made here

    assert copy.temperature_at((0.3,)) == solution.temperature_at((0.3,))
    assert copy.audits == solution.audits
