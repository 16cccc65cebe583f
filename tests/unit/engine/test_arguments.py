"""Whatever is given for an argument or a field, of any Python type, is refused by name or taken; nothing breaks."""

from dataclasses import fields
from decimal import Decimal

import numpy as np
import pytest

from grid.core.errors import FieldError, GridError
from grid.engine import (
    Adaptive,
    Constant,
    Contact,
    Convection,
    Domain,
    Expression,
    Gridded,
    HeatProblem,
    Material,
    Radiation,
    Table,
    Temperature,
    estimate,
    prepare,
    solve,
    solve_batch,
)

HUGE = 10**400  # no double
STRANGE = [
    None, True, "x", "nan", b"x", 1j, float("nan"), float("inf"), -1, 0, 1.5, HUGE, -HUGE, Decimal(1), [], [1], ["a"],
    [[1.0]], (None,), {}, {"a": 1}, set(), object(), np.array([1.0, 2.0]), np.array(["a"]), np.array(1j), len,
]  # fmt: skip


def make_rod(**changes):
    rod = {
        "domain": Domain((1.0,), (4,)),
        "materials": (Material((Constant(1.0),), Constant(1.0)),),
        "initial": Constant(1.0),
        "boundaries": {"x_min": Temperature(Constant(0.0))},
        "end_time": 0.01,
        "steps": 2,
    }
    return HeatProblem(**(rod | changes))


ROD = make_rod()
WRONG = {  # what is refused of each argument, with its name
    "until": (["x", 1j, float("nan"), -1, 0, [], [1.0], True, HUGE], "until"),
    "times": ([0.01, "x", {}, [], ["a"], [None], [[1.0]], [float("nan")], [-1.0], [HUGE], set()], "times"),
    "method": ([None, 1, "magic", ["auto"], np.array(["auto", "auto"])], "method"),
    "steps": ([1.5, "2", 0, True, [2], float("nan"), HUGE], "steps"),
    "tolerance": (["1e-3", 0.0, 1.0, float("nan"), [1e-3], 1j, True], "tolerance"),
    "precision": ([None, "single", 64, ["double"]], "precision"),
    "model": ([1, "magic", True, ["auto"]], "model"),
    "model_tolerance": ([None, "x", 0.0, 2.0, float("nan"), [0.1]], "model_tolerance"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_argument_of_the_wrong_type_or_size_is_refused_by_its_name_before_any_step(name):
    values, field = WRONG[name]
    for value in values:
        for ask in (solve, prepare, estimate, lambda problem, **more: solve_batch(problem, {"initial": [1.0]}, **more)):
            if ask is estimate and name in ("until", "model_tolerance"):
                continue
            with pytest.raises(FieldError) as caught:
                ask(ROD, **{name: value})
            assert caught.value.field == field, value


def test_what_is_no_problem_no_truth_and_no_function_is_refused_by_name():
    for value in STRANGE:
        for ask in (solve, prepare, estimate, lambda problem: solve_batch(problem, {"initial": [1.0]})):
            with pytest.raises(FieldError, match="problem: a HeatProblem"):
                ask(value)
        if not isinstance(value, bool):
            with pytest.raises(FieldError, match="richardson: true or false"):
                solve(ROD, richardson=value)
        if value is not None and value is not len:
            with pytest.raises(FieldError, match="on_step: a function"):
                solve(ROD, on_step=value)


def test_a_checkpoint_that_cannot_be_written_is_refused_before_any_step(tmp_path):
    plan = prepare(ROD)
    for value in (1, b"x", ["x"], "a\0b", tmp_path / "missing" / "file"):
        with pytest.raises(FieldError, match="checkpoint"):
            plan.solve(checkpoint=value)
        if value is not None:
            with pytest.raises(FieldError, match="checkpoint"):
                plan.resume(value)
    with pytest.raises(FieldError, match="every"):
        plan.solve(checkpoint=tmp_path / "file", every="soon")


@pytest.mark.parametrize("vary", [None, 1, "initial", [("initial", [1.0])], {1: [1.0]}, {"initial": "x"}])
def test_what_cannot_vary_is_refused_by_name(vary):
    with pytest.raises(FieldError, match="vary"):
        solve_batch(ROD, vary)


def test_an_unknown_option_of_a_batch_is_refused():
    with pytest.raises(FieldError, match="options"):
        solve_batch(ROD, {"initial": [1.0]}, colour="red")


MATERIAL = {"conductivity": (Constant(1.0),), "volumetric_heat_capacity": Constant(1.0)}
WHOLE = {  # a right set of fields of every part of a problem, and how the part stands in it
    "problem": (dict, {}, lambda part: part),
    "domain": (Domain, {"size": (1.0,), "cells": (4,)}, lambda part: {"domain": part}),
    "material": (Material, MATERIAL, lambda part: {"materials": (part,)}),
    "contact": (Contact, {"axis": "x", "position": 0.5, "conductance": 1.0}, lambda part: {"contacts": (part,)}),
    "adaptive": (Adaptive, {"measure": "hottest_above_mean", "threshold": 1.0}, lambda part: {"adaptive": part}),
    "radiation": (
        Radiation,
        {"emissivity": Constant(0.5), "surroundings": Constant(1.0)},
        lambda part: {"temperature_unit": "K", "boundaries": {"x_min": part}},
    ),
    "convection": (
        Convection,
        {"coefficient": Constant(1.0), "ambient": Constant(0.0)},
        lambda part: {"boundaries": {"x_min": part}},
    ),
    "table": (Table, {"times": (0.0,), "values": (1.0,)}, lambda part: {"boundaries": {"x_min": Temperature(part)}}),
    "constant": (Constant, {"value": 1.0}, lambda part: {"initial": part}),
    "gridded": (Gridded, {"cells": np.ones(4)}, lambda part: {"initial": part}),
    "expression": (Expression, {"text": "1"}, lambda part: {"initial": part}),
}
FIELDS = [
    (name, item.name)
    for name, (kind, *_) in WHOLE.items()
    for item in fields(HeatProblem if kind is dict else kind)
    if item.init
]


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_every_field_of_a_problem_takes_or_refuses_every_type(name, field):
    """A strange value, alone or as the only entry of a tuple, makes a problem that can be planned or a refusal."""
    kind, right, put = WHOLE[name]
    refused = 0
    for value in [*STRANGE, *((value,) for value in STRANGE), *({"x_min": value} for value in STRANGE)]:
        try:
            estimate(make_rod(**put(kind(**(right | {field: value})))))
        except GridError:
            refused += 1
    assert refused >= 40


def test_numbers_texts_lists_and_arrays_stand_for_the_values_that_they_mean():
    short = HeatProblem(
        domain=Domain([1.0], [4]),
        materials=[Material(1.0, volumetric_heat_capacity=np.float32(1.0))],
        initial="1 + 0 * x",
        boundaries={"x_min": Temperature(0)},
        end_time=0.01,
        steps=2,
    )

    assert short == make_rod(initial=Expression("1 + 0 * x"), materials=(Material((Constant(1.0),), Constant(1.0)),))
    assert make_rod(initial=np.ones(4)).initial == Gridded(np.ones(4))


STEEL = {"young_modulus": 2e11, "poisson_ratio": 0.3, "thermal_expansion": 1.2e-5, "yield_stress": 2.5e8}


@pytest.fixture(scope="module")
def plate():
    """A plate with its stresses at two times."""
    from grid.engine.structural.stress import solve_stress_run

    material = Material((Constant(1.0),), Constant(1.0), **STEEL)
    problem = make_rod(domain=Domain((1.0, 1.0), (3, 3)), materials=(material,))
    solution = solve(problem, method="implicit")
    return solution, solve_stress_run(solution)


def looks(solution, run):
    """Every way of looking at a solution and its stresses, by name; each takes one argument."""
    from grid.engine.structural.stress import estimate_stress, make_body, solve_stress

    stress = run.solutions[-1]
    return {
        "temperature_at": solution.temperature_at,
        "temperature_at.time": lambda value: solution.temperature_at((0.5, 0.5), value),
        "temperature_at.side": lambda value: solution.temperature_at((0.5, 0.5), side=value),
        "temperatures_at": solution.temperatures_at,
        "surface_stress": solution.surface_stress,
        "stored_heat": solution.stored_heat,
        "probe": solution.probe,
        "slice.axis": lambda value: solution.slice(value, 0.5),
        "slice.at": lambda value: solution.slice("x", value),
        "series": solution.series,
        "heat_flux.point": lambda value: solution.heat_flux(value, "+x"),
        "heat_flux.direction": lambda value: solution.heat_flux((0.5, 0.5), value),
        "heat_rate": solution.heat_rate,
        "front_position": lambda value: solution.front_position(value, 0.5),
        "front_position.level": lambda value: solution.front_position("+x", value),
        "melting_front": solution.melting_front,
        "extrapolate": solution.extrapolate,
        "solve_stress": solve_stress,
        "solve_stress.supports": lambda value: solve_stress(solution, supports=value),
        "solve_stress.plane": lambda value: solve_stress(solution, plane=value),
        "solve_stress.time": lambda value: solve_stress(solution, time=value),
        "solve_stress.reference": lambda value: solve_stress(solution, reference_temperature=value),
        "make_body": make_body,
        "estimate_stress": lambda value: estimate_stress(solution.problem, value),
        "estimate_stress.reference": lambda value: estimate_stress(
            solution.problem, solution.final, reference_temperature=value
        ),
        "estimate_stress.support": lambda value: estimate_stress(solution.problem, solution.final, support=value),
        "stress_at": lambda value: stress.stress_at(value, "xx"),
        "stress_at.component": lambda value: stress.stress_at((0.5, 0.5), value),
        "stress_at.side": lambda value: stress.stress_at((0.5, 0.5), "xx", value),
        "map_damage.component": lambda value: run.map_damage(lambda ranges: ranges + 1.0, value),
    }


def test_every_look_at_a_solution_takes_or_refuses_every_type(plate):
    for name, look in looks(*plate).items():
        refused = 0
        for value in STRANGE:
            try:
                look(value)
            except GridError:
                refused += 1
        assert refused >= 14, name


def test_a_point_as_far_away_as_numbers_go_is_no_point_of_the_body(plate):
    solution, run = plate
    for place_ in ((1e308, 0.5), (-1e308, -1e308)):
        with pytest.raises(FieldError, match="at: a point of the body"):
            run.solutions[-1].stress_at(place_, "xx")
        with pytest.raises(FieldError, match="at: a point of the body"):
            solution.temperature_at(place_)
