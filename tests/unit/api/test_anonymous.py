"""Strangers make the server write no more than they send."""

import io
import json
import logging
import sys

import pytest

from grid.api import anonymous as anonymous_module
from grid.api.anonymous import LOG
from grid.core.logging import configure


@pytest.fixture
def log(monkeypatch):
    """The log of the server, of which strangers have no credit yet."""
    monkeypatch.setattr(LOG, "_credit", 0)
    monkeypatch.setattr(LOG, "_left_out", 0)
    text = io.StringIO()
    configure("INFO", json=True, stream=text)
    yield text
    configure("WARNING", stream=sys.stderr)
    logging.captureWarnings(capture=False)


def rows(uow) -> list[int]:
    with uow.read() as tx:
        return [
            tx.connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()
            for table in ("audit_entries", "sessions", "refresh_tokens", "outbox", "idempotency_keys", "stream_events")
        ]


LOGIN, REFRESH = "/api/v1/auth/login", "/api/v1/auth/refresh"
ATTACKS = {
    "nothing there": ("GET", "/1", {}),
    "bytes that are escaped": ("GET", "/" + "%00%1f%e2%80%a8%22%5c" * 100, {}),
    "no token": ("GET", "/api/v1/jobs", {}),
    "a wrong token": ("GET", "/api/v1/jobs", {"headers": {"Authorization": "Bearer x.y.z"}}),
    "a wrong password": ("POST", LOGIN, {"json": {"username": "u", "password": "x"}}),
    "no refresh token": ("POST", REFRESH, {"json": {"refresh_token": "x"}}),
    "no job": ("POST", "/api/v1/jobs", {"json": {}}),
    "another host": ("GET", "/live", {"headers": {"Host": "evil"}}),
    "a method": ("X" * 2_000, "/live", {}),
    "no field": ("GET", "/api/v1/auth/proof", {}),
}


def size_of(request) -> int:
    """What a request has on the line: its line, header and body."""
    fields = sum(len(name) + len(value) + 4 for name, value in request.headers.raw)
    return len(request.method) + len(request.url.raw_path) + 12 + fields + 2 + len(request.content)


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_stranger_cannot_write_more_than_was_sent(anonymous, uow, log, attack):
    before, sent = rows(uow), 0
    method, path, options = ATTACKS[attack]
    for _ in range(60):
        answer = anonymous.request(method, path, **options)
        assert answer.status_code >= 400
        sent += size_of(answer.request)
    assert len(log.getvalue().encode()) <= sent
    assert rows(uow) == before


def test_a_line_says_how_many_were_left_out(anonymous, log):
    for _ in range(20):
        anonymous.get("/nothing")
    written = [json.loads(line) for line in log.getvalue().splitlines()]
    assert written
    assert sum(1 + line.get("left_out", 0) for line in written) + LOG._left_out == 20


def test_requests_of_users_are_all_written(alice, log):
    for _ in range(20):
        alice.get("/api/v1/users/me")
    assert len(log.getvalue().splitlines()) == 20


def test_credit_is_bounded():
    log = anonymous_module.AnonymousLog()
    log.add_credit(10**9)
    lines = []
    for _ in range(1_000):
        log.write(lambda event, **_: lines.append(event), "event", chosen=1_000)
    assert len(lines) <= anonymous_module.MOST_BYTES // 1_000
