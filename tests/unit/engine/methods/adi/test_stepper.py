"""Alternating directions: second order, closed to rounding, damped where it starts, within the tolerance."""

import numpy as np
import pytest

from grid.core.errors import UnsupportedError
from grid.engine import prepare, solve
from grid.engine.methods.adi import kernels as adi_kernels

MOVING = {
    "x_min": {"type": "temperature", "value": 1.0},
    "y_max": {"type": "convection", "coefficient": 3.0, "ambient": {"expression": "2 + sin(20*t)"}},
    "y_min": {"type": "flux", "value": {"expression": "x"}},
}
HELD = {"x_min": {"type": "temperature", "value": 1.0}, "x_max": {"type": "temperature", "value": 0.0}}
SPOT = "(x - 0.6)**2 + (y - 0.4)**2 < 0.06"
SPOTTED = [
    {"where": {"expression": SPOT}, "conductivity": 0.001, "volumetric_heat_capacity": 1.0},
    {"where": {"expression": f"where({SPOT}, 0.0, 1.0) > 0.5"}, "conductivity": 1.0, "volumetric_heat_capacity": 2.0},
]


@pytest.mark.jit
@pytest.mark.parametrize("along", [True, False])
def test_a_sweep_solves_every_line(along):
    rng = np.random.default_rng(1)
    lines, n, tau = 19, 7, 0.3
    g, diagonal, right = rng.random((n + 1, lines)), 2.0 + rng.random((n, lines)), rng.random((n, lines))
    pivots = np.empty((1, n, lines))
    adi_kernels.factorise(pivots, diagonal[None], g[None], tau)

    x = np.ascontiguousarray(right.T) if along else right[None].copy()
    (adi_kernels.sweep_along if along else adi_kernels.sweep_across)(x, pivots, g[None], tau)

    found = x.T if along else x[0]
    for line in range(lines):
        beside = -tau * g[1:-1, line]
        matrix = np.diag(diagonal[:, line]) + np.diag(beside, 1) + np.diag(beside, -1)
        np.testing.assert_allclose(matrix @ found[:, line], right[:, line], atol=1e-13)


@pytest.mark.parametrize("cells", [[12, 9], [6, 5, 7]])
def test_the_order_is_two_and_every_step_closes(make_problem, cells):
    problem = make_problem(
        len(cells),
        boundaries=MOVING,
        material={"conductivity": {"expression": "1 + x"}, "volumetric_heat_capacity": 2.0},
        initial={"expression": "x*y"},
        source_term={"expression": "3*x*t"},
        resolution={"cells": cells, "end_time": 0.1},
    )
    exact = solve(problem, method="adi", steps=640).final
    errors = []
    for steps in (20, 40, 80):
        solution = solve(problem, method="adi", steps=steps)
        errors.append(np.abs(solution.final - exact).max())
        assert abs(solution.metrics["heat_balance_residual"]) <= 1e-13 * solution.metrics["heat_in"]

    assert np.log2(errors[0] / errors[2]) / 2 == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize("changes", [{"boundaries": HELD, "material": SPOTTED}, {"boundaries": MOVING}])
def test_the_error_is_within_the_tolerance(make_problem, changes):
    start = {"expression": "where(x + y > 0.9, 1.0, 0.0)"}
    problem = make_problem(2, initial=start, resolution={"cells": [24, 24], "end_time": 0.1}, **changes)
    times = (0.01, 0.1)
    exact = solve(problem, method="implicit", times=times, tolerance=1e-5)

    for tolerance in (1e-2, 1e-3, 1e-4):
        solution = solve(problem, method="adi", times=times, tolerance=tolerance)

        assert solution.is_accepted
        assert np.abs(solution.fields - exact.fields).max() <= tolerance * np.ptp(exact.fields)


def test_a_jump_leaves_no_new_extreme(make_problem):
    resolution = {"cells": [40, 40], "end_time": 0.01}
    problem = make_problem(
        2, boundaries=HELD, initial={"expression": "where(y < 0.5, 1.0, 0.0)"}, resolution=resolution
    )

    solution = solve(problem, method="adi", tolerance=1e-3)

    assert (solution.final.min(), solution.final.max()) >= (0.0, 0.0)
    assert {audit.name: audit.verdict for audit in solution.audits}["maximum_principle"] == "passed"
    assert solution.is_accepted


def test_cells_outside_a_body_are_left_out(make_problem):
    domain = {
        "coordinates": "cartesian",
        "size": [1.0, 1.0],
        "active": {"expression": "(x - 0.5)**2 + (y - 0.5)**2 < 0.2"},
    }
    boundaries = {"internal": {"type": "convection", "coefficient": 2.0, "ambient": 0.0}}
    resolution = {"cells": [20, 20], "end_time": 0.1}
    problem = make_problem(2, domain=domain, boundaries=boundaries, resolution=resolution)

    split, whole = (solve(problem, method=method, tolerance=1e-4) for method in ("adi", "implicit"))

    assert split.is_accepted
    assert np.abs(split.final - whole.final).max() <= 2e-4


@pytest.mark.parametrize(
    ("dimension", "changes", "word"),
    [
        (1, {}, "one direction"),
        (2, {"boundaries": {"x_min": {"type": "periodic"}, "x_max": {"type": "periodic"}}}, "periodic"),
        (2, {"material": {"conductivity": {"expression": "1 + T"}, "volumetric_heat_capacity": 1.0}}, "temperature"),
        (2, {"material": {"conductivity": [[1.0, 0.1], [0.1, 1.0]], "volumetric_heat_capacity": 1.0}}, "tensor"),
    ],
)
def test_what_cannot_be_split_is_refused_in_words(make_problem, dimension, changes, word):
    with pytest.raises(UnsupportedError, match=word):
        prepare(make_problem(dimension, **changes), method="adi")
