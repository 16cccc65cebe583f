"""Bounds of expressions over stretches of time hold every value that the expression takes there."""

import numpy as np
import pytest

from grid.engine.values.enclosures import enclose
from grid.engine.values.expression import Expression
from grid.engine.values.intervals import Interval, multiply

TEXTS = (
    "sin(3*t)*exp(-((t-7)/0.5)**2)",
    "t**3 - 2*t",
    "(t+1)**-2 + (t-4)**2",
    "sqrt(t+0.1)*log(t+1)",
    "tanh(t-3) - erf((t-3)/2) + erfc(t)",
    "cosh(t/10)/sinh(1+t/20)",
    "maximum(t,x*9) - minimum(t*t,7*x)",
    "tan(t/7) + cos(40*t)**2/(1+t*t)",
    "2**t + (t+2)**1.5 + (t+1)**(x+1)",
    "where(x < 0.1*t, sin(t), t)",
    "abs(x - 0.1*t)",
    "exp(-((x-0.1*t)/0.2)**2)",
)


def sample(text, rng, widths):
    """Stretches, and the expression at 60 places and times within each."""
    low = rng.uniform(0.0, 10.0, widths.size)
    times = low + rng.uniform(0.0, 1.0, (60, 1)) * widths
    coordinates = rng.uniform(0.2, 0.9, (60, 1))
    values = np.broadcast_to(Expression(text).evaluate({"t": times, "x": coordinates}), times.shape)
    return low, low + widths, values, times, coordinates


@pytest.mark.parametrize("text", TEXTS)
def test_bounds_hold_all_values(text):
    rng = np.random.default_rng(3)
    low, high, values, _, _ = sample(text, rng, 10.0 ** rng.uniform(-6, 1, 300))

    found = enclose(Expression(text).code, "t", low, high, {"x": (0.2, 0.9)}).value

    assert np.all(values >= found.low)
    assert np.all(values <= found.high)


@pytest.mark.parametrize("text", [text for text in TEXTS if not text.startswith(("where", "maximum", "abs"))])
def test_bounds_of_slopes_hold_all_difference_quotients(text):
    """By the mean value theorem a difference quotient is a slope in between, the second one a second derivative."""
    rng = np.random.default_rng(4)
    expression, step = Expression(text), 1e-3
    low, high, _, times, coordinates = sample(text, rng, np.full(200, 0.3))
    times = np.clip(times, low + step, high - step)
    before, here, after = (expression.evaluate({"t": times + shift, "x": coordinates}) for shift in (-step, 0.0, step))

    found = enclose(expression.code, "t", low, high, {"x": (0.2, 0.9)})

    first, second = (after - before) / (2 * step), (after - 2 * here + before) / step**2
    rounding = 1e-14 * (1.0 + np.abs(here))  # of the values that are subtracted
    assert np.all(first >= found.slope.low - rounding / step)
    assert np.all(first <= found.slope.high + rounding / step)
    slack = 8 * rounding / step**2
    assert np.all(second >= found.bend.low - slack)
    assert np.all(second <= found.bend.high + slack)


def test_bounds_of_a_short_pulse_in_a_long_run_do_not_miss_it():
    low, high = np.array([0.0, 50.0]), np.array([50.0, 1e5])

    found = enclose(Expression("exp(-((t-37.123)/1e-3)**2)").code, "t", low, high, {}).value

    assert found.high[0] >= 1.0
    assert found.high[1] < 1e-300


def test_a_condition_on_the_place_leaves_both_branches():
    found = enclose(Expression("where(x < 0.5, 3, 7)").code, "t", np.zeros(1), np.ones(1), {"x": (0.0, 1.0)}).value

    assert (float(found.low), float(found.high)) == (3.0, 7.0)


@pytest.mark.parametrize("text", ["where(t < 0.3, 0, 5*t)", "abs(t - 0.3)", "maximum(t, 0.3)*t"])
def test_a_corner_within_a_stretch_has_no_bound_of_its_bend(text):
    """Between switches the middle tells on which side a stretch lies; where one may lie within, nothing does."""
    code, low, high = Expression(text).code, np.array([0.0, 0.2, 0.4]), np.array([0.2, 0.4, 0.6])
    bend = enclose(code, "t", low, high, {}, has_switches=True).bend.magnitude

    assert not np.isfinite(np.broadcast_to(bend, 3)[1])
    assert np.isfinite(enclose(code, "t", low, high, {}).bend.magnitude).all()


@pytest.mark.parametrize("number", [2.0, -0.3, 1e300, -1e-300, 0.0, np.inf])
def test_a_product_with_one_number_is_that_with_an_interval_of_no_length(number):
    """Nothing times endless is nothing, and what is endless stays so."""
    ends = np.sort(np.random.default_rng(2).normal(size=(2, 50)) * 10.0 ** np.arange(-200, 200, 8), axis=0)
    ends[:, :4] = [[-np.inf, -np.inf, 0.0, 0.0], [np.inf, 3.0, np.inf, 0.0]]
    other, point = Interval(*ends), np.asarray(number)
    with np.errstate(all="ignore"):
        found, turned = multiply(Interval(point, point), other), multiply(other, Interval(point, point))
        expected = multiply(Interval(point, point.copy()), other)

    for one in (found, turned):
        np.testing.assert_array_equal(one.low, expected.low)
        np.testing.assert_array_equal(one.high, expected.high)
    assert np.isfinite(number) or (found.low[3], found.high[3]) == (0.0, 0.0)
    assert np.all(expected.low <= np.where(ends[0] == 0.0, 0.0, expected.high))
