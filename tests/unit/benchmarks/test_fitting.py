"""Constants of the cost model are found again from runs that were made with them."""

import numpy as np
import pytest
from benchmarks.engineers.fitting import Run, describe, find_work, fit, price
from benchmarks.engineers.random_problems import make

from grid.engine import HeatProblem, estimate
from grid.engine.costs.table import TABLE

NAMES = ("plan", "adi_step", "adi_cell", "newton")


def make_runs(constants, count=600):
    random = np.random.default_rng(7)
    for number in range(count):
        work = {name: float(10 ** random.uniform(-1.0, 1.0) / TABLE[name].seconds) for name in NAMES}
        yield Run(number, "adi", work, price(work, constants))


def test_constants_are_found_again_from_what_they_cost():
    wanted = {name: TABLE[name].seconds * factor for name, factor in zip(NAMES, (0.3, 2.0, 5.0, 1.0), strict=True)}
    found = fit(list(make_runs(wanted)))

    for name in NAMES:
        assert found[name] == pytest.approx(wanted[name], rel=0.1)
    assert "| adi | 600 |" in describe(make_runs(wanted), found)
    assert "100%, 100% | 1.0" in describe(make_runs(wanted), found)


def test_one_run_that_was_disturbed_moves_them_little():
    runs = [*make_runs({})]
    disturbed = [Run(99, "adi", runs[0].work, 30.0 * runs[0].seconds), *runs[1:]]

    for name, value in fit(disturbed).items():
        assert value == pytest.approx(TABLE[name].seconds, rel=0.2)


def test_kernels_that_were_timed_alone_are_held():
    runs = [Run(number, "krylov", {"factor": 1e3 * number}, 1e5 * number) for number in range(1, 9)]

    assert fit(runs)["factor"] < 3.0 * TABLE["factor"].seconds


@pytest.mark.parametrize("number", [1000, 1002, 1009])
def test_the_work_of_a_problem_is_that_of_its_estimate(number):
    made = make(number)
    problem = HeatProblem.from_case(made.case)
    times = {"times": made.times} if made.times else {}
    method = "steady" if problem.steady else "modal"
    needed = estimate(problem, tolerance=made.tolerance, method="auto" if problem.steady else method, **times)

    assert price(find_work(number, method), {}) == pytest.approx(needed.work_s)
