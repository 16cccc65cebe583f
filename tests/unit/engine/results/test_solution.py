"""Reading a solution: surfaces, interfaces, fluxes, fronts."""

import numpy as np
import pytest

from grid.core.errors import FieldError
from grid.engine import solve

HOT_COLD = {
    "x_min": {"type": "temperature", "value": 10.0},
    "x_max": {"type": "convection", "coefficient": 2.0, "ambient": 0.0},
}


@pytest.fixture
def plate(make_problem):
    """Linear from 10 at x = 0 to 10/3 at x = 1: k = 1 and h = 2 in series, 20/3 W/m2."""
    return solve(make_problem(2, steady=True, boundaries=HOT_COLD, domain={"size": [1.0, 2.0], "section": 3.0}))


def test_surface_values_are_limits_from_inside(plate):
    assert plate.temperature_at({"x": 0.0, "y": 1.0}) == pytest.approx(10.0)
    assert plate.temperature_at({"x": 1.0, "y": 0.3}) == pytest.approx(10 / 3)
    assert plate.temperature_at((1.0, 2.0)) == pytest.approx(10 / 3)
    assert plate.temperature_at((0.5, 0.0)) == pytest.approx(20 / 3)


def test_heat_rates_cover_the_face_and_the_section(plate):
    assert plate.heat_rate("x_min") == pytest.approx(20 / 3 * 2.0 * 3.0)
    assert plate.heat_rate("x_max") == pytest.approx(-20 / 3 * 2.0 * 3.0)
    assert plate.heat_rate("y_min") == 0.0
    with pytest.raises(FieldError):
        plate.heat_rate("z_min")


def test_fronts_means_and_extremes(plate):
    assert plate.front_position("+x", 8.0) == pytest.approx(0.3)
    assert plate.mean_temperature() == pytest.approx(20 / 3)
    assert plate.hottest_above_mean() == pytest.approx(10 / 3)
    assert plate.metrics["peak_temperature"] == pytest.approx(plate.final.max())
    with pytest.raises(FieldError):
        plate.front_position("+x", 11.0)
    with pytest.raises(FieldError):
        plate.front_position("up", 8.0)


@pytest.mark.parametrize("point", [(2.0, 0.0), (0.5,), (float("nan"), 0.0), {"x": 0.5}])
def test_a_point_outside_the_body_is_refused(plate, point):
    with pytest.raises(FieldError):
        plate.temperature_at(point)


@pytest.mark.parametrize("direction", ["x", "+z", "", "++", "+xy"])
def test_a_direction_that_does_not_exist_is_refused(plate, direction):
    with pytest.raises(FieldError):
        plate.heat_flux((0.5, 0.5), direction)


def test_the_surface_of_a_uniform_source_is_exact(make_problem):
    """Insulated at x = 0, held at x = 1: T = (1 - x^2) q/2 + 5, whose parabola the surface value follows."""
    problem = make_problem(steady=True, source_term=4.0, boundaries={"x_max": {"type": "temperature", "value": 5.0}})
    solution = solve(problem)

    drop = solution.temperature_at((0.0,)) - solution.temperature_at((0.5,))
    assert drop == pytest.approx(0.5, rel=1e-9)  # 4/2 * 0.5^2


def test_a_periodic_field_is_the_same_at_both_ends(make_problem):
    problem = make_problem(
        initial={"expression": "sin(2*pi*x) + 0.3*cos(4*pi*x)"},
        boundaries={"x_min": {"type": "periodic"}, "x_max": {"type": "periodic"}},
        resolution={"cells": [24], "steps": 10, "end_time": 0.003},
    )
    solution = solve(problem)

    assert solution.temperature_at((0.0,)) == pytest.approx(solution.temperature_at((1.0,)), abs=1e-4)
    assert solution.heat_flux((0.0,), "+x") == pytest.approx(solution.heat_flux((1.0,), "+x"), abs=1e-12)


def test_interpolation_is_at_least_third_order_in_smooth_fields(make_problem):
    """The initial field of a 3D body is known exactly, so only interpolation errs."""
    errors = []
    rng = np.random.default_rng(3)
    points = 0.2 + 0.6 * rng.random((20, 3))
    for cells in (8, 16):
        problem = make_problem(
            3,
            initial={"expression": "sin(2*x)*cos(y)*exp(z)"},
            resolution={"cells": [cells] * 3, "steps": 1, "end_time": 1e-9},
        )
        solution = solve(problem)
        exact = np.sin(2 * points[:, 0]) * np.cos(points[:, 1]) * np.exp(points[:, 2])
        found = [solution.temperature_at(tuple(point), 0.0) for point in points]
        errors.append(np.abs(np.array(found) - exact).max())

    assert np.log2(errors[0] / errors[1]) > 2.8


def test_a_solution_says_in_one_line_what_it_is(plate):
    """A notebook that shows one shows neither its problem nor its arrays."""
    text = repr(plate)
    cells = " x ".join(map(str, plate.problem.domain.cells))

    assert text.startswith(f"Solution({cells} cells, steady, ")
    assert text.endswith("; accepted)")
    assert len(text) < 120
