"""Expressions of place and time as sums of products, against their own values at random places and times."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.engine.values.expression import Expression
from grid.engine.values.separation import MAX_PRODUCTS, separate

RNG = np.random.default_rng(3)
X, Y, Z, T = (RNG.uniform(0.05, 2.0, 400) for _ in range(4))


def add_up(products):
    total = np.zeros_like(X)
    for product in products:
        assert product.place.variables <= {"x", "y", "z"}
        assert product.time.variables <= {"t"}
        place = np.broadcast_to(product.place.evaluate({"x": X, "y": Y, "z": Z}), X.shape)
        total = total + place * np.broadcast_to(product.time.evaluate({"t": T}), X.shape)
    return total


def values(text):
    return np.broadcast_to(Expression(text).evaluate({"x": X, "y": Y, "z": Z, "t": T}), X.shape)


PLACES = st.sampled_from(["x", "sin(3*y)", "(x - z)", "2.5", "abs(x - 1)", "where(x < 1, y, -2)", "exp(-x**2)"])
TIMES = st.sampled_from(["t", "cos(2*t)", "1e-3", "-t", "where(t < 1, 4, t)", "(1 - t)**3", "sqrt(t)"])
TESTS = st.sampled_from(["x < 1", "t > 0.7", "(y > z)", "(t < 1.5)"])


def extend(parts):
    pairs = st.tuples(parts, parts)
    truths = st.one_of(
        TESTS, st.tuples(TESTS, st.sampled_from("&|"), TESTS).map(lambda p: f"(({p[0]}) {p[1]} ({p[2]}))")
    )
    return st.one_of(
        pairs.map(lambda p: f"({p[0]} + {p[1]})"),
        pairs.map(lambda p: f"({p[0]} - {p[1]})"),
        pairs.map(lambda p: f"({p[0]})*({p[1]})"),
        parts.map(lambda p: f"-({p})"),
        st.tuples(parts, TIMES).map(lambda p: f"({p[0]})/(3 + ({p[1]})**2)"),
        st.tuples(truths, parts, parts).map(lambda p: f"where({p[0]}, {p[1]}, {p[2]})"),
    )


@settings(max_examples=150, deadline=None)
@given(text=st.recursive(st.one_of(PLACES, TIMES), extend, max_leaves=6))
def test_products_add_up_to_the_expression(text):
    found = separate(Expression(text))

    if found is None:  # too many products; rare, as each of six leaves is one
        return
    assert len({product.time for product in found}) == len(found)
    np.testing.assert_allclose(add_up(found), values(text), rtol=1e-10, atol=1e-10 * np.abs(values(text)).max())


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("where(x < 0.1, where(t < 20, 5e6, 1e6), 0)", 1),
        ("where((x < 1) & (t < 1), 3, 0)", 1),
        ("(1 + x)*(2 + t)", 1),
        ("x*t + sin(t) - y*cos(t)", 3),
        ("x*sin(t) + y*sin(t) - z*sin(t)", 1),
        ("exp(-x)/(1 + t)", 1),
    ],
)
def test_one_product_for_each_function_of_time(text, count):
    found = [product for product in separate(Expression(text)) if "t" in product.time.variables]

    assert len(found) == count
    np.testing.assert_allclose(add_up(separate(Expression(text))), values(text), rtol=1e-13)


@pytest.mark.parametrize(
    "text",
    ["sin(x*t)", "exp(-(x - t)**2)", "where(x < t, 1, 0)", "1/(x + t)", "(x + t)**2", "T*t", "x < 1"],
)
def test_what_moves_or_depends_on_temperature_does_not_separate(text):
    assert separate(Expression(text)) is None


def test_more_products_than_the_limit_are_none():
    factors = [f"(x**{n} + t**{n})" for n in range(1, 8)]  # 2**7 products

    assert separate(Expression("*".join(factors[:4]))) is not None
    assert MAX_PRODUCTS < 2**7
    assert separate(Expression("*".join(factors))) is None


def test_a_branch_that_is_not_picked_harms_nothing():
    """log(t) below zero of time, and 1/x at zero, behind conditions of their own variable."""
    found = separate(Expression("where(t > 1, log(t - 1), 0)*where(x > 1, 1/(x - 1), 0)"))

    assert len(found) == 1
    np.testing.assert_allclose(add_up(found), values("where(t > 1, log(t - 1), 0)*where(x > 1, 1/(x - 1), 0)"))
