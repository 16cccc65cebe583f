"""Readings between and beside cells stay within what the cells and the data allow, and keep their order."""

import math

import numpy as np
import pytest

from grid.engine import HeatProblem, solve
from grid.engine.space.interpolation import weigh_curvature

MM = 1e-3
SPOT = {"expression": "5.66e7*exp(-2*((x-(0.005+0.01*t))/0.0015)**2)"}


def plate_with_a_moving_spot(**changes):
    """A plate of 40 x 6 mm in three rows of cells, at 298 K, whose upper face a spot of heat runs along."""
    return {
        "dimension": 2,
        "temperature_unit": "K",
        "domain": {"size": [40 * MM, 6 * MM]},
        "material": {"conductivity": 10.0, "density": 8000.0, "specific_heat": 500.0},
        "initial": 298.0,
        "boundaries": {"y_max": {"type": "flux", "value": SPOT}},
        "resolution": {"cells": [40, 3], "end_time": 3.0},
        **changes,
    }


def read_everywhere(solution, rng, count=60):
    """Temperatures at random points of the body, on its faces, edges and corners."""
    domain = solution.problem.domain
    low, size = np.array(domain.origin), np.array(domain.size)
    found = []
    for _ in range(count):
        share = rng.random(low.size)
        ends = rng.random(low.size) < 0.4
        share[ends] = np.round(share[ends])
        cell = tuple(np.minimum((share * domain.cells).astype(int), np.array(domain.cells) - 1))
        if solution.body is None or solution.body[cell]:
            found.append(solution.temperature_at(tuple(low + share * size)))
    return np.array(found)


def test_nothing_is_read_below_the_start_of_a_plate_that_heat_only_enters():
    solution = solve(HeatProblem.from_case(plate_with_a_moving_spot()))
    extremes = solution.extrema()

    assert extremes.minimum >= 298.0
    assert solution.temperature_at({"x": 0.0345, "y": 0.0}) >= 298.0
    assert read_everywhere(solution, np.random.default_rng(1)).min() >= 298.0
    assert solution.metrics["minimum_temperature"] == extremes.coldest_cell


def test_where_no_data_bound_the_tail_of_a_front_is_read_no_lower_than_what_is_ahead_of_it():
    """A sink of 1e-6 W/m3 leaves no bound below; in 3 s it takes 1e-12 K, the parabola went 3.6 K down."""
    solution = solve(HeatProblem.from_case(plate_with_a_moving_spot(source_term=-1e-6)))

    assert solution.allowed_temperatures(-1)[0] == -math.inf
    assert solution.extrema().minimum >= 298.0 - 1e-3


def make_random_case(rng):
    """Heat enters by random fluxes, sources and fronts; one face or another is held, cooled or radiates."""
    dimension = int(rng.integers(1, 4))
    cells = [int(rng.integers(1, (40, 12, 6)[dimension - 1])) for _ in range(dimension)]
    names = "xyz"[:dimension]
    direction = 1.0 if rng.random() < 0.5 else -1.0
    boundaries = {}
    for face in [f"{axis}_{end}" for axis in names for end in ("min", "max")]:
        kind = rng.choice(["insulated", "flux", "convection", "temperature", "radiation"])
        spot = f"{direction * 10 ** rng.uniform(2, 6):.3g}*exp(-(({names[0]}-{rng.random():.3f}-t)/0.07)**2)"
        boundaries[face] = {
            "insulated": {"type": "insulated"},
            "flux": {"type": "flux", "value": {"expression": spot}},
            "convection": {
                "type": "convection", "coefficient": 10 ** rng.uniform(0, 4), "ambient": rng.uniform(280, 320)
            },
            "temperature": {"type": "temperature", "value": {"expression": f"where({names[-1]} < 0.4, 290, 330)"}},
            "radiation": {"type": "radiation", "emissivity": 0.8, "surroundings": rng.uniform(280, 320)},
        }[kind]  # fmt: skip
    domain = {"size": [1.0] * dimension}
    if dimension > 1 and rng.random() < 0.4 and min(cells) > 2:
        domain["active"] = {"expression": "(x < 0.6) | (y < 0.6)"}
    return {
        "dimension": dimension,
        "temperature_unit": "K",
        "domain": domain,
        "material": {"conductivity": 10 ** rng.uniform(-1, 2), "volumetric_heat_capacity": 1e6},
        "initial": {"expression": f"300 + where({names[0]} < {rng.random():.2f}, {rng.uniform(-9, 9):.2f}, 0)"},
        "boundaries": boundaries,
        "source_term": direction * rng.choice([0.0, 1e4]),
        "resolution": {"cells": cells, "end_time": 10 ** rng.uniform(1, 5)},
    }, direction


LONG = (22, 26, 36, 39)  # take seconds each


@pytest.mark.usefixtures("without_coverage")
@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=pytest.mark.physics if seed in LONG else ()) for seed in range(40)]
)
def test_readings_of_random_problems_stay_within_the_data(seed):
    rng = np.random.default_rng(seed)
    case, direction = make_random_case(rng)
    problem = HeatProblem.from_case(case)
    start = problem.initial.evaluate({axis: np.linspace(0, 1, 99) for axis in "xyz"[: problem.dimension]})
    solution = solve(problem, tolerance=1e-3)
    values = read_everywhere(solution, rng)
    ties = [start.min(), start.max()]
    for law in case["boundaries"].values():
        ties += [290.0, 330.0] if law["type"] == "temperature" else []
        ties += [law[name] for name in ("ambient", "surroundings") if name in law]
    cells = solution.final if solution.body is None else solution.final[solution.body]
    slack = 1e-12 * 330.0  # a rounding of the largest

    if direction > 0.0:
        assert values.min() >= min(*ties, cells.min()) - slack
    else:
        assert values.max() <= max(*ties, cells.max()) + slack
    extremes = solution.extrema()
    assert extremes.coldest_cell == cells.min() == solution.metrics["minimum_temperature"]
    assert extremes.hottest_cell == cells.max() == solution.metrics["peak_temperature"]
    for value, at, part, surface, cell in (
        (extremes.minimum, extremes.minimum_at, extremes.minimum_on, extremes.coldest_surface, extremes.coldest_cell),
        (extremes.maximum, extremes.maximum_at, extremes.maximum_on, extremes.hottest_surface, extremes.hottest_cell),
    ):
        assert value == {"cell": cell, "surface": surface}[part]
        assert solution.temperature_at(at) == pytest.approx(value, rel=1e-9)
    assert solution.series("peak_surface_temperature")[-1] == extremes.hottest_surface
    assert solution.series("minimum_surface_temperature")[-1] == extremes.coldest_surface


@pytest.mark.parametrize("coefficient", [0.0, 1.0, 30.0])
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_readings_at_faces_edges_and_corners_are_of_second_order_in_smooth_fields(dimension, coefficient):
    """The first mode of a cube that loses heat by h T on its far faces, cos(b x) with b tan b = h, as it starts."""
    low, high = 1e-9, math.pi / 2 - 1e-9
    for _ in range(100):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if middle * math.tan(middle) < coefficient else (low, middle)
    b = 0.7 if coefficient == 0.0 else low
    names = "xyz"[:dimension]
    mode = "*".join(f"cos({math.pi if coefficient == 0.0 else b!r}*{axis})" for axis in names)
    law = {"type": "convection", "coefficient": coefficient, "ambient": 0.0}
    errors = []
    for count in (8, 16):
        case = {
            "dimension": dimension,
            "domain": {"size": [1.0] * dimension},
            "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
            "initial": {"expression": mode},
            "boundaries": {f"{axis}_max": law for axis in names},
            "resolution": {"cells": [count] * dimension, "end_time": 1e-6},
        }
        solution = solve(HeatProblem.from_case(case))
        rng = np.random.default_rng(3)
        worst = 0.0
        for _ in range(30):
            place = np.round(rng.random(dimension) * 4) / 4
            exact = math.prod(math.cos((math.pi if coefficient == 0.0 else b) * x) for x in place)
            worst = max(worst, abs(solution.temperature_at(tuple(place), 0.0) - exact))
        errors.append(worst)

    assert math.log2(errors[0] / errors[1]) > 1.9


def test_a_hot_cell_in_a_corner_is_read_as_its_law_says_and_not_extrapolated():
    """Insulated faces have no slope, so the corner may rise by an eighth of the fall to each neighbour, not by 7/8."""
    case = {
        "dimension": 2,
        "domain": {"size": [1.0, 1.0]},
        "material": {"conductivity": 1e-6, "volumetric_heat_capacity": 1.0},
        "initial": {"expression": "where((x < 0.25) & (y < 0.25), 1, 0)"},
        "boundaries": {"x_max": {"type": "flux", "value": 1e-9}, "y_max": {"type": "flux", "value": -1e-9}},
        "resolution": {"cells": [4, 4], "end_time": 1e-3},
    }
    solution = solve(HeatProblem.from_case(case))

    assert 1.0 <= solution.temperature_at((0.0, 0.0)) <= (9 / 8) ** 2
    assert -1e-6 <= solution.temperature_at((0.0, 0.375)) <= 1e-6 + 1 / 16


@pytest.mark.parametrize("length", [0.2, 1.0, 2.0])
def test_the_share_of_the_curvature_is_that_of_cosh_at_any_length(length):
    one, two, three = (math.cosh((n + 0.5) / length) for n in range(3))
    curvature, inside = np.array([two - one]), np.array([three - 2 * two + one])
    share = weigh_curvature(curvature, inside, np.zeros(1))[0]

    if length < 0.5:  # beyond twice the limit of smooth
        assert one - share * curvature[0] / 8 == pytest.approx(1.0)
    assert 0.0 < share <= 1.0
    assert one - share * curvature[0] / 8 >= 0.9
