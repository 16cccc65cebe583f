"""The stated error of space where a grid cuts, misses or displaces a region: against the same body on its own faces."""

import random

import numpy as np
import pytest

from grid.engine import HeatProblem, solve
from grid.engine.space.coverage import find_coverage

pytestmark = pytest.mark.usefixtures("without_coverage")

CELLS, FINER = 12, 25  # an odd number of parts, so that the centres of cells are those of the reference


def layered(seed, cells, *, is_thick, melts=False):
    """A wall with one layer of another conductivity whose borders lie on faces of the reference; heated from one side.

    Where a material melts, which here is far above, cells are of the material at their centres.
    """
    rng = random.Random(seed)
    ends = sorted(rng.sample(range(30, CELLS * FINER - 30), 2))
    while is_thick and ends[1] - ends[0] < 2 * FINER:
        ends = sorted(rng.sample(range(30, CELLS * FINER - 30), 2))
    low, high = (end / (CELLS * FINER) for end in ends)
    layer, heat, end = 10 ** rng.uniform(-2, 2), 10 ** rng.uniform(-1, 1), 10 ** rng.uniform(-1.5, 0.5)

    def properties(k, c):
        plain = {"conductivity": k, "volumetric_heat_capacity": c}
        melting = {"melting_temperature": 1e4, "volumetric_latent_heat": 1.0, "solid": plain, "liquid": plain}
        return melting if melts else plain

    inside, outside = f"(x > {low!r}) & (x < {high!r})", f"(x <= {low!r}) | (x >= {high!r})"
    case = {
        "domain": {"size": [1.0]},
        "material": [
            {"where": {"expression": outside}} | properties(1.0, 1.0),
            {"where": {"expression": inside}} | properties(layer, heat),
        ],
        "initial": 0.0,
        "boundaries": {
            "x_min": {"type": "temperature", "value": 1.0},
            "x_max": {"type": "convection", "coefficient": 1.0, "ambient": 0.0},
        },
        "resolution": {"cells": [cells], "end_time": end},
    }
    return HeatProblem.from_case(case)


def compare(seed, *, melts):
    """The stated error, and the true one, over the span of temperatures of the run."""
    solution = solve(layered(seed, CELLS, is_thick=melts, melts=melts), richardson=True, tolerance=1e-4)
    reference = solve(layered(seed, CELLS * FINER, is_thick=melts), tolerance=1e-4).final[FINER // 2 :: FINER]
    span = float(solution.fields.max() - solution.fields.min())
    return solution.space_error, float(np.abs(solution.final - reference).max()) / span


@pytest.mark.parametrize("melts", [False, True])
def test_the_stated_error_of_a_layer_anywhere_covers_the_true_one(melts):
    found = [compare(seed, melts=melts) for seed in range(8)]

    assert all(stated > 0.0 for stated, _ in found)
    assert all(stated >= 0.5 * true for stated, true in found)
    assert sum(stated >= true for stated, true in found) >= 7


def test_a_layer_that_lies_elsewhere_with_all_its_volume_is_not_an_error_of_zero():
    """From 0.51 to 0.61 the cells of 20 have it from 0.5 to 0.6, and those of 10 too: both grids agree exactly."""
    plain = {"conductivity": 1.0, "volumetric_heat_capacity": 1.0}
    poor = {"conductivity": 0.1, "volumetric_heat_capacity": 1.0}
    case = {
        "domain": {"size": [1.0]},
        "material": [
            {"where": {"expression": "(x < 0.51) | (x > 0.61)"}} | melting(plain),
            {"where": {"expression": "(x >= 0.51) & (x <= 0.61)"}} | melting(poor),
        ],
        "boundaries": {"x_min": {"type": "temperature", "value": 1.0}, "x_max": {"type": "temperature", "value": 0.0}},
        "initial": 0.0,
        "steady": True,
        "resolution": {"cells": [20]},
    }
    problem = HeatProblem.from_case(case)
    solution = solve(problem, richardson=True)

    at = np.asarray(solution.coordinates["x"])
    resistance = lambda x: x + 9.0 * np.clip(x - 0.51, 0.0, 0.1)  # noqa: E731 of the slab from 0 to x, short
    true = np.abs(solution.final - (1.0 - resistance(at) / resistance(1.0))).max()
    assert find_coverage(problem).volume_missed == pytest.approx(0.0, abs=1e-9)
    assert find_coverage(problem).volume_astray == pytest.approx(0.1, rel=1e-6)
    assert true > 0.04
    assert solution.space_error >= true * (1.0 - 1e-6)


def melting(plain):
    return {"melting_temperature": 1e4, "volumetric_latent_heat": 1.0, "solid": plain, "liquid": plain}


@pytest.mark.parametrize(("a", "b"), [(0.5, 0.505), (0.52, 0.53)])
def test_a_layer_thinner_than_a_cell_has_the_flux_of_its_thickness_and_a_stated_error_that_covers(a, b):
    """In series: 100/(1 - d + d/1e-3)."""
    inside, outside = f"(x >= {a}) & (x <= {b})", f"(x < {a}) | (x > {b})"
    case = {
        "steady": True,
        "domain": {"size": [1.0]},
        "material": [
            {"where": {"expression": outside}, "conductivity": 1.0},
            {"where": {"expression": inside}, "conductivity": 1e-3},
        ],
        "boundaries": {
            "x_min": {"type": "temperature", "value": 100.0},
            "x_max": {"type": "temperature", "value": 0.0},
        },
        "resolution": {"cells": [20]},
    }
    solution = solve(HeatProblem.from_case(case), richardson=True)

    right = 100.0 / (1.0 - (b - a) + (b - a) * 1e3)
    assert solution.heat_rate("x_min") == pytest.approx(right, rel=1e-9)
    assert solution.space_error >= abs(solution.heat_rate("x_min") - right) / right - 1e-9


def test_a_grid_on_which_a_region_owns_no_cell_is_no_coarser_grid():
    """A core of 3/16 from 7/32 on is where one cell of 16 has its centre, and none of 8."""
    inside, outside = "(x > 0.2) & (x < 0.3)", "(x <= 0.2) | (x >= 0.3)"
    plain = {"conductivity": 1.0, "volumetric_heat_capacity": 1.0}
    case = {
        "domain": {"size": [1.0]},
        "material": [
            {"where": {"expression": outside}} | melting(plain),
            {"where": {"expression": inside}} | melting(plain | {"conductivity": 5.0}),
        ],
        "boundaries": {"x_min": {"type": "temperature", "value": 1.0}},
        "initial": 0.0,
        "resolution": {"cells": [16], "end_time": 0.1},
    }
    solution = solve(HeatProblem.from_case(case), richardson=True)

    assert [level.problem.domain.cells for level in solution.ladder.levels] == [(32,), (16,)]
    assert solution.space_error > 0.0
