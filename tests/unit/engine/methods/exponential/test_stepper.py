"""The exponential method against the exact solution of the same equations, and its laws."""

import numpy as np
import pytest
from scipy.linalg import expm

from grid.core.errors import UnsupportedError
from grid.engine import Constant, HeatProblem, Temperature, prepare, solve
from grid.engine.methods.bounds import keep_extremes
from grid.engine.methods.exponential.stepper import ExponentialStepper
from grid.engine.methods.padded.grid import PAGE_BYTES, VECTOR_BYTES, Layout
from grid.engine.methods.state import Bounds, Segment
from grid.engine.problem.domain import Domain
from grid.engine.problem.material import Material
from grid.engine.run.time_loop import make_start, make_stepper
from grid.engine.values.expression import Expression
from grid.engine.values.value import Gridded

LAWS = {
    "x_min": {"type": "temperature", "value": 2.0},
    "x_max": {"type": "convection", "coefficient": 3.0, "ambient": -1.0},
    "y_max": {"type": "flux", "value": 1.5},
    "z_min": {"type": "temperature", "value": {"expression": "x"}},
}
CELLS = {1: [23], 2: [19, 13], 3: [6, 5, 7]}


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


def make_exact(plan, time):
    """The semi-discrete solution at a time: one exponential of the dense matrix."""
    space, loads = plan.space, plan.space.loads(0.0)
    start = space.initial_temperature()
    known = space.rate * space.heat_flow(np.zeros_like(start), loads).net
    columns = [space.rate * space.heat_flow(unit, loads).net - known for unit in np.eye(start.size)]
    matrix = np.zeros((start.size + 1,) * 2)
    matrix[:-1, :-1], matrix[:-1, -1] = time * np.array(columns).T, time * known
    exact = (expm(matrix) @ np.append(start, 1.0))[:-1]
    return space.fill(exact)


KINDS = [(1, None, False), (1, "x", False), (2, None, False), (2, "x", False), (2, "y", True), (3, None, True)]
KINDS += [(3, axis, False) for axis in "xyz"]


@pytest.mark.parametrize(("dimension", "periodic", "mask"), KINDS)
def test_a_step_is_the_exponential_of_the_matrix(make_case, dimension, periodic, mask):
    problem = HeatProblem.from_case(some_case(make_case, dimension, periodic, mask))
    plan = prepare(problem, method="exponential", tolerance=1e-9)

    solution = plan.solve()

    exact = make_exact(plan, 0.05)
    assert np.abs(solution.final.reshape(-1) - exact).max() <= 1e-9 * np.ptp(exact)
    balance = next(audit for audit in solution.audits if audit.name == "energy_balance")
    assert balance.value <= 1e-12


def test_single_precision_keeps_to_its_share_of_the_error(make_case):
    problem = HeatProblem.from_case(some_case(make_case, 2))
    plan = prepare(problem, method="exponential", tolerance=1e-3, precision="mixed")

    stepper, solution = make_stepper(plan), plan.solve()

    assert isinstance(stepper, ExponentialStepper)
    assert stepper.is_single
    exact = make_exact(plan, 0.05)
    assert np.abs(solution.final.reshape(-1) - exact).max() <= 1e-3 * np.ptp(exact)
    assert solution.is_accepted


def test_a_tolerance_that_single_precision_cannot_hold_is_met_in_double(make_case):
    plan = prepare(HeatProblem.from_case(some_case(make_case, 1)), tolerance=1e-7, precision="mixed")

    assert plan.summary.method == "exponential"
    assert not make_stepper(plan).is_single


@pytest.mark.parametrize("periodic", [None, "x", "y"])
def test_slabs_and_waves_do_not_change_a_byte(make_case, periodic):
    case = some_case(make_case, 2, periodic, resolution={"cells": [40, 21], "steps": 1, "end_time": 0.05})
    plan = prepare(HeatProblem.from_case(case), method="exponential")
    stiffness = plan.inputs.stiffness
    ends = [
        ExponentialStepper(plan.space, stiffness, 1e-6, threads=threads, levels=levels).advance(
            make_start(plan), Segment(0.0, 0.05, 1), 0, 1
        )
        for threads, levels in ((1, 1), (1, 7), (2, 2), (3, 1))
    ]

    assert len({end.temperature.tobytes() for end in ends}) == 1
    assert len({end.heat_balance for end in ends}) == 1


def test_a_run_continued_from_a_state_is_the_run_in_one(make_case):
    plan = prepare(HeatProblem.from_case(some_case(make_case, 2)), method="exponential", times=[0.02, 0.05])
    one, other = make_stepper(plan), make_stepper(plan)
    first = one.make_segment(0.0, 0.02)
    half = one.advance(make_start(plan), first, 0, 1)
    kept = half.temperature.tobytes()

    whole = one.advance(half, one.make_segment(0.02, 0.05), 0, 1)
    resumed = other.advance(half, other.make_segment(0.02, 0.05), 0, 1)

    assert whole.temperature.tobytes() == resumed.temperature.tobytes() == plan.solve().final.tobytes()
    assert half.temperature.tobytes() == kept


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


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4])
def test_the_error_of_random_bodies_is_within_the_tolerance_and_its_estimate(tolerance):
    """The largest error of all cells, within the tolerance in 19 of 20 bodies."""
    within = 0
    for seed in range(20):
        plan = prepare(make_random_problem(seed), method="exponential", tolerance=tolerance)
        solution, exact = (
            plan.solve(),
            prepare(make_random_problem(seed), method="exponential", tolerance=1e-10).solve(),
        )
        error = np.abs(solution.final - exact.final).max()
        within += error <= tolerance
        assert solution.is_accepted

    assert within >= 19


@pytest.mark.parametrize("end_time", [1e-5, 1e-3])
def test_no_new_extremes_however_short_the_time(end_time):
    """Cells that heat has not reached stay within the data though the series waves around them; heat still closes."""
    problem = HeatProblem(
        domain=Domain((1.0, 1.0), (64, 8)),
        materials=(Material((Constant(1.0),), Expression("1 + x")),),
        initial=0.0,
        boundaries={"x_min": Temperature(Constant(1.0))},
        end_time=end_time,
    )

    solution = solve(problem, method="exponential", tolerance=1e-2)

    assert solution.final.min() >= 0.0
    assert solution.final.max() <= 1.0
    assert solution.is_accepted


def test_cutting_extremes_keeps_the_heat():
    random = np.random.default_rng(3)
    field, capacity = random.normal(0.5, 0.5, 200), random.uniform(1.0, 2.0, 200)

    kept = keep_extremes(field, capacity, Bounds(0.0, 1.0))

    assert kept.min() >= 0.0
    assert kept.max() <= 1.0
    assert capacity @ kept == pytest.approx(capacity @ field, rel=1e-13)


def test_an_even_source_in_a_closed_body_is_exact(make_case):
    """T rises by q t / (rho c), from a start of no span at all."""
    case = make_case(2, source_term=3.0, resolution={"cells": [9, 4], "steps": 1, "end_time": 0.5})

    solution = solve(HeatProblem.from_case(case), method="exponential")

    np.testing.assert_allclose(solution.final, 1.0 + 3.0 * 0.5, rtol=1e-13)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"material": {"conductivity": {"expression": "1 + T"}, "volumetric_heat_capacity": 1.0}}, "not linear"),
        ({"boundaries": {"x_min": {"type": "flux", "value": {"expression": "t"}}}}, "constant in time"),
        ({"velocity": [1.0, 0.0]}, "flow"),
        ({"material": {"conductivity": [[2.0, 0.5], [0.5, 1.0]], "volumetric_heat_capacity": 1.0}}, "tensor"),
        ({"boundaries": {}, "resolution": {"cells": [1, 1], "end_time": 1.0}}, "nothing conducts"),
    ],
)
def test_what_it_cannot_solve_is_refused_in_words(make_case, changes, reason):
    problem = HeatProblem.from_case(make_case(2, **changes))

    with pytest.raises(UnsupportedError, match=reason):
        prepare(problem, method="exponential")


@pytest.mark.parametrize("size", [4, 8])
@pytest.mark.parametrize("cells", [(23,), (19, 13), (512, 512), (6, 5, 7)])
def test_padded_rows_begin_at_lines_of_the_cache_and_arrays_in_slots_of_their_own(cells, size):
    """Else each load touches two lines, and arrays that stand alike in their pages displace each other."""
    layout = Layout(cells, (False,) * len(cells), size)
    arrays = [layout.zeros(slot) for slot in range(8)]

    coordinates = {array.ctypes.data % PAGE_BYTES for array in arrays}
    assert len(coordinates) == 8
    assert all(place % VECTOR_BYTES == 0 for place in coordinates)
    assert layout.sizes[3] * size % VECTOR_BYTES == 0
    assert layout.sizes[6] * size % VECTOR_BYTES == 0
    assert all(array.size == np.prod(layout.shape) and not array.any() for array in arrays)


@pytest.mark.parametrize("cells", [(2048, 2048), (192, 192, 192), (40, 100_000)])
def test_a_wave_has_several_levels_on_large_grids_unless_the_cache_is_full(cells):
    layout = Layout(cells, (False,) * len(cells))

    assert 1 <= layout.levels_at_once <= 12
    assert layout.levels_at_once > 1 or np.prod(layout.shape[1:]) * 8 * 6 * 5 > 14e6
