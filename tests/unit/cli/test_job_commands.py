"""Requests that `grid jobs` and `grid sweeps` send, and the exit codes of answers."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from typer.testing import CliRunner, Result

from grid.cli.main import app
from grid.client.client import GridClient

JOB = uuid4()


class Server:
    """Answers as Grid does, and keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []
        self.status = 200

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if self.status != 200:
            problem = {"type": "/problems/job-not-ended", "title": "The job has not ended", "status": self.status}
            return httpx.Response(self.status, json=problem)
        if request.url.path.endswith("/purge"):
            return httpx.Response(204)
        if request.method == "GET":
            return httpx.Response(200, json={"name": "noop", "title": "", "description": "", "parameters": {}})
        return httpx.Response(202, json={"jobs": [str(JOB)], "sweep": str(uuid4()), "sweep_mapping": None})


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def grid(server: Server, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    def from_settings(_settings: Any = None) -> GridClient:
        return GridClient("http://127.0.0.1:1", transport=httpx.MockTransport(server.answer))

    monkeypatch.setattr(GridClient, "from_settings", from_settings)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize("words", [["jobs", "submit"], ["sweeps", "submit", "--sweep", "length=1,2"]])
def test_a_key_names_a_submission(grid, server, words):
    done = grid(*words, "--image", "sim:local", "--key", "nightly-7", "--json")

    assert done.exit_code == 0, done.output
    assert server.asked[-1].headers["Idempotency-Key"] == "nightly-7"
    assert "idempotency_key" not in json.loads(server.asked[-1].content)


def test_submissions_without_a_key_get_one_each(grid, server):
    for _ in range(2):
        assert grid("jobs", "submit", "--image", "sim:local").exit_code == 0

    first, second = (request.headers["Idempotency-Key"] for request in server.asked)
    assert first != second


def test_jobs_are_removed_by_their_ids(grid, server):
    other = uuid4()

    done = grid("jobs", "purge", JOB, other)

    assert done.exit_code == 0, done.output
    assert "2 removed" in done.output
    assert [request.url.path for request in server.asked] == [f"/api/v1/jobs/{one}/purge" for one in (JOB, other)]


def test_a_job_that_has_not_ended_stays(grid, server):
    server.status = 409

    done = grid("jobs", "purge", JOB)

    assert done.exit_code == 5
    assert "has not ended" in done.stderr


def test_an_id_that_is_none_is_refused_before_anything_is_sent(grid, server):
    assert grid("jobs", "purge", "everything").exit_code == 2
    assert server.asked == []
