"""The pyramid of samples: rows of four doubles a metric, and the coarser row that two of them make.

Of each metric: the least, the largest, the mean and the last value over the ticks that a row covers, so a peak never
disappears by looking from further away. NaN stands where a metric has no value.
"""

import math
import struct
from collections.abc import Sequence
from typing import NamedTuple

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
