"""Steps chosen by their error: within the tolerance, cut anywhere, and refused by name where none is short enough."""

import random
from dataclasses import replace

import numpy as np
import pytest

from grid.engine import HeatProblem, NotConvergedError, prepare
from grid.engine.errors import StepUnderflowError
from grid.engine.methods.implicit.adaptive import AdaptiveStepper
from grid.engine.run.time_loop import TimeLoop, make_start, make_stepper

HELD = {"x_min": {"type": "temperature", "value": 0.0}}
NONLINEAR = {"conductivity": {"expression": "1 + T"}, "volumetric_heat_capacity": 1.0}


def solve_to(problem, tolerance, times=None):
    return prepare(problem, method="implicit", tolerance=tolerance, times=times).solve()


def random_law(rng, unit, end):
    kind = rng.choice(("insulated", "temperature", "convection", "flux", "radiation"))
    swing = {"expression": f"400 + 100*sin({rng.uniform(1, 30) / end!r}*t)"}
    return {
        "insulated": {"type": "insulated"},
        "temperature": {"type": "temperature", "value": rng.choice((300.0, 500.0, swing))},
        "convection": {"type": "convection", "coefficient": unit * 10 ** rng.uniform(-1, 1), "ambient": 600.0},
        "flux": {"type": "flux", "value": unit * rng.uniform(-50, 100)},
        "radiation": {"type": "radiation", "emissivity": rng.uniform(0.1, 1), "surroundings": 800.0},
    }[kind]


def random_problem(rng):
    """A body of one or two dimensions with jumps, swings and pulses of its loads, and the times that are asked for."""
    dimension = rng.choice((1, 1, 1, 2))
    size = [rng.choice((0.01, 0.1, 1.0)) for _ in range(dimension)]
    k, capacity = 10 ** rng.uniform(-1, 2), 10 ** rng.uniform(5, 7)
    end = capacity * min(size) ** 2 / k * 10 ** rng.uniform(-2.5, 0.5)
    slope = rng.choice((0.0, 0.0, rng.uniform(0.1, 1.5)))
    varying = {"expression": f"{k!r}*(1 + {slope!r}*(T - 300)/300)"}
    start = rng.choice(("300", f"300 + 200*sin(pi*x/{size[0]})", f"where(x < {size[0] / 2}, 300, 500)"))
    case = {
        "dimension": dimension,
        "domain": {"size": size},
        "material": {"conductivity": varying if slope else k, "volumetric_heat_capacity": capacity},
        "initial": {"expression": start},
        "boundaries": {
            f"{axis}_{side}": random_law(rng, k / min(size), end)
            for axis in "xy"[:dimension]
            for side in ("min", "max")
        },
        "temperature_unit": "K",
        "resolution": {"cells": [rng.choice((16, 40) if dimension == 1 else (8, 12)) for _ in size], "end_time": end},
    }
    if rng.random() < 0.3:
        middle, width = end * rng.random(), end * rng.uniform(0.05, 0.3)
        case["source_term"] = {"expression": f"{k * 50 / min(size) ** 2!r}*exp(-((t - {middle!r})/{width!r})**2)"}
    times = sorted({end * 10 ** rng.uniform(-2, 0) for _ in range(rng.choice((0, 0, 2, 4)))} | {end})
    return HeatProblem.from_case(case), times


FINER = 20


def find_excess(seed, tolerance, finer=FINER):
    """Time error at the output times over the tolerance, against a run at a small part of it."""
    problem, times = random_problem(random.Random(seed))
    solution, exact = (solve_to(problem, part, times) for part in (tolerance, tolerance / finer))
    span = float(exact.fields.max() - exact.fields.min())
    return float(np.abs(solution.fields - exact.fields).max()) / (tolerance * span) if span > 0 else 0.0


def test_nearly_all_random_problems_are_within_their_tolerance():
    excesses = [find_excess(seed, 1e-2) for seed in range(20)]

    assert sum(excess <= 1.0 for excess in excesses) >= 19
    assert max(excesses) < 3.0


@pytest.mark.physics
@pytest.mark.parametrize("tolerance", [1e-4, 1e-3, 1e-2])
def test_of_many_random_problems_ninety_five_in_a_hundred_are_within_their_tolerance(tolerance):
    """A run is counted where it is within even if the one beside it is off by all of its own tolerance."""
    excesses = [find_excess(1000 + seed, tolerance) for seed in range(100)]

    assert sum(excess <= 1.0 - 1.0 / FINER for excess in excesses) >= 95


@pytest.mark.parametrize("cells", [16, 256])
def test_a_jump_of_the_start_costs_no_more_steps_on_a_finer_grid(make_problem, cells):
    problem = make_problem(boundaries=HELD, resolution={"cells": [cells], "end_time": 0.1})
    solution = solve_to(problem, 1e-4)

    assert solution.metrics["steps"] < 45
    assert solution.metrics["damped_steps"] <= 3
    assert solution.is_accepted


@pytest.mark.parametrize("tolerance", [1e-3, 1e-5])
def test_the_estimated_error_is_the_error(make_problem, tolerance):
    problem = make_problem(boundaries=HELD, resolution={"cells": [32], "end_time": 0.1})
    solution, exact = solve_to(problem, tolerance), solve_to(problem, tolerance / 50)
    error = np.abs(solution.final - exact.final).max() / np.ptp(exact.fields)
    [estimate] = [audit.value for audit in solution.audits if audit.name == "step_error"]

    assert estimate == pytest.approx(error, rel=0.15)
    assert error <= tolerance


@pytest.mark.parametrize("material", [NONLINEAR, {"conductivity": 1.0, "volumetric_heat_capacity": 1.0}])
def test_a_run_cut_at_any_step_and_continued_by_another_stepper_gives_the_same_bytes(make_problem, material):
    problem = make_problem(boundaries=HELD, material=material, resolution={"cells": [16], "end_time": 0.1})
    plan = prepare(problem, method="implicit", tolerance=1e-3, times=[0.02, 0.05, 0.1])
    whole = TimeLoop(plan, make_stepper(plan)).run()
    state, cuts = make_start(plan), 0
    stepper = make_stepper(plan)
    for segment in TimeLoop(plan, stepper).segments:
        while state.time < segment.end:
            state, cuts = stepper.advance(state, segment, 0, 1), cuts + 1
            if cuts % 7 == 3:
                resumed = TimeLoop(plan, make_stepper(plan)).run(state)
                assert resumed.temperature.tobytes() == whole.temperature.tobytes()
                assert (resumed.step, resumed.time, resumed.heat_balance) == (
                    whole.step,
                    whole.time,
                    whole.heat_balance,
                )


def test_steps_land_on_breakpoints_and_start_short_after_them(make_problem):
    source = {"expression": "where(t < 0.05, 0.0, 50.0)"}
    problem = make_problem(
        boundaries=HELD, source_term=source, breakpoints=[0.05], resolution={"cells": [16], "end_time": 0.1}
    )
    times = []
    prepare(problem, method="implicit", tolerance=1e-4).solve(lambda _f, _n, time: times.append(time) or True)

    assert 0.05 in times
    after = times[times.index(0.05) + 1] - 0.05
    assert after < 0.05 / 10


def test_no_step_short_enough_is_an_error_with_step_time_and_remedy(make_problem):
    """A scheme whose error does not shrink: the controller gives up by name rather than for ever."""
    plan = prepare(make_problem(boundaries=HELD), method="implicit", tolerance=1e-3)
    stepper = make_stepper(plan)
    assert isinstance(stepper, AdaptiveStepper)

    class Wild:
        def __init__(self, scheme):
            self._scheme = scheme

        def try_step(self, state, segment, step):
            attempt = self._scheme.try_step(state, segment, step)
            return replace(attempt, local=np.ones_like(attempt.local), filter=lambda heat: heat)

        def __getattr__(self, name):
            return getattr(self._scheme, name)

    stepper.scheme = Wild(stepper.scheme)
    with pytest.raises(StepUnderflowError, match="step 0, t = 0 s, cell") as caught:
        TimeLoop(plan, stepper).run()
    assert "breakpoint" in str(caught.value)


def test_an_iteration_that_stalls_shortens_the_step(make_problem):
    plan = prepare(make_problem(boundaries=HELD), method="implicit", tolerance=1e-3)
    stepper = make_stepper(plan)

    class Stubborn:
        def __init__(self, scheme):
            self._scheme = scheme

        def try_step(self, state, segment, step):
            if step > 1e-3:
                raise NotConvergedError("a test", 1, 1.0, 0.0)
            return self._scheme.try_step(state, segment, step)

        def damp_step(self, state, segment, step):
            return self.try_step(state, segment, step)

        def __getattr__(self, name):
            return getattr(self._scheme, name)

    stepper.scheme = Stubborn(stepper.scheme)
    reached = TimeLoop(plan, stepper).run()

    assert reached.time == 0.1
    assert reached.step >= 100
    assert reached.rejected_steps > 0
