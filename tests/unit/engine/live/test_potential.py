"""Goodier's potential: the disc in closed form, beams of cosines, and what a free plate bears without stress."""

import numpy as np
import pytest

from grid.core.errors import UnsupportedError
from grid.engine import HeatProblem
from grid.engine.live.potential import find_obstacle, make_potential_plan, solve_potential
from grid.engine.live.stepping import Window

E, NU, ALPHA = 2e11, 0.3, 1.2e-5
STEEL = {"young_modulus": E, "poisson_ratio": NU, "thermal_expansion": ALPHA, "yield_stress": 2.5e8}


def make_plate(cells, size=(1.0, 1.0), **changes):
    case = {
        "dimension": len(cells),
        "domain": {"coordinates": "cartesian", "size": list(size)[: len(cells)]},
        "material": {"conductivity": 40.0, "volumetric_heat_capacity": 4e6, **STEEL},
        "initial": 300.0,
        "steady": False,
        "resolution": {"cells": list(cells), "steps": 1, "end_time": 1.0},
    }
    return HeatProblem.from_case(case | changes)


def place(problem):
    sides = zip(problem.domain.cells, problem.domain.size, strict=True)
    return np.meshgrid(*((np.arange(count) + 0.5) * size / count for count, size in sides), indexing="ij")


def solve(problem, field, ghosts=0):
    window = Window.of_padded(problem.domain.cells, ghosts)
    flat = np.pad(field, ghosts, constant_values=np.nan).reshape(-1)
    return solve_potential(make_potential_plan(problem), window, flat)


def test_a_hot_disc_bears_half_of_e_alpha_dt_and_its_rim_von_mises_of_pure_shear():
    """Goodier: -E alpha dT/2 both ways within; outside s = E alpha dT a^2 / (2 r^2) along and across, von Mises
    sqrt(3) s. The disc covers 2 % of the plate, whose mean rises by as much; its rim is as wide as a cell, so that the
    peak there comes nearer with the spacing."""
    radius, rise, unit, misses = 0.08, 50.0, E * ALPHA * 50.0, []
    for cells in (128, 256):
        problem = make_plate((cells, cells))
        x, y = place(problem)
        r = np.hypot(x - 0.5, y - 0.5)
        stress = solve(problem, 300.0 + rise * np.clip(cells * (radius - r) + 0.5, 0.0, 1.0))
        von_mises = stress.von_mises.reshape(cells, cells)
        ring = (r > 1.3 * radius) & (r < 2.0 * radius)

        assert von_mises[cells // 2, cells // 2] == pytest.approx(unit / 2, rel=0.025)
        assert von_mises[ring] == pytest.approx(np.sqrt(3) / 2 * unit * (radius / r[ring]) ** 2, rel=0.01)
        assert abs(r.reshape(-1)[stress.weakest] - radius) < 2 / cells
        assert stress.utilisation == stress.peak / 2.5e8
        misses.append(1.0 - stress.peak / (np.sqrt(3) / 2 * unit))

    assert 0.0 < misses[1] < 0.1
    assert misses[0] / misses[1] == pytest.approx(2.0, abs=0.3)


def test_the_stress_outside_a_disc_tends_to_the_closed_form_as_the_plate_grows():
    """What is wrong at twice the radius is the edge's, not the grid's: it falls faster than the plate's area grows."""
    errors = []
    for size in (1.0, 2.0):
        problem = make_plate((256, 256), size=(size, size))
        x, y = place(problem)
        r = np.hypot(x - size / 2, y - size / 2)
        von_mises = solve(problem, 300.0 + 50.0 * np.exp(-((r / 0.06) ** 2))).von_mises.reshape(256, 256)
        at = np.abs(r - 0.2) < 0.004 * size  # beyond the hot spot, whose rise has the integral pi 0.06^2 dT
        exact = np.sqrt(3) / 2 * E * ALPHA * 50.0 * (0.06 / r[at]) ** 2
        errors.append(np.abs(von_mises[at] / exact - 1.0).max())

    assert errors[1] < errors[0] / 4.0 < 0.005


@pytest.mark.jit
@pytest.mark.parametrize("cells", [(24, 18), (13, 36)])
def test_one_cosine_is_solved_at_second_order(cells):
    """T = cos(m x) cos(n y): psi = -(1 + nu) alpha T / (m^2 + n^2), and its second derivatives in closed form."""
    errors = []
    for scale in (1, 2):
        problem = make_plate(tuple(scale * count for count in cells), size=(2.0, 1.0))
        x, y = place(problem)
        m, n = 2 * np.pi / 2.0, 3 * np.pi / 1.0
        part = E * ALPHA / (m * m + n * n)
        sxx, syy = (-part * k * k * np.cos(m * x) * np.cos(n * y) for k in (n, m))
        sxy = -part * m * n * np.sin(m * x) * np.sin(n * y)
        exact = np.sqrt(sxx**2 - sxx * syy + syy**2 + 3.0 * sxy**2)
        found = solve(problem, 20.0 + np.cos(m * x) * np.cos(n * y)).von_mises.reshape(problem.domain.cells)
        errors.append(np.abs(found - exact).max() / exact.max())

    assert np.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.15)
    assert errors[1] < 0.05


def test_a_free_plate_bears_any_uniform_temperature():
    stress = solve(make_plate((32, 24)), np.full((32, 24), 1234.5))

    assert stress.peak < 1e-12 * E * ALPHA * 1234.5


def test_failed_cells_bear_nothing_and_are_never_the_weakest():
    problem = make_plate((40, 30))
    field = np.random.default_rng(0).normal(300.0, 9.0, (40, 30))
    whole = solve(problem, field)
    failed = (np.arange(1200) == whole.weakest).astype(np.uint8)

    rest = solve_potential(make_potential_plan(problem), Window.of_padded((40, 30)), field.reshape(-1), failed)

    assert np.array_equal(rest.von_mises, np.where(failed, 0.0, whole.von_mises))
    assert rest.peak == np.sort(whole.von_mises)[-2]


def test_ghosts_are_not_looked_at_and_equal_fields_have_equal_bytes():
    problem = make_plate((40, 30))
    field = np.random.default_rng(0).normal(300.0, 9.0, (40, 30))
    plain, padded = (solve(problem, field, ghosts) for ghosts in (0, 2))

    assert np.array_equal(plain.von_mises, padded.von_mises)
    assert np.isfinite(padded.von_mises).all()


def test_turning_the_plate_turns_the_stress():
    field = np.random.default_rng(1).normal(300.0, 9.0, (20, 36))
    one = solve(make_plate((20, 36), size=(1.0, 1.5)), field).von_mises.reshape(20, 36)
    turned = solve(make_plate((36, 20), size=(1.5, 1.0)), np.ascontiguousarray(field.T)).von_mises.reshape(36, 20)

    np.testing.assert_allclose(turned.T, one, rtol=1e-9, atol=1e-9 * one.max())


@pytest.mark.parametrize(
    ("problem", "support", "words"),
    [
        (make_plate((16,)), "free", "2D"),
        (make_plate((4, 4, 4), size=(1.0, 1.0, 1.0)), "free", "2D"),
        (make_plate((16, 16)), "held", "free plate"),
        (make_plate((16, 2)), "free", "three cells"),
    ],
)
def test_what_has_no_potential_is_told_in_words(problem, support, words):
    assert words in find_obstacle(problem, support)


def test_a_plan_of_a_body_without_a_potential_is_refused():
    with pytest.raises(UnsupportedError, match="2D"):
        make_potential_plan(make_plate((16,)))
