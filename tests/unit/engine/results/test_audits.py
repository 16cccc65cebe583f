"""The balance of heat asks for no more than rounding leaves, and for no less."""

import numpy as np
import pytest

from grid.engine import HeatProblem, solve
from grid.engine.methods.state import HeatBalance
from grid.engine.results.audits import EXCHANGES, UNIT_ROUNDING, audit_energy

AIR = {"x_min": {"type": "convection", "coefficient": 1.0, "ambient": 300.3}}


@pytest.mark.parametrize(
    ("missing", "verdict"), [(0.0, "passed"), (0.9e-10, "passed"), (1.1e-10, "failed"), (1e-6, "failed")]
)
def test_a_run_of_few_steps_may_miss_one_part_in_ten_thousand_million(missing, verdict):
    audit = audit_energy(1.0 - missing, HeatBalance(boundary_in=1.0), 1.0, steps=10)

    assert audit.verdict == verdict


def test_each_step_may_round_the_heat_of_the_body_and_each_second_what_it_exchanges():
    content, steps, exchanged = 1e4, 1_000_000, 1e9
    rounding = UNIT_ROUNDING * (steps * content + EXCHANGES * exchanged)

    for missing, verdict in ((0.99 * rounding, "passed"), (1.01 * rounding + 1e-9, "failed")):
        audit = audit_energy(10.0 - missing, HeatBalance(10.0), content, steps=steps, exchanged=exchanged)
        assert audit.verdict == verdict


def test_many_steps_that_move_little_of_a_body_s_heat_are_not_rejected_for_their_rounding(make_problem):
    problem = make_problem(initial=300.0, boundaries=AIR, resolution={"cells": [2], "end_time": 0.01, "steps": 50_000})
    solution = solve(problem, method="explicit", steps=50_000)

    assert solution.is_accepted


def test_a_step_a_million_times_the_stable_one_is_not_rejected_for_its_rounding(make_problem):
    problem = make_problem(2, initial=300.0, boundaries=AIR, resolution={"cells": [12, 3], "end_time": 1e5, "steps": 4})
    solution = solve(problem, method="implicit", steps=4)

    assert [audit.verdict for audit in solution.audits if audit.name == "energy_balance"] == ["passed"]


@pytest.mark.parametrize("seed", range(6))
def test_a_stiff_body_over_a_long_time_is_not_rejected_for_its_rounding(seed):
    """Ten million times as long as its fastest exchange, little heat beside its content: the rise is q t / c."""
    rng = np.random.default_rng(seed)
    thin, ratio, source = 10.0 ** rng.uniform(-2.3, -1.8), 10.0 ** rng.uniform(-2.0, 2.0), rng.uniform(0.2, 1.0)
    case = {
        "domain": {"size": [thin, 1.3]},
        "material": [
            {"conductivity": 0.02, "volumetric_heat_capacity": 5e4, "where": {"expression": f"x < {thin / 2!r}"}},
            {
                "conductivity": 0.02 * ratio,
                "volumetric_heat_capacity": 4e4,
                "where": {"expression": f"x >= {thin / 2!r}"},
            },
        ],
        "initial": {"expression": f"36 + 55*cos(pi*x/{thin!r})"},
        "source_term": source,
        "boundaries": {"y_min": {"type": "periodic"}, "y_max": {"type": "periodic"}},
        "resolution": {"cells": [4, 4], "end_time": 3e4},
    }
    solution = solve(HeatProblem.from_case(case))
    rise = source * 3e4 / 4.5e4

    assert solution.is_accepted, [audit for audit in solution.audits if audit.verdict == "failed"]
    assert solution.mean_temperature() - solution.mean_temperature(0.0) == pytest.approx(rise, abs=1e-6)
