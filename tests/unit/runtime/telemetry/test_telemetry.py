"""Traces and metrics by OTLP: off by default, over gRPC and HTTP, and a collector that is away costs nothing."""

import socket
import subprocess
import sys

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from structlog.testing import capture_logs
from tests.support.otlp import Collector, collecting

from grid.core import tracing
from grid.core.errors import ConfigurationError
from grid.core.settings import Settings
from grid.core.tracing import FinishedSpan, SpanEvent
from grid.runtime.telemetry.endpoint import Endpoint, read_endpoint
from grid.runtime.telemetry.sending import OtelTelemetry
from grid.runtime.telemetry.starting import start_telemetry

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = f"00-{TRACE}-b7ad6b7169203331-01"


def make(endpoint: str | None) -> Settings:
    return Settings(_env_file=None, otel_exporter_otlp_endpoint=endpoint, otel_service_name="physics-sim-api")


@pytest.fixture
def collector():
    with collecting() as found:
        yield found


@pytest.mark.parametrize(
    ("text", "protocol", "url"),
    [
        ("http://your-otel-collector:4317", "grpc", "http://your-otel-collector:4317"),
        ("http://collector", "grpc", "http://collector:4317"),
        ("https://collector:443", "grpc", "https://collector:443"),
        ("http://[::1]:4317/", "grpc", "http://[::1]:4317"),
        ("http://collector:4318", "http", "http://collector:4318"),
        ("http://collector:4318/", "http", "http://collector:4318"),
        ("https://example.org/otlp", "http", "https://example.org/otlp"),
        ("http://collector:4317/otlp/", "http", "http://collector:4317/otlp"),
    ],
)
def test_the_url_says_how_to_speak(text, protocol, url):
    endpoint = read_endpoint(text)

    assert (endpoint.protocol, endpoint.url) == (protocol, url)
    assert endpoint.is_plain is text.startswith("http:")


@pytest.mark.parametrize(
    "text",
    ["collector:4317", "grpc://collector:4317", "http://", "http://collector:99999", "http://collector:x",
     "http://user:canary@collector", "http://collector?token=canary", "http://collector#canary", "http://[::1"],
)  # fmt: skip
def test_what_is_no_address_of_a_collector_is_refused_by_the_name_of_the_setting(text):
    with pytest.raises(ConfigurationError, match="OTEL_EXPORTER_OTLP_ENDPOINT") as caught:
        start_telemetry(make(text), "server")
    assert "canary" not in str(caught.value)


def test_nothing_is_exported_or_imported_by_default():
    assert start_telemetry(make(None), "server") is None
    assert tracing.find_tracer() is None
    assert tracing.find_context() is None
    assert tracing.span("a") is tracing.span("b", points=1)


# FastAPI imports the API of OpenTelemetry, which does nothing without the SDK, wherever it is installed.
@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        ("grid.tasks.assembly, grid.runtime.child", "opentelemetry grpc"),
        ("grid.api.app, grid.api.serving, grid.api.lifespan", "opentelemetry.sdk opentelemetry.exporter grpc"),
    ],
)
def test_neither_process_imports_it_by_default(modules, unwanted):
    script = (
        f"import sys, {modules}\n"
        "from grid.runtime.telemetry.starting import start_telemetry\n"
        "from grid.core.settings import Settings\n"
        "assert start_telemetry(Settings(_env_file=None), 'worker') is None\n"
        f"print([name for name in {unwanted.split()} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_without_the_packages_the_setting_is_refused_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "grid.runtime.telemetry.sending", None)

    with pytest.raises(ConfigurationError, match=r"grid-throughput\[scale\]"):
        start_telemetry(make("http://127.0.0.1:4317"), "worker")


@pytest.mark.parametrize("kind", ["grpc", "http"])
def test_spans_and_metrics_arrive_by_either_protocol(collector: Collector, kind):
    url = collector.grpc_url if kind == "grpc" else collector.http_url
    registry = CollectorRegistry()
    Counter("grid_http_requests", "Requests", ["status"], registry=registry).labels("200").inc(3)

    telemetry = start_telemetry(make(url), "server", registry)
    assert telemetry is not None
    with tracing.find_tracer().request("POST", CALLER) as request, tracing.span("job.store", jobs=2):
        inner = tracing.find_context()
    request.end("/api/v1/jobs", 202)
    telemetry.close()

    assert tracing.find_tracer() is None
    spans = {span.name: span for span in collector.spans()}
    assert request.trace_id == TRACE == tracing.trace_id_of(inner)
    assert {span.trace_id.hex() for span in spans.values()} == {TRACE}
    assert spans["POST"].parent_span_id.hex() == CALLER.split("-")[2]
    assert spans["job.store"].parent_span_id == spans["POST"].span_id
    assert collector.metrics()["grid_http_requests_total"].sum.data_points[0].as_double == 3
    assert {one["service.name"] for one in collector.resources()} == {"physics-sim-api"}
    assert collector.paths in ([], ["/otlp/v1/traces", "/otlp/v1/metrics"])


def test_a_span_of_another_process_is_recorded_with_what_is_inside_it(collector: Collector):
    telemetry = OtelTelemetry(read_endpoint(collector.grpc_url), service="grid", role="worker")
    inside = FinishedSpan("solver.solve", 11.0, 12.0, {"grid.points": 4}, [SpanEvent("progress", 11.5)])
    tracing.find_tracer().record(FinishedSpan("job.attempt", 10.0, 13.0, children=[inside], is_error=True), CALLER)
    telemetry.close()

    spans = {span.name: span for span in collector.spans()}
    outer, inner = spans["job.attempt"], spans["solver.solve"]
    assert outer.trace_id.hex() == inner.trace_id.hex() == TRACE
    assert outer.parent_span_id.hex() == CALLER.split("-")[2]
    assert inner.parent_span_id == outer.span_id
    assert (inner.start_time_unix_nano, inner.end_time_unix_nano) == (11_000_000_000, 12_000_000_000)
    assert [(event.name, event.time_unix_nano) for event in inner.events] == [("progress", 11_500_000_000)]
    assert (outer.status.code, inner.status.code) == (2, 0)


@pytest.mark.parametrize("context", ["", "00-xyz", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "\x00", "ff" * 40])
def test_a_context_that_cannot_be_read_begins_a_trace_of_its_own(collector: Collector, context):
    telemetry = OtelTelemetry(read_endpoint(collector.grpc_url), service="grid", role="server")
    with tracing.find_tracer().request("GET", context) as request:
        pass
    telemetry.close()

    assert int(request.trace_id, 16) != 0
    assert not collector.spans()[0].parent_span_id


def test_an_error_inside_a_span_is_told_by_its_type_alone(collector: Collector):
    telemetry = OtelTelemetry(read_endpoint(collector.grpc_url), service="grid", role="server")
    with pytest.raises(ValueError, match="canary"), tracing.span("job.validate"):
        raise ValueError("canary")
    telemetry.close()

    (span,) = collector.spans()
    assert (span.status.code, span.attributes[0].value.string_value) == (2, "ValueError")
    assert "canary" not in str(span)


def test_a_histogram_and_a_gauge_keep_their_numbers(collector: Collector):
    registry = CollectorRegistry()
    histogram = Histogram("grid_seconds", "Seconds", ["route"], buckets=(0.1, 1.0), registry=registry)
    for seconds in (0.05, 0.5, 0.6, 7.0):
        histogram.labels("/live").observe(seconds)
    Gauge("grid_jobs", "Jobs", ["status"], registry=registry).labels("queued").set(5)
    Gauge("grid_unknown", "Not finite", registry=registry).set(float("nan"))
    OtelTelemetry(read_endpoint(collector.grpc_url), service="grid", role="server", registry=registry).close()

    metrics = collector.metrics()
    (point,) = metrics["grid_seconds"].histogram.data_points
    assert (list(point.bucket_counts), list(point.explicit_bounds)) == ([1, 2, 1], [0.1, 1.0])
    assert (point.count, point.sum, point.HasField("min")) == (4, pytest.approx(8.15), False)
    assert metrics["grid_jobs"].gauge.data_points[0].as_double == 5
    assert "grid_unknown" not in metrics


def test_a_collector_that_is_away_is_told_of_once_and_the_end_does_not_wait_for_it():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    telemetry = OtelTelemetry(Endpoint("grpc", f"http://127.0.0.1:{port}", True), service="grid", role="worker")
    with capture_logs() as lines:
        for _ in range(1500):  # more than one delivery
            with tracing.span("lost"):
                pass
        telemetry.close()

    assert [line["event"] for line in lines if line["log_level"] == "warning"] == ["telemetry_lost"]
