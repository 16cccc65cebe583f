"""Bounds of an expression over boxes of its variables, by interval arithmetic.

The bounds hold everywhere in a box, between any samples too, and close on the expression as the boxes shrink (R. E.
Moore, R. B. Kearfott, M. J. Cloud, Introduction to Interval Analysis, SIAM, 2009, ch. 5). They are not rounded
outwards; a caller that compares them with a number leaves a few roundings of slack. Truth values have the bounds
(certainly true, possibly true).
"""

import math
from collections.abc import Callable, Iterable

import numpy as np

from grid.engine.values.operations import Operand, apply_call
from grid.engine.values.parser import FUNCTION_ARITY, Instruction

Bounds = tuple[Operand, Operand]
EVERYTHING: Bounds = (np.float64(-np.inf), np.float64(np.inf))
RISING = frozenset(("exp", "sinh", "tanh", "erf"))
EXTREMES_OF_SINE = (0.5 * math.pi, -0.5 * math.pi)  # [rad] places where sin is 1 and -1; those of cos lie pi/2 earlier


def bound(code: Iterable[Instruction], boxes: dict[str, Bounds]) -> Bounds:
    """Compute the least and the largest value that the code of an expression may have in each box.

    Args:
        code: As `parse` returns it.
        boxes: For each variable its lowest and highest value, arrays that broadcast together.
    """
    stack: list[Bounds] = []
    with np.errstate(all="ignore"):
        for operation, argument in code:
            name = str(argument)
            if operation == "constant":
                stack.append((np.float64(argument), np.float64(argument)))
            elif operation == "variable":
                stack.append(boxes[name])
            elif operation == "negate":
                low, high = stack.pop()
                stack.append((np.negative(high), np.negative(low)))
            elif operation == "binary":
                right = stack.pop()
                stack.append(_BINARY[name](stack.pop(), right))
            else:
                count = FUNCTION_ARITY[name]
                operands = stack[-count:]
                del stack[-count:]
                stack.append(_call(name, *operands))
    return stack.pop()


def _known(low: Operand, high: Operand) -> Bounds:
    """Bounds where they are defined, else everything (0 times infinity, a root of a negative number)."""
    return np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)


def _hull(*ends: Operand) -> Bounds:
    """Bounds from the values at all ends; where one of them is undefined, everything."""
    low, high = ends[0], ends[0]
    for end in ends[1:]:
        low, high = np.minimum(low, end), np.maximum(high, end)  # NaN spreads
    return _known(low, high)


def _add(a: Bounds, b: Bounds) -> Bounds:
    return _known(a[0] + b[0], a[1] + b[1])


def _subtract(a: Bounds, b: Bounds) -> Bounds:
    return _known(a[0] - b[1], a[1] - b[0])


def _multiply(a: Bounds, b: Bounds) -> Bounds:
    if np.ndim(b[0]) == 0 and b[0] == b[1]:  # a product with one number, the most frequent case
        one, other = a[0] * b[0], a[1] * b[0]
        return _known(*((one, other) if b[0] >= 0.0 else (other, one)))
    if np.ndim(a[0]) == 0 and a[0] == a[1]:
        return _multiply(b, a)
    return _hull(a[0] * b[0], a[0] * b[1], a[1] * b[0], a[1] * b[1])


def _divide(a: Bounds, b: Bounds) -> Bounds:
    holds_zero = (b[0] <= 0.0) & (b[1] >= 0.0)
    low, high = _multiply(a, (1.0 / b[1], 1.0 / b[0]))
    return np.where(holds_zero, -np.inf, low), np.where(holds_zero, np.inf, high)


def _power(a: Bounds, b: Bounds) -> Bounds:
    if np.ndim(b[0]) == 0 and b[0] == b[1]:
        exponent = float(b[0])
        if exponent == 0.0:
            return np.float64(1.0), np.float64(1.0)
        if exponent < 0.0:
            return _divide((np.float64(1.0), np.float64(1.0)), _power(a, (-b[0], -b[0])))
        low, high = np.power(a[0], exponent), np.power(a[1], exponent)
        if exponent.is_integer() and exponent % 2.0 == 0.0:
            straddles = (a[0] < 0.0) & (a[1] > 0.0)
            return np.where(straddles, 0.0, np.minimum(low, high)), np.maximum(low, high)
        return _known(low, high)  # for an exponent that is no integer the power is undefined below zero
    base = np.maximum(a[0], 0.0), a[1]  # undefined below zero except for integers
    bounds = _hull(*(np.power(one, other) for one in base for other in b))
    return np.where(a[0] < 0.0, -np.inf, bounds[0]), np.where(a[0] < 0.0, np.inf, bounds[1])


def _less(a: Bounds, b: Bounds) -> Bounds:
    return a[1] < b[0], a[0] < b[1]


def _less_equal(a: Bounds, b: Bounds) -> Bounds:
    return a[1] <= b[0], a[0] <= b[1]


def _equal(a: Bounds, b: Bounds) -> Bounds:
    certain = (a[0] == a[1]) & (b[0] == b[1]) & (a[0] == b[0])
    return certain, (a[0] <= b[1]) & (b[0] <= a[1])


def _unequal(a: Bounds, b: Bounds) -> Bounds:
    certain, possible = _equal(a, b)
    return np.logical_not(possible), np.logical_not(certain)


_BINARY: dict[str, Callable[[Bounds, Bounds], Bounds]] = {
    "+": _add, "-": _subtract, "*": _multiply, "/": _divide, "**": _power,
    "<": _less, "<=": _less_equal, ">": lambda a, b: _less(b, a), ">=": lambda a, b: _less_equal(b, a),
    "==": _equal, "!=": _unequal,
    "&": lambda a, b: (a[0] & b[0], a[1] & b[1]), "|": lambda a, b: (a[0] | b[0], a[1] | b[1]),
}  # fmt: skip


def _call(name: str, *operands: Bounds) -> Bounds:
    low, high = operands[0]
    if name in RISING:
        return _known(apply_call(name, low), apply_call(name, high))
    if name in ("sqrt", "log"):  # undefined below zero, where a caller may not use it
        return _known(apply_call(name, np.maximum(low, 0.0)), apply_call(name, np.maximum(high, 0.0)))
    if name == "erfc":
        return _known(apply_call(name, high), apply_call(name, low))
    if name in ("abs", "cosh"):
        ends = apply_call(name, low), apply_call(name, high)
        least = np.where((low < 0.0) & (high > 0.0), apply_call(name, np.float64(0.0)), np.minimum(*ends))
        return _known(least, np.maximum(*ends))
    if name in ("sin", "cos"):
        return _wave(low, high, 0.0 if name == "sin" else 0.5 * math.pi)
    if name == "tan":
        has_pole = _reaches(low, high, 0.5 * math.pi, math.pi)
        return _known(np.where(has_pole, -np.inf, np.tan(low)), np.where(has_pole, np.inf, np.tan(high)))
    if name == "where":
        return _pick(*operands)
    pick = np.minimum if name == "minimum" else np.maximum
    return pick(low, operands[1][0]), pick(high, operands[1][1])


def _pick(truth: Bounds, yes: Bounds, no: Bounds) -> Bounds:
    certain, possible = truth
    low = np.where(certain, yes[0], np.where(possible, np.minimum(yes[0], no[0]), no[0]))
    return low, np.where(certain, yes[1], np.where(possible, np.maximum(yes[1], no[1]), no[1]))


def _wave(low: Operand, high: Operand, shift: float) -> Bounds:
    """Bounds of sin(x + shift)."""
    low, high = low + shift, high + shift
    ends, (top, bottom) = (np.sin(low), np.sin(high)), EXTREMES_OF_SINE
    least = np.where(_reaches(low, high, bottom, 2.0 * math.pi), -1.0, np.minimum(*ends))
    largest = np.where(_reaches(low, high, top, 2.0 * math.pi), 1.0, np.maximum(*ends))
    return np.where(np.isnan(least), -1.0, least), np.where(np.isnan(largest), 1.0, largest)


def _reaches(low: Operand, high: Operand, at: float, period: float) -> Operand:
    """Tell whether some `at + n period` lies between two numbers."""
    return np.floor((high - at) / period) >= np.ceil((low - at) / period)
