"""Products with modes that are even or odd, a look at all cells on the way, and the sharing of parts."""

import threading

import numba
import numpy as np
import pytest

from grid.engine import solve
from grid.engine.methods.spectral import large as spectral_large
from grid.engine.methods.spectral.kernels import MODES
from grid.engine.methods.spectral.modes import make_modes
from grid.engine.space import measure as survey
from grid.engine.space.measure import measure_large_field
from grid.engine.threads import parallel_for

pytestmark = pytest.mark.jit
ENDS = [(0.0, 0.0), (2.0, 2.0)]


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize(("rows", "count", "many"), [(1, 8, 8), (9, 31, 14), (70, 2, 1), (6, 1, 1), (11, 40, 3)])
def test_coefficients_are_products_with_the_modes(ends, rows, count, many):
    modes = make_modes(count, 1.0, ends, is_periodic=False)
    field = np.random.default_rng(rows).random((rows, count))

    found, seen = spectral_large.project(field, modes, many, 0.25)

    np.testing.assert_allclose(found, field @ modes.vectors(many).T, atol=1e-14 * count)
    assert seen == measure_large_field(field.reshape(-1), 0.25)


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize(("count", "rest", "many"), [(8, (300,), 8), (31, (3, 5), MODES), (2, (1,), 1), (1, (7,), 1)])
def test_a_field_is_the_sum_of_its_modes(ends, count, rest, many):
    modes = make_modes(count, 1.0, ends, is_periodic=False)
    coefficients = np.random.default_rng(count).random((many, *rest))

    field, seen = spectral_large.expand(coefficients, modes, 300.0, 299.0)

    expected = 300.0 + np.tensordot(modes.vectors(many).T, coefficients, axes=1)
    np.testing.assert_allclose(field, expected, rtol=1e-14)
    assert seen == measure_large_field(field.reshape(-1), 299.0)


def test_every_cell_of_a_long_field_is_looked_at():
    modes = make_modes(701, 1.0, (2.0, 2.0), is_periodic=False)
    coefficients = np.random.default_rng(5).random((2, 211))

    field, seen = spectral_large.expand(coefficients, modes, 0.0, 0.5)

    assert seen == measure_large_field(field.reshape(-1), 0.5)


def test_threads_do_not_change_a_byte():
    modes = make_modes(150, 1.0, (0.0, 0.0), is_periodic=False)
    field = np.random.default_rng(6).random((150, 150))
    allowed = numba.get_num_threads()
    found = []
    for threads in (1, allowed):
        numba.set_num_threads(threads)
        try:
            thin, seen = spectral_large.project(field, modes, 9, 0.5)
            whole, told = spectral_large.expand(np.ascontiguousarray(thin.T), modes, 1.0, 0.5)
        finally:
            numba.set_num_threads(allowed)
        found.append((thin.tobytes(), whole.tobytes(), seen, told))

    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("dimension", "boundaries"),
    [
        (2, {}),
        (2, {name: {"type": "temperature", "value": 5.0} for name in ("x_min", "x_max")}),
        (2, {name: {"type": "temperature", "value": 1.0} for name in ("x_min", "x_max", "y_min", "y_max")}),
        (3, {name: {"type": "temperature", "value": 2.0} for name in ("x_min", "x_max")}),
        (3, {"y_min": {"type": "convection", "coefficient": 2.0, "ambient": 3.0}}),
        (2, {"x_min": {"type": "temperature", "value": 5.0}, "x_max": {"type": "temperature", "value": 6.0}}),
    ],
)
def test_a_large_box_is_solved_as_a_small_one(make_problem, monkeypatch, dimension, boundaries):
    problem = make_problem(
        dimension,
        initial={"expression": "1 + x*x + sin(3*y)"},
        boundaries=boundaries,
        resolution={"cells": [9, 12, 6][:dimension], "end_time": 0.03},
    )
    times = (0.002, 0.03)
    small = solve(problem, method="spectral", times=times)
    for module in (survey, spectral_large):
        monkeypatch.setattr(module, "MANY_CELLS", 1)
    large = solve(problem, method="spectral", times=times)

    np.testing.assert_allclose(large.fields, small.fields, rtol=1e-13)
    scale = abs(small.stored_heat(0))
    for name in ("stored_heat_change", "heat_in", "heat_out", "mean_temperature", "minimum_temperature"):
        assert abs(large.metrics[name] - small.metrics[name]) <= 1e-13 * scale, name
    assert large.is_accepted


def test_each_part_is_done_once_and_all_are_done_on_return():
    done, lock = [], threading.Lock()

    def do(part):
        with lock:
            done.append(part)

    parallel_for(do, 40)

    assert sorted(done) == list(range(40))


def test_what_goes_wrong_in_a_part_is_raised_wherever_it_ran():
    def do(part):
        if part == 7:
            raise ArithmeticError(part)

    with pytest.raises(ArithmeticError):
        parallel_for(do, 8)
