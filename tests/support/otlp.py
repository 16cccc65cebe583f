"""A collector of OpenTelemetry on loopback: it speaks OTLP over gRPC and over HTTP and keeps what arrives."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest as Metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse as MetricsTaken
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest as Traces
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse as TracesTaken

SERVICES = {
    "opentelemetry.proto.collector.trace.v1.TraceService": (Traces, TracesTaken),
    "opentelemetry.proto.collector.metrics.v1.MetricsService": (Metrics, MetricsTaken),
}
PATHS = {"/v1/traces": Traces, "/v1/metrics": Metrics}


@dataclass
class Collector:
    """What arrived, and where it listens."""

    grpc_url: str = ""
    http_url: str = ""
    received: list[Any] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def spans(self) -> list[Any]:
        return [s for r in self._of(Traces, "resource_spans") for scope in r.scope_spans for s in scope.spans]

    def metrics(self) -> dict[str, Any]:
        found = self._of(Metrics, "resource_metrics")
        return {m.name: m for r in found for scope in r.scope_metrics for m in scope.metrics}

    def resources(self) -> list[dict[str, str]]:
        found = [*self._of(Traces, "resource_spans"), *self._of(Metrics, "resource_metrics")]
        return [{a.key: a.value.string_value for a in one.resource.attributes} for one in found]

    def _of(self, kind: type, name: str) -> list[Any]:
        return [part for request in self.received if isinstance(request, kind) for part in getattr(request, name)]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Listen for the length of the block."""
    collector, rpc = Collector(), grpc.server(ThreadPoolExecutor(2))
    for service, (request, answer) in SERVICES.items():

        def take(message: Any, _: object, answer: type = answer) -> Any:
            collector.received.append(message)
            return answer()

        handler = grpc.unary_unary_rpc_method_handler(take, request.FromString, answer.SerializeToString)
        rpc.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": handler}),))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.paths.append(self.path)
            collector.received.append(PATHS[self.path.removeprefix("/otlp")].FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.grpc_url = f"http://127.0.0.1:{rpc.add_insecure_port('127.0.0.1:0')}"
    collector.http_url = f"http://127.0.0.1:{web.server_port}/otlp"
    rpc.start()
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        rpc.stop(None).wait()
        web.shutdown()
        web.server_close()
        thread.join()
