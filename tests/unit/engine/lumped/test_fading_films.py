"""Films that fall to nothing within a run: the lumped models end as the body does that conducts."""

import math

import numpy as np
import pytest

from grid.engine import solve


def fading(make_problem, film, rate, **changes):
    law = {"type": "convection", "coefficient": {"expression": f"{film}*exp(-{rate}*t)"}, "ambient": 5.0}
    return make_problem(boundaries={"x_min": law}, resolution={"cells": [8], "end_time": 50.0, "steps": 400}, **changes)


@pytest.mark.parametrize("model", ["lumped", "corrected", "auto"])
@pytest.mark.parametrize("rate", [0.5, 5.0, 50.0, 500.0])
def test_a_film_that_fades_leaves_the_body_where_it_stands(make_problem, model, rate):
    """T' = h(t) (Ta - T): T = Ta - (Ta - T0) exp(-integral of h), of a body that is uniform to Bi = 0.01."""
    film = 0.01
    solution = solve(fading(make_problem, film, rate), model=model)

    exact = 5.0 - 4.0 * math.exp(-film / rate * -math.expm1(-rate * 50.0))
    np.testing.assert_allclose(solution.final.mean() - 1.0, exact - 1.0, rtol=0.03)
    assert np.isfinite(solution.fields).all()


@pytest.mark.parametrize("film", [1e-6, 1e-9, 1e-12, 1e-15, 1e-30, 1e-300, 0.0])
def test_a_film_of_next_to_nothing_answers_like_none(make_problem, film):
    """Heated by a source of 2: T = 1 + 2 t but for what the film takes, 100 s times it."""
    law = {"type": "convection", "coefficient": film, "ambient": 5.0}
    problem = make_problem(boundaries={"x_min": law}, source_term=2.0, resolution={"cells": [8], "end_time": 1.0})

    for model in ("lumped", "corrected", "auto"):
        np.testing.assert_allclose(solve(problem, model=model).final.mean(), 3.0, rtol=1e-8 + 3.0 * film)
