"""The shift-and-invert Krylov method against the exact solution of the same equations, and its laws."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm

from grid.core.errors import UnsupportedError
from grid.engine import Constant, HeatProblem, Temperature, prepare, solve
from grid.engine.methods.krylov.basis import System, phi_2
from grid.engine.problem.boundaries import Convection
from grid.engine.problem.domain import Domain
from grid.engine.problem.material import Material
from grid.engine.run.time_loop import make_start, make_stepper
from grid.engine.values.value import Gridded

LAWS = {
    "x_min": {"type": "temperature", "value": 2.0},
    "x_max": {"type": "convection", "coefficient": 3.0, "ambient": -1.0},
    "y_max": {"type": "flux", "value": 1.5},
    "z_min": {"type": "temperature", "value": {"expression": "x"}},
}
CELLS = {1: [23], 2: [13, 11], 3: [6, 5, 4]}
TIMES = (0.002, 0.01, 0.02, 0.05)


def some_case(make_case, dimension, periodic=None, mask=False, **changes):
    laws = {face: law for face, law in LAWS.items() if face[0] in "xyz"[:dimension]}
    if periodic is not None:
        laws |= {f"{periodic}_{end}": {"type": "periodic"} for end in ("min", "max")}
    if mask:
        laws["internal"] = {"type": "convection", "coefficient": 2.0, "ambient": 1.0}
        changes["domain"] = {"size": [1.0] * dimension, "active": {"expression": "(x-0.5)**2 < 0.2 - 0.1*x"}}
    fields = {
        "boundaries": laws,
        "material": {"conductivity": {"expression": "1 + x"}, "volumetric_heat_capacity": {"expression": "2 - x"}},
        "source_term": {"expression": "sin(3*x)"},
        "initial": {"expression": "sin(5*x)"},
        "resolution": {"cells": CELLS[dimension], "steps": 4, "end_time": 0.05},
    }
    return make_case(dimension, **(fields | changes))


def make_exact(plan):
    """The semi-discrete solution at `TIMES`, all multiples of the first: powers of one exponential."""
    space, loads = plan.space, plan.space.loads(0.0)
    start = space.initial_temperature()
    known = space.rate * space.heat_flow(np.zeros_like(start), loads).net
    columns = [space.rate * space.heat_flow(unit, loads).net - known for unit in np.eye(start.size)]
    matrix = np.zeros((start.size + 1,) * 2)
    matrix[:-1, :-1], matrix[:-1, -1] = TIMES[0] * np.array(columns).T, TIMES[0] * known
    field, found, once = np.append(start, 1.0), [], expm(matrix)
    for before, time in zip((0.0, *TIMES), TIMES, strict=False):
        for _ in range(round((time - before) / TIMES[0])):
            field = once @ field
        found.append(space.fill(field[:-1]))
    return np.array(found)


def balance_of(solution):
    return next(audit.value for audit in solution.audits if audit.name == "energy_balance")


KINDS = [(1, None, False), (1, "x", False), (2, None, False), (2, "x", False), (2, "y", True), (3, None, True)]
KINDS += [(3, axis, False) for axis in "xz"]


@pytest.mark.parametrize(
    ("dimension", "periodic", "mask", "tolerance"),
    [*((*kind, 1e-3) for kind in KINDS), *((*kind, 1e-8) for kind in KINDS[::2])],
)
def test_fields_at_all_times_are_those_of_the_matrix(make_case, dimension, periodic, mask, tolerance):
    problem = HeatProblem.from_case(some_case(make_case, dimension, periodic, mask))
    plan = prepare(problem, method="krylov", tolerance=tolerance, times=TIMES)

    solution = plan.solve()

    exact = make_exact(plan)
    errors = np.abs(solution.fields[1:].reshape(exact.shape) - exact)
    assert errors.max() <= tolerance * (solution.history.maximum.max() - solution.history.minimum.min())
    assert balance_of(solution) <= 1e-11
    assert solution.is_accepted


def test_phi_2_is_smooth_where_its_formulas_meet():
    """phi_2 = (phi_1 - 1)/x; the integral of (1 - s) exp(s x) over s from 0 to 1, by Gauss' rule."""
    x = -np.geomspace(1e-9, 50.0, 200)
    nodes, weights = np.polynomial.legendre.leggauss(60)
    s, w = 0.5 * (nodes + 1.0), 0.5 * weights

    np.testing.assert_allclose(phi_2(x), (w * (1.0 - s) * np.exp(np.multiply.outer(x, s))).sum(axis=1), rtol=1e-12)


def test_a_direction_that_is_there_already_changes_nothing():
    """Two directions, and the same with their sum as a third: the motion of the system is the same."""
    mass, stiffness = np.diag([1.0, 1.0]), np.array([[2.0, 0.5], [0.5, 3.0]])
    drive, times = np.array([1.0, -2.0]), np.array([0.1, 0.7])
    combine = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])

    once = System(mass, stiffness, drive).move(times)
    again = System(combine.T @ mass @ combine, combine.T @ stiffness @ combine, combine.T @ drive).move(times)

    np.testing.assert_allclose(combine @ again.change, once.change, rtol=1e-10)
    np.testing.assert_allclose(combine @ again.integral, once.integral, rtol=1e-10)


@pytest.mark.jit
def test_directions_that_make_each_other_up_and_the_even_one_are_left_out():
    """What a body of a few cells that hardly exchanges heat leaves of its directions."""
    mass = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    system = System(mass, 2.0 * mass, np.ones(3))

    change = system.move(np.array([0.5])).change

    np.testing.assert_allclose(change.sum(), (1.0 - np.exp(-1.0)) / 2.0, rtol=1e-12)


@pytest.mark.jit
def test_heat_closes_however_roughly_the_systems_are_solved(make_case, monkeypatch):
    monkeypatch.setattr("grid.engine.methods.krylov.stepper.SHARE", 10.0)
    monkeypatch.setattr("grid.engine.methods.krylov.stepper.LOOSEST", 0.5)
    problem = HeatProblem.from_case(some_case(make_case, 2))

    solution = solve(problem, method="krylov", tolerance=1e-2, times=TIMES)

    assert balance_of(solution) <= 1e-12


@pytest.mark.jit
def test_a_body_that_exchanges_heat_with_nothing_keeps_it(make_case):
    case = some_case(make_case, 2, boundaries={}, source_term=0.0)

    solution = solve(HeatProblem.from_case(case), method="krylov", tolerance=1e-4)

    assert abs(solution.metrics["stored_heat_change"]) <= 1e-13 * solution.plan.estimate.cells
    assert solution.is_accepted


def test_an_even_source_in_a_closed_body_is_exact(make_case):
    """T rises by q t / (rho c), from a start of no span at all."""
    case = make_case(2, source_term=3.0, resolution={"cells": [9, 4], "steps": 1, "end_time": 0.5})

    solution = solve(HeatProblem.from_case(case), method="krylov", times=[0.1, 0.5])

    np.testing.assert_allclose(solution.fields[1], 1.0 + 3.0 * 0.1, rtol=1e-13)
    np.testing.assert_allclose(solution.final, 1.0 + 3.0 * 0.5, rtol=1e-13)


def test_a_state_of_another_run_is_a_start_of_its_own(make_case):
    """What is not of the run is advanced by the same equations, without the directions of the run's start."""
    plan = prepare(HeatProblem.from_case(some_case(make_case, 2)), method="krylov", tolerance=1e-8, times=TIMES)
    stepper, whole = make_stepper(plan), plan.solve()
    given = replace(make_start(plan), time=TIMES[1], step=2, temperature=whole.fields[2].reshape(-1).copy())

    reached = stepper.advance(given, stepper.make_segment(TIMES[1], TIMES[3]), 0, 1)

    assert reached.controller == ()
    np.testing.assert_allclose(reached.temperature, whole.final.reshape(-1), atol=1e-7)


def test_a_run_continued_by_another_stepper_has_the_same_bytes(make_case):
    plan = prepare(HeatProblem.from_case(some_case(make_case, 2)), method="krylov", tolerance=1e-4, times=TIMES)
    one, state, before = make_stepper(plan), make_start(plan), 0.0
    for time in TIMES:
        other = make_stepper(plan)
        fresh = other.advance(state, other.make_segment(before, time), 0, 1)
        state, before = one.advance(state, one.make_segment(before, time), 0, 1), time
        assert fresh.temperature.tobytes() == state.temperature.tobytes()
        assert fresh.heat_balance == state.heat_balance


def make_random_problem(seed):
    """Inclusions of a random conductivity, a jump at the boundary, a random end."""
    random = np.random.default_rng(seed)
    cells = (int(random.integers(8, 25)), int(random.integers(8, 25)))
    conductivity = np.where(random.random(cells) < 0.3, 10.0 ** random.uniform(-3, 0), 1.0)
    capacity = Gridded(random.uniform(0.5, 1.0, cells))
    return HeatProblem(
        domain=Domain((1.0, 1.0), cells),
        materials=(Material((Gridded(conductivity),), capacity),),
        initial=float(random.uniform(0.0, 1.0)),
        boundaries={"x_min": Temperature(Constant(1.0)), "y_max": Temperature(Constant(0.0))},
        end_time=float(10.0 ** random.uniform(-4, 0)),
    )


@pytest.mark.parametrize("tolerance", [1e-3, *(pytest.param(t, marks=pytest.mark.physics) for t in (1e-2, 1e-4))])
def test_the_error_of_random_bodies_is_within_the_tolerance_and_its_estimate(tolerance):
    """The largest error of all cells, within the tolerance in 19 of 20 bodies."""
    within = 0
    for seed in range(20):
        solution = solve(make_random_problem(seed), method="krylov", tolerance=tolerance)
        exact = solve(make_random_problem(seed), method="exponential", tolerance=1e-7)
        within += np.abs(solution.final - exact.final).max() <= tolerance
        assert solution.is_accepted

    assert within >= 19


def test_the_tolerance_is_a_share_of_what_temperatures_span_not_of_what_they_might():
    """A film so weak that the body has hardly begun to follow the medium around it."""
    random = np.random.default_rng(8)
    problem = HeatProblem(
        domain=Domain((1.0, 1.0), (20, 15)),
        materials=(Material((Gridded(np.where(random.random((20, 15)) < 0.3, 1e-2, 1.0)),), Constant(1.0)),),
        initial=0.0,
        boundaries={"x_min": Convection(Constant(1e-2), Constant(1.0))},
        end_time=0.01,
    )

    solution, exact = (
        solve(problem, method=name, tolerance=t) for name, t in (("krylov", 1e-4), ("exponential", 1e-9))
    )

    assert np.ptp(exact.final) < 1e-2
    assert np.abs(solution.final - exact.final).max() <= 1e-4 * np.ptp(exact.final)
    assert balance_of(solution) <= 1e-12


def test_the_work_does_not_grow_with_the_grid(monkeypatch):
    """Cells four times as small along each axis: at most a direction and a fifth of the cycles more."""
    works = []
    monkeypatch.setattr("grid.engine.methods.krylov.method.is_direct", lambda _: False)
    for cells in (32, 128):
        line = (np.arange(cells) + 0.5) / cells
        conductivity = np.where(np.hypot(line[:, None] - 0.4, line[None] - 0.6) < 0.25, 1e-3, 1.0)
        problem = HeatProblem(
            domain=Domain((1.0, 1.0), (cells, cells)),
            materials=(Material((Gridded(conductivity),), Constant(1.0)),),
            initial=0.0,
            boundaries={"x_min": Temperature(Constant(1.0))},
            end_time=0.1,
        )
        plan = prepare(problem, method="krylov", tolerance=1e-3)
        stepper = make_stepper(plan)
        stepper.advance(make_start(plan), stepper.make_segment(0.0, 0.1), 0, 1)
        (window,) = stepper._kept.values()
        works.append((window.basis.count, window.basis.iterations))

    (few, short), (many, long) = works
    assert many <= few + 1
    assert long <= 1.2 * short


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"material": {"conductivity": {"expression": "1 + T"}, "volumetric_heat_capacity": 1.0}}, "not linear"),
        ({"boundaries": {"x_min": {"type": "flux", "value": {"expression": "exp(-(x - t)**2 - y)"}}}}, "no sum"),
        ({"velocity": [1.0, 0.0]}, "flow"),
        ({"material": {"conductivity": [[2.0, 0.5], [0.5, 1.0]], "volumetric_heat_capacity": 1.0}}, "tensor"),
        ({"boundaries": {}, "resolution": {"cells": [1, 1], "end_time": 1.0}}, "nothing conducts"),
    ],
)
def test_what_it_cannot_solve_is_refused_in_words(make_case, changes, reason):
    problem = HeatProblem.from_case(make_case(2, **changes))

    with pytest.raises(UnsupportedError, match=reason):
        prepare(problem, method="krylov")
