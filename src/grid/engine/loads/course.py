r"""Course of one load over a run: stretches of time on which short enough steps follow it.

A load is enclosed over stretches of time (`grid.engine.values.enclosures`) which are halved until each of them is
resolved: with :math:`E = \min(h^2 |f''| / 8,\; f_{max} - f_{min})` the most by which the load can differ from a
straight line between the ends of a stretch h, either E is a small share of the load's difference from its mean there,
or E h is negligible beside the integral of that difference over the run. So a pulse is found however short it is,
whatever the samples, and a load that is constant or a straight line costs one stretch.

A method that samples a load at points of its steps integrates it as TR-BDF2 does, with an error of
:math:`0.0404\,h^3 f''` for a step h (Taylor's theorem, with the weights of `grid.engine.methods.implicit.scheme`).
Steps in proportion to :math:`|f''|^{-1/3}` keep the sum of these within a given share of the integral in the fewest
steps.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import FieldError
from grid.engine.values.enclosures import Enclosure, enclose
from grid.engine.values.operations import FloatArray, Operand
from grid.engine.values.parser import Instruction

# [-] relative to a load's difference from its mean: largest difference from a straight line over a stretch
RESOLVED = 0.1
NEGLIGIBLE = 1e-2  # [-] times the tolerance, relative to the integral of a load: a negligible part of it
QUIET = 0.05  # [-] times the tolerance, relative to the integral: largest error of a sample that holds over a step
SHARES = 64.0  # [-] divisor of the negligible part of the integral: its share for one stretch, whatever the length
QUADRATURE = 0.0404  # [-] times h^3 f'', the error of TR-BDF2's quadrature, see above
INTEGRAL_SHARE = 1.5  # [-] times the tolerance, relative to the integral of a load: largest error of the steps
FIRST_PARTS = 8  # [-] parts of each interval between two switches at first
MAX_STRETCHES = 200_000  # [-] stretches of one load; with more it changes too often for a run to follow
ROUNDS = 70  # [-] most rounds of halving
# [-] relative to the median size of a load: largest sample of a stretch whose bounds are infinite, else it is a pole
HUGE = 1e5
SHORTEST = 1e-13  # [-] relative to the run: shortest step, see `grid.engine.methods.implicit.adaptive`

Places = Mapping[str, tuple[Operand, Operand]]


@dataclass(frozen=True)
class Course:
    """Stretches of time, and the longest step with which a load is followed in each.

    Args:
        ends: Ends of the stretches, increasing, shape (stretches + 1,) [s].
        coarse: Steps that do not pass over a change, infinite where there is none [s].
        fine: Steps whose quadrature error is at most `INTEGRAL_SHARE` of the tolerance [s].
        integral: Integral of the distance of the load to its mean [unit of the load times s].
    """

    ends: FloatArray
    coarse: FloatArray
    fine: FloatArray
    integral: float


@dataclass
class _Stretches:
    low: FloatArray
    high: FloatArray
    difference: FloatArray  # E, largest difference from a straight line
    bend: FloatArray  # |f''|
    least: FloatArray  # lower bound of |f - mean| on the stretch
    most: FloatArray
    size: FloatArray  # lower bound of |f|
    middle: FloatArray

    @classmethod
    def join(cls, parts: "list[_Stretches]") -> "_Stretches":
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))

    def take(self, which: NDArray[Any]) -> "_Stretches":
        return _Stretches(*(column[which] for column in vars(self).values()))


def follow(
    code: tuple[Instruction, ...],
    ends: FloatArray,
    coordinates: Places,
    tolerance: float,
    path: str,
    *,
    is_absolute: bool,
) -> Course:
    """Follow parsed code as a function of time.

    Args:
        code: Code of an expression, without comparisons that change between two `ends`.
        ends: 0, the switches of the load and the end of the run [s].
        coordinates: Least and greatest value of each other variable; equal for a single place.
        tolerance: Tolerance of the run.
        path: Name of the field.
        is_absolute: True where zero is the absence of the load, as for a heat; a ripple far below the mean size is then
            neglected.

    Raises:
        FieldError: The load changes more often than a run can follow.
    """
    low, high = _cut(ends)
    mean = _sample_mean(code, low, high, coordinates)
    length, done, count = float(ends[-1] - ends[0]), list[_Stretches](), 0
    known, size, ripple = 0.0, 0.0, 0.0
    for _ in range(ROUNDS):
        now = _enclose(code, low, high, coordinates, mean)
        width = now.high - now.low
        integral = known + float((now.least * width).sum())
        nothing = NEGLIGIBLE * tolerance * integral * (width / length + 1.0 / SHARES)
        is_done = (np.isfinite(now.difference) & (now.difference <= RESOLVED * now.most)) | (
            now.difference * width <= nothing
        )
        is_done |= width <= SHORTEST * length
        if is_absolute:
            ripple = NEGLIGIBLE * tolerance * (size + float((now.size * width).sum())) / length
        is_done |= now.difference <= ripple
        done.append(now.take(is_done))
        known += float((now.least * width)[is_done].sum())
        size += float((now.size * width)[is_done].sum())
        count += int(is_done.sum())
        low, high = now.low[~is_done], now.high[~is_done]
        if not low.size:
            break
        if count + 2 * low.size > MAX_STRETCHES:
            raise _too_fast(path)
        middle = 0.5 * (low + high)
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
    _require_bounded(_Stretches.join(done), path)
    return _conclude(_Stretches.join(done), mean, size if is_absolute else 0.0, tolerance)


def _require_bounded(found: _Stretches, path: str) -> None:
    """Refuse a load that is infinite at a time between samples: its bounds are infinite, and it is huge beside them."""
    is_open = ~np.isfinite(found.difference)
    if not is_open.any():
        return
    sizes = np.abs(found.middle)
    usual = float(np.median(sizes[~is_open & np.isfinite(sizes)])) if (~is_open).any() else 0.0
    if not bool(np.all(sizes[is_open] <= HUGE * usual)):
        raise FieldError(path, "a finite number throughout the run; it grows without bound at a time within")


def _too_fast(path: str) -> FieldError:
    return FieldError(
        path,
        f"a load that is followed in at most {MAX_STRETCHES} stretches of the run; it changes more often, so end "
        "earlier, or give its mean or a table where each change does not matter",
    )


def _cut(ends: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Cut each interval between two ends into equal parts, so that the first samples lie within all of them."""
    parts = max(1, min(FIRST_PARTS, 4096 // max(ends.size - 1, 1)))
    shares = np.arange(parts + 1) / parts
    grid = ends[:-1, None] + (ends[1:] - ends[:-1])[:, None] * shares
    grid[:, -1] = ends[1:]
    return grid[:, :-1].reshape(-1), grid[:, 1:].reshape(-1)


def _sample_mean(code: tuple[Instruction, ...], low: FloatArray, high: FloatArray, coordinates: Places) -> float:
    """Compute the mean of a load in the middle of stretches, or of its bounds; finite in any case."""
    found = enclose(code, "t", low, high, coordinates)
    middle = _finite(_middle(found, low), 0.0)
    width = high - low
    return float((middle * width).sum() / width.sum())


def _middle(found: Enclosure, like: FloatArray) -> FloatArray:
    with np.errstate(all="ignore"):  # for a load that is infinite somewhere, which is refused
        values = found.middle if found.is_common else 0.5 * (found.value.low + found.value.high)
    return _spread(values, like)


def _spread(values: Operand, like: FloatArray) -> FloatArray:
    return np.array(np.broadcast_to(np.asarray(values, np.float64), like.shape))


def _finite(values: FloatArray, other: float) -> FloatArray:
    return np.where(np.isfinite(values), values, other)


def _enclose(
    code: tuple[Instruction, ...], low: FloatArray, high: FloatArray, coordinates: Places, mean: float
) -> _Stretches:
    found = enclose(code, "t", low, high, coordinates)
    width = high - low
    least, most = _spread(found.value.low, low), _spread(found.value.high, low)
    middle = _middle(found, low)
    bend = _spread(found.bend.magnitude, low)
    with np.errstate(all="ignore"):
        difference = np.fmin(0.125 * width * width * bend, most - least)
        difference = np.where(np.isnan(difference), np.inf, difference)
        distance = np.maximum(np.maximum(least - mean, mean - most), 0.0)
        size = np.where(least > 0.0, least, np.where(most < 0.0, -most, 0.0))
        reach = np.maximum(np.abs(least - mean), np.abs(most - mean))
        if found.is_common:  # the mean value theorem may give a closer bound
            reach = np.fmin(reach, np.abs(middle - mean) + 0.5 * width * _spread(found.slope.magnitude, low))
        bend = np.where(np.isfinite(bend), bend, 8.0 * difference / (width * width))
    return _Stretches(low, high, difference, bend, _finite(distance, 0.0), reach, size, middle)


def _conclude(found: _Stretches, mean: float, size: float, tolerance: float) -> Course:
    found = found.take(np.argsort(found.low, kind="stable"))
    width = found.high - found.low
    length = float(found.high[-1] - found.low[0])
    integral = float((np.abs(_finite(found.middle, mean) - mean) * width).sum())
    with np.errstate(all="ignore"):
        # longest step for which one sample is accurate enough
        longest = QUIET * tolerance * max(integral, size) / found.difference
        is_quiet = (found.difference == 0.0) | (longest >= length)
        root = np.cbrt(np.where(is_quiet, 0.0, _finite(found.bend, 0.0)))
        total = float((root * width).sum())
        factor = math.sqrt(INTEGRAL_SHARE * tolerance * integral / (QUADRATURE * total)) if total > 0.0 else math.inf
        fine = np.where(root > 0.0, np.maximum(factor / root, SHORTEST * length), np.inf)
    coarse = np.where(is_quiet, np.inf, np.maximum(np.fmax(width, longest), SHORTEST * length))
    return Course(np.append(found.low, found.high[-1]), coarse, fine, integral)
