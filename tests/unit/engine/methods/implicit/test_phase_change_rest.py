"""A body that melts and all but rests: what is left of a residual is rounding, and Newton's method knows it."""

import pytest

from grid.engine import HeatProblem, solve
from grid.engine.methods.implicit.phase_change import EnthalpyStepper

FILM = {"type": "convection", "coefficient": 100.0}


@pytest.mark.parametrize(("end_time", "most"), [(1e4, 1200), (1e6, 400)])
def test_a_bar_that_settles_between_two_films_takes_few_turns(end_time, most, monkeypatch):
    """20 cells, the liquid conducting 60 times as well: the front comes to rest in the last cell.

    Temperatures there have the roundings of the heat that has melted them, times what conducts for the whole of a step;
    where they counted for less, a stage took 500 evaluations, and the run to 1e6 s more than a minute.
    """
    evaluate, count = EnthalpyStepper._at, 0

    def counting(self, content, time):
        nonlocal count
        count += 1
        return evaluate(self, content, time)

    monkeypatch.setattr(EnthalpyStepper, "_at", counting)
    phases = {"solid": {"conductivity": 1.0}, "liquid": {"conductivity": 60.0}}
    case = {
        "dimension": 1,
        "temperature_unit": "relative",
        "domain": {"size": [0.02]},
        "material": {
            "volumetric_heat_capacity": 2e6,
            "volumetric_latent_heat": 1e8,
            "melting_temperature": 0.0,
            **phases,
        },
        "initial": -10.0,
        "boundaries": {"x_min": {**FILM, "ambient": 10.0}, "x_max": {**FILM, "ambient": -10.0}},
        "resolution": {"cells": [20], "end_time": end_time},
    }
    solution = solve(HeatProblem.from_case(case))

    assert solution.is_accepted
    assert count <= most
