"""Which method is chosen, and that the plan says why."""

import pytest

from grid.core.errors import FieldError, UnsupportedError
from grid.engine import estimate, prepare, solve
from grid.engine.methods import METHODS

COLD = {"x_min": {"type": "temperature", "value": 0.0}}
LAYERED = {"conductivity": {"expression": "where(x > 0.5, 10, 1)"}, "volumetric_heat_capacity": 1.0}
NONLINEAR = {"conductivity": {"expression": "1 + T"}, "volumetric_heat_capacity": 1.0}


def problem_of(make_problem, dimension=1, cells=32, end=0.1, **changes):
    resolution = {"cells": [cells] * dimension, "end_time": end, "steps": 10}
    return make_problem(dimension, **{"boundaries": COLD, "resolution": resolution} | changes)


def test_every_method_says_what_it_would_cost_or_why_it_cannot(make_problem):
    for changes in ({}, {"material": LAYERED}, {"material": NONLINEAR}, {"dimension": 2}):
        summary = prepare(problem_of(make_problem, **changes)).summary

        assert {summary.method, *(other.name for other in summary.alternatives)} == {one.name for one in METHODS}
        assert all((other.seconds is None) == bool(other.obstacle) for other in summary.alternatives)
        assert summary.method in summary.reason


def test_the_cheapest_that_can_is_chosen(make_problem):
    for changes in ({}, {"material": LAYERED}, {"material": NONLINEAR}, {"end": 1e-5}, {"end": 100.0}):
        summary = prepare(problem_of(make_problem, **changes)).summary

        costs = [other.seconds for other in summary.alternatives if other.seconds is not None]
        assert summary.estimate.work_s <= min(costs, default=float("inf"))


def test_different_problems_get_different_methods(make_problem):
    moving = {"x_min": {"type": "temperature", "value": {"expression": "sin(50*t)"}}}
    chosen = {
        "homogeneous": prepare(problem_of(make_problem, 2)).summary.method,
        "short": prepare(problem_of(make_problem, material=LAYERED, end=1e-6)).summary.method,
        "tensor": prepare(
            problem_of(
                make_problem, 2, material={"conductivity": [[2.0, 0.5], [0.5, 1.0]], "volumetric_heat_capacity": 1.0}
            )
        ).summary.method,
        "moving": prepare(problem_of(make_problem, material=LAYERED, boundaries=moving)).summary.method,
    }

    assert chosen["homogeneous"] == "spectral"
    assert chosen["tensor"] == "implicit"
    assert chosen["moving"] not in ("spectral", "explicit", "exponential")
    assert len(set(chosen.values())) >= 3


def test_a_tighter_tolerance_costs_more_and_errs_less(make_problem):
    problem = problem_of(make_problem, material=LAYERED)
    loose, tight = (solve(problem, method="implicit", tolerance=tolerance) for tolerance in (1e-2, 1e-5))

    assert loose.metrics["steps"] < tight.metrics["steps"]
    assert loose.plan.tolerance == 1e-2
    [[one], [other]] = ([a.value for a in s.audits if a.name == "step_error"] for s in (loose, tight))
    assert other < one <= 1e-2


def test_the_default_controls_the_error_and_a_number_of_steps_does_not(make_problem):
    problem = problem_of(make_problem)

    assert prepare(problem).summary.tolerance == 1e-4
    fixed = prepare(problem, method="implicit", steps=7)
    assert (fixed.summary.tolerance, fixed.summary.time_step) == (None, pytest.approx(0.1 / 7))
    assert fixed.solve().metrics["steps"] == 7
    by_name = prepare(problem, method="implicit")
    assert by_name.solve().metrics["steps"] == 10


def test_a_method_that_cannot_is_refused_with_its_reason(make_problem):
    with pytest.raises(UnsupportedError, match="coefficients depend on temperature"):
        prepare(problem_of(make_problem, material=NONLINEAR), method="explicit")


def test_forward_euler_takes_steps_that_meet_the_tolerance(make_problem):
    problem = problem_of(make_problem, cells=8)
    solution = solve(problem, method="explicit", tolerance=1e-3)
    exact = solve(problem, method="spectral")

    assert abs(solution.final - exact.final).max() <= 1e-3


@pytest.mark.parametrize(
    "arguments", [{"tolerance": 0.0}, {"tolerance": 1.0}, {"tolerance": float("nan")}, {"precision": "half"}]
)
def test_tolerance_and_precision_have_limits(make_problem, arguments):
    for function in (prepare, estimate):
        with pytest.raises(FieldError):
            function(problem_of(make_problem), **arguments)


def test_estimate_and_plan_choose_alike(make_problem):
    for changes in ({}, {"dimension": 2}, {"material": NONLINEAR}):
        problem = problem_of(make_problem, **changes)
        plan = prepare(problem)

        assert estimate(problem, method=plan.summary.method, tolerance=1e-4).steps == pytest.approx(
            plan.summary.estimate.steps, rel=0.7
        )
