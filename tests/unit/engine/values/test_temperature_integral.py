"""Integrals of properties over temperature against closed forms, for random tables, pieces and peaks."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erf

from grid.engine.values.expression import Expression
from grid.engine.values.temperature_integral import TemperatureIntegral, find_degree, integrate_adaptively

TEMPERATURES = st.floats(-200.0, 1500.0)


def integral(text, anchor=20.0, extent=1.0):
    value = Expression(text)

    def function(temperature):
        return np.array(np.broadcast_to(value.evaluate({"T": temperature}), temperature.shape))

    return TemperatureIntegral((value,), function, anchor, extent)


def between(text, start, end, **arguments):
    return float(integral(text, **arguments).between(np.array([start]), np.array([end]))[0])


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_a_table_written_as_pieces_is_integrated_by_trapezoids(data):
    """The integral of a piecewise linear law is the sum of its trapezoids, however narrow a piece is."""
    gaps = data.draw(st.lists(st.floats(1e-3, 50.0), min_size=2, max_size=6))
    knots = 20.0 + np.concatenate([[0.0], np.cumsum(gaps)])
    heights = np.array(data.draw(st.lists(st.floats(1.0, 1e5), min_size=knots.size, max_size=knots.size)))
    text = repr(float(heights[-1]))
    for k in reversed(range(knots.size - 1)):
        slope = float((heights[k + 1] - heights[k]) / (knots[k + 1] - knots[k]))
        text = f"where(T < {knots[k + 1]!r}, {heights[k]!r} + {slope!r}*(T - {knots[k]!r}), {text})".replace("np.", "")
    text = text.replace("float64(", "(")
    exact = float(np.trapezoid(heights, knots))

    assert between(text, float(knots[0]), float(knots[-1])) == pytest.approx(exact, rel=1e-10)


@settings(deadline=None, max_examples=30)
@given(st.floats(-100.0, 1000.0), st.floats(1e-3, 3.0), st.floats(1.0, 1e6), TEMPERATURES, TEMPERATURES)
def test_a_narrow_peak_is_not_stepped_over(middle, width, height, start, end):
    text = f"1 + {height!r}*exp(-((T - {middle!r})/{width!r})**2)"
    primitive = lambda t: 0.5 * math.sqrt(math.pi) * width * height * erf((t - middle) / width)  # noqa: E731 short
    exact = end - start + primitive(end) - primitive(start)
    scale = abs(end - start) + math.sqrt(math.pi) * width * height

    assert between(text, start, end) == pytest.approx(exact, abs=1e-10 * scale)


@settings(deadline=None, max_examples=30)
@given(st.floats(-100.0, 1000.0), st.floats(1e-3, 50.0), st.floats(1.0, 1e6), TEMPERATURES, TEMPERATURES)
def test_a_box_is_exact_and_seen_however_narrow(low, width, height, start, end):
    text = f"where((T >= {low!r}) & (T < {low + width!r}), {height!r}, 1.0)"
    inside = lambda t: min(max(t, low), low + width)  # noqa: E731 short
    exact = end - start + (height - 1.0) * (inside(end) - inside(start))

    assert between(text, start, end) == pytest.approx(exact, rel=1e-9, abs=1e-9 * height * width)


def test_what_was_asked_before_changes_no_byte():
    text = "2 + exp(T/100) + where(T < 27, 3.0, 4.0)"
    near, far = integral(text), integral(text)
    far.between(np.array([-150.0]), np.array([1200.0]))
    ends = np.array([21.0, 25.0, 40.0]), np.array([26.0, 33.0, 21.5])

    assert near.between(*ends).tobytes() == far.between(*ends).tobytes()


def test_a_mean_over_almost_nothing_is_the_value_there():
    found = integral("where(T < 27, 3.0, 5.0) + sqrt(T)")
    at = np.array([21.0, 25.0])

    np.testing.assert_allclose(found.mean(at, at * (1 + 1e-15)), 3.0 + np.sqrt(at), rtol=1e-12)


@given(st.floats(-50.0, 200.0), st.floats(-50.0, 200.0))
def test_places_are_integrated_each_by_itself(start, end):
    low, high = np.array([start, start, end]), np.array([end, start, start])
    slopes = np.array([1.0, 2.0, 3.0])
    found = integrate_adaptively(lambda t, number: np.exp(slopes[number] * t / 100.0), low, high)
    exact = 100.0 / slopes * (np.exp(slopes * high / 100.0) - np.exp(slopes * low / 100.0))

    np.testing.assert_allclose(found, exact, rtol=1e-11, atol=1e-9)


@pytest.mark.parametrize(
    ("text", "degree"),
    [
        ("1 + 0.01*T", 1),
        ("T**3*2/x", 3),
        ("exp(T)", None),
        ("exp(x)*T", 1),
        ("where(x < 1, T, 2*T**2)", 2),
        ("where(T < 1, 1, 2)", None),
        ("1/T", None),
        ("T**0.5", None),
        ("2**T", None),
    ],
)
def test_polynomials_are_told_from_other_laws(text, degree):
    assert find_degree(Expression(text)) == degree
