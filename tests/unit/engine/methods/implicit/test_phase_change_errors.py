"""What counts as the error of a body that melts: heat in any phase, and single cells of a front less than all."""

import numpy as np
import pytest

from grid.engine import HeatProblem, prepare, solve
from grid.engine.methods.implicit.phase_change import LENIENT, SINGLE, EnthalpyStepper
from grid.engine.run.time_loop import make_start

WAX = {"conductivity": 0.5, "volumetric_heat_capacity": 2e6, "volumetric_latent_heat": 1e8, "melting_temperature": 0.0}
METAL = {"conductivity": 50.0, "volumetric_heat_capacity": 3e6}
FILM = {"type": "convection", "coefficient": 500.0, "ambient": 40.0}


def make_problem(cells=(8, 8), **changes):
    """Wax beside a strip of metal on its low side in x."""
    case = {
        "dimension": len(cells),
        "temperature_unit": "relative",
        "domain": {"size": [0.02, 0.02][: len(cells)]},
        "material": [
            {**METAL, "where": {"expression": "x < 0.005"}},
            {**WAX, "where": {"expression": "x >= 0.005"}},
        ],
        "initial": -5.0,
        "boundaries": {"x_min": FILM},
        "resolution": {"cells": list(cells), "end_time": 600.0},
        **changes,
    }
    return HeatProblem.from_case(case)


def make_stepper(problem):
    return EnthalpyStepper(prepare(problem, tolerance=1e-3).space, 1.0, tolerance=1e-3)


def test_of_cells_that_melt_the_mean_square_counts_and_of_others_the_largest():
    stepper = make_stepper(make_problem())
    one_wax, one_metal, all_wax = np.zeros((3, 8, 8))
    one_wax[5, 5], one_metal[0, 3], all_wax[2:] = -2.0, 2.0, 2.0

    assert stepper.measure(one_wax.ravel()) == pytest.approx(max(2.0 / np.sqrt(48), SINGLE * 2.0))
    assert stepper.measure(all_wax.ravel()) == pytest.approx(2.0)
    assert stepper.measure(one_metal.ravel()) == 2.0
    line = make_stepper(make_problem((8,)))
    assert line.measure(np.arange(8.0)) == 7.0


def test_the_heat_of_a_cell_that_melts_counts_as_much_as_before_and_after():
    """Of a sharp melting temperature dT/dH is nothing; what an error makes when the cell has melted counts before."""
    problem = make_problem()
    stepper, start = make_stepper(problem), make_start(prepare(problem, tolerance=1e-3))
    volume = (0.02 / 8) ** 2
    temperature = start.temperature.reshape(8, 8).copy()
    temperature[0] = 35.0
    content = start.content.reshape(8, 8).copy()
    content[4, 4], content[5, 5], content[0] = 0.5e8 * volume, (1e8 + 10.0 * 2e6) * volume, 35.0 * 3e6 * volume
    state = type(start)(600.0, 1, temperature.ravel(), start.heat_balance, start.bounds, content=content.ravel())
    kelvin = stepper.to_kelvin(state, np.ones(64)).reshape(8, 8) * volume

    whole = 40.0 / (1e8 + 40.0 * 2e6)  # from -5 to 35 degrees
    assert kelvin[4, 4] == pytest.approx(whole)
    assert kelvin[5, 5] == kelvin[7, 7] == pytest.approx(max(whole, 1.0 / 2e6 / LENIENT))
    assert kelvin[0, 0] == pytest.approx(1.0 / 3e6)


@pytest.mark.parametrize("ambient", [40.0, 15.0])
def test_the_heat_of_a_melting_plane_is_within_the_tolerance_of_short_steps(ambient):
    problem = make_problem((10, 6), boundaries={face: {**FILM, "ambient": ambient} for face in ("x_min", "y_max")})
    times, tolerance = [60.0, 200.0, 600.0], 1e-3
    solution = solve(problem, times=times, tolerance=tolerance)
    exact = solve(problem, times=times, steps=1500)

    assert solution.is_accepted
    for time in times:
        one, other = (found.liquid_fraction(time) for found in (solution, exact))
        share = (np.nan_to_num(one) - np.nan_to_num(other)) * 1e8
        fields = (found.fields[list(found.times).index(time)] for found in (solution, exact))
        sensible = 2e6 * np.subtract(*fields)
        error = (share + sensible)[~np.isnan(one)] / (1e8 + (ambient + 5.0) * 2e6)
        assert np.sqrt((error**2).mean()) <= tolerance
        assert np.abs(error).max() <= tolerance / SINGLE


@pytest.mark.parametrize("cells", [12, 24])
def test_the_steps_of_a_front_are_estimated_by_the_cells_that_it_crosses(cells):
    case = {"material": WAX, "boundaries": {"x_min": {**FILM, "coefficient": 2000.0}, "y_min": FILM}}
    plan = prepare(make_problem((cells, cells), **case), tolerance=1e-3)
    steps = plan.solve().metrics["steps"]

    assert 0.4 < plan.summary.estimate.steps / steps < 2.5
