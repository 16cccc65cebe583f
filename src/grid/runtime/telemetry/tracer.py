"""Grid's spans by OpenTelemetry. This module and its siblings alone import it; `starting.py` imports them on demand."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from grid.core.tracing import Attribute, FinishedSpan

SERVER_ERROR = 500  # HTTP status from which on a request has failed by the server's doing
_propagator = TraceContextTextMapPropagator()


class OpenRequest:
    """The span of a request that is being answered."""

    def __init__(self, span: Span, method: str) -> None:
        self._span, self._method = span, method

    @property
    def trace_id(self) -> str:
        """Thirty-two hexadecimal digits."""
        return f"{self._span.get_span_context().trace_id:032x}"

    def end(self, route: str, status: int) -> None:
        """Name the span after its route."""
        self._span.update_name(f"{self._method} {route}")
        self._span.set_attributes({"http.route": route, "http.response.status_code": status})
        if status >= SERVER_ERROR or status == 0:
            self._span.set_status(Status(StatusCode.ERROR))


class OtelTracer:
    """A tracer over a provider of the SDK."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("grid")

    @contextmanager
    def request(self, method: str, traceparent: str | None) -> Iterator[OpenRequest]:
        """Open the span of a request, in the trace of the caller where one is named."""
        parent = _context_of(traceparent) if traceparent is not None else otel_context.Context()
        attributes = {"http.request.method": method}
        with self._tracer.start_as_current_span(method, parent, SpanKind.SERVER, attributes) as span:
            yield OpenRequest(span, method)

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, Attribute]) -> Iterator[object]:
        """Open a span within the current one."""
        with self._tracer.start_as_current_span(
            name, attributes=dict(attributes), record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except Exception as error:
                span.set_attribute("error.type", type(error).__name__)  # its text may repeat what somebody sent
                span.set_status(Status(StatusCode.ERROR))
                raise

    def find_context(self) -> str | None:
        """Return the context of the current span; None outside of any."""
        carrier: dict[str, str] = {}
        _propagator.inject(carrier)
        return carrier.get("traceparent")

    def record(self, span: FinishedSpan, parent: str) -> None:
        """Record a span that is over, and those inside it, in the context of another process."""
        self._record(span, _context_of(parent))

    def _record(self, finished: FinishedSpan, parent: otel_context.Context) -> None:
        span = self._tracer.start_span(
            finished.name, parent, attributes=dict(finished.attributes), start_time=_nanoseconds(finished.start_s)
        )
        for event in finished.events:
            span.add_event(event.name, dict(event.attributes), timestamp=_nanoseconds(event.at_s))
        if finished.is_error:
            span.set_status(Status(StatusCode.ERROR))
        inside = trace.set_span_in_context(span, otel_context.Context())
        for child in finished.children:
            self._record(child, inside)
        span.end(_nanoseconds(finished.end_s))


def _context_of(traceparent: str) -> otel_context.Context:
    """Read a context; one that cannot be read begins a trace of its own."""
    return _propagator.extract({"traceparent": traceparent}, otel_context.Context())


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
