"""The estimate is cheap, right about cells and steps, and right enough about memory."""

import os
import subprocess
import sys
import tracemalloc

import pytest

from grid.core.errors import FieldError
from grid.engine import estimate, prepare, solve

COLD = {"x_min": {"type": "temperature", "value": 0.0}}

MEASURE = """
import sys, threading, time
from grid.engine import HeatProblem, estimate, solve, warm
import scipy.sparse.linalg
warm()
dimension, cells, method, end = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
case = {
    "domain": {"size": [1.0] * dimension},
    "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
    "initial": 1.0,
    "boundaries": {"x_min": {"type": "temperature", "value": 0.0}},
    "resolution": {"cells": [cells] * dimension, "steps": 2, "end_time": end},
}
problem = HeatProblem.from_case(case)
solve(problem, method=method)  # compiles what it needs, which takes memory of its own
resident = lambda: int(open("/proc/self/statm").read().split()[1]) * 4096
peak, before, running = 0, resident(), True
def watch():
    global peak
    while running:
        peak = max(peak, resident())
        time.sleep(0.0005)
thread = threading.Thread(target=watch)
thread.start()
solve(problem, method=method)
running = False
thread.join()
print((peak - before) / estimate(problem, method=method).memory_bytes)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc for the size of the resident set")
@pytest.mark.parametrize(
    ("dimension", "cells", "method", "end"),
    [(2, 1200, "explicit", 1e-7), (3, 110, "explicit", 1e-7), (2, 300, "implicit", 0.01), (3, 50, "implicit", 0.01)],
)
def test_estimated_memory_is_within_thirty_percent_of_the_real_peak(dimension, cells, method, end):
    command = [sys.executable, "-W", "ignore", "-c", MEASURE, str(dimension), str(cells), method, str(end)]
    given_back = {"MALLOC_MMAP_THRESHOLD_": "131072"}  # so that nothing of the first run stays resident
    uncounted = {name: value for name, value in os.environ.items() if not name.startswith("COV")}  # takes memory
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=uncounted | given_back)

    assert 0.7 <= float(run.stdout) <= 1.43


def test_a_giant_is_estimated_without_allocating_it(make_problem):
    problem = make_problem(3, boundaries=COLD, resolution={"cells": [500, 500, 500], "end_time": 1.0, "steps": 10})
    tracemalloc.start()
    needed = estimate(problem, method="implicit")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert needed.cells == 125_000_000
    assert needed.memory_bytes > 1e10
    assert needed.output_bytes == 2 * 8 * needed.cells
    assert needed.work_s > 60
    assert peak < 5e6


@pytest.mark.parametrize("method", ["explicit", "implicit"])
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_estimated_steps_are_those_taken(make_problem, dimension, method):
    problem = make_problem(dimension, boundaries=COLD)
    needed, solution = estimate(problem, method=method), solve(problem, method=method)

    assert 0.6 * needed.steps <= solution.metrics["steps"] <= needed.steps
    assert prepare(problem, method=method).summary.estimate.output_bytes == solution.fields.nbytes


def test_a_steady_problem_is_one_step_and_one_field(make_problem):
    needed = estimate(make_problem(steady=True, boundaries=COLD))

    assert (needed.steps, needed.output_bytes) == (1, 8 * 8)


def test_more_steps_than_any_machine_would_take_are_refused(make_problem):
    problem = make_problem(boundaries=COLD, resolution={"cells": [100_000], "end_time": 1e3, "steps": 5})

    assert estimate(problem).steps < 20  # auto goes implicit
    with pytest.raises(FieldError, match="steps"):
        estimate(problem, method="explicit")


def test_expressions_are_sampled_not_evaluated(make_problem):
    material = {"conductivity": {"expression": "1 + x"}, "volumetric_heat_capacity": {"expression": "2 + y"}}
    problem = make_problem(2, material=material, resolution={"cells": [4000, 4000], "end_time": 1.0})
    tracemalloc.start()
    estimate(problem)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 1e6


@pytest.mark.parametrize("method", ["spectral", "exponential", "krylov", "modal", "implicit", "adi"])
def test_every_asked_time_is_counted(make_problem, method):
    problem = make_problem(2, boundaries=COLD, resolution={"cells": [20, 20], "end_time": 1.0})
    few, many = ([number / count for number in range(1, count + 1)] for count in (2, 200))
    one, other = (estimate(problem, method=method, tolerance=1e-3, times=times) for times in (few, many))

    assert other.output_bytes == pytest.approx(67 * one.output_bytes)
    assert other.memory_bytes - one.memory_bytes >= other.output_bytes - one.output_bytes
    assert other.work_s > 1.5 * one.work_s
