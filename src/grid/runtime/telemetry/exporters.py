"""OTLP exporters of the SDK, by the endpoint's protocol, and one that says once when the collector goes or comes."""

from collections.abc import Callable, Sequence

from opentelemetry.sdk.metrics.export import MetricExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from grid.core.logging import get_logger
from grid.runtime.telemetry.endpoint import Endpoint

log = get_logger(__name__)

TIMEOUT_S = 3.0  # [s] of one delivery, tries included: also what the end of a process waits for a silent collector


def make_span_exporter(endpoint: Endpoint) -> SpanExporter:
    """Return the exporter of spans."""
    if endpoint.protocol == "http":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter

        return HttpExporter(endpoint.signal("traces"), timeout=TIMEOUT_S)
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter

    return GrpcExporter(endpoint.url, insecure=endpoint.is_plain, timeout=TIMEOUT_S)


def make_metric_exporter(endpoint: Endpoint) -> MetricExporter:
    """Return the exporter of metrics."""
    if endpoint.protocol == "http":
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpExporter

        return HttpExporter(endpoint.signal("metrics"), timeout=TIMEOUT_S)
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcExporter

    return GrpcExporter(endpoint.url, insecure=endpoint.is_plain, timeout=TIMEOUT_S)


class Reachability:
    """What became of the last delivery of one kind; a line is logged when that changes, and no other."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.is_reached = True

    def tell(self, has_arrived: bool) -> None:
        """Take note of a delivery."""
        if has_arrived is not self.is_reached:
            self.is_reached = has_arrived
            write: Callable[..., object] = log.info if has_arrived else log.warning
            write("telemetry_arrives" if has_arrived else "telemetry_lost", kind=self._kind)


class WatchedSpanExporter(SpanExporter):
    """An exporter that notes what arrives, and that a silent collector holds up only once when the process ends."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner, self._reachability = inner, Reachability("traces")
        self.is_closing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Deliver spans; those that cannot be delivered are lost."""
        if self.is_closing and not self._reachability.is_reached:
            return SpanExportResult.FAILURE
        result = self._inner.export(spans)
        self._reachability.tell(result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        """Close the connection."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 3000) -> bool:
        """Deliver what waits."""
        return self._inner.force_flush(timeout_millis)
