"""Analysis of the loads of a problem over its run, made before the run: switches, and longest steps.

Every source, boundary value and property that depends on time is examined once (`grid.engine.values.switches`,
`grid.engine.loads.course`), without a field. The result is a list of switches, at which every run ends a step, and of
zones in time with the longest step that each allows. Zones join stretches whose steps are similar, so a pulse has few.

A load of place and time, or of temperature and time, has no course of its own. It is followed at `PLACES` places
and temperatures spread over the body and between the extremes that the data name. Where it moves, bounds over the whole
body show when it acts at all: such a time is cut into `MOVING_PARTS`, so that nothing passes between two steps, and
within it the error estimate of a step includes the motion.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from grid.engine.problem.timed_loads import TimedLoad, find_timed_loads
from grid.engine.values.expression import Expression
from grid.engine.values.operations import FloatArray
from grid.engine.values.value import Table, Value

if TYPE_CHECKING:
    from grid.engine.loads.course import Course
    from grid.engine.problem.problem import HeatProblem

ALIKE = 4.0  # [-] ratio of steps that are joined in one zone
PLACES = 5  # [-] places at which a load of place and time is followed
FELT = 1e-2  # [-] relative to the largest integral at these places: integral from which a place counts
MOVING_PARTS, LEAST_PARTS = 32.0, 256.0  # [-] parts of a time in which a load moves, and of the whole run
MOVING_CHANGE = 1e-3  # [-] times the tolerance, relative to the largest value of a load: a negligible change
MOVING_ROUNDS, MOVING_STRETCHES = 30, 50_000  # [-] most rounds of halving and stretches for a load that moves
Mask = NDArray[np.bool_]
# [-] irrational steps; their multiples, modulo 1, spread places evenly
GOLDEN = (0.618033988749895, 0.754877666246693, 0.569840290998053, 0.819172513396165)


@dataclass(frozen=True)
class Zone:
    """A stretch of time and the longest step in it.

    Args:
        start, end: Ends of the stretch [s].
        coarse: Longest step that does not pass over a change of a load; infinite where there is none [s].
        step: The same, short enough for the tolerance of the integral of the loads as well [s].
    """

    start: float
    end: float
    coarse: float
    step: float


@dataclass(frozen=True)
class StepLimits:
    """Longest step from each time on, `step` or `coarse` of the zones."""

    starts: tuple[float, ...]
    steps: tuple[float, ...]

    def find(self, time: float) -> float:
        """Find the longest step from a time on: at most that of each zone that it reaches into [s]."""
        index = max(bisect_right(self.starts, time) - 1, 0)
        limit = self.steps[index]
        for start, step in zip(self.starts[index + 1 :], self.steps[index + 1 :], strict=True):
            if start - time >= limit:
                break
            limit = min(limit, max(start - time, step))
        return limit


@dataclass(frozen=True)
class LoadAnalysis:
    """Switches and zones of a run.

    Args:
        switches: Times at which some load jumps or bends, increasing [s].
        zones: Zones without gaps from 0 to the end; empty where no load depends on time.
        ends: Ends of the stretches on which each load is smooth, by the name of its field [s].
        jumps: Switches at which a load may jump, all but points of tables that are linear between them [s].
    """

    switches: tuple[float, ...] = ()
    zones: tuple[Zone, ...] = ()
    ends: dict[str, FloatArray] = field(default_factory=dict, compare=False, repr=False)
    jumps: frozenset[float] = frozenset()

    def find_ends(self, path: str) -> FloatArray:
        """Return the ends of the stretches on which a load is smooth [s]; none if it is not known."""
        return self.ends.get(path, np.zeros(0))

    @cached_property
    def bends(self) -> frozenset[float]:
        """Switches at which no load jumps [s]."""
        return frozenset(self.switches) - self.jumps

    @property
    def marks(self) -> tuple[float, ...]:
        """Times at which one zone ends and another begins [s]."""
        return tuple(zone.start for zone in self.zones[1:])

    def count_steps(self) -> float:
        """Count the fewest steps that the zones allow."""
        return sum((zone.end - zone.start) / zone.step for zone in self.zones)

    @cached_property
    def limits(self) -> StepLimits | None:
        """Limits of steps that are chosen by their error; None where nothing limits them."""
        return self._limit([zone.step for zone in self.zones])

    @cached_property
    def coarse_limits(self) -> StepLimits | None:
        """Limits of equal steps in a number that the caller gives: no change is passed over."""
        return self._limit([zone.coarse for zone in self.zones])

    def _limit(self, steps: list[float]) -> StepLimits | None:
        if not any(np.isfinite(steps)):
            return None
        return StepLimits(tuple(zone.start for zone in self.zones), tuple(steps))


def _make_store(_problem: "HeatProblem") -> dict[tuple[float, float], LoadAnalysis]:
    """Make the store of a problem's analyses, by end and tolerance."""
    return {}


def analyse_loads(problem: "HeatProblem", end: float, tolerance: float) -> LoadAnalysis:
    """Find switches and zones of a run to a time [s]; computed once for each problem, end and tolerance.

    Raises:
        FieldError: A load changes more often than a run can follow.
    """
    kept, key = problem.once(_make_store), (end, tolerance)
    if key not in kept:
        kept[key] = analyse_values(find_timed_loads(problem), 0.0, end, tolerance)
    return kept[key]


def analyse_values(loads: Iterable[TimedLoad], start: float, end: float, tolerance: float) -> LoadAnalysis:
    """Find switches and zones of loads between two times [s].

    Raises:
        FieldError: A load changes more often than a run can follow.
    """
    from grid.engine.values.switches import find_switches

    switches, jumps, courses, ends = [np.zeros(0)], set[float](), list["Course"](), dict[str, FloatArray]()
    for load in loads:
        own = find_switches(load.value, "t", start, end, load.coordinates, path=load.path)
        switches.append(np.array(own))
        if not (isinstance(load.value, Table) and load.value.interpolation == "linear"):
            jumps.update(own)
        marks = np.concatenate([[start], switches[-1], [end]])
        found = [course for value in _find_expressions(load.value) for course in _follow(value, load, marks, tolerance)]
        courses += found
        ends[load.path] = np.unique(np.concatenate([marks, *(course.ends for course in found)]))
    zones = _make_zones(courses) if courses else ()
    return LoadAnalysis(tuple(np.unique(np.concatenate(switches)).tolist()), zones, ends, frozenset(jumps))


def _find_expressions(value: Value) -> Iterator[Expression]:
    """Find the expressions of a value that depend on time; tables are straight lines between their knots."""
    if isinstance(value, Expression):
        if "t" in value.variables:
            yield value
    else:
        for part in (getattr(value, "solid", None), getattr(value, "liquid", None)):
            if part is not None:
                yield from _find_expressions(part)


def _follow(value: Expression, load: TimedLoad, ends: FloatArray, tolerance: float) -> "Iterator[Course]":
    from grid.engine.loads.course import follow

    if value.variables == frozenset("t"):
        yield follow(value.code, ends, {}, tolerance, load.path, is_absolute=load.is_absolute)
        return
    found = [
        follow(value.code, ends, place, tolerance, load.path, is_absolute=load.is_absolute)
        for place in _spread(load.coordinates)
    ]
    largest = max(course.integral for course in found)
    yield from (course for course in found if course.integral > FELT * largest)
    yield _follow_moving(value, load, ends, tolerance)


def _spread(coordinates: dict[str, tuple[float, float]]) -> Iterator[dict[str, tuple[float, float]]]:
    """Choose single places within ranges, spread evenly by multiples of irrational numbers."""
    for number in range(1, PLACES + 1):
        shares = [(0.5 + number * step) % 1.0 for step in GOLDEN]
        ranges = zip(coordinates.items(), shares, strict=False)
        points = {name: low + share * (high - low) for (name, (low, high)), share in ranges}
        yield {name: (point, point) for name, point in points.items()}


def _follow_moving(value: Expression, load: TimedLoad, ends: FloatArray, tolerance: float) -> "Course":
    """Find the times at which a load of place and time changes anywhere, with steps of a part of each such time."""
    from grid.engine.loads.course import SHORTEST, Course

    low, high, length = ends[:-1], ends[1:], float(ends[-1] - ends[0])
    for _ in range(MOVING_ROUNDS):
        is_active, is_straight = _see_change(value, load, low, high, tolerance)
        window = _measure_runs(low, high, is_active)
        shortest = np.maximum(np.minimum(window / MOVING_PARTS, length / LEAST_PARTS), SHORTEST * length)
        is_long = is_active & ~is_straight & (high - low > shortest)
        if not is_long.any() or low.size + int(is_long.sum()) > MOVING_STRETCHES:
            break
        middle = 0.5 * (low + high)
        low, high = np.append(low, middle[is_long]), np.append(np.where(is_long, middle, high), high[is_long])
        order = np.argsort(low, kind="stable")
        low, high = low[order], high[order]
    width = np.where(is_active & ~is_straight, np.maximum(window / MOVING_PARTS, high - low), np.inf)
    return Course(np.append(low, high[-1]), width, width, 0.0)


def _see_change(
    value: Expression, load: TimedLoad, low: FloatArray, high: FloatArray, tolerance: float
) -> tuple[Mask, Mask]:
    """Find stretches in which a load changes at some place, and those in which it is a straight line at every place."""
    from grid.engine.values.enclosures import enclose

    found, width = enclose(value.code, "t", low, high, load.coordinates), high - low
    with np.errstate(all="ignore"):
        span = np.broadcast_to(found.value.high - found.value.low, low.shape)
        size = float(np.max(np.where(np.isfinite(found.value.magnitude), found.value.magnitude, 0.0), initial=0.0))
        nothing = MOVING_CHANGE * tolerance * size
        is_active = ~(np.fmin(span, found.slope.magnitude * width) <= nothing)
        is_straight = np.fmin(span, 0.125 * width * width * found.bend.magnitude) <= nothing
    return is_active, is_straight


def _measure_runs(low: FloatArray, high: FloatArray, is_active: Mask) -> FloatArray:
    """Measure for each stretch the unbroken time around it in which a load is active."""
    group = np.cumsum(np.concatenate([[True], is_active[1:] != is_active[:-1]])) - 1
    lengths = np.bincount(group, weights=high - low)
    out: FloatArray = lengths[group]
    return out


def _make_zones(courses: "list[Course]") -> tuple[Zone, ...]:
    """Join the stretches of all courses to zones with similar steps."""
    ends = np.unique(np.concatenate([course.ends for course in courses]))
    coarse, step = np.full(ends.size - 1, np.inf), np.full(ends.size - 1, np.inf)
    for course in courses:
        index = np.clip(np.searchsorted(course.ends, ends[:-1], side="right") - 1, 0, course.coarse.size - 1)
        coarse = np.minimum(coarse, course.coarse[index])
        step = np.minimum(step, np.minimum(course.coarse, course.fine)[index])
    return tuple(_join(ends.tolist(), coarse.tolist(), step.tolist()))


def _join(ends: list[float], coarse: list[float], step: list[float]) -> Iterator[Zone]:
    """Join neighbours whose steps are similar: the longest no more than `ALIKE` times the shortest.

    Where nothing limits the step, a stretch of at most that length belongs to its neighbours.
    """
    now, most = Zone(ends[0], ends[1], coarse[0], step[0]), step[0]
    for start, end, wide, short in zip(ends[1:-1], ends[2:], coarse[1:], step[1:], strict=True):
        low, high = min(now.step, short), max(most, short)
        if math.isinf(most) or math.isinf(short):
            quiet = now.end - now.start if math.isinf(now.step) else end - start
            is_joined = math.isinf(low) or quiet <= ALIKE * low
            high = low if math.isinf(now.step) or math.isinf(most) else most
        else:
            is_joined = high <= ALIKE * low
        if is_joined:
            now, most = Zone(now.start, end, min(now.coarse, wide), low), high
        else:
            yield now
            now, most = Zone(start, end, wide, short), short
    yield now
