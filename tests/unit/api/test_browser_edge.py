"""What a browser can be made to send from a foreign page: refused, whatever the method and wherever it goes.

A page that its user opens can reach a service on loopback: by its address, by a name of its own that points here (DNS
rebinding), or by a form. The pairs below are every operation of the application, as served, with every such request.
"""

import re

import pytest
from fastapi.routing import iter_route_contexts
from starlette.websockets import WebSocketDisconnect

OWN = "http://127.0.0.1:8000"
FOREIGN_HOSTS = (
    "evil.example",
    "evil.example:8000",
    "127.0.0.1.evil.example:8000",
    "127.0.0.1.nip.io:8000",
    "localhost.evil.example",
    "localtest.me:8000",
    "evil.example#127.0.0.1",
    "127.0.0.1:8000@evil.example",
    "xlocalhost",
    "localhost.",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0.0.0.0:8000",
    "[::ffff:127.0.0.1]:8000",
    "[::1]evil.example",
)
FOREIGN_ORIGINS = (
    "http://evil.example",
    "https://evil.example",
    "null",
    "",
    "http://127.0.0.1",
    "http://127.0.0.1:8001",
    "https://127.0.0.1:8000",
    "http://localhost:8000",
    "http://127.0.0.1:8000.evil.example",
    "http://evil.example/127.0.0.1:8000",
    "http://user@127.0.0.1:8000",
    "file://",
    f"{OWN}, http://evil.example",
    f"{OWN}/",
)
FORM_TYPES = (
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain",
    "text/plain;charset=UTF-8",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ID = "01890000-0000-7000-8000-000000000000"
SOME = [(method, path) for method in METHODS for path in ("/api/v1/jobs", f"/api/v1/jobs/{ID}/logs/stream", "/health")]


def fill(path):
    """Put an id, or a name, where the path has a place for one."""
    return re.sub(r"\{(\w+)\}", lambda place: ID if place[1].endswith("_id") else place[1], path)


@pytest.fixture
def operations(app):
    """Every method with every path that is served."""
    paths = {fill(context.path) for context in iter_route_contexts(app.routes) if context.path}
    assert len(paths) > 15
    return [(method, path) for method in METHODS for path in sorted(paths)]


def statuses(client, operations, **request):
    return {client.request(method, path, **request).status_code for method, path in operations}


@pytest.mark.parametrize(
    ("request_parts", "status"),
    [
        ({"headers": {"Host": FOREIGN_HOSTS[0]}}, 421),
        ({"headers": {"Origin": FOREIGN_ORIGINS[0]}}, 403),
        ({"headers": {"Origin": "null"}}, 403),
        ({"headers": {"Content-Type": FORM_TYPES[0]}, "content": b"simulation=noop"}, 415),
    ],
    ids=["host", "origin", "null origin", "form"],
)
def test_no_operation_is_reached_from_a_foreign_page_even_with_a_token(alice, operations, request_parts, status):
    assert statuses(alice, operations, **request_parts) == {status}


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_a_foreign_host_is_misdirected(anonymous, host):
    assert statuses(anonymous, SOME, headers={"Host": host}) == {421}


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_a_foreign_origin_is_forbidden(anonymous, origin):
    assert statuses(anonymous, SOME, headers={"Origin": origin}) == {403}


def test_two_origins_are_none(anonymous):
    assert statuses(anonymous, SOME, headers=[("Origin", OWN), ("Origin", OWN)]) == {403}


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_browser_that_says_so_changes_nothing_from_another_site(anonymous, operations, site):
    unsafe = [(method, path) for method, path in operations if method not in {"GET", "HEAD", "OPTIONS"}]

    assert statuses(anonymous, unsafe, headers={"Sec-Fetch-Site": site}) == {403}


@pytest.mark.parametrize("media_type", FORM_TYPES)
def test_what_a_form_can_send_is_not_read(anonymous, media_type):
    content, headers = b'{"simulation": "noop"}', {"Content-Type": media_type}

    assert statuses(anonymous, SOME, content=content, headers=headers) == {415}


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, *({"Origin": origin} for origin in FOREIGN_ORIGINS)])
@pytest.mark.parametrize("path", ["/api/v1/jobs", "/api/v1/anything", "/"])
def test_a_foreign_page_opens_no_web_socket(anonymous, headers, path):
    with pytest.raises(WebSocketDisconnect) as refused, anonymous.websocket_connect(path, headers=headers):
        pass

    assert refused.value.code == 1008


def test_the_own_page_reaches_what_it_may(alice):
    own = {"Origin": OWN, "Sec-Fetch-Site": "same-origin"}

    assert alice.get("/api/v1/users/me", headers=own).status_code == 200
    assert alice.post("/api/v1/auth/logout", headers=own).status_code == 204


def test_no_answer_lets_another_site_read_it(alice, operations):
    answers = [alice.request(method, path) for method, path in operations if method in {"GET", "HEAD", "OPTIONS"}]

    for answer in answers:
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "Set-Cookie" not in answer.headers
