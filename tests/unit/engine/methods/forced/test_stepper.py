"""Modes under a source of place and time, against an integration of the same finite volumes by SciPy."""

from dataclasses import replace
from functools import reduce

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from grid.core.errors import FieldError, UnsupportedError
from grid.engine import HeatProblem, estimate, prepare, solve
from grid.engine.run.time_loop import make_start
from grid.engine.values.expression import Expression

K, C = 2.0, 3.0
AIR = {"type": "convection", "coefficient": 4.0, "ambient": 1.5}
HELD = {"type": "temperature", "value": -0.5}
FLUX = {"type": "flux", "value": 2.0}
NONE = {"type": "insulated"}
SPOT_2D = "40*exp(-((x - 0.2 - 0.5*t)**2 + (y - 0.4)**2)/0.03)"
RIDGE = "30*exp(-(x + 2*y - 0.2 - t)**2/0.4)"  # no product along the axes


def build(source, dimension=2, faces=(), cells=(9, 7, 4), size=(1.0, 0.8, 0.5), initial=0.3, end_time=1.0):
    names = [f"{axis}_{end}" for axis in "xyz"[:dimension] for end in ("min", "max")]
    laws = dict(zip(names, [*faces, *[NONE] * len(names)], strict=False))
    case = {
        "domain": {"size": list(size[:dimension])},
        "material": {"conductivity": K, "volumetric_heat_capacity": C},
        "initial": {"expression": initial} if isinstance(initial, str) else initial,
        "source_term": {"expression": source},
        "boundaries": laws,
        "resolution": {"cells": list(cells[:dimension]), "end_time": end_time},
    }
    return HeatProblem.from_case(case)


def line(count, spacing, laws):
    """Rate matrix along one axis and what its faces add [1/s, K/s]."""
    matrix = np.diag(np.full(count - 1, 1.0), 1) + np.diag(np.full(count - 1, 1.0), -1)
    matrix -= np.diag(matrix.sum(axis=1))
    matrix *= K / spacing**2
    given = np.zeros(count)
    for end, law in zip((0, -1), laws, strict=True):
        if law["type"] == "flux":
            given[end] += law["value"] / spacing
        elif law["type"] != "insulated":
            film = 2.0 * K / spacing
            if law["type"] == "convection":
                film = 1.0 / (1.0 / film + 1.0 / law["coefficient"])
            matrix[end, end] -= film / spacing
            given[end] += film / spacing * law.get("ambient", law.get("value"))
    return matrix / C, given / C


def integrate(problem, faces, times, cuts=()):
    """The fields at some times, by SciPy; the source as it is at the centres of the cells."""
    shape, dimension = problem.domain.cells, problem.dimension
    laws = [*faces, *[NONE] * 6]
    coordinates, total, given = {}, 0.0, np.zeros(shape)
    for axis, (count, length) in enumerate(zip(shape, problem.domain.size, strict=True)):
        matrix, ends = line(count, length / count, laws[2 * axis : 2 * axis + 2])
        parts = [matrix if other == axis else np.eye(n) for other, n in enumerate(shape)]
        total = total + reduce(np.kron, parts)
        span = [count if other == axis else 1 for other in range(dimension)]
        given = given + ends.reshape(span)
        coordinates["xyz"[axis]] = ((np.arange(count) + 0.5) * length / count).reshape(span)
    start = np.broadcast_to(problem.initial.evaluate(coordinates), shape).reshape(-1)

    def rate(time, field):
        heat = problem.source_term.evaluate({**coordinates, "t": np.float64(time)})
        return total @ field + (np.broadcast_to(heat, shape) / C + given).reshape(-1)

    stops, found, at = sorted({*times, *cuts}), {}, 0.0
    for stop in stops:
        inside = 1e-13 * stop
        way = solve_ivp(
            rate, (at + inside, stop - inside), start, method="DOP853", rtol=1e-10, atol=1e-11, max_step=0.02
        )
        start, at = way.y[:, -1], stop
        found[stop] = start
    return np.array([found[time] for time in times]).reshape(-1, *shape)


CASES = [
    (SPOT_2D, (AIR, AIR, AIR, AIR), 0.3),
    (SPOT_2D, (), 0.0),
    (SPOT_2D, (HELD, FLUX, AIR), "x*(1 - y)"),
    (RIDGE, (AIR, HELD), 0.3),
    (RIDGE, (), "where(x > 0.5, 1, 0)"),
    (f"{SPOT_2D}*exp(-((t - 0.37)/0.01)**2)", (HELD,), 0.0),  # a pulse of 1/100 s, far from every output time
    (f"{SPOT_2D} - 35*exp(-((x - 0.8 + 0.5*t)**2 + (y - 0.2)**2)/0.04)", (AIR,), 0.0),
    ("60*sin(9*t)*x*exp(-y) + t", (AIR, NONE, NONE, AIR), 1.0),
]


@pytest.mark.parametrize("tolerance", [1e-3, 1e-7])
@pytest.mark.parametrize(("source", "faces", "initial"), CASES)
def test_fields_are_those_of_an_integration_by_scipy(source, faces, initial, tolerance):
    times = (0.1, 0.45, 1.0)
    problem = build(source, faces=faces, initial=initial)
    solution = solve(problem, method="forced", times=times, tolerance=tolerance)
    fields = integrate(problem, faces, times)

    assert solution.is_accepted
    span = max(fields.max(), solution.fields[0].max()) - min(fields.min(), solution.fields[0].min())
    error = np.abs(np.array(solution.fields[1:]) - fields).max()
    assert error <= max(tolerance * span, 1e-8)


def test_bodies_of_one_and_three_dimensions():
    spot = "50*exp(-((x - 0.1 - 0.8*t)**2 + (y - 0.3)**2)/0.05 - (0.5 - z)/0.2)"
    for source, dimension in ((spot, 3), ("20*exp(-(x - t)**2/0.05)", 1)):
        faces = (AIR, AIR, HELD, NONE, FLUX)[: 2 * dimension]
        problem = build(source, dimension, faces)
        solution = solve(problem, method="forced", times=(0.3, 1.0), tolerance=1e-4)
        fields = integrate(problem, faces, (0.3, 1.0))

        assert solution.is_accepted
        assert np.abs(np.array(solution.fields[1:]) - fields).max() <= 1e-4 * np.ptp(fields)


def test_a_source_that_bends_in_each_cell_at_a_time_of_its_own():
    """A tent that moves: its foot and its top pass cell after cell; the reference lands on all of these times."""
    source = "maximum(20 - 60*abs(x - 0.2 - 0.5*t), 0)*(1 + y)"
    problem = build(source, faces=(AIR, AIR))
    centres = (np.arange(9) + 0.5) / 9
    cuts = [time for shift in (-1 / 3, 0, 1 / 3) for time in 2 * (centres - 0.2 + shift) if 0.0 < time < 1.0]
    plan = prepare(problem, method="forced", times=(0.5, 1.0), tolerance=1e-4)
    assert not plan.space.has_source_means
    solution, fields = plan.solve(), integrate(problem, (AIR, AIR), (0.5, 1.0), cuts)

    assert solution.is_accepted
    assert np.abs(np.array(solution.fields[1:]) - fields).max() <= 1e-4 * np.ptp(fields)


def test_random_moving_spots_keep_the_tolerance():
    rng, tried = np.random.default_rng(11), 0
    while tried < 8:
        x, y, vx, vy = rng.uniform(-0.2, 1.0, 4)
        width, strength = rng.uniform(0.15, 0.4), rng.uniform(-50.0, 50.0)
        source = f"{strength}*exp(-((x - {x} - {vx}*t)**2 + (y - {y} - {vy}*t)**2)/{width**2})"
        faces = tuple(rng.permutation(np.array([AIR, HELD, FLUX, NONE], object)))
        plan = prepare(build(source, faces=faces), method="forced", times=(0.2, 1.0), tolerance=1e-4)
        if plan.space.has_source_means:  # not what the reference takes
            continue
        solution, fields = plan.solve(), integrate(plan.problem, faces, (0.2, 1.0))

        assert solution.is_accepted
        reach = np.ptp([fields.min(), fields.max(), 0.3])
        assert np.abs(np.array(solution.fields[1:]) - fields).max() <= 1e-4 * reach
        tried += 1


def test_heat_is_balanced_and_what_the_source_gives_is_its_integral():
    """A spot that starts and ends far inside: its heat is strength times pi w^2 times the time."""
    problem = build("40*exp(-((x - 0.4 - 0.2*t)**2 + (y - 0.4)**2)/0.01)", faces=(AIR,) * 4, cells=(40, 32, 1))
    solution = solve(problem, method="forced", times=(0.25, 1.0), tolerance=1e-5)

    assert solution.metrics["heat_generated"] == pytest.approx(40 * np.pi * 0.01, rel=1e-4)
    moved = solution.metrics["heat_in"] - solution.metrics["heat_out"] + solution.metrics["heat_generated"]
    assert solution.metrics["stored_heat_change"] == pytest.approx(moved, rel=1e-10)


def test_a_moving_spot_narrower_than_a_cell_puts_in_its_whole_heat():
    """Means over cells along the axes; and the field is that of the source cell by cell."""
    width = 0.3 / 20
    problem = build(f"{1 / width**2}*exp(-((x - 0.3 - 0.4*t)**2 + (y - 0.41)**2)/{width**2})", cells=(20, 16, 1))
    plan = prepare(problem, method="forced", times=(1.0,), tolerance=1e-4)
    assert plan.space.has_source_means
    solution, stepper = plan.solve(), plan.method.make_stepper(plan.space, plan.inputs)
    stepper._factored = None
    whole = stepper.advance(make_start(plan), stepper.make_segment(0.0, 1.0), 0, 1)

    assert solution.is_accepted
    assert solution.metrics["heat_generated"] == pytest.approx(np.pi, rel=1e-4)
    np.testing.assert_allclose(solution.final.reshape(-1), whole.temperature, rtol=1e-4)


def test_the_planner_takes_it_for_a_laser_on_a_plate():
    problem = build("4e3*exp(-((x - 0.1 - 0.8*t)**2 + (y - 0.4)**2)/2e-3)", faces=(AIR,) * 4, cells=(100, 80, 1))

    plan = prepare(problem, times=(0.5, 1.0), tolerance=1e-3)
    assert plan.summary.method == "forced"
    assert estimate(problem, times=(0.5, 1.0), tolerance=1e-3).work_s == pytest.approx(
        plan.summary.estimate.work_s, rel=0.3
    )


def test_an_interrupted_run_gives_the_same_bytes(tmp_path):
    plan = prepare(build(SPOT_2D, faces=(AIR, HELD)), method="forced", times=(0.2, 0.5, 1.0), tolerance=1e-4)
    whole = plan.solve()
    calls = []

    def stop(fraction, step, time):
        calls.append(time)
        return len(calls) < 2

    with pytest.raises(Exception, match="cancel"):
        plan.solve(stop, checkpoint=tmp_path / "run", every=1e-9)
    resumed = plan.resume(tmp_path / "run")

    assert [one.tobytes() for one in resumed.fields] == [one.tobytes() for one in whole.fields]
    assert resumed.heat_balance == whole.heat_balance


@pytest.mark.parametrize(
    ("source", "reason"), [("3*x*y", "does not change in time"), ("3*x*t*T", "not linear"), ("4", "does not change")]
)
def test_sources_of_another_kind_are_refused_with_the_reason(source, reason):
    problem = replace(build(SPOT_2D), source_term=Expression(source))
    with pytest.raises(UnsupportedError, match=reason):
        prepare(problem, method="forced")


def test_a_border_that_moves_is_refused_with_the_reason():
    with pytest.raises(UnsupportedError, match="a border that moves"):
        prepare(build("where((x - 0.5*t)**2 + (y - 0.4)**2 < 0.01, 20, 0)"), method="forced")


def test_a_boundary_that_changes_in_time_is_refused_with_the_reason():
    air = AIR | {"ambient": {"expression": "sin(t)"}}
    with pytest.raises(UnsupportedError, match="boundary change in time"):
        prepare(build(SPOT_2D, faces=(air,)), method="forced")


def test_a_source_that_is_endless_everywhere_is_refused_by_name_and_estimated_without_a_warning():
    problem = build("x/0*t", dimension=1)

    assert estimate(problem).work_s >= 0.0
    with pytest.raises(FieldError, match="source_term"):
        solve(problem)
