"""Metrics for a collector: those of a Prometheus registry, under the names that `/metrics` shows, at intervals.

One registry feeds both ways out, so that no figure differs between them. A counter becomes a cumulative, monotonic sum,
a gauge a gauge, a histogram a histogram with explicit bounds (the OpenTelemetry specification, "Prometheus and
OpenMetrics Compatibility").
"""

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric as Family
from prometheus_client.samples import Sample

EVERY_S = 30.0  # [s] between two reports
Labels = tuple[tuple[str, str], ...]


class MetricReporter(threading.Thread):
    """A thread that sends what a registry holds, and once more when it is closed.

    Args:
        registry: Read at each report.
        exporter: Sends to the collector.
        resource: The process that reports.
        every_s: Between two reports.
        told: Called with whether a report arrived.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        exporter: MetricExporter,
        resource: Resource,
        *,
        every_s: float = EVERY_S,
        told: Callable[[bool], None] = lambda _: None,
    ) -> None:
        super().__init__(name="metric-reporter", daemon=True)
        self._registry, self._exporter, self._resource = registry, exporter, resource
        self._every_s, self._told = every_s, told
        self._since = time.time_ns()
        self._is_closing = threading.Event()

    def run(self) -> None:
        """Report at intervals until closed."""
        while not self._is_closing.wait(self._every_s):
            self.report()

    def report(self) -> None:
        """Send one report."""
        data = read_registry(self._registry, self._resource, self._since)
        self._told(self._exporter.export(data) is MetricExportResult.SUCCESS)

    def close(self) -> None:
        """Send what there is, and end."""
        self._is_closing.set()
        self.join(self._every_s)
        self.report()
        self._exporter.shutdown()


def read_registry(registry: CollectorRegistry, resource: Resource, since: int) -> MetricsData:
    """Return what a registry holds now; `since` is when its counters began [ns of Unix time]."""
    now = time.time_ns()
    metrics = [metric for family in registry.collect() if (metric := _metric(family, since, now)) is not None]
    scope = ScopeMetrics(InstrumentationScope("grid"), metrics, "")
    return MetricsData([ResourceMetrics(resource, [scope], "")])


def _metric(family: Family, since: int, now: int) -> Metric | None:
    samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
    if family.type == "histogram":
        points = _histogram_points(samples, since, now)
        data: Histogram | Sum | Gauge = Histogram(points, AggregationTemporality.CUMULATIVE)
        return Metric(family.name, family.documentation, family.unit, data)
    finite = [sample for sample in samples if math.isfinite(sample.value)]
    if not finite:
        return None
    numbers = [NumberDataPoint(dict(sample.labels), since, now, sample.value) for sample in finite]
    if family.type == "counter":
        data = Sum(numbers, AggregationTemporality.CUMULATIVE, is_monotonic=True)
    else:
        data = Gauge(numbers)
    return Metric(finite[0].name, family.documentation, family.unit, data)


def _histogram_points(samples: Iterable[Sample], since: int, now: int) -> list[HistogramDataPoint]:
    """Return a point for each set of labels; Prometheus' buckets count from below, OTLP's each for itself."""
    buckets: dict[Labels, list[tuple[float, float]]] = {}
    sums: dict[Labels, float] = {}
    for sample in samples:
        labels = _labels(sample.labels)
        if sample.name.endswith("_bucket"):
            buckets.setdefault(labels, []).append((float(sample.labels["le"]), sample.value))
        elif sample.name.endswith("_sum"):
            sums[labels] = sample.value
    return [_point(labels, sorted(levels), sums[labels], since, now) for labels, levels in buckets.items()]


def _point(labels: Labels, levels: list[tuple[float, float]], total: float, since: int, now: int) -> HistogramDataPoint:
    below = [0.0, *(count for _, count in levels)]
    return HistogramDataPoint(
        attributes=dict(labels),
        start_time_unix_nano=since,
        time_unix_nano=now,
        count=int(below[-1]),
        sum=total,
        bucket_counts=[int(upper - lower) for lower, upper in pairwise(below)],
        explicit_bounds=[bound for bound, _ in levels if math.isfinite(bound)],
        min=None,  # type: ignore[arg-type] # Prometheus does not keep it, and OTLP may do without
        max=None,  # type: ignore[arg-type]
    )


def _labels(labels: Mapping[str, str]) -> Labels:
    return tuple(sorted((name, value) for name, value in labels.items() if name != "le"))
