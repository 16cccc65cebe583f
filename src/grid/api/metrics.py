"""Metrics for Prometheus: requests, jobs by state, the queue, workers, what the reaper did, and this process."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from grid.core.errors import GridError
from grid.core.logging import get_logger
from grid.schemas.jobs import JobStatus
from grid.services.health import LedgerFigures
from grid.services.ports import Broker

log = get_logger(__name__)

Figures = TypeVar("Figures")

FRESH_S = 5.0  # several scrapers, one count
# [s] upper ends of the buckets of a histogram: most answers take milliseconds, downloads up to a minute.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
KNOWN_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})


class Metrics:
    """The metrics of one application; a registry of its own, so that tests may have many."""

    def __init__(self, read_figures: Callable[[], LedgerFigures]) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = Counter("grid_http_requests", "Requests answered", labels, registry=self.registry)
        self._seconds = Histogram(
            "grid_http_request_duration_seconds",
            "From the request's header to the end of its answer",
            ("method", "route"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._reaped = Counter(
            "grid_leases_expired", "Jobs that this server's reaper took from a silent worker", registry=self.registry
        )
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.registry.register(LedgerCollector(read_figures))

    def count(self, method: str, route: str, status: int, elapsed_s: float) -> None:
        """Count one answer. `status` 0: the caller went away before there was one."""
        known = method if method in KNOWN_METHODS else "OTHER"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(known, route).observe(elapsed_s)

    def count_expired_leases(self, count: int) -> None:
        """Count what the reaper took."""
        self._reaped.inc(count)

    def exposition(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)


class FreshFigures(Generic[Figures]):
    """Figures that are read at most every `FRESH_S` seconds, whoever scrapes; None while they cannot be read.

    Args:
        name: In the log.
        read: Reads them.
    """

    def __init__(self, name: str, read: Callable[[], Figures]) -> None:
        self._name, self._read = name, read
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._figures: Figures | None = None

    def read(self) -> Figures | None:
        """Return the figures, read again where they are too old."""
        with self._lock:
            if time.monotonic() - self._read_at > FRESH_S:
                self._read_at = time.monotonic()
                try:
                    self._figures = self._read()
                except GridError as error:
                    log.warning(f"{self._name}_figures_unavailable", code=error.code)
                    self._figures = None
            return self._figures


class LedgerCollector(Collector):
    """Reads the ledger when scraped, at most every `FRESH_S` seconds; silent about jobs while it does not answer."""

    def __init__(self, read_figures: Callable[[], LedgerFigures]) -> None:
        self._figures = FreshFigures("ledger", read_figures)

    def describe(self) -> Iterator[Metric]:
        """Name the metrics without reading the database, which need not be there when the server is made."""
        yield GaugeMetricFamily("grid_jobs", "Jobs by state")

    def collect(self) -> Iterator[Metric]:
        """Yield the figures as gauges."""
        figures = self._figures.read()
        yield _gauge("grid_database_up", "Whether the ledger answered", 1.0 if figures else 0.0)
        if figures is None:
            return
        jobs = GaugeMetricFamily("grid_jobs", "Jobs by state", labels=["status"])
        for status, count in figures.jobs.items():
            jobs.add_metric([status.value], count)
        yield jobs
        yield _gauge("grid_queue_depth", "Jobs that wait to start", figures.jobs[JobStatus.QUEUED])
        yield _gauge("grid_outbox_backlog", "Events that wait to leave", figures.outbox_backlog)
        yield _gauge("grid_workers", "Workers heard of lately", figures.workers)


class BrokerCollector(Collector):
    """Figures of what carries rings to other machines; silent where nothing does."""

    def __init__(self, find: Callable[[], Broker | None]) -> None:
        self._find = find

    def describe(self) -> Iterator[Metric]:
        """Name the metrics without making a connection."""
        yield GaugeMetricFamily("grid_broker_up", "Whether the broker answered last")

    def collect(self) -> Iterator[Metric]:
        """Yield its state, and the rings that this server has dropped."""
        broker = self._find()
        if broker is not None:
            yield _gauge("grid_broker_up", "Whether the broker answered last", 0.0 if broker.problem else 1.0)
            yield CounterMetricFamily("grid_bell_lost", "Rings to other machines that were dropped", value=broker.lost)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)
