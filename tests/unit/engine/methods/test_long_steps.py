"""Steps many times as long as the fastest mode: the rounding of the recurrence does not show in the heat."""

import numpy as np
import pytest

from grid.core.errors import UnsupportedError
from grid.engine import HeatProblem, solve


@pytest.mark.parametrize("seed", range(12))
def test_the_heat_of_a_long_step_of_a_small_body_closes(seed):
    """From a uniform start far from its held faces over 1e4 to 1e8 times the time of a cell."""
    rng = np.random.default_rng(seed)
    dimension = int(rng.integers(1, 3))
    size = [float(10.0 ** rng.uniform(-3, 1)) for _ in range(dimension)]
    cells = [int(rng.integers(3, 9)) for _ in range(dimension)]
    diffusivity = 10.0 ** rng.uniform(-7, -4)
    fastest = sum(4.0 * diffusivity * (count / length) ** 2 for count, length in zip(cells, size, strict=True))
    case = {
        "dimension": dimension,
        "temperature_unit": "relative",
        "domain": {"size": size},
        "material": {"conductivity": 2e6 * diffusivity, "volumetric_heat_capacity": 2e6},
        "initial": float(rng.uniform(-100.0, 100.0)),
        "boundaries": {
            "x_min": {"type": "convection", "coefficient": 10.0 ** rng.uniform(-5, 1), "ambient": -74.0},
            "x_max": {"type": "temperature", "value": float(rng.uniform(-100.0, 100.0))},
        },
        "resolution": {"cells": cells, "end_time": 10.0 ** rng.uniform(4, 8) / fastest},
    }
    solution = solve(HeatProblem.from_case(case), method="exponential", tolerance=5e-3)
    exact = solve(HeatProblem.from_case(case), method="spectral")

    assert solution.is_accepted, solution.audits
    assert np.abs(solution.final - exact.final).max() <= 5e-3 * 200.0


def test_adi_refuses_forced_steps_whose_rounding_would_show_and_takes_more_of_them():
    """Six steps of 1e7 times the fastest cell left 8e-7 of the heat; the remedy of the refusal works."""
    case = {
        "dimension": 2,
        "temperature_unit": "relative",
        "domain": {"size": [2.7, 0.0078]},
        "material": {"conductivity": [0.00058, 0.0185], "volumetric_heat_capacity": 275571.0},
        "boundaries": {"y_max": {"type": "temperature", "value": 23.0}},
        "initial": {"expression": "51.9 - 38.3*cos(pi*y/0.0078)"},
        "resolution": {"cells": [3, 4], "end_time": 1.2e6},
    }
    problem = HeatProblem.from_case(case)
    with pytest.raises(UnsupportedError, match="take more of them"):
        solve(problem, method="adi", steps=6)
    assert solve(problem, method="adi", steps=200).is_accepted
    assert solve(problem, steps=6).plan.method != "adi"
