"""Extrapolation in space: an estimate of the error that is one, and values that are better for it."""

import numpy as np
import pytest

from grid.core.errors import FieldError
from grid.engine import solve
from grid.engine.results.ladder import judge
from grid.engine.run.richardson import find_coarser, is_aligned, solve_on_ladder

HELD = {"x_min": {"type": "temperature", "value": 0.0}, "x_max": {"type": "temperature", "value": 0.0}}
MODE = {"expression": "sin(pi*x)"}


def decaying(make_problem, cells=16, **changes):
    resolution = {"cells": [cells], "end_time": 0.1}
    return make_problem(**{"boundaries": HELD, "initial": MODE, "resolution": resolution} | changes)


def test_an_extrapolated_value_is_of_fourth_order(make_problem):
    """sin(pi x) decays as exp(-pi^2 t)."""
    exact = np.exp(-(np.pi**2) * 0.1)
    errors = []
    for cells in (16, 32):
        solution = solve(decaying(make_problem, cells), richardson=True, tolerance=1e-9, method="spectral")
        errors.append(abs(solution.extrapolate(lambda s: s.temperature_at((0.5,))).value - exact))

    assert np.log2(errors[0] / errors[1]) > 3.5
    assert errors[1] < 0.1 * abs(solution.temperature_at((0.5,)) - exact)


def test_the_estimated_error_of_space_is_the_error(make_problem):
    solution = solve(decaying(make_problem), richardson=True, tolerance=1e-8, method="spectral")
    exact = np.sin(np.pi * solution.coordinates["x"]) * np.exp(-(np.pi**2) * 0.1)

    assert solution.space_error == pytest.approx(np.abs(solution.final - exact).max(), rel=0.1)
    assert solution.metrics["space_error"] == solution.space_error
    point = solution.extrapolate(lambda s: s.temperature_at((0.5,)))
    assert point.error == pytest.approx(abs(solution.temperature_at((0.5,)) - np.exp(-(np.pi**2) * 0.1)), rel=0.1)


def test_the_grid_with_twice_the_cells_serves_where_half_do_not_fit(make_problem):
    solution = solve(decaying(make_problem, 15), richardson=True, tolerance=1e-8, method="spectral")
    exact = np.sin(np.pi * solution.coordinates["x"]) * np.exp(-(np.pi**2) * 0.1)

    assert solution.ladder.levels[0].problem.domain.cells == (30,)
    assert solution.final.shape == (15,)
    assert solution.space_error == pytest.approx(np.abs(solution.final - exact).max(), rel=0.1)


def test_regions_off_the_faces_of_the_coarse_grid_are_not_extrapolated(make_problem):
    def layered(border):
        parts = [
            {"where": {"expression": f"x < {border}"}, "conductivity": 1.0, "volumetric_heat_capacity": 1.0},
            {"where": {"expression": f"x >= {border}"}, "conductivity": 9.0, "volumetric_heat_capacity": 1.0},
        ]
        return decaying(make_problem, material=parts)

    aligned = solve_on_ladder(layered(0.5), may_refine=False)
    astray = solve_on_ladder(layered(7 / 16), may_refine=False)
    assert (len(aligned.levels), len(astray.levels)) == (2, 1)
    fine, coarse = (level._spaces[-1] for level in aligned.levels)
    assert is_aligned(fine, coarse)
    with pytest.raises(FieldError, match="richardson"):
        astray.solution.extrapolate(lambda s: s.temperature_at((0.5,)))


def test_a_contact_must_stay_on_a_face(make_problem):
    for position, fits in ((0.5, True), (7 / 16, False)):
        contact = [{"axis": "x", "position": position, "conductance": 5.0}]
        problem = decaying(make_problem, contacts=contact)
        assert (find_coarser(problem) is not None) == fits


def test_grids_that_start_with_another_heat_do_not_agree(make_problem):
    """The kink of the start is elsewhere in the cells of each grid, so their errors are no power of the cell."""
    kinked = decaying(make_problem, 30, initial={"expression": "maximum(0.377 - abs(x - 0.51), 0)"})
    ladder = solve_on_ladder(kinked, levels=2, tolerance=1e-6)
    value = ladder.extrapolate(lambda s: s.temperature_at((0.5,)))

    assert not ladder.is_alike
    assert not value.is_consistent
    assert value.value == ladder.solution.temperature_at((0.5,))
    assert solve_on_ladder(decaying(make_problem), tolerance=1e-3).is_alike


def test_values_that_do_not_shrink_as_the_cells_do_are_left_alone():
    assert judge([1.0, 1.4, 3.0], 1.0).is_consistent
    assert judge([1.0, 1.4, 3.0], 1.0).order == pytest.approx(2.0)
    assert judge([1.0, 1.4, 3.0], 1.0).value == pytest.approx(1.0 - 0.4 / 3)
    for values in ([1.0, 1.4, 1.2], [1.0, 1.4, 1.5], [1.0, 1.0, 1.0]):
        found = judge(values, values[0])
        assert not found.is_consistent
        assert found.value == values[0]
