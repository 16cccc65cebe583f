"""Surfaces on which the comparisons of an expression switch, and among them the planes across an axis.

A comparison of two functions of place switches where their difference is zero. Where it depends on one coordinate all
its zeros are found, however close together, because the bounds of the difference over an interval exclude those
intervals that hold none (interval bisection; R. E. Moore, R. B. Kearfott, M. J. Cloud, Introduction to Interval
Analysis, SIAM, 2009, ch. 8).
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from grid.engine.values.box_bounds import bound
from grid.engine.values.operations import FloatArray
from grid.engine.values.parser import COMPARISONS, FUNCTION_ARITY, Instruction

Code = tuple[Instruction, ...]
PIECES = 64  # [-] intervals that a search begins with
# [-] intervals beyond which a difference counts as zero over a stretch, or as having zeros without number
MOST_PIECES = 8192
CLOSE = 1e-14  # [-] relative to the largest coordinate: width of an interval that counts as one zero


@dataclass(frozen=True)
class Surface:
    """Set of places where a function of place is zero."""

    code: Code
    variables: frozenset[str]


def find_surfaces(code: Code) -> tuple[Surface, ...]:
    """Find the surfaces on which the comparisons in an expression switch; equalities have no inside and are left out.

    A side of a comparison that is an `abs`, a square, `minimum`, `maximum` or `where` is split into its parts, so that
    the two sides of a thin layer are two surfaces, each with a change of sign of its own.
    """
    found: dict[Code, Surface] = {}
    for place, (operation, argument) in enumerate(code):
        if operation == "binary" and argument in COMPARISONS and argument not in ("==", "!="):
            right = find_start(code, place - 1)
            for part in take_apart(code[find_start(code, right - 1) : right], code[right:place]):
                names = frozenset(str(name) for kind, name in part if kind == "variable")
                found[part] = Surface(part, names)
    return tuple(found.values())


def find_start(code: Code, end: int) -> int:
    """Index of the first instruction of the operand whose last instruction is at `end`."""
    needed, place = 1, end
    while True:
        operation, argument = code[place]
        needed -= 1
        if operation == "negate":
            needed += 1
        elif operation == "binary":
            needed += 2
        elif operation not in ("constant", "variable"):
            needed += FUNCTION_ARITY[str(argument)]
        if needed == 0:
            return place
        place -= 1


def take_apart(left: Code, right: Code) -> list[Code]:
    """Code of left - right, or of its parts."""
    for one, beside in ((left, right), (right, left)):
        other, argument = beside, one[-1][1]
        if argument in ("minimum", "maximum", "where"):
            last = find_start(one, len(one) - 2)
            first = find_start(one, last - 1)
            return take_apart(one[first:last], other) + take_apart(one[last:-1], other)
        if argument == "abs":
            inside = one[:-1]
        elif argument == "**" and one[-2] == ("constant", 2.0):
            inside, other = one[:-2], (*beside, ("call", "sqrt"))
        else:
            continue
        return [part for end in (other, (*other, ("negate", 0.0))) for part in take_apart(inside, end)]
    return [(*left, *right, ("binary", "-"))]


@lru_cache(maxsize=1024)
def find_zeros(code: Code, variable: str, low: float, high: float) -> tuple[float, ...] | None:
    """Find the zeros of a function of one variable between two numbers, rising; None where they cannot be counted."""
    if len(code) == 3 and code[2] == ("binary", "-"):
        known = dict(code[:2])
        if set(known) == {"constant", "variable"}:  # x - 0.3, by far the most frequent form
            zero = float(known["constant"])
            return (zero,) if low <= zero <= high else ()
    edges = np.linspace(low, high, PIECES + 1)
    lows, highs, least = edges[:-1], edges[1:], CLOSE * max(abs(low), abs(high))
    for _ in range(math.ceil(math.log2(1.0 / CLOSE)) + 2):
        wider = 0.1 * (highs - lows)  # far more than roundings of the bounds
        below, above = bound(code, {variable: (lows - wider, highs + wider)})
        may = np.broadcast_to((below <= 0.0) & (above >= 0.0), lows.shape)
        lows, highs = lows[may], highs[may]
        if lows.size > MOST_PIECES:
            return None
        if not lows.size or float((highs - lows).max()) <= least:
            break
        middle = 0.5 * (lows + highs)
        lows, highs = np.stack([lows, middle], 1).reshape(-1), np.stack([middle, highs], 1).reshape(-1)
    return _cluster(lows, highs, 16.0 * least)


def _cluster(lows: FloatArray, highs: FloatArray, gap: float) -> tuple[float, ...] | None:
    """Middle of each run of adjacent intervals; None if one of them has a length."""
    if not lows.size:
        return ()
    ends = np.flatnonzero(lows[1:] > highs[:-1] + gap)
    first, last = lows[np.append(0, ends + 1)], highs[np.append(ends, lows.size - 1)]
    if float((last - first).max()) > 1e6 * gap:
        return None
    return tuple((0.5 * (first + last)).tolist())
