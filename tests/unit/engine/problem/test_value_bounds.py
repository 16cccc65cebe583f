"""Interval arithmetic holds every value of an expression, and says what the data of a problem bound."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.engine import Constant, Expression, Gridded, HeatProblem, Table
from grid.engine.problem.value_bounds import bound_value, find_temperature_bounds

LEAVES = st.one_of(st.sampled_from(["x", "t", "pi"]), st.floats(0, 5).map(lambda number: f"{number:.3f}"))
CONDITIONS = ("<", "<=", ">", ">=", "==", "!=")


def grow(part):
    one = ("sin", "cos", "tan", "exp", "log", "sqrt", "sinh", "cosh", "tanh", "abs", "erf", "erfc")
    return st.one_of(
        st.tuples(part, st.sampled_from("+-*/"), part).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        st.tuples(st.sampled_from(one), part).map(lambda p: f"{p[0]}({p[1]})"),
        st.tuples(st.sampled_from(["minimum", "maximum"]), part, part).map(lambda p: f"{p[0]}({p[1]}, {p[2]})"),
        st.tuples(part, st.integers(0, 4)).map(lambda p: f"({p[0]})**{p[1]}"),
        st.tuples(part, part).map(lambda p: f"abs({p[0]})**{p[1]}"),
        st.tuples(part, st.sampled_from(CONDITIONS), part, part).map(
            lambda p: f"where(({p[0]} {p[1]} {p[2]}) & ({p[3]} < 2), {p[3]}, -({p[0]}))"
        ),
    )


@given(st.recursive(LEAVES, grow, max_leaves=6), st.floats(-3, 3), st.floats(0, 2), st.floats(0, 2))
def test_no_value_of_an_expression_leaves_its_bounds(text, x, width, t):
    low, high = bound_value(Expression(text), {"x": (x, x + width), "t": (t, t + 1.0)})
    coordinates = {"x": np.linspace(x, x + width, 21), "t": np.linspace(t, t + 1.0, 21)[::-1]}
    with np.errstate(all="ignore"):
        values = np.broadcast_to(Expression(text).evaluate(coordinates), (21,))
    values = values[~np.isnan(values)]

    assert low <= high
    slack = [
        1e-9 * abs(end) if math.isfinite(end) else 0.0 for end in (low, high)
    ]  # functions round, and roundings grow
    assert np.all(values >= low - slack[0])
    assert np.all(values <= high + slack[1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5.66e7*exp(-2*((x-(0.005+0.01*t))/0.0015)**2)", (0.0, 5.66e7)),
        ("where((t >= 5) & (t < 9), 1, 0)", (0.0, 1.0)),
        ("where(t < -1, -1, 2)", (2.0, 2.0)),
        ("3 + sin(x*t)", (2.0, 4.0)),
        ("maximum(x - 5, 0)", (0.0, 0.0)),
        ("1/x", (-math.inf, math.inf)),
        ("2**exp(1000)", (math.inf, math.inf)),
    ],
)
def test_bounds_are_as_narrow_as_loads_need(text, expected):
    assert bound_value(Expression(text), {"x": (0.0, 1.0), "t": (0.0, 10.0)}) == pytest.approx(expected)


def test_values_of_other_kinds_have_bounds():
    assert bound_value(Constant(3.0), {}) == (3.0, 3.0)
    assert bound_value(Table([0.0, 1.0], [5.0, -2.0], of="T"), {}) == (-2.0, 5.0)
    assert bound_value(Gridded(np.array([1.0, 4.0])), {}) == (1.0, 4.0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (10.0, 10.0)),
        ({"source_term": 5.0}, (10.0, math.inf)),
        ({"source_term": {"expression": "-5*T"}}, (-math.inf, math.inf)),
        ({"boundaries": {"x_min": {"type": "flux", "value": -1.0}}}, (-math.inf, 10.0)),
        ({"boundaries": {"x_min": {"type": "convection", "coefficient": 1.0, "ambient": 4.0}}}, (4.0, 10.0)),
        ({"boundaries": {"x_min": {"type": "temperature", "value": {"expression": "10 + 5*t"}}}}, (10.0, 20.0)),
    ],
)
def test_the_data_of_a_problem_bound_its_temperatures_where_nothing_else_moves_heat(changes, expected):
    case = {
        "dimension": 1, "domain": {"size": [1.0]}, "initial": 10.0, "resolution": {"cells": [4], "end_time": 2.0},
        "material": {"conductivity": 1.0, "volumetric_heat_capacity": 1.0}, **changes,
    }  # fmt: skip

    assert find_temperature_bounds(HeatProblem.from_case(case), 2.0) == expected
