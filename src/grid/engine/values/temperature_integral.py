"""Integrals of material properties over temperature, exact for tables and piecewise laws and adaptive for others.

The antiderivative of a property that depends on temperature alone is a chain of polynomials between temperatures at
which the property may jump, bend or peak: the points of `grid.engine.values.switches`, and the zeros of every sum and
difference inside an expression, such as the middle of a Gaussian. Between them panels are halved until a polynomial of
the 7th degree through Gauss's nodes meets the property at other places too (W. Gautschi, Numerical Analysis, 2nd ed.,
2012, section 3.2.3). So a difference of two temperatures includes the heat of a narrow peak between them, however few
steps lead across.

Properties that depend on the place as well are integrated for each cell by itself, by the rule of Gauss and Kronrod on
halved intervals (R. Piessens et al., QUADPACK, 1983, section 2.2).
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grid.engine.values.expression import Expression
from grid.engine.values.operations import BINARY, FloatArray, apply_call, apply_power
from grid.engine.values.parser import FUNCTION_ARITY
from grid.engine.values.phase_change import ByPhase
from grid.engine.values.switches import find_switches
from grid.engine.values.value import Value

NODES, WEIGHTS = np.polynomial.legendre.leggauss(8)  # [-] nodes and weights of Gauss's rule on [-1, 1]
# [-] nodes of the next rule, which lie between: places at which the polynomial of a panel is checked
CHECKS = np.polynomial.legendre.leggauss(9)[0]
EXACT = 1e-11  # [-] relative to the largest value on a panel: largest error of its polynomial at `CHECKS`
NEGLIGIBLE = 1e-14  # [-] relative to the integral over a block: error of a panel that need not be halved
PANELS = 32  # [-] panels of a block at first
GRADES = 24  # [-] panels towards a place at which an expression changes its form, each half as long as the one before
# [-] most blocks on either side of the anchor, and ratio of the length of each to that of the one before
BLOCKS, GROWTH = 30, 4.0
HALVINGS, MOST_PANELS = 70, 20_000  # [-] most halvings of a panel, and pending panels beyond which halving ends
BISECTIONS = 32  # [-] bisections of the zero of a sum or difference inside an expression
TINY = 1e-12  # [-] relative to the temperatures: a difference that counts as none
# [-] nodes of the Kronrod rule of 15 points on [-1, 1] that are not negative, and their weights (QUADPACK, see above)
KRONROD = np.array(
    [0.991455371120813, 0.949107912342759, 0.864864423359769, 0.741531185599394,
     0.586087235467691, 0.405845151377397, 0.207784955007898, 0.0]
)  # fmt: skip
KRONROD_WEIGHTS = np.array(
    [0.022935322010529, 0.063092092629979, 0.104790010322250, 0.140653259715525,
     0.169004726639267, 0.190350578064785, 0.204432940075298, 0.209482141084728]
)  # fmt: skip
# [-] parts of an interval at first, most halvings, and error relative to its integral of the absolute value
PARTS, LEVELS, TOLERANCE = 4, 50, 1e-12

Property = Callable[[FloatArray], FloatArray]


def _make_fit() -> tuple[FloatArray, FloatArray]:
    """Matrices from values at nodes to coefficients of the antiderivative on [-1, 1], zero at -1, and to `CHECKS`."""
    powers = np.polynomial.polynomial.polyvander(NODES, NODES.size - 1)
    coefficients = np.linalg.inv(powers)
    primitive = np.zeros((NODES.size + 1, NODES.size))
    primitive[1:] = coefficients / np.arange(1, NODES.size + 1)[:, None]
    primitive[0] = -((-1.0) ** np.arange(1, NODES.size + 1) @ primitive[1:])
    return primitive.T, (np.polynomial.polynomial.polyvander(CHECKS, NODES.size - 1) @ coefficients).T


PRIMITIVE, AT_CHECKS = _make_fit()


class _Block(NamedTuple):
    """Range of temperatures: edges of its panels, (panels + 1,), and the polynomial of each panel."""

    edges: FloatArray
    primitives: FloatArray  # (panels, 9), of u in [-1, 1], already times half of the width
    sums: FloatArray  # integral from the edge nearest to the anchor to each edge, (panels + 1,)
    lowest: FloatArray  # least and largest value found on each panel
    highest: FloatArray


@dataclass
class TemperatureIntegral:
    """Antiderivative of a property of temperature alone, computed where it is needed.

    Blocks lie at places that follow from `anchor` and `size` alone, so that no value depends on earlier calls.

    Args:
        value: The property.
        function: Values of the property at temperatures; NaN where it is not physical.
        anchor: A temperature of the problem.
        size: Extent of the first block on either side.
    """

    values: tuple[Value, ...]
    function: Property
    anchor: float
    size: float
    _above: list[_Block] = field(default_factory=list, repr=False)
    _below: list[_Block] = field(default_factory=list, repr=False)
    _joined: _Block | None = field(default=None, repr=False)

    def between(self, start: FloatArray, end: FloatArray) -> FloatArray:
        """Integrate from `start` to `end`, element by element; NaN where the property is not physical between."""
        out: FloatArray = self._primitive(end) - self._primitive(start)
        return out

    def mean(self, one: FloatArray, other: FloatArray) -> FloatArray:
        """Compute the mean between two temperatures; the mean of both ends where they hardly differ."""
        span = other - one
        is_near = np.abs(span) <= TINY * np.maximum(np.abs(one), np.abs(other))
        ends = 0.5 * (self.function(one) + self.function(other))
        with np.errstate(invalid="ignore"):
            out: FloatArray = np.where(is_near, ends, self.between(one, other) / np.where(is_near, 1.0, span))
        return out

    def extremes(self, low: float, high: float) -> tuple[float, float]:
        """Find the least and the largest value between two temperatures, to the accuracy of the panels."""
        block = self._cover(np.array([low, high]))
        first, last = np.clip(np.searchsorted(block.edges, (low, high), side="right") - 1, 0, block.sums.size - 2)
        return float(np.nanmin(block.lowest[first : last + 1])), float(np.nanmax(block.highest[first : last + 1]))

    def _primitive(self, temperature: FloatArray) -> FloatArray:
        block = self._cover(temperature)
        panel = np.clip(np.searchsorted(block.edges, temperature, side="right") - 1, 0, block.sums.size - 2)
        low, high = block.edges[panel], block.edges[panel + 1]
        u = (2.0 * temperature - (low + high)) / (high - low)
        coefficients = block.primitives[panel]
        out: FloatArray = coefficients[..., -1]
        for power in range(NODES.size - 1, -1, -1):
            out = out * u + coefficients[..., power]
        out = block.sums[panel] + out
        return np.where((temperature >= block.edges[0]) & (temperature <= block.edges[-1]), out, np.nan)

    def _cover(self, temperature: FloatArray) -> _Block:
        """Join all blocks, as many as hold the given temperatures, or as there may be."""
        low, high = float(np.min(temperature, initial=np.inf)), float(np.max(temperature, initial=-np.inf))
        block = self._joined
        if block is not None and not (low < block.edges[0] or high > block.edges[-1]):
            return block
        for blocks, sign, farthest in ((self._above, 1.0, high), (self._below, -1.0, low)):
            while len(blocks) < BLOCKS:
                number = len(blocks)
                start, end = (
                    self.anchor + sign * self.size * (GROWTH**n - 1.0) / (GROWTH - 1.0) for n in (number, number + 1)
                )
                if number and not sign * (farthest - start) > 0.0:
                    break
                blocks.append(_make_block(self.values, self.function, min(start, end), max(start, end), sign))
        self._joined = _join(self._below, self._above)
        return self._joined


def _join(below: list[_Block], above: list[_Block]) -> _Block:
    """Join the blocks, with sums that begin at zero between both sides."""
    parts, blocks = list[FloatArray](), [*reversed(below), *above]
    start = 0.0
    for block in below:
        parts.insert(0, start + block.sums[:-1])
        start += float(block.sums[0])
    start = 0.0
    for block in above:
        parts.append(start + block.sums[:-1])
        start += float(block.sums[-1])
    return _Block(
        np.concatenate([*(block.edges[:-1] for block in blocks), blocks[-1].edges[-1:]]),
        np.concatenate([block.primitives for block in blocks]),
        np.concatenate([*parts, [start]]),
        np.concatenate([block.lowest for block in blocks]),
        np.concatenate([block.highest for block in blocks]),
    )


def _make_block(values: tuple[Value, ...], function: Property, low: float, high: float, sign: float) -> _Block:
    """Make the panels between two temperatures on which polynomials meet the property.

    Sums go from the anchor outwards, in the direction of `sign`, so that a place where the property is not physical
    spoils those beyond it only.
    """
    edges = np.linspace(low, high, PANELS + 1)
    marks = [find_marks(value, low, high) for value in values]
    edges = np.unique(np.concatenate([edges, *marks]))
    left, right, done, largest = edges[:-1], edges[1:], list[tuple[FloatArray, ...]](), 0.0
    for level in range(HALVINGS):
        middle, half = 0.5 * (left + right)[:, None], 0.5 * (right - left)[:, None]
        at, checks = function(middle + half * NODES), function(middle + half * CHECKS)
        with np.errstate(invalid="ignore"):
            miss, size = np.abs(at @ AT_CHECKS - checks).max(axis=1), np.abs(at).max(axis=1)
        if level == 0:
            largest = float(np.nansum(2.0 * half[:, 0] * size))
        is_nowhere = np.isnan(at).all(axis=1) & np.isnan(checks).all(axis=1)
        is_rounding = right - left <= 4.0 * np.spacing(np.maximum(np.abs(left), np.abs(right)))
        is_good = (miss <= EXACT * size) | (2.0 * half[:, 0] * np.maximum(miss, 0.0) <= NEGLIGIBLE * largest)
        is_done = is_good | is_nowhere | is_rounding
        if level == HALVINGS - 1 or left.size > MOST_PANELS:
            is_done[:] = True
        both = np.concatenate([at, checks], axis=1)
        with np.errstate(invalid="ignore"):
            keep = (left, right, half * (at @ PRIMITIVE), both.min(axis=1), both.max(axis=1))
        done.append(tuple(part[is_done] for part in keep))
        if is_done.all():
            break
        left, right, middle = left[~is_done], right[~is_done], middle[~is_done, 0]
        left, right = np.concatenate([left, middle]), np.concatenate([middle, right])
    first, last, primitives, lowest, highest = (np.concatenate(parts) for parts in zip(*done, strict=True))
    order = np.argsort(first, kind="stable")
    primitives = primitives[order]
    parts = primitives.sum(axis=1)
    sums = np.concatenate([[0.0], np.cumsum(parts)] if sign > 0.0 else [-np.cumsum(parts[::-1])[::-1], [0.0]])
    return _Block(np.append(first[order], last[order][-1]), primitives, sums, lowest[order], highest[order])


def find_marks(value: Value, low: float, high: float) -> FloatArray:
    """Find temperatures between two at which a value may jump, bend or peak; around a peak others, ever closer."""
    switches = np.array(find_switches(value, "T", low, high))
    if isinstance(value, ByPhase):
        return np.concatenate([switches, *(find_marks(part, low, high) for part in (value.solid, value.liquid))])
    if not isinstance(value, Expression) or "T" not in value.variables:
        return switches
    grid = np.unique(np.concatenate([np.linspace(low, high, 8 * PANELS + 1), switches]))
    return np.concatenate([switches, _grade(_find_zeros(value, grid), low, high)])


def _grade(zeros: FloatArray, low: float, high: float) -> FloatArray:
    """Places with others around them, each at half of the distance of the one before."""
    if zeros.size == 0:
        return zeros
    steps = (high - low) / PANELS * 0.5 ** np.arange(GRADES)
    marks = np.unique(np.add.outer(zeros, np.concatenate([-steps, [0.0], steps])))
    return marks[(marks > low) & (marks < high)]


def _find_zeros(value: Expression, grid: FloatArray) -> FloatArray:
    """Find zeros of a sum or a difference inside an expression, to rounding; a peak may have its middle there."""
    signs = np.sign(_find_differences(value, grid))
    at = [grid[np.flatnonzero(row == 0.0)] for row in signs if np.count_nonzero(row == 0.0) < 0.5 * row.size]
    rows, columns = np.nonzero(signs[:, :-1] * signs[:, 1:] < 0.0)
    left, right, before = grid[columns], grid[columns + 1], signs[rows, columns]
    for _ in range(BISECTIONS if rows.size else 0):
        middle = 0.5 * (left + right)
        is_before = np.sign(_find_differences(value, middle)[rows, np.arange(rows.size)]) == before
        left, right = np.where(is_before, middle, left), np.where(is_before, right, middle)
    return np.unique(np.concatenate([*at, right]))


def _find_differences(value: Expression, temperature: FloatArray) -> FloatArray:
    """Evaluate the sums and differences inside an expression of temperature alone, shape (found, temperatures)."""
    # ones, so that an expression without any has a row that never vanishes
    stack, found = list[Any](), [np.ones_like(temperature)]

    def note(difference: Any) -> None:
        if np.ndim(difference):
            found.append(difference)

    with np.errstate(all="ignore"):
        for operation, argument in value.code:
            if operation == "constant":
                stack.append(np.float64(argument))
            elif operation == "variable":
                stack.append(temperature)
                note(temperature)
            elif operation == "negate":
                stack.append(np.negative(stack.pop()))
            elif operation == "binary":
                right, left = stack.pop(), stack.pop()
                apply = apply_power if argument == "**" else BINARY[str(argument)]
                stack.append(apply(left, right))
                if argument in ("+", "-"):
                    note(stack[-1])
            else:
                count = FUNCTION_ARITY[str(argument)]
                operands = stack[-count:]
                del stack[-count:]
                stack.append(apply_call(str(argument), *operands))
    return np.nan_to_num(np.stack(found))


def find_degree(value: Value) -> int | None:
    """Degree of a value as a polynomial of temperature; None if it is none."""
    if "T" not in value.variables:
        return 0
    if not isinstance(value, Expression):
        return None
    stack = list[tuple[int | None, float | None]]()
    for operation, argument in value.code:
        if operation == "constant":
            stack.append((0, float(argument)))
        elif operation == "variable":
            stack.append((1 if argument == "T" else 0, None))
        elif operation == "negate":
            degree, number = stack.pop()
            stack.append((degree, None if number is None else -number))
        elif operation == "binary":
            right, left = stack.pop(), stack.pop()
            stack.append((_join_degrees(str(argument), left[0], right), None))
        else:
            count = FUNCTION_ARITY[str(argument)]
            degrees = [degree for degree, _ in stack[-count:]]
            del stack[-count:]
            is_chosen = argument == "where" and degrees[0] == 0 and None not in degrees
            stack.append(
                (max(d or 0 for d in degrees) if is_chosen or not any(d != 0 for d in degrees) else None, None)
            )
    return stack.pop()[0]


def _join_degrees(sign: str, left: int | None, right: tuple[int | None, float | None]) -> int | None:
    degree, number = right
    if left is None or degree is None:
        return None
    if sign in ("+", "-"):
        return max(left, degree)
    if sign == "*":
        return left + degree
    if sign == "/" and degree == 0:
        return left
    if sign == "**" and number is not None and number >= 0.0 and number == int(number):
        return left * int(number)
    return 0 if left == degree == 0 else None


def integrate_adaptively(
    function: Callable[[FloatArray, NDArray[np.intp]], FloatArray],
    low: FloatArray,
    high: FloatArray,
    marks: FloatArray | None = None,
) -> FloatArray:
    """Integrate a function over many intervals, each halved until both halves agree with the whole.

    The difference of the rules of Gauss and of Kronrod on one interval would not show a jump beside its end.

    Args:
        function: Values at temperatures, shape (intervals,), with the numbers of their intervals as second argument.
        low, high: Ends, flat; the sign follows from their order.
        marks: Temperatures at which the function is known to jump or bend, in order.
    """
    left, right, number = _cut(low, high, np.empty(0) if marks is None else marks)
    total, size = np.zeros(low.size), np.zeros(low.size)
    whole = np.full(left.size, np.nan)
    for level in range(LEVELS):
        integral, absolute = _apply_kronrod(function, left, right, number)
        if level == 0:
            np.add.at(size, number, absolute)
            both = integral
        else:
            both = integral[: whole.size] + integral[whole.size :]
        found = number[: whole.size]
        is_done = (np.abs(both - whole) <= TOLERANCE * size[found]) | (size[found] == 0.0) | np.isnan(size[found])
        if level == LEVELS - 1:
            is_done[:] = True
        np.add.at(total, found[is_done], both[is_done])
        again = np.tile(~is_done, 1 if level == 0 else 2)
        left, right, number, whole = left[again], right[again], number[again], integral[again]
        if not left.size:
            break
        middle = 0.5 * (left + right)
        left, right, number = np.append(left, middle), np.append(middle, right), np.tile(number, 2)
    return total


def _cut(low: FloatArray, high: FloatArray, marks: FloatArray) -> tuple[FloatArray, FloatArray, NDArray[np.intp]]:
    """Cut each interval at the marks, and each part into `PARTS`; with the interval that a part belongs to."""
    sign = np.where(high >= low, 1.0, -1.0)
    first, last = np.minimum(low, high), np.maximum(low, high)
    ends = [first, *(np.clip(mark, first, last) for mark in marks), last]
    left, right, number = list[FloatArray](), list[FloatArray](), list[NDArray[np.intp]]()
    for one, other in itertools.pairwise(ends):
        chosen = np.flatnonzero(other > one)
        steps = (other - one)[chosen] / PARTS
        for part in range(PARTS):
            left.append(one[chosen] + part * steps)
            right.append(one[chosen] + (part + 1) * steps if part < PARTS - 1 else other[chosen])
            number.append(chosen)
    cells, a, b = np.concatenate(number), np.concatenate(left), np.concatenate(right)
    is_forward = sign[cells] > 0.0
    return np.where(is_forward, a, b), np.where(is_forward, b, a), cells


def _apply_kronrod(
    function: Callable[[FloatArray, NDArray[np.intp]], FloatArray],
    left: FloatArray,
    right: FloatArray,
    number: NDArray[np.intp],
) -> tuple[FloatArray, FloatArray]:
    """Integrate over each interval by Kronrod's rule of 15 points, the function and its absolute value."""
    middle, half = 0.5 * (left + right), 0.5 * (right - left)
    integral, absolute = np.zeros(left.size), np.zeros(left.size)
    for node, weight in zip(KRONROD, KRONROD_WEIGHTS, strict=True):
        for sign in (1.0, -1.0) if node else (1.0,):
            values = function(middle + sign * half * node, number)
            integral += weight * values
            absolute += weight * np.abs(values)
    return half * integral, np.abs(half) * absolute
