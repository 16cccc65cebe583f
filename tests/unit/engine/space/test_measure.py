"""What is found of a large field in one pass."""

import math

import numpy as np
import pytest

from grid.engine import Constant, Domain, Gridded, HeatProblem, Material, prepare, solve
from grid.engine.space.measure import Measure, measure_large_field
from grid.engine.space.measure_kernels import BLOCK, LANES, measure_blocks


@pytest.mark.parametrize("size", [1, LANES - 1, LANES + 3, 3 * LANES + 1, BLOCK, 2 * BLOCK + 4 * LANES + 7])
def test_extremes_are_exact_and_the_sum_is_so_to_rounding(size):
    field = 300.0 + np.random.default_rng(size).normal(size=size)

    low, high, rise = measure_large_field(field, 300.0)

    assert (low, high) == (field.min(), field.max())
    exact = math.fsum(field - 300.0)
    assert abs(rise - exact) <= 4e-16 * math.log2(size + 1) * math.fsum(np.abs(field - 300.0))


@pytest.mark.parametrize("place", [0, 5, LANES, BLOCK - 1, BLOCK, BLOCK + 700])
@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_what_is_not_finite_is_seen_wherever_it_is(place, wrong):
    field = np.ones(BLOCK + 701)
    field[place] = wrong

    low, high, rise = measure_large_field(field, 1.0)

    assert not math.isfinite(high)
    assert not math.isfinite(rise)
    assert math.isnan(low) == math.isnan(wrong)


def test_the_blocks_of_a_call_do_not_change_what_is_found():
    field = np.random.default_rng(1).random(3 * BLOCK + 11)
    whole, parts = np.empty((3, 4)), np.empty((3, 4))

    measure_blocks(field, 0.5, 0, 4, whole)
    for block in (2, 0, 3, 1):
        measure_blocks(field, 0.5, block, block + 1, parts)

    assert whole.tobytes() == parts.tobytes()


def make_plate(field):
    return HeatProblem(
        domain=Domain((1.0, 1.0), field.shape),
        materials=(Material((Constant(1.0),), Constant(2.0)),),
        initial=Gridded(field),
        end_time=0.01,
        source_term=Constant(3.0),
    )


def test_the_heat_stored_in_a_large_body_is_the_sum_over_its_cells():
    field = 300.0 + np.random.default_rng(2).random((320, 330))

    solution = solve(make_plate(field))

    exact = 2.0 / field.size * math.fsum((solution.final - field).ravel())
    assert solution.metrics["stored_heat_change"] == pytest.approx(exact, rel=1e-9)
    assert solution.metrics["heat_generated"] == pytest.approx(exact, rel=1e-9)
    assert solution.metrics["mean_temperature"] == pytest.approx(math.fsum(solution.final.ravel()) / field.size)
    assert solution.is_accepted


def test_a_plan_solved_twice_measures_the_same():
    plan = prepare(make_plate(np.random.default_rng(3).random((320, 330))))

    first, second = plan.solve(), plan.solve()

    assert first.metrics == second.metrics
    assert first.final.tobytes() == second.final.tobytes()


@pytest.mark.parametrize("cells", [1, 7, 130, 2048])
@pytest.mark.parametrize("conductivity", ["1", "1 + x"])
@pytest.mark.parametrize("has_mask", [False, True])
def test_small_fields_are_measured_together_as_they_are_one_by_one(cells, conductivity, has_mask):
    problem = HeatProblem.from_case(
        {
            "domain": {"size": [1.0], **({"active": {"expression": "x < 0.7"}} if has_mask else {})},
            "material": {"conductivity": 1.0, "volumetric_heat_capacity": {"expression": conductivity}},
            "initial": 0.0,
            "resolution": {"cells": [cells], "end_time": 1.0},
        }
    )
    space, fields = prepare(problem).space, np.random.default_rng(3).normal(300.0, 5.0, (5, cells))
    fields[3, -1] = math.nan

    together = space.measure_all(fields)

    for found, field in zip(together, fields, strict=True):
        np.testing.assert_array_equal(found[:3], space.measure(np.array(field))[:3])


def test_a_measure_is_that_of_its_field_though_another_thread_measures_another():
    space = prepare(make_plate(np.ones((4, 5))), method="explicit").space
    field, other = np.full(20, 300.0), np.full(20, 900.0)

    def look():  # the field whose measure is stored, found while another thread stores that of another
        space.keep_measure(other, Measure(900.0, 900.0, 900.0))
        return field

    space._measured = look, Measure(300.0, 300.0, 300.0)
    assert space.measure(field).mean == 300.0
