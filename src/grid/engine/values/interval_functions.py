"""Functions of intervals: each returns bounds of its value and of its first two derivatives."""

import math
from collections.abc import Callable

import numpy as np

from grid.engine.values.intervals import (
    ANY,
    ROUNDINGS,
    Interval,
    add,
    exactly,
    invert,
    multiply,
    negate,
    pick,
    square,
    widen,
)
from grid.engine.values.operations import FloatArray

TWO_PI = 2.0 * math.pi  # [rad] period of the trigonometric functions
SLOPE_OF_ERF = 2.0 / math.sqrt(math.pi)  # [-] slope of erf at 0


def _wave(inner: Interval, phase: float) -> Interval:
    """Bounds of cos(x - phase): the ends, and the extremes in between."""
    ends = np.cos(inner.low - phase), np.cos(inner.high - phase)
    slack = 4.0 * ROUNDINGS * (1.0 + inner.magnitude)
    first, last = (inner.low - phase - slack) / TWO_PI, (inner.high - phase + slack) / TWO_PI
    has_top = np.floor(last) >= np.ceil(first)
    has_bottom = np.floor(last - 0.5) >= np.ceil(first - 0.5)
    low = np.where(has_bottom, -1.0, np.minimum(*ends) - slack)
    high = np.where(has_top, 1.0, np.maximum(*ends) + slack)
    unknown = ~np.isfinite(first) | ~np.isfinite(last)
    return Interval(np.where(unknown, -1.0, np.maximum(low, -1.0)), np.where(unknown, 1.0, np.minimum(high, 1.0)))


def _cos(inner: Interval) -> tuple[Interval, Interval, Interval]:
    value = _wave(inner, 0.0)
    return value, negate(_wave(inner, 0.5 * math.pi)), negate(value)


def _sin(inner: Interval) -> tuple[Interval, Interval, Interval]:
    value = _wave(inner, 0.5 * math.pi)
    return value, _wave(inner, 0.0), negate(value)


def _tan(inner: Interval) -> tuple[Interval, Interval, Interval]:
    branch = [np.floor(end / math.pi + 0.5) for end in (inner.low, inner.high)]
    value = pick(branch[0] != branch[1], ANY, widen(Interval(np.tan(inner.low), np.tan(inner.high))))
    first = add(exactly(1.0), square(value))
    return value, first, multiply(multiply(exactly(2.0), value), first)


def _rising(function: Callable[[FloatArray], FloatArray], inner: Interval) -> Interval:
    return widen(Interval(function(inner.low), function(inner.high)))


def _exp(inner: Interval) -> tuple[Interval, Interval, Interval]:
    value = _rising(np.exp, inner)
    return value, value, value


def _log(inner: Interval) -> tuple[Interval, Interval, Interval]:
    positive = Interval(np.maximum(inner.low, 0.0), np.maximum(inner.high, 0.0))
    inverse = invert(positive)
    return _rising(np.log, positive), inverse, negate(square(inverse))


def _sqrt(inner: Interval) -> tuple[Interval, Interval, Interval]:
    positive = Interval(np.maximum(inner.low, 0.0), np.maximum(inner.high, 0.0))
    value, inverse = _rising(np.sqrt, positive), invert(positive)
    first = multiply(exactly(0.5), multiply(value, inverse))
    first = pick(positive.low > 0.0, multiply(exactly(0.5), invert(value)), first)
    return value, first, multiply(exactly(-0.5), multiply(first, inverse))


def _sinh(inner: Interval) -> tuple[Interval, Interval, Interval]:
    value = _rising(np.sinh, inner)
    return value, _even_cosh(inner), value


def _cosh(inner: Interval) -> tuple[Interval, Interval, Interval]:
    value = _even_cosh(inner)
    return value, _rising(np.sinh, inner), value


def _even_cosh(inner: Interval) -> Interval:
    least = np.where((inner.low <= 0.0) & (inner.high >= 0.0), 0.0, np.minimum(*np.abs(inner)))
    return widen(Interval(np.cosh(least), np.cosh(inner.magnitude)))


def _tanh(inner: Interval) -> tuple[Interval, Interval, Interval]:
    value = _rising(np.tanh, inner)
    inverse = invert(_even_cosh(inner))
    first = square(inverse)
    return value, first, multiply(multiply(exactly(-2.0), value), first)


def _elementwise(function: Callable[[float], float], values: FloatArray) -> FloatArray:
    array = np.asarray(values, np.float64)
    return np.array([function(value) for value in array.reshape(-1).tolist()]).reshape(array.shape)


def _erf_value(values: FloatArray) -> FloatArray:
    return _elementwise(math.erf, values)


def _erfc_value(values: FloatArray) -> FloatArray:
    return _elementwise(math.erfc, values)


_ERRORS: dict[str, Callable[[FloatArray], FloatArray]] = {"erf": _erf_value, "erfc": _erfc_value}  # without SciPy


def _erf(inner: Interval) -> tuple[Interval, Interval, Interval]:
    first = multiply(exactly(SLOPE_OF_ERF), _rising(np.exp, negate(square(inner))))
    return _rising(_erf_value, inner), first, multiply(multiply(exactly(-2.0), inner), first)


def _erfc(inner: Interval) -> tuple[Interval, Interval, Interval]:
    _, first, second = _erf(inner)
    value = widen(Interval(_erfc_value(inner.high), _erfc_value(inner.low)))
    return value, negate(first), negate(second)


FUNCTIONS: dict[str, Callable[[Interval], tuple[Interval, Interval, Interval]]] = {
    "sin": _sin,
    "cos": _cos,
    "tan": _tan,
    "exp": _exp,
    "log": _log,
    "sqrt": _sqrt,
    "sinh": _sinh,
    "cosh": _cosh,
    "tanh": _tanh,
    "erf": _erf,
    "erfc": _erfc,
}
