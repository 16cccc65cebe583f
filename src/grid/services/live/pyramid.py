"""The pyramid of samples: rows of four doubles a metric, and the coarser row that two of them make.

Of each metric: the least, the largest, the mean and the last value over the ticks that a row covers, so a peak never
disappears by looking from further away. NaN stands where a metric has no value.
"""

import math
import struct
from collections.abc import Sequence
from typing import NamedTuple

from grid.database.live_samples import Sample

WORDS = 4  # doubles of a metric


class MetricSpan(NamedTuple):
    """One metric over the ticks of a row; all NaN where it has no value."""

    least: float
    largest: float
    mean: float
    last: float


def pack_spans(spans: Sequence[MetricSpan]) -> bytes:
    """Return the row of metrics, little-endian."""
    return struct.pack(f"<{WORDS * len(spans)}d", *(value for span in spans for value in span))


def unpack_spans(row: bytes) -> list[MetricSpan]:
    """Return the metrics of a row."""
    values = struct.unpack(f"<{len(row) // 8}d", row)
    return [MetricSpan(*values[start : start + WORDS]) for start in range(0, len(values), WORDS)]


def merge_samples(first: bytes, second: bytes) -> bytes:
    """Return the row over the ticks of two rows of equal length, of which `second` is the later.

    Raises:
        ValueError: They have different numbers of metrics.
    """
    pairs = zip(unpack_spans(first), unpack_spans(second), strict=True)
    return pack_spans([_merge(earlier, later) for earlier, later in pairs])


def find_gaps(rows: Sequence[Sample], span: range) -> list[range]:
    """Return the ticks of a span that no row covers, as spans.

    Args:
        rows: In the order of their ticks; none overlaps another.
        span: Of ticks.
    """
    gaps, next_tick = [], span.start
    for row in rows:
        if row.ticks.start > next_tick:
            gaps.append(range(next_tick, min(row.ticks.start, span.stop)))
        next_tick = max(next_tick, row.ticks.stop)
    if next_tick < span.stop:
        gaps.append(range(next_tick, span.stop))
    return [gap for gap in gaps if gap]


def lay_over(rows: Sequence[Sample], coarser: Sequence[Sample]) -> list[Sample]:
    """Return rows with coarser ones among them, which take the place of those that they cover, in order."""
    covers = [row.ticks for row in coarser]
    kept = [row for row in rows if not any(span.start <= row.ticks.start < span.stop for span in covers)]
    return sorted([*kept, *coarser], key=lambda row: row.ticks.start)


def _merge(earlier: MetricSpan, later: MetricSpan) -> MetricSpan:
    if math.isnan(earlier.mean):
        return later
    if math.isnan(later.mean):
        return earlier
    return MetricSpan(
        min(earlier.least, later.least),
        max(earlier.largest, later.largest),
        0.5 * earlier.mean + 0.5 * later.mean,
        later.last,
    )
