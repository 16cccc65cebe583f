"""Samples of a run's metrics as viewers get them: from the bus or from rows, merged where a viewer takes fewer."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from grid.database.live_samples import Sample
from grid.schemas.live import SAMPLE_METRICS
from grid.services.live.pyramid import unpack_spans

Span = tuple[float, float, float, float]  # least, largest, mean, last


@dataclass(frozen=True)
class RunSample:
    """Metrics over some ticks. Many readers hold the same one: what is made of it is made once for all of them.

    Args:
        first_tick: The first tick that it covers.
        end_tick: The tick behind the last: the id of the sample.
        time_s: Simulated time there [s].
        metrics: Least, largest, mean and last by name; None where a metric has no value.
    """

    first_tick: int
    end_tick: int
    time_s: float
    metrics: Mapping[str, Span | None]
    _merged: "list[tuple[RunSample, RunSample]]" = field(default_factory=list, repr=False, compare=False)

    def to_json(self) -> str:
        """The sample as it is sent."""
        return self._text

    def merge(self, later: "RunSample") -> "RunSample":
        """The sample over the ticks of both: no peak is lost."""
        if not self._merged or self._merged[0][0] is not later:
            self._merged[:] = [(later, _merge(self, later))]
        return self._merged[0][1]

    @cached_property
    def _text(self) -> str:
        metrics = {name: None if span is None else list(span) for name, span in self.metrics.items()}
        document = {"first_tick": self.first_tick, "end_tick": self.end_tick, "time_s": self.time_s, "metrics": metrics}
        return json.dumps(document, separators=(",", ":"), allow_nan=False)


def read_bus_sample(document: Mapping[str, Any]) -> RunSample:
    """Return a sample of the bus.

    Raises:
        KeyError, TypeError, ValueError: It is none.
    """
    metrics: dict[str, Span | None] = {name: _read_span(span) for name, span in document["values"].items()}
    for name, value in document["pace"].items():
        metrics[name] = _read_span(None if value is None else [value] * 4)
    first, last = int(document["first"]), int(document["last"])  # ticks that begin after those that it covers
    return RunSample(max(first - 1, 0), last, float(document["time_s"]), metrics)


def read_row(row: Sample, tick_s: str) -> RunSample:
    """Return a row of samples."""
    metrics = {
        name: None if math.isnan(span.last) else (span.least, span.largest, span.mean, span.last)
        for name, span in zip(SAMPLE_METRICS, unpack_spans(row.metrics), strict=False)
    }
    return RunSample(row.ticks.start, row.ticks.stop, row.ticks.stop * float(tick_s), metrics)


def _merge(earlier: RunSample, later: RunSample) -> RunSample:
    weights = earlier.end_tick - earlier.first_tick, later.end_tick - later.first_tick
    share = weights[1] / sum(weights) if sum(weights) > 0 else 0.5
    metrics = dict(later.metrics)
    for name, before in earlier.metrics.items():
        after = metrics.get(name)
        if before is not None:
            metrics[name] = before if after is None else (
                min(before[0], after[0]), max(before[1], after[1]),
                (1.0 - share) * before[2] + share * after[2], after[3],
            )  # fmt: skip
    return RunSample(min(earlier.first_tick, later.first_tick), later.end_tick, later.time_s, metrics)


def _read_span(span: Any) -> Span | None:
    if span is None:
        return None
    least, largest, mean, last = (float(value) for value in span)
    return (least, largest, mean, last) if all(map(math.isfinite, (least, largest, mean, last))) else None
