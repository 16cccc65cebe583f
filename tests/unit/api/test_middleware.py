"""Around every request: an id, a log line, headers that keep a browser in its bounds."""

from uuid import UUID

import pytest

from grid.api.anonymous import LOG, AnonymousLog
from grid.api.middleware import SECURITY_HEADERS


@pytest.fixture(autouse=True)
def _log_with_room(monkeypatch):
    """What anonymous requests of earlier tests have written does not count against those of these tests."""
    monkeypatch.setattr(LOG, "_credit", AnonymousLog()._credit)
    monkeypatch.setattr(LOG, "_left_out", 0)


def lines(caplog) -> list[dict]:
    return [record.msg for record in caplog.records if isinstance(record.msg, dict)]


def test_every_answer_has_an_id_and_its_problem_has_the_same(anonymous):
    first, second = anonymous.get("/nothing"), anonymous.get("/nothing")

    assert UUID(first.headers["x-request-id"]).version == 7
    assert first.json()["request_id"] == first.headers["x-request-id"] != second.headers["x-request-id"]


def test_a_sane_id_of_the_caller_is_kept(anonymous):
    answer = anonymous.get("/nothing", headers={"X-Request-ID": "trace-1234.abcd"})

    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "trace-1234.abcd"


@pytest.mark.parametrize("given", ["short", "x" * 65, "has blanks in it", "line\tbreak12", "<script>1", "-leading123"])
def test_any_other_id_is_replaced(anonymous, given):
    assert UUID(anonymous.get("/live", headers={"X-Request-ID": given}).headers["x-request-id"])


@pytest.mark.parametrize("path", ["/live", "/nothing", "/api/v1/users/me", "/docs", "/openapi.json", "/metrics", "/"])
def test_every_answer_keeps_a_browser_in_bounds(anonymous, path):
    answer = anonymous.get(path)

    for name, value in SECURITY_HEADERS:
        sent = answer.headers.get_list(name.decode())
        assert len(sent) == 1
        if name != b"content-security-policy" or path not in ("/", "/docs"):  # pages have policies of their own
            assert sent == [value.decode()]


def test_refusals_at_the_door_have_the_same_headers(anonymous):
    answer = anonymous.get("/live", headers={"Host": "evil.example"})

    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-request-id"]


def test_answers_of_the_interface_are_not_stored(alice):
    assert alice.get("/api/v1/users/me").headers.get_list("cache-control") == ["no-store"]


def test_no_page_of_another_site_is_allowed_to_read(anonymous):
    answer = anonymous.options(
        "/api/v1/users/me", headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "GET"}
    )

    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_a_request_is_one_line_with_the_route_and_without_the_query(anonymous, caplog):
    caplog.set_level("INFO")
    anonymous.get("/api/v1/users/me?token=canary")

    (line,) = [line for line in lines(caplog) if line["event"] == "http_request"]
    assert (line["method"], line["path"], line["route"], line["status"]) == (
        "GET",
        "/api/v1/users/me",
        "/api/v1/users/me",
        401,
    )
    assert line["duration_ms"] > 0
    assert line["request_id"]
    assert "canary" not in str(line)


def test_questions_of_watchdogs_do_not_fill_the_log(anonymous, caplog):
    caplog.set_level("INFO")
    anonymous.get("/live")

    assert lines(caplog) == []


def test_a_body_is_never_logged(anonymous, caplog):
    caplog.set_level("DEBUG")
    anonymous.post("/api/v1/auth/login", json={"username": "someone", "password": "canary-canary-1"})

    assert "canary" not in caplog.text
