"""Figures for Prometheus."""

from contextlib import closing
from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from grid.api import metrics as metrics_module
from grid.api.app import create_app
from grid.api.metrics import BrokerCollector, Metrics
from grid.core.errors import UnavailableError
from grid.schemas.jobs import JobStatus
from grid.services.health import LedgerFigures


def samples(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_are_counted_by_route_and_never_by_what_was_sent(anonymous):
    anonymous.get("/live")
    anonymous.get("/canary-1")
    anonymous.get("/canary-2")
    anonymous.request("CANARY", "/live")
    text = anonymous.get("/metrics").text

    found = samples(text)
    assert found["grid_http_requests_total", ("GET", "/live", "200")] == 1
    assert found["grid_http_requests_total", ("GET", "unmatched", "404")] == 2
    assert found["grid_http_requests_total", ("OTHER", "/live", "405")] == 1
    assert found["grid_http_request_duration_seconds_count", ("GET", "/live")] == 1
    assert "canary" not in text.lower()


def test_the_ledger_is_counted_by_state(anonymous):
    found = samples(anonymous.get("/metrics").text)

    assert found["grid_database_up", ()] == 1
    assert {labels[0] for name, labels in found if name == "grid_jobs"} == {status.value for status in JobStatus}
    assert found["grid_queue_depth", ()] == found["grid_workers", ()] == found["grid_outbox_backlog", ()] == 0
    assert found["process_resident_memory_bytes", ()] > 1e6


def test_the_ledger_is_read_once_for_scrapes_that_follow_each_other(monkeypatch):
    reads = []

    def read():
        reads.append(1)
        return LedgerFigures(dict.fromkeys(JobStatus, len(reads)), 0, 0)

    metrics = Metrics(read)
    first, second = samples(metrics.exposition().decode()), samples(metrics.exposition().decode())
    assert first["grid_queue_depth", ()] == second["grid_queue_depth", ()] == len(reads) == 1

    monkeypatch.setattr(metrics_module, "FRESH_S", 0.0)
    assert samples(metrics.exposition().decode())["grid_queue_depth", ()] == 2


def test_a_ledger_that_does_not_answer_is_a_figure_too():
    def read():
        raise UnavailableError("away")

    metrics = Metrics(read)
    metrics.count_expired_leases(3)
    found = samples(metrics.exposition().decode())

    assert found["grid_database_up", ()] == 0
    assert found["grid_leases_expired_total", ()] == 3
    assert not [name for name, _ in found if name in {"grid_jobs", "grid_queue_depth"}]


@dataclass
class Broker:
    """A broker in trouble, or not."""

    problem: str
    lost: int
    kind: str = "redis"

    def close(self) -> None: ...


@pytest.mark.parametrize(("problem", "is_up"), [("", 1), ("Redis does not answer.", 0)])
def test_rings_that_were_dropped_are_counted_where_there_is_a_broker(problem: str, is_up: int):
    registry = CollectorRegistry()
    registry.register(BrokerCollector(lambda: Broker(problem, 3)))
    found = samples(generate_latest(registry).decode())

    assert (found["grid_broker_up", ()], found["grid_bell_lost_total", ()]) == (is_up, 3)


def test_without_a_broker_there_are_no_figures_of_one():
    registry = CollectorRegistry()
    registry.register(BrokerCollector(lambda: None))

    assert generate_latest(registry) == b""


@pytest.mark.parametrize("path", ["/metrics", "/docs", "/openapi.json"])
def test_open_on_loopback_and_with_a_login_elsewhere(settings, container, client_for, anonymous, path):
    assert anonymous.get(path).status_code == 200

    token = client_for("alice").headers["Authorization"]
    exposed = create_app(settings.model_copy(update={"grid_host": "0.0.0.0"}), container)  # noqa: S104 - not bound
    with closing(type(anonymous)(exposed, base_url=str(anonymous.base_url))) as stranger:
        assert stranger.get(path).status_code == 401
        assert stranger.get(path, headers={"Authorization": token}).status_code == 200
