"""Connections that become a WebSocket: real sockets, the server's own protocols, and another library's client."""

import asyncio
import socket

import pytest
import uvicorn
from tests.unit.api.test_connections import REQUEST, problem_in, talk
from uvicorn.server import ServerState
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from grid.api import connections, upgraded
from grid.api.connections import Connection
from grid.api.live.socket import LOOK_S
from grid.api.upgraded import MESSAGE_BYTES, SEND_BYTES, UpgradedConnection

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


async def echo(scope, receive, send):
    """Answer every text in kind, `big` with more than any buffer holds, and `end` by a close."""
    assert scope["type"] == "websocket"
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept", "subprotocol": "grid.v1"})
    while (message := await receive())["type"] == "websocket.receive":
        if message["text"] == "big":
            for _ in range(400):
                await send({"type": "websocket.send", "bytes": b"x" * 64_000})
        elif message["text"] == "end":
            await send({"type": "websocket.close", "code": 4408})
        else:
            await send({"type": "websocket.send", "text": message["text"]})


class Served:
    """A server on a free port, as the real one is set up."""

    def __init__(self, app=echo):
        self.config = uvicorn.Config(
            app, http=Connection, ws=UpgradedConnection, log_config=None, lifespan="off",
            ws_max_size=MESSAGE_BYTES, ws_per_message_deflate=False, ws_ping_interval=None,
        )  # fmt: skip
        self.config.load()
        self.state = ServerState()

    async def __aenter__(self):
        make = lambda: Connection(self.config, self.state, {})  # noqa: E731
        self.server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
        self.address = self.server.sockets[0].getsockname()
        return self

    async def __aexit__(self, *_):
        self.server.close()
        await self.server.wait_closed()
        for connection in list(self.state.connections):
            connection.transport.abort()
        for task in list(self.state.tasks):
            task.cancel()
        await asyncio.gather(*self.state.tasks, return_exceptions=True)

    def connect(self, **more):
        return connect(f"ws://127.0.0.1:{self.address[1]}/", subprotocols=["grid.v1"], ping_interval=None, **more)


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 30))


def test_a_connection_is_handed_over_and_no_limit_of_before_holds_any_more(monkeypatch):
    for name in ("HEADER_S", "TAKEN_S", "REST_S", "CLOSING_S"):
        monkeypatch.setattr(connections, name, 0.05)
    monkeypatch.setattr(connections, "LOOK_S", 0.02)

    async def scenario():
        async with Served() as served, served.connect() as client:
            assert client.subprotocol == "grid.v1"
            assert client.response.headers.get("Sec-WebSocket-Extensions") is None  # nothing is compressed twice
            await asyncio.sleep(0.2)
            await client.send("still there")
            (connection,) = served.state.connections
            held = connection.transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
            patience = connection.transport.get_extra_info("socket").getsockopt(socket.SOL_TCP, socket.TCP_USER_TIMEOUT)
            return await client.recv(), held, patience

    text, held, patience = run(scenario())
    assert patience == 30_000  # [ms] the socket's own, not that of before
    assert text == "still there"
    assert held == 2 * SEND_BYTES  # Linux counts its own bookkeeping too


def test_an_upgrade_that_never_ends_is_answered_and_closed(monkeypatch):
    monkeypatch.setattr(connections, "HEADER_S", 0.2)
    assert problem_in(talk(UPGRADE, b"X-A: 1\r\n", pause_s=0.05))["status"] == 408


def test_one_connection_too_many_becomes_no_socket(monkeypatch):
    monkeypatch.setattr(connections, "CONNECTIONS", 1)

    async def scenario():
        async with Served() as served, served.connect():
            reader, writer = await asyncio.open_connection(*served.address)
            writer.write(UPGRADE + b"\r\n")
            answer = await reader.read()
            writer.close()
            return answer

    assert problem_in(run(scenario()))["status"] == 503


def test_a_handshake_that_is_none_is_refused():
    async def scenario():
        async with Served() as served:
            reader, writer = await asyncio.open_connection(*served.address)
            writer.write(REQUEST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            answer = await reader.read()
            writer.close()
            return answer

    assert run(scenario()).startswith(b"HTTP/1.1 4")


def test_a_message_that_is_too_long_ends_the_socket():
    async def scenario():
        async with Served() as served, served.connect() as client:
            await client.send("x" * (MESSAGE_BYTES + 1))
            with pytest.raises(ConnectionClosed) as end:
                await client.recv()
            return end.value.rcvd.code

    assert run(scenario()) == 1009


def stall(served, *messages: bytes):
    """Shake hands by hand, say something, and read nothing any more."""
    attacker = socket.create_connection(served.address)
    attacker.sendall(UPGRADE + b"\r\n")
    assert attacker.recv(65_536).startswith(b"HTTP/1.1 101")
    for message in messages:
        attacker.sendall(bytes([0x81, 0x80 | len(message), 0, 0, 0, 0]) + message)
    return attacker


@pytest.mark.parametrize("said", [(b"big",), (b"big", b"end")])
def test_who_reads_nothing_is_let_go(monkeypatch, said):
    for name in ("TAKEN_S", "CLOSING_S"):
        monkeypatch.setattr(upgraded, name, 0.2)
    monkeypatch.setattr(upgraded, "LOOK_S", 0.03)

    async def scenario():
        async with Served() as served:
            with await asyncio.to_thread(stall, served, *said):
                while not served.state.connections:
                    await asyncio.sleep(0.01)
                while served.state.connections:
                    await asyncio.sleep(0.01)

    run(scenario())


def test_who_reads_slowly_but_goes_on_gets_all(monkeypatch):
    monkeypatch.setattr(upgraded, "TAKEN_S", 0.2)
    monkeypatch.setattr(upgraded, "LOOK_S", 0.03)

    async def scenario():
        size = 0
        async with Served() as served, served.connect(max_queue=1) as client:
            await client.send("big")
            for _ in range(400):
                size += len(await client.recv())
                await asyncio.sleep(0.002)
        return size

    assert run(scenario()) == 400 * 64_000


def test_a_close_of_the_server_reaches_the_viewer():
    async def scenario():
        async with Served() as served, served.connect() as client:
            await client.send("end")
            with pytest.raises(ConnectionClosed) as end:
                await client.recv()
            return end.value.rcvd.code

    assert run(scenario()) == 4408


def test_a_viewer_that_shows_nothing_is_gone_within_five_seconds_of_its_half_minute():
    looks = LOOK_S + 2 * upgraded.LOOK_S  # whether it has shown a frame, that it is closed, that it does not answer
    assert looks + upgraded.CLOSING_S <= 5.0
