"""Interval arithmetic on arrays, rounded outwards; see `grid.engine.values.enclosures` for what it is used for."""

import math
from typing import NamedTuple

import numpy as np

from grid.engine.values.operations import FloatArray, Operand

# [-] relative widening of a computed bound for rounding: 8 half units in the last place of a double
ROUNDINGS = 8.0 * 2.0**-53


class Interval(NamedTuple):
    """Lower and upper bounds, an entry for each stretch (or one for all)."""

    low: FloatArray
    high: FloatArray

    @property
    def magnitude(self) -> FloatArray:
        """Largest absolute value."""
        out: FloatArray = np.maximum(np.abs(self.low), np.abs(self.high))
        return out


ZERO = Interval(np.zeros(()), np.zeros(()))
ANY = Interval(np.full((), -np.inf), np.full((), np.inf))


def exactly(number: Operand) -> Interval:
    """Return the interval of one number, as it is."""
    array = np.asarray(number, np.float64)
    return Interval(array, array)


def widen(interval: Interval) -> Interval:
    """An interval moved outwards by a few roundings; an end that is not a number becomes infinite."""
    low = interval.low - ROUNDINGS * np.abs(interval.low)
    high = interval.high + ROUNDINGS * np.abs(interval.high)
    return Interval(_fill_gaps(low, -np.inf), _fill_gaps(high, np.inf))


def _fill_gaps(numbers: FloatArray, other: float) -> FloatArray:
    """Replace the entries that are not a number, of which there are few, by another number."""
    is_none = np.isnan(numbers)
    return np.where(is_none, other, numbers) if is_none.any() else numbers


def add(one: Interval, other: Interval) -> Interval:
    """Bounds of the sum."""
    if one is ZERO or other is ZERO:
        left = other if one is ZERO else one
        return left if left is ZERO else widen(left)
    return widen(Interval(one.low + other.low, one.high + other.high))


def subtract(one: Interval, other: Interval) -> Interval:
    """Bounds of the difference."""
    if one is ZERO or other is ZERO:
        return add(one, negate(other))
    return widen(Interval(one.low - other.high, one.high - other.low))


def multiply(one: Interval, other: Interval) -> Interval:
    """Bounds of the product; zero times infinity is zero, because a bound is a limit of finite values."""
    if one is ZERO or other is ZERO:
        return ZERO
    if is_number(one):
        return scale(other, float(one.low))
    if is_number(other):
        return scale(one, float(other.low))
    corners = [a * b for a in one for b in other]
    low, high = _find_ends(corners)
    if np.isnan(low).any():
        low, high = _find_ends([np.where(np.isnan(corner), 0.0, corner) for corner in corners])
    return widen(Interval(low, high))


def is_number(one: Interval) -> bool:
    """Tell whether an interval is one number, neither zero nor infinite, as that of a constant is."""
    return one.low is one.high and not one.low.ndim and bool(np.isfinite(one.low) and one.low != 0.0)


def scale(one: Interval, factor: float) -> Interval:
    """Bounds of the product with a number that is neither zero nor infinite."""
    ends = (one.low, one.high) if factor > 0.0 else (one.high, one.low)
    return widen(Interval(factor * ends[0], factor * ends[1]))


def _find_ends(corners: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Least and largest of four numbers, element by element; NaN where one of them is."""
    low = np.minimum(np.minimum(corners[0], corners[1]), np.minimum(corners[2], corners[3]))
    return low, np.maximum(np.maximum(corners[0], corners[1]), np.maximum(corners[2], corners[3]))


def square(one: Interval) -> Interval:
    """Bounds of the square, which is not negative."""
    if one is ZERO:
        return ZERO
    high = one.magnitude
    low = np.where((one.low <= 0.0) & (one.high >= 0.0), 0.0, np.minimum(np.abs(one.low), np.abs(one.high)))
    return widen(Interval(low * low, high * high))


def invert(one: Interval) -> Interval:
    """Bounds of 1 / x; infinite where the interval holds zero in its inside, and on one side where zero is its end."""
    low = np.where(one.high == 0.0, -np.inf, 1.0 / one.high)
    high = np.where(one.low == 0.0, np.inf, 1.0 / one.low)
    is_open = (one.low < 0.0) & (one.high > 0.0) | ((one.low == 0.0) & (one.high == 0.0))
    return widen(Interval(np.where(is_open, -np.inf, low), np.where(is_open, np.inf, high)))


def hull(one: Interval, other: Interval) -> Interval:
    """The smallest interval that holds both."""
    return Interval(np.minimum(one.low, other.low), np.maximum(one.high, other.high))


def negate(one: Interval) -> Interval:
    """Bounds of the negative."""
    return ZERO if one is ZERO else Interval(-one.high, -one.low)


def pick(is_first: Operand, one: Interval, other: Interval) -> Interval:
    """Choose one interval where `is_first`, else the other."""
    return Interval(np.where(is_first, one.low, other.low), np.where(is_first, one.high, other.high))


def monomial(base: Interval, power: float) -> Interval:
    """Bounds of x**power for a constant power; for negative x only where the power is an integer."""
    if power == 0.0:
        return exactly(1.0)
    if power < 0.0:
        return invert(monomial(base, -power))
    is_whole = power == math.floor(power)
    if not is_whole:
        return widen(Interval(np.maximum(base.low, 0.0) ** power, np.maximum(base.high, 0.0) ** power))
    if power % 2.0 == 1.0:
        return widen(Interval(base.low**power, base.high**power))
    least = np.where((base.low <= 0.0) & (base.high >= 0.0), 0.0, np.minimum(np.abs(base.low), np.abs(base.high)))
    return widen(Interval(least**power, base.magnitude**power))
