"""Take OTLP over gRPC on port 4317 and write a JSON line for each span and each report of metrics."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

PORT = 4317


def take_traces(request: Any, _: object) -> Any:
    """Write the spans of a delivery."""
    for resource in request.resource_spans:
        names = {one.key: one.value.string_value for one in resource.resource.attributes}
        for span in (span for scope in resource.scope_spans for span in scope.spans):
            line = {"span": span.name, "trace": span.trace_id.hex(), "role": names.get("grid.role")}
            print(json.dumps(line), flush=True)  # noqa: T201 - its log
    return traces.ExportTraceServiceResponse()


def take_metrics(request: Any, _: object) -> Any:
    """Write how many metrics a report has."""
    count = sum(len(scope.metrics) for resource in request.resource_metrics for scope in resource.scope_metrics)
    print(json.dumps({"metrics": count}), flush=True)  # noqa: T201 - its log
    return metrics.ExportMetricsServiceResponse()


def handler(take: Any, request: Any) -> Any:
    """Return the method `Export` of a service."""
    method = grpc.unary_unary_rpc_method_handler(take, request.FromString, lambda answer: answer.SerializeToString())
    return {"Export": method}


if __name__ == "__main__":
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                "opentelemetry.proto.collector.trace.v1.TraceService",
                handler(take_traces, traces.ExportTraceServiceRequest),
            ),
            grpc.method_handlers_generic_handler(
                "opentelemetry.proto.collector.metrics.v1.MetricsService",
                handler(take_metrics, metrics.ExportMetricsServiceRequest),
            ),
        )
    )
    server.add_insecure_port(f"[::]:{PORT}")
    server.start()
    server.wait_for_termination()
