"""Laws that every method obeys on random problems (docs/case-format.md, section 10).

Each method by its name draws problems until it meets one that it can solve. The short form tries a few, the long form
(`make test-physics`) hundreds.
"""

import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from grid.core.errors import UnsupportedError
from grid.engine import HeatProblem, Solution, estimate, solve
from grid.engine.methods import METHODS
from grid.engine.verification.quantities import compute_rms_error

pytestmark = pytest.mark.usefixtures("without_coverage")

# `forced` takes no problem but one with a source of place and time, which none of these has
NAMES = ("auto", *(method.name for method in METHODS if method.name != "forced"))
TOLERANCE = 1e-4  # of the span, in time
FINE = 1e-5  # where the error of space is looked at
FEW, MANY = 2, 150
WORK_S = 0.2  # of a drawn problem; a stiff one that a method would take minutes for is drawn anew
Json = dict[str, Any]


def can_solve(name: str, dimension: int, face: str) -> bool:
    """Whether a method takes a plain box with such faces."""
    faces = {f"{axis}_{end}": FACES[face] for axis in "xyz"[:dimension] for end in ("min", "max")}
    box = {
        "domain": {"size": [1.0] * dimension},
        "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
        "initial": 1.0,
        "boundaries": faces,
        "resolution": {"cells": [4] * dimension, "end_time": 0.1},
    }
    try:
        estimate(HeatProblem.from_case(box), method=name, tolerance=TOLERANCE)
    except UnsupportedError:
        return False
    return True


FACES: dict[str, Json] = {"held": {"type": "temperature", "value": 0.0}, "joined": {"type": "periodic"}}
every_method = pytest.mark.parametrize("name", NAMES)
seeds = pytest.mark.parametrize(
    "seeds", [pytest.param(range(FEW), id="few"), pytest.param(range(FEW, MANY), id="many", marks=pytest.mark.physics)]
)


def draw_body(rng: random.Random, *, dimension: int | None = None, is_uniform: bool | None = None) -> Json:
    """A box of one or two materials with a smooth start, insulated; about one diffusion time long or less."""
    dimension = dimension or rng.choice((1, 2, 3))
    axes = "xyz"[:dimension]
    size = [rng.uniform(0.3, 2.0) for _ in axes]
    k, c = rng.uniform(0.1, 10.0), rng.uniform(0.1, 10.0)
    material: Any = {"conductivity": k, "volumetric_heat_capacity": c}
    if is_uniform is False or (is_uniform is None and rng.random() < 0.5):
        cut, other = 0.5 * size[0], {"conductivity": k * rng.uniform(0.1, 10.0), "volumetric_heat_capacity": 2.0 * c}
        material = [
            material | {"where": {"expression": f"x < {cut!r}"}},
            other | {"where": {"expression": f"x >= {cut!r}"}},
        ]
    waves = "+".join(
        f"{rng.uniform(-50.0, 50.0)!r}*cos({rng.randint(1, 3)}*pi*{axis}/{length!r})"
        for axis, length in zip(axes, size, strict=True)
    )
    return {
        "dimension": dimension,
        "domain": {"size": size},
        "material": material,
        "initial": {"expression": f"{rng.uniform(-50.0, 50.0)!r} + {waves}"},
        "boundaries": {},
        "resolution": {
            "cells": [2 * rng.randint(1, 6 if dimension < 3 else 3) for _ in axes],
            "steps": 40,
            "end_time": rng.uniform(0.01, 0.5) * min(size) ** 2 * c / k,
        },
    }


def draw_faces(case: Json, rng: random.Random, kinds: tuple[str, ...]) -> Json:
    """The case with random faces: one kind and one number along each axis, so that every method finds some."""
    faces: Json = {}
    for axis in "xyz"[: case["dimension"]]:
        for end in ("min", "max"):
            kind = rng.choice(kinds)
            number = rng.uniform(-50.0, 50.0)
            faces[f"{axis}_{end}"] = {
                "temperature": {"type": "temperature", "value": number},
                "convection": {"type": "convection", "coefficient": rng.uniform(0.1, 20.0), "ambient": number},
                "flux": {"type": "flux", "value": number},
                "insulated": {"type": "insulated"},
            }[kind]
    return case | {"boundaries": faces}


def solvable(name: str, seeds: range, draw: Callable[[random.Random], Json]) -> Iterator[tuple[Json, Solution]]:
    """A problem for each seed that the method can solve, and its solution."""
    for seed in seeds:
        rng = random.Random(seed)
        for _ in range(60):
            case = draw(rng)
            problem = HeatProblem.from_case(case)
            try:
                if estimate(problem, method=name, tolerance=TOLERANCE).work_s > WORK_S:
                    continue
                yield case, solve(problem, method=name, tolerance=TOLERANCE)
            except UnsupportedError:
                continue
            break
        else:
            pytest.fail(f"{name} can solve none of 60 problems")


def repeat(name: str, case: Json) -> Solution:
    return solve(HeatProblem.from_case(case), method=name, tolerance=TOLERANCE)


def failed(solution: Solution) -> dict[str, float | None]:
    return {audit.name: audit.value for audit in solution.audits if audit.verdict == "failed"}


@every_method
@seeds
def test_an_insulated_body_keeps_its_heat(name, seeds):
    for case, solution in solvable(name, seeds, draw_body):
        content = float(np.abs(solution.space_at(0).capacity * solution.fields[0].reshape(-1)).sum())
        assert abs(solution.metrics["stored_heat_change"]) <= 1e-11 * content, case
        assert not failed(solution), (failed(solution), case)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "explicit"])  # which counts its steps beforehand
@pytest.mark.parametrize("ripple", [0.0, 1e-15, 1e-14])
@pytest.mark.parametrize("tolerance", [1e-3, 1e-6])
def test_a_body_that_is_uniform_but_for_rounding_stays_so_and_costs_few_steps(name, ripple, tolerance):
    """Its span is no scale for a tolerance: a share of it is less than the rounding of a temperature."""
    case = {
        "domain": {"size": [1.0, 1.0]},
        "material": {"conductivity": {"expression": "1 + 0.001*abs(T)"}, "volumetric_heat_capacity": 2.0},
        "initial": {"expression": f"-300*(1 + {ripple!r}*cos(pi*x))"},
        "boundaries": {"x_min": {"type": "convection", "coefficient": 1.0, "ambient": -300.0}},
        "resolution": {"cells": [6, 6], "end_time": 0.3},
    }
    try:
        solution = solve(HeatProblem.from_case(case), method=name, tolerance=tolerance)
    except UnsupportedError:
        case["material"]["conductivity"] = 1.3
        solution = solve(HeatProblem.from_case(case), method=name, tolerance=tolerance)

    assert solution.is_accepted, failed(solution)
    assert np.abs(solution.final + 300.0).max() <= 300.0 * (ripple + 1e-13)
    assert solution.metrics["steps"] + solution.metrics["rejected_steps"] <= 10.0 / math.sqrt(tolerance)


@every_method
@seeds
def test_stored_heat_is_what_came_in_through_faces_and_sources(name, seeds):
    def draw(rng: random.Random) -> Json:
        case = draw_faces(draw_body(rng), rng, ("temperature", "convection", "flux", "insulated"))
        return case | {"source_term": rng.choice((0.0, rng.uniform(-100.0, 100.0)))}

    for case, solution in solvable(name, seeds, draw):
        assert "energy_balance" not in failed(solution), (failed(solution), case)


@every_method
@seeds
def test_without_sources_temperatures_stay_between_those_of_start_and_faces(name, seeds):
    def draw(rng: random.Random) -> Json:
        return draw_faces(draw_body(rng), rng, ("temperature", "convection", "insulated"))

    for case, solution in solvable(name, seeds, draw):
        [audit] = [audit for audit in solution.audits if audit.name == "maximum_principle"]
        assert audit.verdict == "passed", (audit, case)


@every_method
@seeds
def test_a_mirrored_body_has_the_mirrored_solution(name, seeds):
    def draw(rng: random.Random) -> Json:
        return draw_faces(draw_body(rng), rng, ("temperature", "insulated"))

    for case, solution in solvable(name, seeds, draw):
        width = case["domain"]["size"][0]
        swapped = {"x_min": case["boundaries"]["x_max"], "x_max": case["boundaries"]["x_min"]}
        mirrored = replace_place(case, "x", f"({width!r} - x)") | {"boundaries": case["boundaries"] | swapped}
        other = repeat(name, mirrored)

        assert_same(other.final[::-1], solution, case)


@every_method
@seeds
def test_lengths_times_two_and_times_times_four_change_nothing(name, seeds):
    def draw(rng: random.Random) -> Json:
        return draw_faces(draw_body(rng), rng, ("temperature", "insulated"))

    for case, solution in solvable(name, seeds, draw):
        scaled = case
        for axis in "xyz"[: case["dimension"]]:
            scaled = replace_place(scaled, axis, f"(0.5*{axis})")
        scaled = scaled | {
            "domain": {"size": [2.0 * length for length in case["domain"]["size"]]},
            "resolution": case["resolution"] | {"end_time": 4.0 * case["resolution"]["end_time"]},
        }

        assert_same(repeat(name, scaled).final, solution, case)


@pytest.mark.parametrize("name", [name for name in NAMES if can_solve(name, 2, "joined")])
@seeds
def test_a_wheel_turned_by_some_cells_has_the_turned_solution(name, seeds):
    """Of one material and joined at its ends, with a start that is periodic as well."""

    def draw(rng: random.Random) -> Json:
        case = draw_body(rng, is_uniform=True)
        joined = {"x_min": {"type": "periodic"}, "x_max": {"type": "periodic"}}
        wave = f"{rng.uniform(-50.0, 50.0)!r}*sin(2*pi*x/{case['domain']['size'][0]!r})"
        wave += f" + 10*cos(4*pi*x/{case['domain']['size'][0]!r})"
        return case | {"boundaries": joined, "initial": {"expression": wave}}

    for case, solution in solvable(name, seeds, draw):
        cell = case["domain"]["size"][0] / case["resolution"]["cells"][0]
        other = repeat(name, replace_place(case, "x", f"(x - {cell!r})"))

        assert_same(np.roll(other.final, -1, axis=0), solution, case)


@pytest.mark.parametrize(
    ("name", "dimension"), [(name, d) for name in NAMES for d in (1, 2) if can_solve(name, d, "held")]
)
def test_half_the_cell_and_half_the_step_leave_a_quarter_of_the_error(name, dimension):
    """A product of sines between faces held at zero falls as exp(-d pi^2 t)."""
    axes = "xyz"[:dimension]
    sines = "*".join(f"sin(pi*{axis})" for axis in axes)
    held = {f"{axis}_{end}": {"type": "temperature", "value": 0.0} for axis in axes for end in ("min", "max")}
    errors = []
    for cells in (6, 12, 24) if name == "modal" else (8, 16, 32):  # of all modes of a plate there are few enough
        case = {
            "domain": {"size": [1.0] * dimension},
            "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
            "initial": {"expression": sines},
            "exact": {"expression": f"exp(-{dimension}*pi**2*t)*{sines}"},
            "boundaries": held,
            "resolution": {"cells": [cells] * dimension, "steps": 2 * cells, "end_time": 0.05},
        }
        errors.append(compute_rms_error(solve(HeatProblem.from_case(case), method=name, tolerance=FINE)))

    assert math.log2(errors[0] / errors[1]) >= 1.85
    assert math.log2(errors[1] / errors[2]) >= 1.85


def replace_place(case: Json, axis: str, place: str) -> Json:
    """The case with another place in its start and its regions."""
    material = case["material"]
    if isinstance(material, list):
        material = [dict(one, where={"expression": swap(one["where"]["expression"], axis, place)}) for one in material]
    return case | {"material": material, "initial": {"expression": swap(case["initial"]["expression"], axis, place)}}


def swap(expression: str, axis: str, place: str) -> str:
    marked = expression.replace("exp", "\0")  # the one function with an x in its name
    return marked.replace(axis, place).replace("\0", "exp")


def assert_same(field: np.ndarray, solution: Solution, case: Json) -> None:
    """Equal but for what two runs that choose their own steps may differ by."""
    span = float(np.ptp(solution.fields)) + 1e-9
    assert float(np.abs(field - solution.final).max()) <= 2.0 * TOLERANCE * span, case


@pytest.mark.parametrize("speed", [1.0, -1.0])
def test_a_flow_of_any_peclet_number_carries_its_inlet_through_the_body(speed):
    """At a cell Peclet number of 1,700 the share of a conductance beside the flow is less than any number."""
    case = {
        "domain": {"size": [1e5]},
        "material": {"conductivity": 10.0, "volumetric_heat_capacity": 1.0},
        "velocity": [speed],
        "steady": True,
        "boundaries": {"x_min": {"type": "temperature", "value": 2.0}, "x_max": {"type": "temperature", "value": 5.0}},
        "resolution": {"cells": [6]},
    }
    solution = solve(HeatProblem.from_case(case))

    np.testing.assert_allclose(solution.final, 2.0 if speed > 0 else 5.0, rtol=1e-12)
    assert solution.is_accepted


def test_one_cell_at_absolute_zero_is_warmed_by_radiation_alone():
    """Where a body at 0 K does not radiate, the derivative of its balance is nothing."""
    case = {
        "temperature_unit": "K",
        "domain": {"size": [0.01]},
        "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
        "steady": True,
        "boundaries": {"x_min": {"type": "radiation", "emissivity": 0.8, "surroundings": 342.0}},
        "resolution": {"cells": [1]},
    }

    assert solve(HeatProblem.from_case(case)).final == pytest.approx(342.0, rel=1e-9)


def test_a_stiff_body_behind_a_weak_surface_settles_at_its_surroundings_to_rounding():
    """Nine metres long and thin: one rounding of what it exchanges is thousands in its temperature."""
    case = {
        "temperature_unit": "degC",
        "domain": {"size": [9.003862078558099, 0.0778983114819437]},
        "material": {
            "conductivity": [0.002256098724406618, 0.0011931470443177987],
            "volumetric_heat_capacity": 530.5894752460832,
        },
        "steady": True,
        "boundaries": {
            "x_min": {
                "type": "convection_radiation",
                "coefficient": 0.00034235842981561037,
                "ambient": -52.39291476035142,
            }
            | {"emissivity": 0.7392013786685941, "surroundings": 92.68484628103366}
        },
        "resolution": {"cells": [4, 3]},
    }
    solution = solve(HeatProblem.from_case(case))

    held = float(solution.final.mean())
    absorbed = 0.7392013786685941 * 5.670374419e-8 * ((92.68484628103366 + 273.15) ** 4 - (held + 273.15) ** 4)
    assert absorbed == pytest.approx(0.00034235842981561037 * (held + 52.39291476035142), rel=1e-6)
    np.testing.assert_allclose(solution.final, held, rtol=1e-10)
