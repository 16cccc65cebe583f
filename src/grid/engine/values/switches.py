"""Points at which a value jumps or bends along one variable, such as the times at which a load is switched.

They follow from the definition of a value and not from samples, so none is missed however short the stretch between
two: tables have their knots, and an expression changes its form where the two sides of a comparison, of a `minimum` or
`maximum`, or the argument of an `abs` and a root become equal. The difference of the sides is a function
of the variable; stretches on which interval arithmetic (`grid.engine.values.enclosures`) excludes a root are dropped,
those on which it excludes a turn of the function have one root at most, which bisection finds to rounding, and all
others are halved. Conditions are treated from the inside to the outside, so that each is seen on stretches where those
within it do not change.

Where a comparison depends on the place as well, every place has a time of its own: there is no common point, and none
is returned for it.
"""

import math
from collections.abc import Iterator, Mapping

import numpy as np

from grid.core.errors import FieldError
from grid.engine.values.enclosures import Enclosure, run
from grid.engine.values.expression import Expression
from grid.engine.values.intervals import Interval, subtract
from grid.engine.values.operations import FloatArray, Operand
from grid.engine.values.parser import COMPARISONS, FUNCTION_ARITY, Instruction
from grid.engine.values.phase_change import ByPhase, HeatCapacity
from grid.engine.values.value import Table, Value

MAX_SWITCHES = 100_000  # [-] switches of one value; a run ends a step at each of them
MAX_STRETCHES = 400_000  # [-] stretches in a search for roots at one time
HALVINGS = 64  # [-] halvings of the whole range, after which a stretch is not halved any further
BISECTIONS = 1100  # [-] most bisections of a root; they end earlier, where the ends are neighbouring doubles
SAME = 4.0 * 2.0**-53  # [-] relative distance of two points that counts as rounding
SHORT = 64.0  # [-] units in the last place: length of a group of stretches that counts as one point
# [-] relative to the sides of a comparison: a difference that cannot be distinguished from zero
NOISE = 64.0 * 2.0**-53
ROOTS = frozenset(("sqrt", "log", "abs"))  # functions that bend, or end, where their argument is zero

Code = tuple[Instruction, ...]
Places = Mapping[str, tuple[Operand, Operand]]


def find_switches(
    value: Value,
    variable: str,
    low: float,
    high: float,
    coordinates: Places | None = None,
    *,
    path: str = "value",
) -> tuple[float, ...]:
    """Find the points strictly between two ends at which a value jumps or bends along a variable, increasing.

    Args:
        value: Value of the case format.
        variable: `t`, `T`, `x`, `y` or `z`.
        low, high: Ends of the range; finite.
        coordinates: Least and greatest value of each other variable; by default unbounded.
        path: Name of the field, for the refusal.

    Raises:
        FieldError: There are more than `MAX_SWITCHES`.
    """
    found = _find(value, variable, low, high, coordinates or {}, path)
    points = np.unique(np.asarray(found, np.float64))
    points = points[(points > low) & (points < high)]
    if points.size > 1 and not np.all(np.diff(points) > SAME * np.abs(points[1:])):
        points = np.array(_merge(points.tolist()))
    if points.size > MAX_SWITCHES:
        raise _too_many(path)
    return tuple(points.tolist())


def _merge(points: list[float]) -> list[float]:
    """Merge increasing points that differ from the one before by rounding alone."""
    kept = points[:1]
    for point in points[1:]:
        if point - kept[-1] > SAME * abs(point):
            kept.append(point)
    return kept


def _too_many(path: str) -> FieldError:
    return FieldError(
        path,
        f"at most {MAX_SWITCHES} switches in a run; end earlier, or give the mean over many of them where their "
        "ripple does not matter",
    )


def _find(
    value: Value, variable: str, low: float, high: float, coordinates: Places, path: str
) -> tuple[float, ...] | FloatArray:
    if isinstance(value, Table):
        return value.arrays[0] if value.of == variable else ()
    if isinstance(value, Expression):
        return find_code_switches(value.code, variable, low, high, coordinates, path)
    if isinstance(value, HeatCapacity):
        return value.enthalpy.temperatures if variable == "T" else ()
    if isinstance(value, ByPhase):
        own = (value.melting_temperature,) if variable == "T" else ()
        parts = (_find(part, variable, low, high, coordinates, path) for part in (value.solid, value.liquid))
        return (*own, *(float(point) for part in parts for point in part))
    return ()


def find_code_switches(
    code: Code, variable: str, low: float, high: float, coordinates: Places, path: str = "value"
) -> FloatArray:
    """Find switches of parsed code as `find_switches` does; not merged."""
    everywhere = dict.fromkeys("xyztT", (-math.inf, math.inf)) | dict(coordinates)
    ends = np.array([low, high])
    if ("variable", variable) not in code:
        return ends[1:-1]
    for prefix, count in _find_corners(code, variable):
        roots = _find_roots(_Difference(prefix, count, variable, everywhere), ends, path)
        ends = np.union1d(ends, roots[(roots > low) & (roots < high)])
        if ends.size > MAX_SWITCHES:
            raise _too_many(path)
    return ends[1:-1]


def _find_corners(code: Code, variable: str) -> Iterator[tuple[Code, int]]:
    """Code before each instruction that may jump or bend, and its number of operands: two, or one compared with zero.

    Only code that depends on the variable alone; in the order of the code, which has inner parts first.
    """
    depends: list[frozenset[str]] = []
    for index, (operation, argument) in enumerate(code):
        count = _count_operands(operation, str(argument))
        operands = depends[len(depends) - count :]
        del depends[len(depends) - count :]
        decisive = 0
        if (operation == "binary" and argument in COMPARISONS) or argument in ("minimum", "maximum"):
            decisive = 2
        elif argument in ROOTS or (operation == "binary" and argument == "**" and operands[0]):
            decisive = 1
        if decisive and frozenset().union(*operands) == {variable}:
            exponent = code[index - 1]
            is_smooth = argument == "**" and exponent[0] == "constant" and _is_whole(exponent[1])
            if not is_smooth:
                # an exponent lies above the base on the stack
                yield (code[: index - 1] if argument == "**" and exponent[0] == "constant" else code[:index]), decisive
        depends.append(frozenset(str(argument)) if operation == "variable" else frozenset().union(*operands))


def _is_whole(number: object) -> bool:
    return isinstance(number, float) and number == math.floor(number) and number >= 0.0


def _count_operands(operation: str, argument: str) -> int:
    if operation in ("constant", "variable"):
        return 0
    if operation == "call":
        return FUNCTION_ARITY[argument]
    return 1 if operation == "negate" else 2


class _Difference:
    """Difference of two sides, or one operand, as a function of the variable."""

    def __init__(self, code: Code, count: int, variable: str, coordinates: Places) -> None:
        self._code, self._count, self._variable, self._places = code, count, variable, coordinates

    def enclose(self, low: FloatArray, high: FloatArray) -> tuple[Interval, Interval, FloatArray]:
        """Compute bounds of the difference and of its slope over stretches, and the size of its sides."""
        stack = run(self._code, self._variable, low, high, self._places)
        if self._count == 1:
            only = stack[-1]
            return *_shape(only.value, only.slope, low), _broadcast(only.value.magnitude, low)
        left, right = stack[-2:]
        value, slope = subtract(left.value, right.value), subtract(left.slope, right.slope)
        size = np.maximum(left.value.magnitude, right.value.magnitude)
        return *_shape(value, slope, low), _broadcast(size, low)

    def at(self, points: FloatArray) -> FloatArray:
        """Evaluate the difference at points; inner conditions as they are there."""
        stack = run(self._code, self._variable, points, points, self._places)
        return _broadcast(self._pointwise(stack), points)

    def _pointwise(self, stack: list[Enclosure]) -> Operand:
        with np.errstate(all="ignore"):
            return stack[-1].middle if self._count == 1 else np.subtract(stack[-2].middle, stack[-1].middle)


def _broadcast(values: Operand, like: FloatArray) -> FloatArray:
    return np.array(np.broadcast_to(np.asarray(values, np.float64), like.shape))


def _shape(value: Interval, slope: Interval, like: FloatArray) -> tuple[Interval, Interval]:
    value, slope = (Interval(*(_broadcast(end, like) for end in part)) for part in (value, slope))
    return value, slope


def _find_roots(difference: _Difference, ends: FloatArray, path: str) -> FloatArray:
    """Find all roots between the ends, in stretches on which the function has no jump of its own."""
    nudge = 4.0 * np.spacing(np.maximum(np.abs(ends[:-1]), np.abs(ends[1:])))
    low, high = ends[:-1] + nudge, ends[1:] - nudge  # at an end a condition within the function may change
    low, high = low[low < high], high[low < high]
    narrow = (ends[-1] - ends[0]) * 2.0**-HALVINGS
    found: list[FloatArray] = []
    while low.size:
        if low.size > MAX_STRETCHES:
            raise _too_many(path)
        value, slope, size = difference.enclose(low, high)
        may_vanish = (value.low <= 0.0) & (value.high >= 0.0) & (value.magnitude > 0.0)
        is_steady = ((slope.low > 0.0) | (slope.high < 0.0)) & np.isfinite(value.magnitude)  # no pole
        single = may_vanish & is_steady
        if single.any():
            found.append(_bisect(difference, low[single], high[single]))
        is_short = ~(high - low > np.maximum(narrow, 4.0 * np.spacing(np.maximum(np.abs(low), np.abs(high)))))
        is_noise = (value.magnitude <= NOISE * size) & np.isfinite(
            size
        )  # equal sides, or a root as exact as numbers can tell
        touched = may_vanish & ~single & (is_short | is_noise)
        found.extend(_cluster(low[touched], high[touched]))
        rest = may_vanish & ~single & ~touched
        middle = 0.5 * (low[rest] + high[rest])
        low, high = np.concatenate([low[rest], middle]), np.concatenate([middle, high[rest]])
    return np.concatenate(found) if found else np.zeros(0)


def _cluster(low: FloatArray, high: FloatArray) -> list[FloatArray]:
    """Ends of each group of adjacent stretches on which the function is zero to rounding; one end of a short group."""
    if not low.size:
        return []
    order = np.argsort(low)
    low, high = low[order], high[order]
    is_first = np.concatenate([[True], low[1:] > high[:-1]])
    is_last = np.concatenate([is_first[1:], [True]])
    low, high = low[is_first], high[is_last]
    return [low, high[high - low > SHORT * np.spacing(np.abs(high))]]


def _bisect(difference: _Difference, low: FloatArray, high: FloatArray) -> FloatArray:
    """Find the root of each stretch on which the function rises or falls throughout and changes its sign."""
    at_low, at_high = difference.at(low), difference.at(high)
    exact = np.concatenate([low[at_low == 0.0], high[at_high == 0.0]])
    crosses = at_low * at_high < 0.0
    low, high, sign = low[crosses], high[crosses], np.sign(at_low[crosses])
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        if not low.size or bool(np.all((middle <= low) | (middle >= high))):
            break
        side = np.sign(difference.at(middle))
        low = np.where(side == sign, middle, np.where(side == 0.0, middle, low))
        high = np.where(side == sign, high, middle)
    return np.concatenate([exact, high])
