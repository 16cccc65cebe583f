"""Batches: a column is the run alone, to the byte, in its figures and verdicts too; bad columns stay behind."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.core.errors import FieldError, GridError
from grid.engine import HeatProblem, prepare
from grid.engine.batch.batch import solve_batch
from grid.engine.methods.explicit.column_lanes import LANES
from grid.engine.methods.explicit.columns import is_column
from grid.engine.run.time_loop import make_start

BOUNDARIES = {
    "x_min": {"type": "temperature", "value": 3.0},
    "x_max": {"type": "convection", "coefficient": 2.0, "ambient": 1.0},
}


def rod(make_case, **changes):
    case = make_case(
        1,
        domain={"coordinates": "cartesian", "size": [0.7]},
        material={"conductivity": 2.0, "density": 3.0, "specific_heat": 1.5},
        boundaries=BOUNDARIES,
        initial={"expression": "1 + x*x"},
        resolution={"cells": [23], "steps": 30, "end_time": 0.01},
    )
    return HeatProblem.from_case(case | changes)


def some_numbers(columns, seed=0):
    random = np.random.default_rng(seed)
    return {
        "diffusivity": random.uniform(0.1, 2.0, columns),
        "material.density": random.uniform(1.0, 5.0, columns),
        "boundaries.x_min.value": random.uniform(-5.0, 5.0, columns),
        "boundaries.x_max.coefficient": random.uniform(0.0, 50.0, columns),
        "initial": random.uniform(0.0, 4.0, (columns, 23)),
    }


def require_alone(batch, column, **options):
    alone = prepare(batch.column_problem(column), **options).solve()
    assert batch.fields[column].tobytes() == alone.fields.tobytes()
    assert {name: values[column] for name, values in batch.metrics.items()} == alone.metrics
    assert batch.audits(column) == alone.audits
    assert batch.is_accepted[column] == alone.is_accepted


@pytest.mark.jit
@pytest.mark.parametrize("times", [None, [0.002, 0.005, 0.01]])
def test_a_column_is_the_run_alone_to_the_byte(make_case, times):
    problem = rod(make_case)
    batch = solve_batch(problem, some_numbers(2 * LANES + 3), method="explicit", times=times)

    assert is_column(problem)
    assert not batch.errors
    for column in range(2 * LANES + 3):
        require_alone(batch, column, method="explicit", times=times)


@settings(max_examples=8, deadline=None)
@given(columns=st.integers(1, 2 * LANES + 1), seed=st.integers(0, 3), is_parallel=st.booleans())
def test_neither_width_nor_order_nor_threads_change_a_byte(make_case, columns, seed, is_parallel):
    problem, numbers = rod(make_case), some_numbers(2 * LANES + 1)
    whole = solve_batch(problem, numbers, method="explicit")
    order = np.random.default_rng(seed).permutation(2 * LANES + 1)[:columns]

    part = solve_batch(
        problem, {name: values[order] for name, values in numbers.items()}, method="explicit", is_parallel=is_parallel
    )

    assert part.fields.tobytes() == whole.fields[order].tobytes()
    assert all(part.metrics[name].tobytes() == whole.metrics[name][order].tobytes() for name in whole.metrics)


def test_threads_share_a_large_batch_without_changing_a_byte(make_case, monkeypatch):
    monkeypatch.setattr("grid.engine.methods.explicit.columns.PARALLEL_STEPS", 0)
    numbers = some_numbers(5 * LANES)
    one, two = (solve_batch(rod(make_case), numbers, method="explicit", is_parallel=both) for both in (False, True))

    assert one.fields.tobytes() == two.fields.tobytes()


@pytest.mark.jit
def test_a_run_that_is_watched_gives_the_same_field(make_case):
    plan = prepare(rod(make_case), method="explicit", times=[0.004, 0.01])
    seen = []

    watched = plan.solve(lambda fraction, _step, _time: seen.append(fraction) or True)

    assert seen[-1] == 1.0
    assert watched.fields.tobytes() == plan.solve().fields.tobytes()
    assert watched.metrics == pytest.approx(plan.solve().metrics, rel=1e-11, abs=1e-13)
    verdicts = [[audit.verdict for audit in run.audits[:3]] for run in (watched, plan.solve())]
    assert verdicts[0] == verdicts[1] == ["passed"] * 3


@pytest.mark.jit
def test_the_solution_of_a_column_has_every_field(make_case):
    """It is filled in one go, past the constructor."""
    solution = prepare(rod(make_case), method="explicit").solve()

    assert set(vars(solution)) == {entry.name for entry in dataclasses.fields(solution)}
    assert dataclasses.replace(solution).metrics == solution.metrics


@pytest.mark.jit
@pytest.mark.parametrize("times", [None, [1e-4, 2e-4]])
def test_columns_are_accepted_for_the_verdicts_that_their_audits_give(make_case, times):
    numbers = {"diffusivity": np.geomspace(1e-3, 2.0, LANES + 5)}
    short = {"cells": [23], "steps": 2, "end_time": 2e-4}  # two steps are too few where heat spreads fast
    batch = solve_batch(rod(make_case, resolution=short), numbers, method="explicit", times=times)

    verdicts = [all(audit.verdict != "failed" for audit in batch.audits(column)) for column in range(LANES + 5)]
    assert batch.is_accepted.tolist() == verdicts
    assert any(verdicts)
    assert not all(verdicts)


@pytest.mark.jit
def test_bad_columns_stay_behind_and_the_others_do_not_notice(make_case):
    problem, numbers = rod(make_case), some_numbers(LANES + 4)
    good = solve_batch(problem, numbers, method="explicit")
    spoiled = {name: values.copy() for name, values in numbers.items()}
    spoiled["diffusivity"][2] = -1.0
    spoiled["boundaries.x_min.value"][5] = np.nan
    spoiled["initial"][7, 3] = np.inf
    spoiled["diffusivity"][9] = 1e12  # would take too many steps

    batch = solve_batch(problem, spoiled, method="explicit")

    assert set(batch.errors) == {2, 5, 7, 9}
    assert all(isinstance(error, GridError) for error in batch.errors.values())
    assert isinstance(batch.errors[5], FieldError)
    assert np.isnan(batch.fields[[2, 5, 7, 9]]).all()
    assert not batch.is_accepted[[2, 5, 7, 9]].any()
    assert batch.audits(5) == ()
    rest = [column for column in range(LANES + 4) if column not in batch.errors]
    assert batch.fields[rest].tobytes() == good.fields[rest].tobytes()
    assert batch.is_accepted[rest].all()


@pytest.mark.parametrize("cells", [1, 2, 3])
def test_bodies_of_few_cells_step_as_the_general_path(make_case, cells):
    """The law of the ends decides the step there."""
    problem = rod(make_case, resolution={"cells": [cells], "steps": 3, "end_time": 0.5})
    plan = prepare(problem, method="explicit")
    general = plan.method.make_stepper(plan.space, plan.inputs)

    solution = plan.solve()

    assert solution.metrics["steps"] == general.make_segment(0.0, 0.5).steps
    state = make_start(plan)
    segment = general.make_segment(0.0, 0.5)
    done = general._advance_any(state, segment, 0, segment.steps)
    np.testing.assert_allclose(solution.final, done.temperature, rtol=1e-12)
    assert solution.heat_balance.boundary_in == pytest.approx(done.heat_balance.boundary_in, rel=1e-11)


@pytest.mark.jit
@pytest.mark.parametrize("cells", [1, 2, 7, 8, 9, 15, 16, 17, 24, 101])
def test_a_column_of_any_length_is_stepped_alike_alone_and_in_a_block(make_case, cells):
    """Lengths around whole vectors, whose last one holds cells, the ghost above them, or that ghost alone."""
    problem = rod(make_case, resolution={"cells": [cells], "steps": 7, "end_time": 1e-4})
    starts = np.random.default_rng(cells).uniform(-2.0, 4.0, (LANES, cells))
    batch = solve_batch(problem, {"initial": starts}, method="explicit")

    for column in (0, LANES - 1):
        require_alone(batch, column, method="explicit")
    plan = prepare(batch.column_problem(1), method="explicit")
    general = plan.method.make_stepper(plan.space, plan.inputs)
    segment = general.make_segment(0.0, 1e-4)
    done = general._advance_any(make_start(plan), segment, 0, segment.steps)
    np.testing.assert_allclose(batch.fields[1, -1], done.temperature, rtol=1e-12, atol=1e-12)
    assert batch.metrics["heat_in"][1] == pytest.approx(done.heat_balance.boundary_in, rel=1e-11)


@pytest.mark.parametrize("boundaries", [{}, {"x_min": {"type": "flux", "value": 5.0}}, BOUNDARIES])
def test_the_kernels_of_columns_are_the_general_one_but_for_rounding(make_case, boundaries):
    plan = prepare(rod(make_case, boundaries=boundaries), method="explicit")
    stepper = plan.method.make_stepper(plan.space, plan.inputs)
    segment = stepper.make_segment(0.0, 0.01)

    general = stepper._advance_any(make_start(plan), segment, 0, segment.steps)
    solution = plan.solve()

    np.testing.assert_allclose(solution.final, general.temperature, rtol=1e-12)
    assert solution.heat_balance.net == pytest.approx(general.heat_balance.net, rel=1e-9, abs=1e-13)
    assert solution.is_accepted
    assert solution.history.time[[0, -1]].tolist() == [0.0, 0.01]
    assert np.all(np.diff(solution.history.time) > 0)
    history = solution.history
    error = float(stepper.estimate_error(general).max()) / (history.maximum.max() - history.minimum.min())
    assert solution.audits[3].value == pytest.approx(error, rel=0.05)  # that one takes the longest step for the step


@pytest.mark.parametrize("method", ["implicit", "spectral"])
def test_other_methods_and_dimensions_run_one_after_another(make_case, method):
    case = make_case(2, boundaries={"x_min": {"type": "temperature", "value": 0.0}})
    problem = HeatProblem.from_case(case)

    batch = solve_batch(problem, {"diffusivity": [1.0, -1.0, 2.0]}, method=method)

    assert set(batch.errors) == {1}
    assert batch.method == (method, "", method)
    for column in (0, 2):
        require_alone(batch, column, method=method)


@pytest.mark.jit
@pytest.mark.parametrize(
    ("vary", "field"),
    [
        ({}, "vary"),
        ({"colour": [1.0]}, "vary.colour"),
        ({"boundaries.x_max.value": [1.0]}, "vary.boundaries.x_max.value"),
        ({"diffusivity": 1.0}, "vary.diffusivity"),
        ({"diffusivity": [[1.0]]}, "vary.diffusivity"),
        ({"initial": np.zeros((2, 7))}, "vary.initial"),
        ({"diffusivity": [1.0], "initial": [1.0, 2.0]}, "vary"),
        ({"diffusivity": []}, "vary.diffusivity"),
        ({"diffusivity": [1.0], "material.conductivity": [1.0]}, "vary.diffusivity"),
    ],
)
def test_what_is_not_a_batch_is_refused_by_name(make_case, vary, field):
    with pytest.raises(FieldError) as caught:
        solve_batch(rod(make_case), vary)

    assert caught.value.field == field


def test_a_batch_says_in_one_line_what_it_is(make_case):
    batch = solve_batch(rod(make_case), {"diffusivity": [1.0, 2.0, -1.0]})

    assert repr(batch) == "BatchSolution(3 columns of 23 cells, varied: diffusivity; 2 accepted, 1 failed)"
