"""Laws that every solution obeys, over random problems."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from grid.core.errors import FieldError
from grid.engine import HeatProblem, estimate, solve

pytestmark = pytest.mark.usefixtures("without_coverage")

METHODS = ("explicit", "implicit")
random_problems = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])

conductivities = st.floats(0.01, 100.0)
temperatures = st.floats(-50.0, 50.0)


def verdicts(solution):
    return {audit.name: audit for audit in solution.audits}


@st.composite
def bodies(draw, boundary_types=("insulated",), dimensions=(1, 2, 3)):
    """A box of two materials with a random smooth start and faces of the given types."""
    dimension = draw(st.sampled_from(dimensions))
    cells = [draw(st.integers(1, 9 if dimension < 3 else 5)) for _ in range(dimension)]
    size = [draw(st.floats(0.1, 3.0)) for _ in range(dimension)]
    k = [draw(conductivities), draw(conductivities)]
    c = [draw(st.floats(0.1, 10.0)), draw(st.floats(0.1, 10.0))]
    cut = 0.5 * size[0]
    materials = [
        {"where": {"expression": f"x < {cut!r}"}, "conductivity": k[0], "volumetric_heat_capacity": c[0]},
        {
            "where": {"expression": f"x >= {cut!r}"},
            "conductivity": [k[1]] * dimension,
            "volumetric_heat_capacity": c[1],
        },
    ]
    waves = " + ".join(
        f"{draw(temperatures):.3f}*cos({draw(st.integers(0, 3))}*pi*{axis})" for axis in "xyz"[:dimension]
    )
    boundaries = {}
    for axis in "xyz"[:dimension]:
        for end in ("min", "max"):
            boundaries[f"{axis}_{end}"] = draw(st.sampled_from(boundary_types).flatmap(make_boundary))
    if draw(st.booleans()) and set(boundary_types) == {"insulated"}:
        boundaries |= {"x_min": {"type": "periodic"}, "x_max": {"type": "periodic"}}
    return {
        "dimension": dimension,
        "domain": {"size": size},
        "material": materials,
        "initial": {"expression": waves},
        "boundaries": boundaries,
        "resolution": {"cells": cells, "steps": draw(st.integers(1, 12)), "end_time": draw(st.floats(1e-3, 0.3))},
    }


def make_boundary(kind):
    if kind == "temperature":
        return temperatures.map(lambda value: {"type": "temperature", "value": value})
    if kind == "convection":
        return st.tuples(st.floats(0.0, 100.0), temperatures).map(
            lambda pair: {"type": "convection", "coefficient": pair[0], "ambient": pair[1]}
        )
    if kind == "flux":
        return temperatures.map(lambda value: {"type": "flux", "value": value})
    return st.just({"type": "insulated"})


def count_steps(problem: HeatProblem) -> float:
    """Explicit steps of a problem; infinite where they are more than the engine takes."""
    try:
        return estimate(problem, method="explicit").steps
    except FieldError as error:
        if "steps of the explicit method" not in str(error):
            raise
        return math.inf


def solve_cheaply(case, method):
    problem = HeatProblem.from_case(case)
    if method == "explicit":
        assume(count_steps(problem) < 3_000)
    return solve(problem, method=method)


@pytest.mark.parametrize("method", METHODS)
@random_problems
@given(case=bodies())
def test_an_insulated_body_keeps_its_heat(method, case):
    solution = solve_cheaply(case, method)

    scale = np.abs(solution.fields).max() * abs(solution._spaces[0].capacity.sum())
    assert abs(solution.metrics["stored_heat_change"]) <= 1e-12 * scale + 1e-300
    assert solution.heat_balance.boundary_in == solution.heat_balance.boundary_out == 0.0


@pytest.mark.parametrize("method", METHODS)
@random_problems
@given(case=bodies(boundary_types=("insulated", "temperature", "convection", "flux")))
def test_the_heat_balance_closes(method, case):
    case = case | {"source_term": {"expression": "3*sin(x) + t"}}
    solution = solve_cheaply(case, method)

    assert verdicts(solution)["energy_balance"].verdict == "passed"
    assert verdicts(solution)["finite"].verdict == "passed"
    rates = sum(solution.heat_rate(face) for face in case["boundaries"])
    assert math.isfinite(rates)


@pytest.mark.parametrize("method", METHODS)
@random_problems
@given(case=bodies(boundary_types=("insulated", "temperature", "convection")))
def test_temperatures_stay_between_those_of_start_and_boundaries(method, case):
    solution = solve_cheaply(case, method)

    audit = verdicts(solution)["maximum_principle"]
    assert audit.verdict == "passed", audit


@pytest.mark.parametrize("method", METHODS)
@random_problems
@given(case=bodies(boundary_types=("temperature", "convection"), dimensions=(2,)))
def test_a_mirrored_body_has_the_mirrored_solution(method, case):
    solution = solve_cheaply(case, method)
    width = case["domain"]["size"][0]
    mirrored = {**case, "boundaries": dict(case["boundaries"]), "material": [dict(m) for m in case["material"]]}
    mirrored["boundaries"]["x_min"] = case["boundaries"]["x_max"]
    mirrored["boundaries"]["x_max"] = case["boundaries"]["x_min"]
    mirrored["initial"] = {"expression": case["initial"]["expression"].replace("x", f"({width!r} - x)")}
    cut = 0.5 * width
    mirrored["material"][0]["where"] = {"expression": f"{width!r} - x < {cut!r}"}
    mirrored["material"][1]["where"] = {"expression": f"{width!r} - x >= {cut!r}"}
    # a cell centre on the cut may round to either side in the mirror
    assume(case["resolution"]["cells"][0] % 2 == 0)

    other = solve_cheaply(mirrored, method)

    span = np.ptp(solution.fields) + 1e-9
    np.testing.assert_allclose(other.final[::-1], solution.final, atol=1e-9 * span)


@pytest.mark.parametrize("method", METHODS)
@random_problems
@given(case=bodies(boundary_types=("temperature", "convection", "flux")))
def test_scaling_lengths_by_two_and_time_by_four_changes_nothing(method, case):
    case = case | {"boundaries": {f: b for f, b in case["boundaries"].items() if b["type"] == "temperature"}}
    solution = solve_cheaply(case, method)
    size = [2 * length for length in case["domain"]["size"]]
    material = [dict(m, where={"expression": m["where"]["expression"].replace("x", "x/2")}) for m in case["material"]]
    start = case["initial"]["expression"]
    for axis in "xyz":
        start = start.replace(f"*{axis}", f"*{axis}/2")
    resolution = case["resolution"] | {"end_time": 4 * case["resolution"]["end_time"]}
    scaled = case | {"domain": {"size": size}, "material": material, "resolution": resolution}

    other = solve_cheaply(scaled | {"initial": {"expression": start}}, method)

    np.testing.assert_allclose(other.final, solution.final, atol=1e-9 * (np.ptp(solution.fields) + 1e-9))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_a_run_repeated_gives_the_same_bytes(method, dimension, make_case_for_laws):
    case = make_case_for_laws(dimension, 6)

    first, second = (solve(HeatProblem.from_case(case), method=method) for _ in range(2))

    assert first.fields.tobytes() == second.fields.tobytes()


@pytest.fixture
def make_case_for_laws():
    return sine_case


def sine_case(dimension, cells, steps=None, end_time=0.05):
    """A product of sines between faces held at zero; it decays as exp(-dimension pi^2 t)."""
    axes = "xyz"[:dimension]
    return {
        "dimension": dimension,
        "domain": {"size": [1.0] * dimension},
        "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
        "initial": {"expression": "*".join(f"sin(pi*{axis})" for axis in axes)},
        "boundaries": {
            f"{axis}_{end}": {"type": "temperature", "value": 0.0} for axis in axes for end in ("min", "max")
        },
        "exact": {"expression": f"exp(-{dimension}*pi**2*t)*" + "*".join(f"sin(pi*{axis})" for axis in axes)},
        "resolution": {"cells": [cells] * dimension, "steps": steps or 40, "end_time": end_time},
    }


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_the_error_of_a_sine_falls_with_the_square_of_the_cell(dimension, method):
    """The exact solution is exp(-d pi^2 t) times the start (separation of variables)."""
    from grid.engine.verification.quantities import compute_rms_error

    grids = (8, 16, 32) if dimension < 3 else (6, 12, 24)
    errors = [
        compute_rms_error(solve(HeatProblem.from_case(sine_case(dimension, n, steps=4 * n)), method=method))
        for n in grids
    ]

    assert np.log2(errors[0] / errors[1]) >= 1.85
    assert np.log2(errors[1] / errors[2]) >= 1.9


def test_the_time_error_of_the_implicit_method_falls_with_the_square_of_the_step():
    """Against a run with very many steps on the same grid, so that the error of the grid drops out."""
    reference = solve(HeatProblem.from_case(sine_case(1, 16, steps=4096, end_time=0.2)), method="implicit").final
    errors = [
        np.abs(
            solve(HeatProblem.from_case(sine_case(1, 16, steps=n, end_time=0.2)), method="implicit").final - reference
        ).max()
        for n in (8, 16, 32, 64)
    ]

    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert (orders >= 1.8).all(), orders


def test_the_step_error_covers_the_true_one():
    """Against the same grid with a far smaller step; an estimate may be too careful, not too small."""
    reference = solve(HeatProblem.from_case(sine_case(1, 16, steps=2048, end_time=0.2)), method="implicit").final
    for method, steps in (("implicit", 8), ("implicit", 32), ("explicit", 1)):
        solution = solve(HeatProblem.from_case(sine_case(1, 16, steps=steps, end_time=0.2)), method=method)
        true = np.abs(solution.final - reference).max() / np.ptp(solution.fields)

        estimate = verdicts(solution)["step_error"].value
        assert 0.5 * true <= estimate <= 20 * true


def layered_wall(cells):
    return {
        "domain": {"size": [0.6]},
        "steady": True,
        "material": [
            {"where": {"expression": "x < 0.1"}, "conductivity": 0.05},
            {"where": {"expression": "(x >= 0.1) & (x < 0.4)"}, "conductivity": 20.0},
            {"where": {"expression": "x >= 0.4"}, "conductivity": 1.5},
        ],
        "boundaries": {
            "x_min": {"type": "convection", "coefficient": 8.0, "ambient": 300.0},
            "x_max": {"type": "temperature", "value": 20.0},
        },
        "temperature_unit": "degC",
        "resolution": {"cells": [cells]},
    }


@pytest.mark.parametrize("cells", [6, 12, 60])
def test_a_steady_profile_through_layers_is_exact(cells):
    """Resistances in series: 1/h + sum of thickness over conductivity (any textbook of heat conduction)."""
    solution = solve(HeatProblem.from_case(layered_wall(cells)))
    resistances = [1 / 8.0, 0.1 / 0.05, 0.3 / 20.0, 0.2 / 1.5]
    flux = (300.0 - 20.0) / sum(resistances)

    levels = 300.0 - flux * np.cumsum(resistances)

    for position, expected in zip((0.0, 0.1, 0.4, 0.6), levels, strict=True):
        assert solution.temperature_at((position,)) == pytest.approx(expected, abs=280e-10)
    assert solution.temperature_at((0.25,)) == pytest.approx(0.5 * (levels[1] + levels[2]), abs=280e-10)
    assert solution.heat_flux((0.3,), "+x") == pytest.approx(flux, rel=1e-10)
    assert solution.heat_flux((0.3,), "-x") == pytest.approx(-flux, rel=1e-10)
    assert solution.heat_rate("x_min") == pytest.approx(flux, rel=1e-10)
    assert solution.heat_rate("x_max") == pytest.approx(-flux, rel=1e-10)
    assert solution.is_accepted


@pytest.mark.parametrize("dimension", [2, 3])
def test_a_linear_field_is_exact_everywhere(dimension):
    """T = 10 + 3 x + 2 y - z solves div(k grad T) = 0 for a constant k, one for each axis."""
    axes = "xyz"[:dimension]
    field = {"expression": "10 + 3*x + 2*y" + (" - z" if dimension == 3 else "")}
    case = {
        "domain": {"size": [1.0, 0.7, 1.3][:dimension], "origin": [-0.2] * dimension},
        "steady": True,
        "material": {"conductivity": [1.0, 5.0, 0.3][:dimension]},
        "boundaries": {
            f"{axis}_{end}": {"type": "temperature", "value": field} for axis in axes for end in ("min", "max")
        },
        "resolution": {"cells": [5, 4, 6][:dimension]},
    }
    solution = solve(HeatProblem.from_case(case))

    rng = np.random.default_rng(7)
    for _ in range(20):
        point = tuple(-0.2 + rng.random() * length for length in case["domain"]["size"])
        expected = 10 + 3 * point[0] + 2 * point[1] - (point[2] if dimension == 3 else 0)
        assert solution.temperature_at(point) == pytest.approx(expected, abs=1e-9)
        assert solution.heat_flux(point, "+y") == pytest.approx(-10.0, abs=1e-8)


@pytest.mark.parametrize("cells", [2, 4, 20])
@pytest.mark.parametrize("dimension", [1, 2])
def test_a_contact_is_a_resistance_between_its_two_sides(cells, dimension):
    """Half walls of 0.5/2 and 0.5/8 and a contact of 1/10 in series, between 100 and 0."""
    axis = "xy"[dimension - 1]
    case = {
        "domain": {"size": [1.0] * dimension},
        "steady": True,
        "material": [
            {"where": {"expression": f"{axis} < 0.5"}, "conductivity": 2.0},
            {"where": {"expression": f"{axis} >= 0.5"}, "conductivity": 8.0},
        ],
        "contacts": [{"axis": axis, "position": 0.5, "conductance": 10.0}],
        "boundaries": {
            f"{axis}_min": {"type": "temperature", "value": 100.0},
            f"{axis}_max": {"type": "temperature", "value": 0.0},
        },
        "resolution": {"cells": [cells] * dimension},
    }
    solution = solve(HeatProblem.from_case(case))
    flux = 100.0 / (0.25 + 0.0625 + 0.1)

    def at(position, side=None):
        return solution.temperature_at((0.3,) * (dimension - 1) + (position,), side=side)

    assert at(0.5, "low") == pytest.approx(100 - 0.25 * flux, abs=1e-10)
    assert at(0.5, "high") == pytest.approx(0.0625 * flux, abs=1e-10)
    assert at(0.2) == pytest.approx(100 - 0.1 * flux, abs=1e-9)
    assert at(0.9) == pytest.approx(0.1 / 8 * flux, abs=1e-9)
    assert solution.heat_rate(f"{axis}_min") == pytest.approx(flux, rel=1e-10)


def test_a_contact_keeps_heat_and_bounds_in_time():
    case = {
        "domain": {"size": [1.0]},
        "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
        "initial": {"expression": "where(x < 0.25, 1.0, 0.0)"},
        "contacts": [{"axis": "x", "position": 0.25, "conductance": 0.5}],
        "resolution": {"cells": [16], "steps": 20, "end_time": 0.05},
    }
    for method in METHODS:
        solution = solve(HeatProblem.from_case(case), method=method)

        assert solution.is_accepted
        assert solution.mean_temperature() == pytest.approx(0.25, rel=1e-12)
        assert solution.temperature_at((0.25,), side="low") - solution.temperature_at((0.25,), side="high") > 0.3
