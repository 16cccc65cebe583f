"""Errors within a run: where, when, which cell, and what to do; the same after a journey between processes."""

import functools
import pickle

import pytest

from grid.core.errors import DivergedError
from grid.engine import HeatProblem, NotConvergedError, SingularError, prepare, solve
from grid.engine.errors import RunawayError, RunError, StepUnderflowError
from grid.engine.linear.iteration import solve_balance
from grid.engine.run.time_loop import TimeLoop, make_stepper

HELD = {"x_min": {"type": "temperature", "value": 1.0}}


def make_errors():
    yield SingularError("no level")
    yield SingularError("no level", "hold one")
    yield NotConvergedError("a search", 7, 0.5, 1e-3, cell=17)
    yield RunawayError("source_term", 1e9, "K", 1e-3)
    yield StepUnderflowError(1e-9, step=3, time_s=0.25, cell=17)


@pytest.mark.parametrize("error", list(make_errors()), ids=lambda error: type(error).__name__)
def test_an_error_of_a_run_pickles_with_its_place_and_ends_with_the_way_out(error):
    error.place(5, 0.5, (4, 6))
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 made here

    assert type(copy) is type(error)
    assert (copy.step, copy.time_s, copy.cell, str(copy)) == (error.step, error.time_s, error.cell, str(error))
    assert error.cell in (None, (2, 5))  # the 17th of rows of 6
    assert (error.step, error.time_s) == ((3, 0.25) if isinstance(error, StepUnderflowError) else (5, 0.5))
    assert str(error).endswith(f"; {error.remedy}.")
    assert str(error).startswith(f"step {error.step}, t = {error.time_s:g} s")


def test_what_is_placed_already_stays_where_it_was():
    error = NotConvergedError("a search", 7, 0.5, 1e-3, cell=5)
    error.place(2, 0.1, (2, 3))
    error.place(9, 0.9, (6,))
    assert (error.step, error.time_s, error.cell) == (2, 0.1, (1, 2))


def test_a_temperature_that_diverged_pickles_with_its_cell():
    error = DivergedError(3, 0.5, "not finite; shorten the steps", (1, 2))
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 made here
    assert (copy.step, copy.time_s, copy.cell, str(copy)) == (3, 0.5, (1, 2), str(error))


@pytest.mark.parametrize("conductivity", [1.0, {"expression": "1 + T"}], ids=["linear", "nonlinear"])
def test_equal_implicit_steps_say_which_one_could_not_be_solved(make_problem, conductivity):
    """The stages of the third step are made to fail; steps are counted within the pieces that a march asks for."""
    plan = prepare(
        make_problem(boundaries=HELD, material={"conductivity": conductivity, "volumetric_heat_capacity": 1.0}),
        method="implicit",
        steps=8,
    )
    stepper, calls = make_stepper(plan), []
    stage = stepper._stage

    def failing(*args, **options):
        calls.append(args)
        if len(calls) == 5:
            raise NotConvergedError("a stage", 1, 1.0, 0.0, cell=6)
        return stage(*args, **options)

    stepper._stage = failing
    with pytest.raises(
        NotConvergedError, match=r"step 2, t = .* s, cell \(6,\): a stage: .*; (refine the grid|take more steps)"
    ) as caught:
        TimeLoop(plan, stepper).run()
    assert caught.value.time_s == pytest.approx(2 / 8 * plan.problem.end_time)


def test_a_steady_state_that_stalls_names_the_cell(make_problem, monkeypatch):
    monkeypatch.setattr("grid.engine.run.steady.solve_balance", functools.partial(solve_balance, turns=1))
    monkeypatch.setattr("grid.engine.run.steady.RELAXATIONS", 0)
    problem = make_problem(
        steady=True,
        boundaries={**HELD, "x_max": {"type": "temperature", "value": 9.0}},
        material={"conductivity": {"expression": "1 + T**4"}, "volumetric_heat_capacity": 1.0},
    )
    with pytest.raises(RunError) as caught:
        solve(problem)
    assert caught.value.step is None
    assert isinstance(caught.value.cell, tuple)
    assert str(caught.value).startswith(f"cell {caught.value.cell}: ")


def test_a_phase_change_that_stalls_names_step_time_and_cell(make_problem, monkeypatch):
    monkeypatch.setattr("grid.engine.methods.implicit.phase_change.ITERATIONS", 1)
    material = {
        "melting_temperature": 0.5, "volumetric_latent_heat": 3.0,
        "solid": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0},
        "liquid": {"conductivity": 9.0, "volumetric_heat_capacity": 2.0},
    }  # fmt: skip
    problem = make_problem(material=material, initial=0.0, boundaries=HELD)
    with pytest.raises(NotConvergedError, match=r"step \d+, t = .* s, cell \(\d,\): enthalpies of a phase change"):
        solve(problem, method="implicit", steps=4)


def melting_bar(material):
    """20 cells of a solid, of which a held face melts most: by a sharp temperature, or over a range."""
    return HeatProblem.from_case(
        {
            "dimension": 1,
            "temperature_unit": "relative",
            "domain": {"size": [0.02]},
            "material": material,
            "initial": -5.0,
            "boundaries": {"x_min": {"type": "temperature", "value": 30.0}},
            "resolution": {"cells": [20], "end_time": 600.0},
        }
    )


def by_range(width):
    table = [[-20.0, -4e7], [-width, -2e6 * width], [width, 1e8 + 2e6 * width], [40.0, 1.8e8]]
    return {"conductivity": {"expression": "where(T < 0, 1, 60)"}, "volumetric_enthalpy": {"table": table}}


SHARP_BAR = {
    "melting_temperature": 0.0,
    "volumetric_latent_heat": 1e8,
    "volumetric_heat_capacity": 2e6,
    "solid": {"conductivity": 1.0},
    "liquid": {"conductivity": 60.0},
}


@pytest.mark.parametrize(("material", "word"), [(SHARP_BAR, "range"), (by_range(1e-6), "kelvins")])
def test_a_stalled_phase_change_advises_what_works(material, word, monkeypatch):
    """An iteration that is cut short, with steps that are not cut: a melting range, more steps, and steps by error."""
    monkeypatch.setattr("grid.engine.methods.implicit.phase_change.ITERATIONS", 20)
    monkeypatch.setattr("grid.engine.methods.implicit.phase_change.SHORTEST", 1.0)
    with pytest.raises(NotConvergedError, match="volumetric_enthalpy") as stalled:
        solve(melting_bar(material), method="implicit", steps=2)

    assert word in str(stalled.value)
    assert "take more steps" in str(stalled.value)
    assert solve(melting_bar(by_range(1.0)), method="implicit", steps=2).is_accepted
    assert solve(melting_bar(material), method="implicit", steps=300).is_accepted
    assert solve(melting_bar(material)).is_accepted
