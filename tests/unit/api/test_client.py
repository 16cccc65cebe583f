"""The typed client against the application: lists by cursor, and the verbs of sweeps."""

import csv

import httpx
import pytest
from tests.support.worker import METRICS, HandWorker

from grid.client import calls
from grid.client.client import GridClient
from grid.client.errors import SweepUnsuccessfulError
from grid.services.ports import ArtifactStore


class AppTransport(httpx.BaseTransport):
    """Hands requests to the application that a test client talks to."""

    def __init__(self, client):
        self.client = client

    def handle_request(self, request):
        target = request.url.raw_path.decode()
        answer = self.client.request(request.method, target, content=request.read(), headers=dict(request.headers))
        headers = [(name, value) for name, value in answer.headers.items() if name.lower() != "content-encoding"]
        return httpx.Response(answer.status_code, headers=headers, content=answer.content)


@pytest.fixture
def client(alice):
    token = alice.headers["Authorization"].removeprefix("Bearer ")
    with GridClient("http://127.0.0.1:8000", lambda **_: token, transport=AppTransport(alice)) as client:
        yield client


@pytest.fixture
def worker(uow, container):
    return HandWorker(uow, container.get(ArtifactStore))


@pytest.fixture
def sweep(client, worker):
    """A sweep of three points, the second of which diverged."""
    points = [{"length": 1.0}, {"length": 2.0}, {"length": 3.0}]
    answer = client.submit(simulation="heat-rod", params={"time_steps": 7}, sweep=points)
    claims = worker.start()
    worker.succeed([claims[0], claims[2]])
    worker.fail([claims[1]])
    return answer.sweep


def test_a_sweep_is_waited_for_and_says_what_failed(client, sweep):
    assert client.wait_sweep(sweep, require_successful=False).by_status["failed"] == 1
    with pytest.raises(SweepUnsuccessfulError, match="2 success, 1 failed"):
        client.wait_sweep(sweep)

    (row,) = client.iterate_points(sweep, status=["failed"])
    assert (row.index, row.reason, row.message) == (1, "diverged", "It did.")


def test_a_sweep_is_a_table_a_dataframe_and_a_csv(client, sweep, tmp_path):
    table, frame = client.table(sweep), client.to_dataframe(sweep)
    path = client.download_csv(sweep, tmp_path / "sweep.csv")

    assert [row.params["length"] for row in table] == list(frame["params.length"]) == [1.0, 2.0, 3.0]
    assert frame.index.name == "point"
    assert set(frame["params.time_steps"]) == {7}
    assert list(frame["metrics.peak_temperature"].isna()) == [False, True, False]
    assert frame.loc[0, "metrics.peak_temperature"] == METRICS["peak_temperature"]
    assert list(frame["reason"]) == ["ok", "diverged", "ok"]
    with path.open(encoding="utf-8", newline="") as file:
        assert [row["status"] for row in csv.DictReader(file)] == list(frame["status"])


def test_a_sweep_that_is_under_way_times_out_and_is_cancelled(client):
    sweep = client.submit(simulation="noop", sweep=[{}, {}]).sweep

    with pytest.raises(TimeoutError, match="0% done"):
        client.wait_sweep(sweep, timeout_s=0.0)
    assert client.cancel_sweep(sweep).by_status["cancelled"] == 2


def test_all_jobs_are_read_once(client, monkeypatch):
    monkeypatch.setattr("grid.client.client.PART", 2)
    made = [client.submit(simulation="noop", metadata={"n": "a"}).jobs[0] for _ in range(5)]
    client.submit(simulation="noop")

    assert [job.id for job in client.iterate_jobs(metadata={"n": "a"})] == made[::-1]
    assert client.send(calls.list_sweeps(limit=1)).items == []
    moment = client.get_job(made[2]).created_at
    newer = list(client.iterate_jobs(status=["queued", "running"], created_from=moment, q="a"))
    assert [job.id for job in newer][:3] == made[:1:-1]
    short = client.send(calls.list_job_summaries(q=made[0], created_from=None))
    assert [(job.id, job.metadata) for job in short.items] == [(made[0], {"n": "a"})]
