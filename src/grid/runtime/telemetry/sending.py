"""The tracer and the reporter of metrics of one process, from their start to its end."""

import logging
import os
import socket

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import CollectorRegistry

from grid import __version__
from grid.core.tracing import use_tracer
from grid.runtime.telemetry.endpoint import Endpoint
from grid.runtime.telemetry.exporters import (
    Reachability,
    WatchedSpanExporter,
    make_metric_exporter,
    make_span_exporter,
)
from grid.runtime.telemetry.metric_export import EVERY_S, MetricReporter
from grid.runtime.telemetry.tracer import OtelTracer

DELAY_MS = 1000  # [ms] in which spans gather to be delivered together


class OtelTelemetry:
    """Traces and metrics of this process on their way to a collector.

    Args:
        endpoint: The collector.
        service: Name of the service, as in `OTEL_SERVICE_NAME`.
        role: `server` or `worker`.
        registry: Metrics to report; None: none.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        service: str,
        role: str,
        registry: CollectorRegistry | None = None,
        every_s: float = EVERY_S,
    ) -> None:
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it writes a line for each lost delivery
        resource = make_resource(service, role)
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._exporter = WatchedSpanExporter(make_span_exporter(endpoint))
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter, schedule_delay_millis=DELAY_MS))
        self._reporter: MetricReporter | None = None
        if registry is not None:
            told = Reachability("metrics").tell
            exporter = make_metric_exporter(endpoint)
            self._reporter = MetricReporter(registry, exporter, resource, every_s=every_s, told=told)
            self._reporter.start()
        use_tracer(OtelTracer(self._provider))

    def close(self) -> None:
        """Deliver what waits, some seconds at most, and switch tracing off."""
        use_tracer(None)
        self._exporter.is_closing = True
        self._provider.shutdown()
        if self._reporter is not None:
            self._reporter.close()


def make_resource(service: str, role: str) -> Resource:
    """Return what names this process beside its spans and metrics; `OTEL_RESOURCE_ATTRIBUTES` adds to it."""
    host, pid = socket.gethostname(), os.getpid()
    return Resource.create(
        {
            "service.name": service,
            "service.version": __version__,
            "service.instance.id": f"{host}-{pid}",
            "host.name": host,
            "process.pid": pid,
            "grid.role": role,
        }
    )
