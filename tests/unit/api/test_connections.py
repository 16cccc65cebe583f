"""What a connection is answered before any request is read: real sockets, and the server's own protocol."""

import asyncio
import contextlib
import json
import resource
import socket

import pytest
import uvicorn
from uvicorn.server import ServerState

from grid.api import connections, serving
from grid.api.connections import Connection

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


async def hello(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"hi"})


def talk(*pieces: bytes, others: int = 0, pause_s: float = 0.0, is_talkative: bool = False) -> bytes:
    """Send pieces over one connection, beside `others` that say nothing; return all that comes until it is closed.

    A talker who is not `is_talkative` is silent once there is an answer.
    """

    async def converse() -> bytes:
        config = uvicorn.Config(hello, http=Connection, ws="none", log_config=None, lifespan="off")
        config.load()
        state, loop = ServerState(), asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(config, state, {}), "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        silent = [await asyncio.open_connection(*address) for _ in range(others)]
        reader, writer = await asyncio.open_connection(*address)
        first = loop.create_task(reader.read(65_536))
        for piece in pieces:
            if first.done() and not is_talkative:
                break
            writer.write(piece)
            await asyncio.sleep(pause_s)
        answer = await asyncio.wait_for(first, 30)
        answer += await asyncio.wait_for(reader.read(), 30)
        for one in (writer, *(writer for _, writer in silent)):
            one.close()
            await one.wait_closed()
        server.close()
        await server.wait_closed()
        while state.connections:
            await asyncio.sleep(0)
        return answer

    return asyncio.run(converse())


def problem_in(answer: bytes) -> dict:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    problem = json.loads(body)
    assert problem["request_id"].encode() in head  # the same id in the header
    return problem


def test_a_header_that_never_ends_is_answered_and_closed(monkeypatch):
    monkeypatch.setattr(connections, "HEADER_S", 0.2)
    assert problem_in(talk(REQUEST, b"X-A: 1\r\n", pause_s=0.05))["status"] == 408


def test_a_byte_now_and_then_buys_no_more_time(monkeypatch):
    monkeypatch.setattr(connections, "HEADER_S", 0.2)
    assert problem_in(talk(REQUEST, *[b"X-A: 1\r\n"] * 50, b"\r\n", pause_s=0.02))["status"] == 408


def test_a_connection_that_says_nothing_is_closed_without_a_word(monkeypatch):
    monkeypatch.setattr(connections, "HEADER_S", 0.1)
    assert talk() == b""


def test_an_answered_connection_waits_for_the_header_of_its_next_request_no_longer(monkeypatch):
    monkeypatch.setattr(connections, "HEADER_S", 0.2)
    answer = talk(REQUEST + b"\r\n", b"GET / HT", pause_s=0.05, is_talkative=True)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 408" in answer


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
        (REQUEST + b"Content-Length: abc\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (REQUEST + b"X-A: " + b"a" * 70_000, 431),
    ],
)
def test_what_is_not_http_is_answered_by_a_problem(sent, status):
    assert problem_in(talk(sent))["status"] == status


def test_one_connection_too_many_is_told_when_to_come_back(monkeypatch):
    monkeypatch.setattr(connections, "CONNECTIONS", 3)
    assert talk(REQUEST + b"Connection: close\r\n\r\n", others=2).startswith(b"HTTP/1.1 200")
    refused = talk(REQUEST + b"\r\n", others=3)
    assert problem_in(refused)["status"] == 503
    assert b"retry-after: 2" in refused.lower()


def test_the_limit_of_open_files_leaves_room_for_every_connection(monkeypatch):
    limits = {}
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1_000_000))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, pair: limits.update({kind: pair}))
    serving.allow_connections()
    soft, hard = limits[resource.RLIMIT_NOFILE]
    assert soft > 2 * connections.CONNECTIONS
    assert hard == 1_000_000


async def answer_at_once(scope, receive, send):
    """Answer without reading the body, as a refusal does."""
    await hello(scope, receive, send)


async def answer_for_long(scope, receive, send):
    """Answer with more than any buffer holds."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(400):
        await send({"type": "http.response.body", "body": b"x" * 64_000, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def answer_never(scope, receive, send):
    """Answer as a stream does in which nothing happens."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await asyncio.Event().wait()


async def answer_little(scope, receive, send):
    """Answer as a stream does in which little happens: no buffer is ever full."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(8):
        await send({"type": "http.response.body", "body": b"x" * 1_000, "more_body": True})
    await asyncio.Event().wait()


def is_let_go(app, request: bytes, drip: bytes = b"", *, taken: int | None = None) -> bool:
    """Send a request, then a few bytes now and then, and read nothing; tell whether the server gives that up.

    `taken`: bytes that the system takes for the reader.
    """

    async def attack() -> bool:
        config = uvicorn.Config(app, http=Connection, ws="none", log_config=None, lifespan="off")
        config.load()
        state, loop = ServerState(), asyncio.get_running_loop()
        made = []

        def make() -> Connection:
            made.append(True)
            return Connection(config, state, {})

        server = await loop.create_server(make, "127.0.0.1", 0)
        with socket.socket() as attacker:
            if taken is not None:
                attacker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, taken)
            attacker.setblocking(False)
            await loop.sock_connect(attacker, server.sockets[0].getsockname())
            await loop.sock_sendall(attacker, request)
            while not made:
                await asyncio.sleep(0.01)
            is_over = loop.time() + 10
            while state.connections and loop.time() < is_over:
                with contextlib.suppress(OSError):
                    attacker.send(drip)
                await asyncio.sleep(0.02)
            has_left = not state.connections
        server.close()
        await server.wait_closed()
        for task in state.tasks:
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)
        return has_left

    return asyncio.run(attack())


POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"


@pytest.mark.parametrize(
    ("app", "request_", "drip"),
    [
        (answer_for_long, REQUEST + b"\r\n", b""),
        (answer_for_long, REQUEST + b"Connection: close\r\n\r\n", b""),
        (answer_for_long, REQUEST + b"\r\n", b"G"),
        (answer_at_once, POST, b"x"),
        (answer_at_once, REQUEST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (answer_at_once, REQUEST + b"Connection: close\r\n\r\n", b"x"),
        (answer_never, REQUEST + b"\r\n", b"G"),
        (answer_at_once, REQUEST + b"\r\n", b"G"),
        (answer_at_once, b"", b"G"),
        (answer_at_once, b"GARBAGE\r\n\r\n", b"x"),
    ],
)
def test_who_reads_nothing_or_drips_is_let_go_before_within_and_after_a_request(monkeypatch, app, request_, drip):
    for name in ("HEADER_S", "TAKEN_S", "REST_S", "CLOSING_S"):
        monkeypatch.setattr(connections, name, 0.1)
    monkeypatch.setattr(connections, "LOOK_S", 0.03)
    assert is_let_go(app, request_, drip)


def test_who_reads_nothing_of_the_little_that_comes_is_let_go_by_the_system(monkeypatch):
    monkeypatch.setattr(connections, "UNTAKEN_S", 0.1)
    assert is_let_go(answer_little, REQUEST + b"\r\n", taken=1)


def test_no_wait_lasts_longer_than_half_a_minute():
    waits = [getattr(connections, name) for name in ("HEADER_S", "TAKEN_S", "UNTAKEN_S", "REST_S", "CLOSING_S")]
    assert max(waits) + 2 * connections.LOOK_S + connections.CLOSING_S < 30


def test_a_reader_that_takes_little_at_once_but_goes_on_gets_all(monkeypatch):
    monkeypatch.setattr(connections, "TAKEN_S", 0.3)
    monkeypatch.setattr(connections, "LOOK_S", 0.03)

    async def read_slowly() -> int:
        config = uvicorn.Config(answer_for_long, http=Connection, ws="none", log_config=None, lifespan="off")
        config.load()
        state, loop = ServerState(), asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(config, state, {}), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(REQUEST + b"Connection: close\r\n\r\n")
        size = 0
        while data := await reader.read(500_000):
            size += len(data)
            await asyncio.sleep(0.005)
        writer.close()
        await writer.wait_closed()
        server.close()
        return size

    assert asyncio.run(read_slowly()) > 400 * 64_000
