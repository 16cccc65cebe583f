"""What is turned away at the door: other hosts, other sites, giant, slow and compressed bodies."""

import asyncio
import gzip

import pytest

from grid.api import front_door
from grid.api.front_door import BODY_BYTES, LARGE_BODY_BYTES, BodyGuard, FrontDoor, allowed_hosts
from grid.core.settings import Settings

LOGIN = "/api/v1/auth/login"
BODY = {"username": "nobody", "password": "a long wrong password"}


def make(**values) -> Settings:
    return Settings(_env_file=None, **values)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "localhost:9", "LOCALHOST", "[::1]:8000"])
def test_names_of_this_machine_are_answered(anonymous, host):
    assert anonymous.get("/live", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example:8000",
        "127.0.0.1@evil.example",
        "127.0.0.1:8000:1",
        "127.0.0.1:99999x",
        "127.0.0.2",
        "0.0.0.0",  # noqa: S104 - a name that is sent
        "127.0.0.1, evil.example",
        "",
    ],
)
def test_any_other_name_is_misdirected(anonymous, host):
    answer = anonymous.get("/live", headers={"Host": host})

    assert answer.status_code == 421
    assert answer.json()["type"] == "/problems/misdirected-request"
    assert "evil" not in answer.text


def test_two_hosts_are_none():
    door = FrontDoor(lambda *_: None, make())
    scope = {"path": "/", "raw_path": b"/", "query_string": b"", "method": "GET"}

    assert door.refusal({**scope, "headers": [(b"host", b"localhost"), (b"host", b"localhost")]}) == 400
    assert door.refusal({**scope, "headers": []}) == 400
    assert door.refusal({**scope, "headers": [(b"host", b"localhost")]}) is None


def test_the_operator_adds_names_and_a_wildcard_address_adds_none():
    assert allowed_hosts(make(grid_allowed_hosts="grid.example")) >= {"grid.example", "localhost"}
    assert allowed_hosts(make(grid_host="10.1.2.3")) >= {"10.1.2.3"}
    assert allowed_hosts(make(grid_host="fd00::1")) >= {"[fd00::1]"}
    assert allowed_hosts(make(grid_host="0.0.0.0")) == allowed_hosts(make())  # noqa: S104 - not bound


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1:8001", "https://127.0.0.1:8000", ""]
)
def test_another_site_may_change_nothing(anonymous, method, origin):
    answer = anonymous.request(method, "/api/v1/jobs", headers={"Origin": origin})

    assert answer.status_code == 403
    assert answer.json()["type"] == "/problems/forbidden"


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://127.0.0.1:8000"}, {"Sec-Fetch-Site": "same-origin"}])
def test_this_site_and_tools_may_try(anonymous, headers):
    assert anonymous.post(LOGIN, json=BODY, headers=headers).status_code == 401


def test_a_browser_that_says_cross_site_without_an_origin_is_refused(anonymous):
    assert anonymous.post(LOGIN, json=BODY, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_an_origin_that_the_operator_named_may_call():
    door = FrontDoor(lambda *_: None, make(grid_allowed_origins="https://app.example"))
    scope = {"path": "/", "raw_path": b"/", "query_string": b"", "method": "DELETE"}
    host = (b"host", b"localhost")

    assert door.refusal({**scope, "headers": [host, (b"origin", b"https://app.example")]}) is None
    assert door.refusal({**scope, "headers": [host, (b"origin", b"https://app.example.evil.example")]}) == 403


@pytest.mark.parametrize(
    ("path", "accept"), [("/api/v1/jobs/1/logs/stream", "*/*"), ("/api/v1/anything", "text/event-stream")]
)
def test_another_site_may_not_listen_to_a_stream(anonymous, path, accept):
    foreign = anonymous.get(path, headers={"Origin": "http://evil.example", "Accept": accept})
    plain = anonymous.get(path, headers={"Accept": accept})

    assert foreign.status_code == 403
    assert plain.status_code != 403


@pytest.mark.parametrize(
    "content_type",
    [
        *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""),
        *("application/jsonx", "application/json; charset=utf-16"),
    ],
)
def test_a_body_that_is_not_json_is_refused(anonymous, content_type):
    answer = anonymous.post(LOGIN, content=b'{"username": "x"}', headers={"Content-Type": content_type})

    assert answer.status_code == 415
    assert answer.json()["type"] == "/problems/unsupported-media-type"


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=UTF-8"])
def test_json_is_accepted_however_it_is_spelt(anonymous, content_type):
    answer = anonymous.post(LOGIN, content=b'{"username": 1}', headers={"Content-Type": content_type})

    assert answer.status_code == 422


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, identity"])
def test_a_compressed_body_is_refused_unread(anonymous, encoding):
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}

    assert anonymous.post(LOGIN, content=gzip.compress(b"{}"), headers=headers).status_code == 415


@pytest.mark.parametrize(("path", "limit"), [(LOGIN, BODY_BYTES), ("/api/v1/jobs", LARGE_BODY_BYTES)])
def test_a_body_above_the_limit_is_refused_by_its_length(anonymous, path, limit):
    def post(size: int) -> int:
        body = b'"' + b"x" * (size - 2) + b'"'
        return anonymous.post(path, content=body, headers={"Content-Type": "application/json"}).status_code

    assert post(limit + 1) == 413
    assert post(limit) != 413


def test_a_body_without_a_length_is_counted(anonymous):
    def chunks():
        for _ in range(11):
            yield b" " * 10 * 1024

    answer = anonymous.post(LOGIN, content=chunks(), headers={"Content-Type": "application/json"})

    assert answer.status_code == 413
    assert answer.json()["type"].startswith("/problems/")


def test_an_address_that_is_too_long_is_refused(anonymous):
    assert anonymous.get("/live?" + "x" * front_door.URL_BYTES).status_code == 414
    assert anonymous.get("/" + "x" * front_door.URL_BYTES).status_code == 414


def test_a_header_that_is_too_long_is_refused(anonymous):
    assert anonymous.get("/live", headers={"X-Long": "x" * front_door.HEADER_BYTES}).status_code == 431
    assert anonymous.get("/live", headers={f"X-{i}": "x" for i in range(front_door.HEADER_COUNT)}).status_code == 431


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(front_door, "BODY_TIMEOUT_S", 0.02)
    scope = {"type": "http", "method": "POST", "path": LOGIN, "headers": [(b"transfer-encoding", b"chunked")]}

    async def silence():
        await asyncio.Event().wait()

    async def app(scope, receive, send):
        await receive()

    with pytest.raises(front_door.HTTPException) as refused:
        asyncio.run(BodyGuard(app)(scope, silence, None))
    assert refused.value.status_code == 408


def test_a_complete_body_is_followed_by_whatever_comes():
    messages = [{"type": "http.request", "body": b"{}", "more_body": False}, {"type": "http.disconnect"}]
    scope = {"type": "http", "method": "POST", "path": LOGIN, "headers": [(b"content-length", b"2")]}
    seen = []

    async def receive():
        return messages[len(seen)]

    async def app(scope, receive, send):
        seen.append(await receive())
        seen.append(await receive())

    asyncio.run(BodyGuard(app)(scope, receive, None))
    assert seen == messages


def hold_bodies(*sizes: int, path: str = "/api/v1/jobs") -> list[int | None]:
    """Send bodies at the same time, each held by the application until all have come; return who was refused how."""

    async def scenario():
        everyone = asyncio.Event()
        answers: list[int | None] = []

        async def app(scope, receive, send):
            await receive()
            await everyone.wait()

        guard = BodyGuard(app)

        async def submit(size: int) -> None:
            scope = {"type": "http", "method": "POST", "path": path, "headers": [(b"content-length", b"9")]}

            async def receive():
                return {"type": "http.request", "body": bytes(size), "more_body": False}

            try:
                await guard(scope, receive, None)
            except front_door.HTTPException as error:
                answers.append(error.status_code)
            else:
                answers.append(None)

        tasks = [asyncio.ensure_future(submit(size)) for size in sizes]
        await asyncio.sleep(0.05)
        everyone.set()
        await asyncio.gather(*tasks)
        assert guard.budget.used == 0  # given back, however it ended
        return answers

    return asyncio.run(scenario())


def test_bodies_under_way_have_a_common_budget(monkeypatch):
    monkeypatch.setattr(front_door, "BODIES_BYTES", 100_000)
    monkeypatch.setattr(front_door, "SMALL_BODIES_BYTES", 20_000)
    assert sorted(hold_bodies(30_000, 30_000, 30_000), key=str) == [503, None, None]
    assert hold_bodies(30_000, 30_000, 30_000, path=LOGIN) == [None, None, None]


def test_a_body_that_drips_gets_no_more_time_than_what_came_is_worth(monkeypatch):
    monkeypatch.setattr(front_door, "BODY_TIMEOUT_S", 0.1)

    async def drip():
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def app(scope, receive, send):
        while True:
            await receive()

    scope = {"type": "http", "method": "POST", "path": "/api/v1/jobs", "headers": [(b"transfer-encoding", b"chunked")]}
    with pytest.raises(front_door.HTTPException) as refused:
        asyncio.run(BodyGuard(app)(scope, drip, None))
    assert refused.value.status_code == 408
