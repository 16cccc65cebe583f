"""One trace from the request to the attempts: its id in jobs, problems and logs, and nothing of it by default."""

from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs
from tests.support.otlp import Collector, collecting

from grid.api import middleware
from grid.core import tracing
from grid.runtime.telemetry.endpoint import read_endpoint
from grid.runtime.telemetry.sending import OtelTelemetry
from grid.services import ledger

JOBS = "/api/v1/jobs"
TRACE = "0af7651916cd43dd8448eb211c80319c"
HEADERS = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}


@pytest.fixture
def collector():
    with collecting() as found:
        yield found


@contextmanager
def tracing_to(collector: Collector):
    telemetry = OtelTelemetry(read_endpoint(collector.grpc_url), service="grid", role="server")
    try:
        yield
    finally:
        telemetry.close()


def claim(uow):
    return ledger.claim(
        uow, worker_id="w", host="h", slots=["small"], max_jobs=10, work_budget_s=1e9, lease_s=60.0
    )  # fmt: skip


def test_a_job_carries_the_trace_of_its_request_to_whoever_claims_it(alice, uow, collector):
    with tracing_to(collector):
        answer = alice.post(JOBS, json={"simulation": "noop", "sweep": [{}, {}]}, headers=HEADERS)
        job = alice.get(f"{JOBS}/{answer.json()['jobs'][0]}").json()

    spans = {span.name: span for span in collector.spans()}
    request = spans["POST /api/v1/jobs"]
    assert (job["trace_id"], request.trace_id.hex()) == (TRACE, TRACE)
    assert {name for name, span in spans.items() if span.parent_span_id == request.span_id} == {
        "job.validate",
        "job.store",
    }
    attributes = {one.key: one.value for one in request.attributes}
    assert attributes["http.response.status_code"].int_value == 202
    contexts = {one.traceparent for one in claim(uow).jobs}
    assert contexts == {f"00-{TRACE}-{request.span_id.hex()}-01"}
    assert spans["GET /api/v1/jobs/{job_id}"].trace_id != request.trace_id  # a caller without a trace begins one


def test_problems_and_log_lines_name_the_trace(alice, collector, monkeypatch):
    bound = []
    monkeypatch.setattr(middleware.log, "info", lambda *_, **__: bound.append(structlog_context()))
    with tracing_to(collector), capture_logs():
        problem = alice.get(f"{JOBS}/00000000-0000-0000-0000-000000000000", headers=HEADERS).json()

    assert problem["trace_id"] == TRACE
    assert [context["trace_id"] for context in bound] == [TRACE]


def structlog_context():
    import structlog

    return structlog.contextvars.get_contextvars()


def test_a_method_that_nobody_knows_gives_no_name_to_a_span_and_health_none_at_all(anonymous, collector):
    with tracing_to(collector):
        anonymous.request("CANARY", "/canary")
        for path in ("/health", "/live", "/ready", "/metrics"):
            anonymous.get(path)

    assert [span.name for span in collector.spans()] == ["OTHER unmatched"]
    assert "canary" not in str(collector.spans()).lower()


def test_nothing_is_traced_by_default(alice, uow):
    job_id = alice.post(JOBS, json={"simulation": "noop"}, headers=HEADERS).json()["jobs"][0]

    assert tracing.find_tracer() is None
    assert alice.get(f"{JOBS}/{job_id}").json()["trace_id"] is None
    assert "trace_id" not in alice.get(f"{JOBS}/00000000-0000-0000-0000-000000000000", headers=HEADERS).json()
    assert [job.traceparent for job in claim(uow).jobs] == [None]
