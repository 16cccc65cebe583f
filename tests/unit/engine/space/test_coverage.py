"""What a grid misses of masks and regions is measured, and said in warnings that travel with the result."""

import math

import numpy as np
import pytest

from grid.engine import HeatProblem, prepare, solve


def region(where, conductivity=1.0, **more):
    return {"where": {"expression": where}, "conductivity": conductivity, "volumetric_heat_capacity": 1.0} | more


def build(dimension=2, cells=10, **changes):
    case = {
        "domain": {"size": [1.0] * dimension},
        "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
        "initial": 0.0,
        "resolution": {"cells": [cells] * dimension, "end_time": 0.01},
    }
    return HeatProblem.from_case(case | changes)


def masked(active, **changes):
    dimension = changes.get("dimension", 2)
    return build(domain={"size": [1.0] * dimension, "active": {"expression": active}}, **changes)


def test_a_box_of_one_material_misses_nothing_and_says_nothing():
    solution = solve(build())

    assert solution.warnings == ()
    assert "volume_missed" not in solution.metrics


@pytest.mark.parametrize(
    ("active", "volume"), [("x < 0.53", 0.53), ("(x - 0.5)**2 + (y - 0.5)**2 < 0.04", 0.04 * math.pi)]
)
def test_the_volume_that_a_mask_loses_is_measured(active, volume):
    problem = masked(active)
    space = prepare(problem).space
    right = abs(space.active.sum() / 100.0 - volume) / volume

    solution = solve(problem)

    assert solution.metrics["volume_missed"] == pytest.approx(right, abs=3e-3)
    [warning] = solution.warnings
    assert warning.startswith("domain.active")
    assert f"{100 * solution.metrics['volume_missed']:.3g} %" in warning


def test_a_mask_on_faces_gives_no_warning():
    solution = solve(masked("(x < 0.5) | (y > 0.3)"))

    assert solution.warnings == ()
    assert solution.metrics["volume_missed"] == 0.0


@pytest.mark.parametrize("seed", range(6))
def test_a_layer_thinner_than_a_cell_is_named_with_its_thickness(seed):
    rng = np.random.default_rng(seed)
    low = float(rng.uniform(0.15, 0.8))
    high = low + float(10.0 ** rng.uniform(-4, -1.1))
    axis = "xy"[seed % 2]
    where = f"({axis} > {low!r}) & ({axis} < {high!r})"
    problem = build(material=[region(where, 2.0), region(f"where({where}, 0.0, 1.0) > 0.5")])

    [warning] = prepare(problem).summary.warnings
    assert warning.startswith("material[0].where")
    assert f"{high - low:.3g} m thick along {axis}" in warning


@pytest.mark.parametrize("border", ["x < 0.53", "(x - 0.5)**2 + (y - 0.5)**2 < 0.05", "x + y < 0.9"])
def test_regions_thicker_than_a_cell_give_no_warning(border):
    problem = build(material=[region(border, 2.0), region(f"where({border}, 0.0, 1.0) > 0.5")])
    solution = solve(problem)

    assert solution.warnings == ()
    assert solution.metrics["volume_missed"] == 0.0  # mixed, so nothing is lost


def test_regions_that_melt_count_by_their_centres_and_say_so():
    ice = {"melting_temperature": 10.0, "volumetric_latent_heat": 5.0}
    problem = build(1, kind="extension", material=[region("x < 0.56", 2.0, **ice), region("x >= 0.56")])

    [warning] = [w for w in prepare(problem).summary.warnings if w.startswith("material[0]")]
    assert "7.14 %" in warning  # 0.60 for 0.56
    assert "melts" in warning


def test_a_masked_box_in_three_dimensions_is_measured():
    solution = solve(build(3, domain={"size": [1.0] * 3, "active": {"expression": "z < 0.46"}}))

    assert solution.metrics["volume_missed"] == pytest.approx(0.04 / 0.46, rel=1e-9)
