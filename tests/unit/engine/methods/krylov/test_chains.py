"""Combinations of loads from which directions start: as many as there are, and no fewer than move the body."""

import numpy as np
import pytest

from grid.engine import HeatProblem, solve
from grid.engine.methods.driven.course import Course
from grid.engine.methods.krylov.chains import find_chains

CELLS = 12


def course(values):
    """Loads that are constant in each of some stretches of 1 s."""
    values = np.asarray(values, np.float64)
    count = len(values)
    return Course(np.arange(count + 1.0), np.arange(1, count + 1), values, values)


@pytest.fixture
def drives():
    """No heat flow at the start, and three loads in parts of a body."""
    patterns = np.zeros((3, CELLS))
    patterns[0, :3], patterns[1, 4:6], patterns[2, 2:9] = 1.0, 5e4, np.linspace(1.0, 2.0, 7)
    return [np.zeros(CELLS), *patterns]


def chains_of(drives, values):
    return find_chains(drives, course(values), np.linspace(1.0, 3.0, CELLS), np.full(CELLS, 1e-12))


def test_loads_that_change_together_make_one_chain(drives):
    chains = chains_of(drives, [[1.0, 2.0, 0.5], [3.0, 6.0, 1.5], [0.0, 0.0, 0.0]])

    assert chains.shape == (1, 4)
    np.testing.assert_allclose(chains[0, 1:] / chains[0, 1], [1.0, 2.0, 0.5], rtol=1e-9)


def test_every_heat_that_the_loads_make_is_made_by_the_chains(drives):
    """For random loads of any rank: the heat at each stretch is in the span of what the chains begin with."""
    rng = np.random.default_rng(1)
    for rank in (1, 2, 3):
        values = rng.normal(size=(7, rank)) @ rng.normal(size=(rank, 3))
        chains = chains_of(drives, values)
        begins, heat = chains @ np.stack(drives), values @ np.stack(drives[1:])
        found = np.linalg.lstsq(begins.T, heat.T)[0]

        assert len(chains) == rank
        np.testing.assert_allclose(begins.T @ found, heat.T, atol=1e-9 * np.abs(heat).max())


def test_a_heat_flow_at_the_start_has_a_chain_unless_the_loads_make_it_up(drives):
    independent = np.eye(3)
    drives[0] = 2.0 * drives[1] - 3.0 * drives[3]
    assert len(chains_of(drives, independent)) == 3
    drives[0] = drives[0] + 1e-3  # everywhere, in cells that no load touches as well
    assert len(chains_of(drives, independent)) == 4
    assert len(chains_of(drives, np.zeros((2, 3)))) == 1


def test_a_load_that_nothing_feels_has_no_chain(drives):
    drives[2] = np.zeros(CELLS)
    assert not chains_of(drives, np.eye(3))[:, 2].any()
    assert chains_of([np.zeros(CELLS)], np.zeros((2, 0))).shape == (0, 1)


def test_many_loads_of_few_courses_are_solved_as_all_modes_say():
    """Five sources and a flux that are switched twice, all at once, on a plate of two materials."""
    steps = [f"where(t < 3, {a}e5, where(t < 6, {b}e5, {c}e5))" for a, b, c in ((2, 1, 0), (1, 4, 2), (0, 3, 1))]
    coordinates = ("x < 0.02", "(x > 0.04) & (y > 0.02)", "x > 0.08")
    source = " + ".join(f"where({place}, {step}, 0)" for place, step in zip(coordinates, steps, strict=True))
    problem = HeatProblem.from_case(
        {
            "domain": {"size": [0.1, 0.06]},
            "material": {"conductivity": {"expression": "2 + 30*x"}, "volumetric_heat_capacity": 1e6},
            "initial": 20.0,
            "source_term": {"expression": source},
            "boundaries": {
                "x_min": {"type": "convection", "coefficient": 200.0, "ambient": 20.0},
                "y_max": {"type": "flux", "value": {"expression": "where(t < 3, 4e3, where(t < 6, -1e3, 2e3))"}},
            },
            "resolution": {"cells": [20, 12], "end_time": 10.0},
        }
    )
    times = [1.0, 3.0, 5.0, 10.0]
    exact = solve(problem, method="modal", times=times, tolerance=1e-3)
    found = solve(problem, method="krylov", times=times, tolerance=1e-3)

    assert found.is_accepted
    assert np.abs(found.fields - exact.fields).max() <= 1e-3 * np.ptp(exact.fields)
    assert found.metrics["heat_in"] == pytest.approx(exact.metrics["heat_in"], rel=1e-3)
