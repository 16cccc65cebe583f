"""Metrics of ticks gathered into samples: least, largest, mean and last of each."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from grid.engine.live.summary import TickSummary
from grid.runtime.live.messages import Sample
from grid.schemas.live import TICK_METRICS


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
