"""HEAD, and the methods that an address takes."""

import pytest


@pytest.mark.parametrize("path", ["/health", "/docs", "/openapi.json", "/api/v1/jobs", "/api/v1/simulations/heat-rod"])
def test_head_is_answered_as_get_without_its_body(administrator, path):
    head, get = administrator.head(path), administrator.get(path)

    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


def test_head_asks_for_a_login_where_get_does(anonymous):
    assert anonymous.head("/api/v1/jobs").status_code == 401


def test_head_of_a_stream_ends_at_once(alice):
    job = alice.post("/api/v1/jobs", json={"simulation": "noop"}).json()["jobs"][0]

    answer = alice.head(f"/api/v1/jobs/{job}/logs/stream")

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize(
    ("path", "methods"),
    [("/api/v1/jobs", "GET, HEAD, POST"), ("/api/v1/auth/login", "POST"), ("/health", "GET, HEAD")],
)
def test_a_method_that_is_not_taken_is_told_all_that_are(administrator, path, methods):
    answer = administrator.request("PATCH", path, json={})

    assert (answer.status_code, answer.headers["allow"]) == (405, methods)
