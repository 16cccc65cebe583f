r"""Functions of time as tables: knots between which a load is linear, to a stated error that holds everywhere.

Between two points h apart a function differs from its chord by at most :math:`h^2 \max |f''| / 8`. The bounds of the
second derivative come from interval arithmetic (`grid.engine.values.enclosures`) on stretches between the points where
the function jumps or bends (`grid.engine.values.switches`), so a pulse is found however short it is. That error stays
small relative to the largest value, and relative to the function on the stretch or in the mean: the long flanks of a
narrow peak have a share of its integral that the peak itself does not show.

Next to a jump rounding may decide a comparison either way, farther from it the flatter its sides are. So on a stretch
the function is evaluated with the comparisons that hold in its middle.
"""

from dataclasses import dataclass

import numpy as np

from grid.core.errors import FieldError
from grid.engine.values.enclosures import Enclosure, enclose
from grid.engine.values.expression import Expression, run_code
from grid.engine.values.operations import FloatArray
from grid.engine.values.switches import find_switches
from grid.engine.values.value import Constant, Table, Value

MAX_KNOTS = 200_000  # [-] knots of one function of time
MAX_ROUNDS = 80  # [-] rounds of halving
# [-] relative to the largest error: stretches with less are halved later, while the largest value is not known yet
EAGER = 1e-3
INTEGRAL_SHARE = 5.0  # [-] times the tolerance: largest error relative to the function on the stretch and in the mean
# [-] relative to a stretch, and in units in the last place: distance from its ends at which a function is evaluated
NUDGE, ROUNDINGS = 1e-10, 4.0


@dataclass(frozen=True, eq=False)
class Signal:
    """Function that is linear in time on each stretch between knots, and may jump at them.

    Args:
        knots: Increasing times [s], shape (stretches + 1,).
        low, high: Values at the beginning and at the end of each stretch, from inside.
    """

    knots: FloatArray
    low: FloatArray
    high: FloatArray

    @property
    def largest(self) -> float:
        """Largest absolute value of the function; NaN where it is not a number somewhere."""
        return float(np.abs([self.low, self.high]).max())

    def sample(self, times: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Sample both ends of the stretches between some times; no stretch has a knot in its inside."""
        middle = 0.5 * (times[:-1] + times[1:])
        at = np.clip(np.searchsorted(self.knots, middle, side="right") - 1, 0, self.low.size - 1)
        way = self.knots[at + 1] - self.knots[at]
        slope = (self.high[at] - self.low[at]) / way
        low = self.low[at] + slope * (times[:-1] - self.knots[at])
        high = self.high[at] - slope * (self.knots[at + 1] - times[1:])
        return low, high


def make_signal(value: Value, end: float, tolerance: float, path: str) -> Signal:
    """Make the function of time that a value is, from 0 to the end of a run.

    Args:
        value: Value of time alone, or constant.
        end: End of the run [s].
        tolerance: Largest error of an expression relative to its largest difference from its start.
        path: Name of the field.

    Raises:
        FieldError: The function needs more than `MAX_KNOTS` knots.
    """
    if isinstance(value, Constant):
        return Signal(np.array([0.0, end]), np.array([value.value]), np.array([value.value]))
    if isinstance(value, Table):
        return _read_table(value, end)
    if not isinstance(value, Expression):
        raise TypeError("a load that depends on time alone is a number, a table or an expression")
    return _tabulate(value, end, tolerance, path)


def _read_table(table: Table, end: float) -> Signal:
    points, values = table.arrays
    inner = points[(points > 0.0) & (points < end)]
    knots = np.concatenate([[0.0], inner, [end]])
    if table.interpolation == "linear":
        at = np.interp(knots, points, values)
        return Signal(knots, at[:-1], at[1:])
    held = values[np.maximum(np.searchsorted(points, knots[:-1], side="right") - 1, 0)]
    return Signal(knots, held, held)


def _tabulate(value: Expression, end: float, tolerance: float, path: str) -> Signal:
    ends = np.array([0.0, *find_switches(value, "t", 0.0, end, path=path), end])
    low, high = ends[:-1], ends[1:]
    done: list[tuple[FloatArray, FloatArray]] = []
    first = float(_evaluate(value, low[:1], high[:1])[0][0])
    count, size, known = 0, 0.0, 0.0
    for _ in range(MAX_ROUNDS):
        start, stop = _evaluate(value, low, high)
        size = max(size, float(np.abs(start - first).max(initial=0.0)), float(np.abs(stop - first).max(initial=0.0)))
        error, least = _bound(value, low, high, first)
        integral = known + float((least * (high - low)).sum())
        largest = np.minimum(tolerance * size, INTEGRAL_SHARE * tolerance * (least + integral / end))
        largest = np.maximum(largest, 8.0 * np.finfo(float).eps * abs(first))
        is_short = high - low <= 64.0 * np.spacing(np.maximum(np.abs(low), np.abs(high)))
        fails = (error > largest) & ~is_short
        urgent = fails & (error >= EAGER * float(error[fails].max(initial=0.0)))
        done.append((low[~fails], high[~fails]))
        count += int((~fails).sum())
        known += float((least * (high - low))[~fails].sum())
        if not fails.any():
            break
        middle = 0.5 * (low[urgent] + high[urgent])
        waits = fails & ~urgent
        low, high = (
            np.concatenate([low[urgent], middle, low[waits]]),
            np.concatenate([middle, high[urgent], high[waits]]),
        )
        if count + low.size > MAX_KNOTS:
            raise FieldError(
                path,
                f"a function of time that {MAX_KNOTS} straight lines can follow to {tolerance:.2g} of its change; "
                "end earlier, or give its mean where the ripple does not matter",
            )
    starts = np.concatenate([part[0] for part in done])
    order = np.argsort(starts)
    starts, stops = starts[order], np.concatenate([part[1] for part in done])[order]
    return Signal(np.append(starts, end), *_evaluate(value, starts, stops))


def _bound(value: Expression, low: FloatArray, high: FloatArray, first: float) -> tuple[FloatArray, FloatArray]:
    """Bound over each stretch the difference of a function from its chord (most) and from its first value (least)."""
    found = enclose(value.code, "t", low, high, {})
    with np.errstate(all="ignore"):
        by_bend = (high - low) ** 2 * found.bend.magnitude / 8.0
        by_range = found.value.high - found.value.low
    error = np.broadcast_to(np.fmin(by_bend, by_range), low.shape)
    return np.where(np.isnan(error), np.inf, error), _find_least(found, first, low)


def _find_least(found: Enclosure, first: float, like: FloatArray) -> FloatArray:
    """Least distance of an enclosed function from a value, on each stretch."""
    with np.errstate(all="ignore"):
        least = np.maximum(np.maximum(found.value.low - first, first - found.value.high), 0.0)
    return np.array(np.broadcast_to(np.where(np.isfinite(least), least, 0.0), like.shape))


def _evaluate(value: Expression, low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Evaluate both ends of stretches, from inside, with the comparisons of their middles.

    A value that is not finite is refused where the load is used.
    """
    nudge = np.maximum(NUDGE * (high - low), ROUNDINGS * np.spacing(np.maximum(np.abs(low), np.abs(high))))
    times = np.stack([low + nudge, high - nudge, 0.5 * (low + high)])
    found = run_code(value.code, {"t": times}, compare_at=2)
    start, stop, _ = np.array(np.broadcast_to(np.asarray(found, np.float64), times.shape))
    return start, stop
