r"""Bounds of an expression and of its first two derivatives over stretches of one variable: interval arithmetic.

Every operation returns an interval that holds all values which the operation can take on the intervals of its operands
(R. E. Moore, R. B. Kearfott, M. J. Cloud, Introduction to Interval Analysis, SIAM 2009, ch. 2 and 5), widened by a few
roundings; derivatives follow the chain rule with intervals (the same, ch. 6.4, automatic differentiation). So a value
that the bounds exclude does not occur, even on a short part of a stretch that samples would miss.

All stretches are treated at once: an entry of the stack holds one interval for each, or `ZERO` itself where a
derivative vanishes. A quantity that depends on nothing but the variable has its value in the middle of each stretch as
well, which decides comparisons: for a caller that cuts its stretches where a comparison changes
(`grid.engine.values.switches`) every comparison is decided. Where a comparison depends on more, both branches count.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from grid.engine.values.interval_functions import _ERRORS, FUNCTIONS
from grid.engine.values.intervals import (
    ANY,
    ZERO,
    Interval,
    add,
    exactly,
    hull,
    invert,
    monomial,
    multiply,
    negate,
    pick,
    square,
    subtract,
)
from grid.engine.values.operations import BINARY, FloatArray, Operand, apply_call, apply_power
from grid.engine.values.parser import FUNCTION_ARITY, Instruction


@dataclass(frozen=True)
class Enclosure:
    """Bounds of a quantity over each stretch.

    Args:
        value, slope, bend: Bounds of the quantity, and of its first and second derivative along the variable.
        middle: Value in the middle of each stretch; a truth value for conditions.
        is_common: True where the quantity depends on nothing but the variable, so that `middle` is its value.
        possible: For a condition: whether it may be true, and whether it may be false.
    """

    value: Interval
    slope: Interval
    bend: Interval
    middle: Operand
    is_common: bool
    possible: tuple[Operand, Operand] = field(default=(True, True))


def enclose(
    code: tuple[Instruction, ...],
    variable: str,
    low: FloatArray,
    high: FloatArray,
    coordinates: Mapping[str, tuple[Operand, Operand]],
    *,
    has_switches: bool = False,
) -> Enclosure:
    """Compute bounds of parsed code over the stretches from `low` to `high` of a variable.

    Args:
        code: Code of an `Expression`, or the part of it that leaves one operand.
        variable: Variable along which the stretches lie and derivatives are taken.
        low, high: Ends of the stretches, shape (stretches,).
        coordinates: Least and greatest value of each other variable.
        has_switches: True where a condition or a corner may lie within a stretch; else its middle decides the side.
    """
    stack = run(code, variable, low, high, coordinates, has_switches=has_switches)
    return stack[-1]


def run(
    code: tuple[Instruction, ...],
    variable: str,
    low: FloatArray,
    high: FloatArray,
    coordinates: Mapping[str, tuple[Operand, Operand]],
    *,
    has_switches: bool = False,
) -> list[Enclosure]:
    """Run code and return the stack that it leaves, see `enclose`."""
    middle = 0.5 * (low + high)
    stack: list[Enclosure] = []
    with np.errstate(all="ignore"):  # values that are not finite are bounds like any other
        for operation, argument in code:
            if operation == "constant":
                stack.append(_constant(float(argument)))
            elif operation == "variable":
                if argument == variable:
                    own = Interval(low, high)
                    stack.append(Enclosure(own, exactly(1.0), ZERO, middle, is_common=not has_switches))
                else:
                    stack.append(_place(*coordinates[str(argument)]))
            elif operation == "negate":
                stack.append(_negate(stack.pop()))
            elif operation == "binary":
                right = stack.pop()
                stack.append(_combine(str(argument), stack.pop(), right))
            else:
                count = FUNCTION_ARITY[str(argument)]
                operands = stack[-count:]
                del stack[-count:]
                stack.append(_call(str(argument), operands))
    return stack


def _constant(number: float) -> Enclosure:
    return Enclosure(exactly(number), ZERO, ZERO, np.float64(number), is_common=True)


def _place(low: Operand, high: Operand) -> Enclosure:
    value = exactly(low) if low is high else Interval(np.asarray(low, np.float64), np.asarray(high, np.float64))
    return Enclosure(value, ZERO, ZERO, np.float64(0.0), is_common=False)


def _negate(one: Enclosure) -> Enclosure:
    return Enclosure(negate(one.value), negate(one.slope), negate(one.bend), -one.middle, one.is_common)


def _combine(sign: str, left: Enclosure, right: Enclosure) -> Enclosure:
    if sign in ("+", "-", "*", "/"):
        return _ARITHMETIC[sign](left, right)
    if sign == "**":
        return _power(left, right)
    if sign in ("&", "|"):
        return _join(sign, left, right)
    return _compare(sign, left, right)


def _common(sign: str, left: Enclosure, right: Enclosure) -> tuple[Operand, bool]:
    return BINARY[sign](left.middle, right.middle), left.is_common and right.is_common


def _sum(left: Enclosure, right: Enclosure) -> Enclosure:
    value, slope, bend = (add(one, other) for one, other in zip(_parts(left), _parts(right), strict=True))
    return Enclosure(value, slope, bend, *_common("+", left, right))


def _difference(left: Enclosure, right: Enclosure) -> Enclosure:
    value, slope, bend = (subtract(one, other) for one, other in zip(_parts(left), _parts(right), strict=True))
    return Enclosure(value, slope, bend, *_common("-", left, right))


def _product(left: Enclosure, right: Enclosure) -> Enclosure:
    value = multiply(left.value, right.value)
    slope = add(multiply(left.slope, right.value), multiply(left.value, right.slope))
    crossed = multiply(exactly(2.0), multiply(left.slope, right.slope))
    bend = add(add(multiply(left.bend, right.value), multiply(left.value, right.bend)), crossed)
    return Enclosure(value, slope, bend, *_common("*", left, right))


def _quotient(left: Enclosure, right: Enclosure) -> Enclosure:
    inverse = invert(right.value)
    second = multiply(exactly(2.0), multiply(inverse, square(inverse)))
    turned = _chain(right, inverse, negate(square(inverse)), second, right.middle)
    return Enclosure(*_parts(_product(left, turned)), *_common("/", left, right))


_ARITHMETIC: dict[str, Callable[[Enclosure, Enclosure], Enclosure]] = {
    "+": _sum,
    "-": _difference,
    "*": _product,
    "/": _quotient,
}


def _parts(one: Enclosure) -> tuple[Interval, Interval, Interval]:
    return one.value, one.slope, one.bend


def _chain(inner: Enclosure, value: Interval, first: Interval, second: Interval, middle: Operand) -> Enclosure:
    """Bounds of a function of a quantity, from those of the function and of its first two derivatives."""
    slope = multiply(first, inner.slope)
    bend = add(multiply(second, square(inner.slope)), multiply(first, inner.bend))
    return Enclosure(value, slope, bend, middle, inner.is_common)


def _power(base: Enclosure, exponent: Enclosure) -> Enclosure:
    middle, is_common = apply_power(base.middle, exponent.middle), base.is_common and exponent.is_common
    number = exponent.value
    if not (exponent.is_common and np.ndim(exponent.middle) == 0):  # e^(b log a)
        logarithm = _call("log", [base])
        found = _call("exp", [_product(exponent, logarithm)])
        is_open = base.value.low <= 0.0
        value, slope, bend = (pick(is_open, ANY, part) for part in _parts(found))
        return Enclosure(value, slope, bend, middle, is_common)
    power = float(number.low)
    value, first, second = (monomial(base.value, power - order) for order in range(3))
    scaled = multiply(exactly(power), first)
    twice = multiply(exactly(power * (power - 1.0)), second)
    return Enclosure(*_parts(_chain(base, value, scaled, twice, middle)), middle, is_common)


def _compare(sign: str, left: Enclosure, right: Enclosure) -> Enclosure:
    middle, is_common = _common(sign, left, right)
    if is_common:
        possible = (middle, np.logical_not(middle))
    else:
        below, above = left.value.high < right.value.low, left.value.low > right.value.high
        surely, never = {
            "<": (below, left.value.low >= right.value.high),
            "<=": (left.value.high <= right.value.low, above),
            ">": (above, left.value.high <= right.value.low),
            ">=": (left.value.low >= right.value.high, below),
            "==": (np.zeros((), bool), below | above),
            "!=": (below | above, np.zeros((), bool)),
        }[sign]
        possible = (np.logical_not(never), np.logical_not(surely))
    return Enclosure(ZERO, ZERO, ZERO, middle, is_common, possible)


def _join(sign: str, left: Enclosure, right: Enclosure) -> Enclosure:
    middle, is_common = _common(sign, left, right)
    (true_1, false_1), (true_2, false_2) = left.possible, right.possible
    if sign == "&":
        possible = (np.logical_and(true_1, true_2), np.logical_or(false_1, false_2))
    else:
        possible = (np.logical_or(true_1, true_2), np.logical_and(false_1, false_2))
    return Enclosure(ZERO, ZERO, ZERO, middle, is_common, possible)


def _call(name: str, operands: list[Enclosure]) -> Enclosure:
    if name == "where":
        return _where(*operands)
    if name in ("minimum", "maximum"):
        return _extreme(name, *operands)
    inner = operands[0]
    middle = apply_call(name, inner.middle) if inner.is_common and name not in _ERRORS else np.float64(0.0)
    if name in _ERRORS and inner.is_common:
        middle = _ERRORS[name](np.asarray(inner.middle))
    if name == "abs":
        return _absolute(inner, middle)
    return _chain(inner, *FUNCTIONS[name](inner.value), middle)


def _where(condition: Enclosure, one: Enclosure, other: Enclosure) -> Enclosure:
    """Choose a branch, or the hull of both where that is not known; a jump between places has no slope of its own."""
    may_be, may_not_be = condition.possible
    both = np.logical_and(may_be, may_not_be)
    value, slope, bend = (
        pick(both, hull(a, b), pick(may_be, a, b)) for a, b in zip(_parts(one), _parts(other), strict=True)
    )
    if not condition.is_common:  # the value at a place may jump within the stretch
        slope, bend = pick(both, ANY, slope), pick(both, ANY, bend)
    is_common = condition.is_common and one.is_common and other.is_common
    possible = (
        np.logical_or(np.logical_and(may_be, one.possible[0]), np.logical_and(may_not_be, other.possible[0])),
        np.logical_or(np.logical_and(may_be, one.possible[1]), np.logical_and(may_not_be, other.possible[1])),
    )
    middle = np.where(condition.middle, one.middle, other.middle) if is_common else np.float64(0.0)
    return Enclosure(value, slope, bend, middle, is_common, possible)


def _extreme(name: str, one: Enclosure, other: Enclosure) -> Enclosure:
    function = np.minimum if name == "minimum" else np.maximum
    value = Interval(function(one.value.low, other.value.low), function(one.value.high, other.value.high))
    is_common = one.is_common and other.is_common
    middle = function(one.middle, other.middle) if is_common else np.float64(0.0)
    is_least = name == "minimum"
    if is_common:
        is_first = np.less(one.middle, other.middle) == is_least
        parts = [pick(is_first, a, b) for a, b in zip(_parts(one), _parts(other), strict=True)]
        return Enclosure(parts[0], parts[1], parts[2], middle, is_common)
    below, above = one.value.high < other.value.low, other.value.high < one.value.low
    surely_one, surely_other = (below, above) if is_least else (above, below)
    slope = pick(surely_one, one.slope, pick(surely_other, other.slope, hull(one.slope, other.slope)))
    bend = pick(surely_one, one.bend, pick(surely_other, other.bend, ANY))
    return Enclosure(value, slope, bend, middle, is_common)


def _absolute(inner: Enclosure, middle: Operand) -> Enclosure:
    low, high = inner.value
    least = np.where((low <= 0.0) & (high >= 0.0), 0.0, np.minimum(np.abs(low), np.abs(high)))
    value = Interval(least, inner.value.magnitude)
    if inner.is_common:
        is_negative, is_decided = np.less(inner.middle, 0.0), np.ones((), bool)
    else:
        is_negative, is_decided = high <= 0.0, (low >= 0.0) | (high <= 0.0)
    slope = pick(is_negative, negate(inner.slope), inner.slope)
    bend = pick(is_negative, negate(inner.bend), inner.bend)
    slope = pick(is_decided, slope, hull(inner.slope, negate(inner.slope)))
    return Enclosure(value, slope, pick(is_decided, bend, ANY), middle, inner.is_common)
