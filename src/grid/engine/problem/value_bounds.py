"""Bounds of values over a box of arguments, and of the temperatures that the data of a problem allow.

An expression is evaluated in interval arithmetic (R. E. Moore, R. B. Kearfott, M. J. Cloud, Introduction to Interval
Analysis, SIAM 2009, chapter 2): the bounds hold wherever the arguments are, and may be wider than need be.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from grid.engine.problem.domain import AXES
from grid.engine.problem.problem import HeatProblem
from grid.engine.values.expression import Expression
from grid.engine.values.parser import FUNCTION_ARITY, Instruction
from grid.engine.values.value import Constant, Gridded, Table, Value

Interval = tuple[float, float]
ANYTHING: Interval = (-math.inf, math.inf)
RISING: dict[str, Callable[[float], float]] = {
    "exp": np.exp, "sinh": np.sinh, "tanh": np.tanh, "erf": math.erf, "log": np.log, "sqrt": np.sqrt
}  # fmt: skip


def find_temperature_bounds(problem: HeatProblem, end: float) -> Interval:
    """Find temperatures that no place of the body leaves up to a time, by the maximum principle; infinite without one.

    Where no source and no flux takes heat away, nothing is colder than the coldest of the initial, held, ambient and
    surrounding temperatures (L. C. Evans, Partial Differential Equations, 2010, section 7.1.4); likewise above.

    Args:
        problem: The problem.
        end: Last time that matters [s].
    """
    coordinates: dict[str, Interval] = {"t": (0.0, end), "T": ANYTHING}
    for axis, low, length in zip(AXES, problem.domain.origin, problem.domain.size, strict=False):
        coordinates[axis] = (low, low + length)
    heats, ties = [bound_value(problem.source_term, coordinates)], []
    if not problem.steady and problem.initial is not None:
        ties.append(bound_value(problem.initial, coordinates))
    for law in problem.boundaries.values():
        heats += [bound_value(value, coordinates) for value in law.flux_values]
        ties += [bound_value(value, coordinates) for value in law.temperature_values]
    heated, cooled = all(heat[0] >= 0.0 for heat in heats), all(heat[1] <= 0.0 for heat in heats)
    return (
        min(tie[0] for tie in ties) if ties and heated else -math.inf,
        max(tie[1] for tie in ties) if ties and cooled else math.inf,
    )


def bound_value(value: Value, coordinates: Mapping[str, Interval]) -> Interval:
    """Find an interval that a value does not leave while its arguments are in theirs."""
    if isinstance(value, Constant):
        return value.value, value.value
    if isinstance(value, Table):
        return min(value.values), max(value.values)
    if isinstance(value, Gridded):
        return float(value.cells.min()), float(value.cells.max())
    if isinstance(value, Expression):
        with np.errstate(all="ignore"):
            return _run(value.code, coordinates)
    return ANYTHING


def _run(code: tuple[Instruction, ...], coordinates: Mapping[str, Interval]) -> Interval:
    """Run the code of an expression on a stack of intervals; truth values are intervals from 0 to 1."""
    stack: list[Interval] = []
    for operation, argument in code:
        if operation == "constant":
            stack.append((float(argument), float(argument)))
        elif operation == "variable":
            stack.append(coordinates[str(argument)])
        elif operation == "negate":
            low, high = stack.pop()
            stack.append((-high, -low))
        elif operation == "binary":
            right, left = stack.pop(), stack.pop()
            stack.append(_known(*_binary(str(argument), left, right)))
        else:
            count = FUNCTION_ARITY[str(argument)]
            operands = stack[-count:]
            del stack[-count:]
            stack.append(_known(*_call(str(argument), operands)))
    return stack.pop()


def _known(low: float, high: float) -> Interval:
    """Interval where it is defined, else all numbers."""
    return (float(low), float(high)) if low <= high else ANYTHING


def _binary(sign: str, left: Interval, right: Interval) -> Interval:
    (a, b), (c, d) = left, right
    if sign == "+":
        return a + c, b + d
    if sign == "-":
        return a - d, b - c
    if sign == "*":
        return _hull([_product(p, q) for p in left for q in right])
    if sign == "/":
        return ANYTHING if c <= 0.0 <= d else _hull([_product(p, 1.0 / q) for p in left for q in right])
    if sign == "**":
        return _power(left, right)
    if sign in ("&", "|"):
        return (min(a, c), min(b, d)) if sign == "&" else (max(a, c), max(b, d))
    return _compare(sign, left, right)


def _compare(sign: str, left: Interval, right: Interval) -> Interval:
    (a, b), (c, d) = left, right
    if sign in (">", ">="):
        (a, b), (c, d) = right, left
    never, always = {
        "<": (a >= d, b < c), ">": (a >= d, b < c), "<=": (a > d, b <= c), ">=": (a > d, b <= c),
        "==": (b < c or a > d, a == b == c == d), "!=": (a == b == c == d, b < c or a > d),
    }[sign]  # fmt: skip
    return float(always), float(not never)


def _power(base: Interval, exponent: Interval) -> Interval:
    (a, b), (n, m) = base, exponent
    if n == m and n >= 0.0 and n.is_integer():
        ends = [float(np.power(a, n)), float(np.power(b, n))]
        return _hull([*ends, 0.0] if n % 2 == 0 and a <= 0.0 <= b and n > 0.0 else ends)
    if a > 0.0 or (a == 0.0 and n > 0.0):
        return _hull([float(np.power(p, q)) for p in base for q in exponent])
    return ANYTHING


def _call(name: str, operands: list[Interval]) -> Interval:
    low, high = operands[0]
    if name in RISING:
        if name in ("log", "sqrt") and low < 0.0:
            return ANYTHING
        return float(RISING[name](low)), float(RISING[name](high))
    if name == "erfc":
        return math.erfc(high), math.erfc(low)
    if name in ("abs", "cosh"):
        sizes = [abs(low), abs(high), *([0.0] if low <= 0.0 <= high else [])]
        return _hull(sizes if name == "abs" else [float(np.cosh(size)) for size in sizes])
    if name in ("minimum", "maximum"):
        pick = min if name == "minimum" else max
        return pick(low, operands[1][0]), pick(high, operands[1][1])
    if name == "where":
        taken = [*([operands[1]] if high > 0.0 else []), *([operands[2]] if low < 1.0 else [])]
        return min(part[0] for part in taken), max(part[1] for part in taken)
    return (-1.0, 1.0) if name in ("sin", "cos") else ANYTHING


def _product(a: float, b: float) -> float:
    return 0.0 if a == 0.0 or b == 0.0 else a * b


def _hull(values: list[float]) -> Interval:
    return (math.nan, math.nan) if any(math.isnan(value) for value in values) else (min(values), max(values))
