"""Values that are known on the grid alone."""

import pickle

import numpy as np
import pytest

from grid.core.errors import FieldError
from grid.engine import Constant, Domain, Flux, HeatProblem, Material, solve
from grid.engine.values.expression import Expression
from grid.engine.values.read import as_value
from grid.engine.values.value import Gridded

X = (np.arange(6) + 0.5) / 6


def make_problem(conductivity, initial=0.0, source=0.0, **changes):
    fields = {
        "domain": Domain((1.0,), (6,)),
        "materials": (Material((conductivity,), Constant(1.0)),),
        "initial": initial,
        "source_term": source,
        "end_time": 0.1,
        "steps": 10,
    }
    return HeatProblem(**(fields | changes))


def test_numbers_for_each_cell_are_what_the_expression_has_there():
    gridded = make_problem(Gridded(1.0 + X), initial=np.sin(X), source=X**2)
    expression = make_problem(Expression("1 + x"), initial=Expression("sin(x)"), source=Expression("x**2"))

    one, other = (solve(problem, method="implicit") for problem in (gridded, expression))

    np.testing.assert_allclose(one.final, other.final, rtol=1e-13)


def test_it_compares_by_content_pickles_and_cannot_be_written_to():
    numbers = np.array([1.0, 2.0])
    value = Gridded(numbers)
    numbers[0] = 7.0

    assert value == pickle.loads(pickle.dumps(value)) == as_value(np.array([1.0, 2.0]))  # noqa: S301
    assert hash(value) == hash(Gridded(np.array([1.0, 2.0])))
    assert value != Gridded(np.array([1.0, 3.0]))
    with pytest.raises(ValueError, match="read-only"):
        value.cells[0] = 1.0


@pytest.mark.parametrize("bad", [np.ones(5), np.ones((6, 1))])
def test_a_shape_that_is_not_the_grids_is_refused(bad):
    with pytest.raises(FieldError, match="shape of the grid"):
        make_problem(Gridded(bad))


@pytest.mark.parametrize("number", [-1.0, np.nan, np.inf])
def test_a_number_that_is_not_physical_is_refused(number):
    cells = np.ones(6)
    cells[3] = number

    with pytest.raises(FieldError, match="conductivity"):
        make_problem(Gridded(cells))


def test_it_does_not_belong_on_a_face():
    with pytest.raises(FieldError, match=r"boundaries\.x_min"):
        make_problem(Constant(1.0), boundaries={"x_min": Flux(Gridded(np.ones(6)))})
