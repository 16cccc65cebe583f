"""Rows of metrics as their owner sees them: by name, by columns, and as CSV."""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

from grid.core.errors import FieldError
from grid.database.live_samples import Sample
from grid.schemas.live import SAMPLE_METRICS
from grid.schemas.wire.live_metrics import MetricColumns, MetricHistoryOut, MetricsOut
from grid.services.live import MetricHistory, NewestSample, describe_run
from grid.services.live.pyramid import MetricSpan, unpack_spans

PARTS: Final = ("min", "max", "mean", "last")  # as `MetricSpan` has them
_EMPTY: Final = MetricSpan(*(4 * (math.nan,)))


def choose_metrics(names: Sequence[str]) -> tuple[str, ...]:
    """Return the metrics that were asked for, each once; all of them where none was named.

    Raises:
        FieldError: A name is none of a sample's.
    """
    if not set(names) <= set(SAMPLE_METRICS):
        raise FieldError("metric", f"must be one of {', '.join(SAMPLE_METRICS)}")
    return tuple(dict.fromkeys(names)) or SAMPLE_METRICS


def present_metrics(newest: NewestSample) -> MetricsOut:
    """Return the newest metrics of a run."""
    run, sample = newest.run, newest.sample
    metrics: dict[str, float | None] = dict.fromkeys(SAMPLE_METRICS)
    if sample is not None:
        spans = zip(SAMPLE_METRICS, unpack_spans(sample.metrics), strict=False)  # an older row may have fewer
        metrics |= {name: _finite(span.last) for name, span in spans}
    lumped = metrics["is_lumped"]
    return MetricsOut(
        run=run.id,
        status=run.state,
        message=describe_run(run),
        model=None if lumped is None else "lumped" if lumped >= 0.5 else "diffusive",
        policy=run.model_policy,
        tick=run.tick,
        tick_s=run.tick_s,
        first_tick=None if sample is None else sample.ticks.start,
        end_tick=None if sample is None else sample.ticks.stop,
        time_s=None if sample is None else sample.ticks.stop * float(run.tick_s),
        sampled_at=run.sampled_at,
        age_s=newest.age_s,
        metrics=metrics,
    )


def present_history(run_id: UUID, tick_s: str, history: MetricHistory, names: Sequence[str]) -> MetricHistoryOut:
    """Return a history by columns."""
    rows = [_spans(sample, names) for sample in history.samples]
    columns = {
        name: MetricColumns(
            **{part: [_finite(row[index][place]) for row in rows] for place, part in enumerate(PARTS)}
        )
        for index, name in enumerate(names)
    }  # fmt: skip
    return MetricHistoryOut(
        run=run_id,
        level=history.level,
        ticks_of_a_row=1 << history.level,
        tick_s=tick_s,
        first_tick=[sample.ticks.start for sample in history.samples],
        end_tick=[sample.ticks.stop for sample in history.samples],
        time_s=[sample.ticks.stop * float(tick_s) for sample in history.samples],
        metrics=columns,
    )


def write_history(tick_s: str, history: MetricHistory, names: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a history as CSV: a row of the pyramid each, empty where a metric has no value."""
    yield _line(["first_tick", "end_tick", "time_s", *(f"{name}_{part}" for name in names for part in PARTS)])
    for sample in history.samples:
        ticks = sample.ticks
        values = [_finite(value) for span in _spans(sample, names) for value in span]
        yield _line([ticks.start, ticks.stop, ticks.stop * float(tick_s), *values])


def _spans(sample: Sample, names: Sequence[str]) -> list[MetricSpan]:
    known = dict(zip(SAMPLE_METRICS, unpack_spans(sample.metrics), strict=False))
    return [known.get(name, _EMPTY) for name in names]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _line(values: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()
