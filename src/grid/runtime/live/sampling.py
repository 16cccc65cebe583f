"""Metrics of ticks gathered into samples, and into rows of a pyramid: least, largest, mean and last of each."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from grid.engine.live.summary import TickSummary
from grid.runtime.live.messages import Sample, SampleRow
from grid.schemas.live import PACE_METRICS, TICK_METRICS

ROW_S = 0.5, 2.0  # [s] of wall time that a row covers; outside of them the level changes by one
MOST_LEVEL = 40  # [-] 2^40 ticks: more than a run may have
Span = tuple[float, float, float, float]


@dataclass
class SampleBuilder:
    """Gathers ticks until somebody takes the sample."""

    _rows: dict[str, list[float]] = field(default_factory=dict)
    _first: int | None = None
    _last: TickSummary | None = None

    def add(self, summary: TickSummary) -> None:
        """Add what a tick shows."""
        if self._first is None:
            self._first = summary.tick
        self._last = summary
        for name, value in summary.metrics().items():
            if value is None or not math.isfinite(value):
                continue
            row = self._rows.get(name)
            if row is None:
                self._rows[name] = [value, value, value, value, 1.0]
            else:
                row[0], row[1] = min(row[0], value), max(row[1], value)
                row[2], row[3], row[4] = row[2] + value, value, row[4] + 1.0

    def take(self, pace: Mapping[str, float | None]) -> Sample | None:
        """The sample since the last one was taken; None where no tick was added."""
        if self._last is None or self._first is None:
            return None
        known = {name: (row[0], row[1], row[2] / row[4], row[3]) for name, row in self._rows.items()}
        values = {name: known.get(name) for name in TICK_METRICS}
        sample = Sample(self._first, self._last.tick, self._last.time, values, dict(pace))
        self._rows, self._first, self._last = {}, None, None
        return sample


class RowBuilder:
    """Gathers ticks into rows of the pyramid of samples, about one for each second of wall time.

    A row is told only where all its ticks were seen. Its level follows the wall clock, so it is no result.
    """

    def __init__(self) -> None:
        self.level = 0
        self._next: int | None = None  # the tick that continues the row
        self._begun = self._seen = 0.0  # when the row began, and when the last tick was seen [s]
        self._ticks: list[list[float]] = []
        self._ready: list[SampleRow] = []

    def add(self, summary: TickSummary, pace: Mapping[str, float | None], now: float, *, adapts: bool = True) -> None:
        """Add what a tick shows.

        Args:
            summary: At the end of the tick.
            pace: Real-time ratio and so on, as they are known at present.
            now: Monotonic time [s].
            adapts: Whether the level may change: not while ticks are computed again without a pace.
        """
        tick = summary.tick - 1
        if tick != self._next:
            self._ticks, self._seen = [], now
        self._next, before, self._seen = tick + 1, self._seen, now
        size = 1 << self.level
        if not self._ticks:
            if tick % size:
                return  # the row has begun without us
            self._begun = before
        found = summary.metrics()
        values = [found[name] for name in TICK_METRICS] + [pace.get(name) for name in PACE_METRICS]
        self._ticks.append([math.nan if value is None else value for value in values])
        if len(self._ticks) == size:
            self._close(tick, now - self._begun if adapts else ROW_S[0])

    def finish(self) -> None:
        """Tell the ticks of the row that is not full as rows of finer levels."""
        first = (self._next or 0) - len(self._ticks)
        while self._ticks:
            level = len(self._ticks).bit_length() - 1
            while first % (1 << level):
                level -= 1
            size = 1 << level
            self._tell(level, first >> level, self._ticks[:size])
            self._ticks, first = self._ticks[size:], first + size

    def take(self) -> tuple[SampleRow, ...]:
        """The rows since this was last asked."""
        taken, self._ready = tuple(self._ready), []
        return taken

    def _close(self, tick: int, elapsed: float) -> None:
        self._tell(self.level, tick >> self.level, self._ticks)
        self._ticks = []
        shortest, longest = ROW_S
        if elapsed < shortest and self.level < MOST_LEVEL and (tick + 1) % (2 << self.level) == 0:
            self.level += 1
        elif elapsed > longest and self.level:
            self.level -= 1

    def _tell(self, level: int, place: int, ticks: list[list[float]]) -> None:
        columns = zip(*ticks, strict=True)
        self._ready.append(SampleRow(level, place, tuple(_span(column) for column in columns)))


def _span(column: tuple[float, ...]) -> Span:
    known = [value for value in column if math.isfinite(value)]
    if not known:
        return math.nan, math.nan, math.nan, math.nan
    return min(known), max(known), sum(known) / len(known), known[-1]
