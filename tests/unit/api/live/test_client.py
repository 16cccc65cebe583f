"""The clients' streams of live runs against a real server on a free port, and a server of the test's own that fails."""

import asyncio
import json
import socket
import threading
import time

import numpy as np
import pytest
import uvicorn
from tests.support import live_runs
from websockets.asyncio.server import serve

from grid.api.connections import Connection
from grid.api.upgraded import UpgradedConnection
from grid.client import live_frames
from grid.client.client import AsyncGridClient, GridClient
from grid.client.errors import ServerUnreachableError
from grid.client.live_frames import StreamRefusedError, stream_frames
from grid.core.errors import FieldError, NotFoundError
from grid.database.live_events import NewLiveEvent
from grid.runtime.live.frames import Stamp, encode_frame
from grid.schemas.frame_requests import FrameRequest
from grid.schemas.live import RunReason
from grid.services import live

pytestmark = pytest.mark.jit
WHOLE = FrameRequest(codec="zstd")


@pytest.fixture
def address(app, portal):
    """Of the application, served."""
    config = uvicorn.Config(
        app, port=0, http=Connection, ws=UpgradedConnection, log_config=None, lifespan="off",
        ws_per_message_deflate=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = portal.start_task_soon(lambda: server._serve([listener]))
        while not server.started:
            time.sleep(0.002)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        serving.result()


@pytest.fixture
def token(alice):
    text = alice.headers["Authorization"].removeprefix("Bearer ")
    return lambda **_: text


def test_frames_of_a_run_come_decoded_until_its_end(address, token, uow, claim, owner):
    def show():
        owner.wait_for(WHOLE)
        for tick in range(1, 6):
            owner.show(tick)
            time.sleep(0.05)
        live.fail_run(uow, claim, RunReason.DIVERGED)

    async def read():
        async with AsyncGridClient(address, token) as client:
            return [frame async for frame in client.frames(claim.run_id)]

    thread = threading.Thread(target=show)
    thread.start()
    frames = asyncio.run(asyncio.wait_for(read(), 20))
    thread.join()
    ticks = [frame.header.tick for frame in frames]
    assert len(ticks) >= 2
    assert ticks == sorted(set(ticks))
    assert all(np.allclose(frame.values, frame.header.tick) for frame in frames)


def test_events_and_samples_are_followed_to_the_end_by_both_clients(address, token, uow, claim):
    live.record_events(uow, claim, [NewLiveEvent(7, 448, "yield", {"cell": [1]}, "a")])
    live.write_looks(uow, [live.Look(claim, 31, samples=(live_runs.sample(5, 0, 7.0),))])
    live.fail_run(uow, claim, RunReason.DIVERGED)
    known = [event.n for event in live.read_events(uow, owner_id=None, run_id=claim.run_id)]

    async def read():
        async with AsyncGridClient(address, token) as client:
            events = [event async for event in client.follow_run(claim.run_id, after=known[0])]
            return events, [event async for event in client.follow_metrics(claim.run_id, hz=10, after=0)]

    with GridClient(address, token) as client:
        events = list(client.follow_run(claim.run_id, after=known[0]))
        samples = list(client.follow_metrics(claim.run_id, hz=10, after=0))
    assert asyncio.run(asyncio.wait_for(read(), 20)) == (events, samples)
    assert [int(event.id) for event in events[:-1]] == known[1:]
    assert [event.kind for event in samples] == ["sample", "end"]
    assert json.loads(samples[0].data)["metrics"]["lowest"] == [7.0] * 4


def test_a_run_that_there_is_not_is_not_found(address, token):
    async def read():
        async with AsyncGridClient(address, token) as client:
            async for _ in client.frames("0198c0de-0000-7000-8000-00000000000a", FrameRequest("stress")):
                pass

    with pytest.raises(NotFoundError):
        asyncio.run(asyncio.wait_for(read(), 20))


class Scripted:
    """A server that says what it is told to, one list for each connection, and closes."""

    def __init__(self, *scripts):
        self.scripts, self.heard = list(scripts), []

    async def __call__(self, connection):
        heard = [json.loads(await connection.recv()) for _ in range(2)]
        self.heard.append(heard)
        for message in self.scripts.pop(0):
            await connection.send(message if isinstance(message, bytes) else json.dumps(message))
            if isinstance(message, bytes) or message["type"] == "renew":
                heard.append(json.loads(await connection.recv()))
        await connection.close(1012)


def follow(server):
    """Read frames of a scripted server to the end."""
    numbers = iter(range(100))

    async def ticket():
        return f"ticket {next(numbers)}"

    async def read():
        async with serve(server, "127.0.0.1", 0, subprotocols=["grid.v1"]) as listening:
            port = listening.sockets[0].getsockname()[1]
            return [frame async for frame in stream_frames(f"http://127.0.0.1:{port}/", ticket, "a", WHOLE)]

    return asyncio.run(asyncio.wait_for(read(), 20))


def frame(tick):
    return encode_frame(np.full((4, 4), float(tick)), Stamp(tick, tick / 10), codec="zstd")


END = {"type": "end", "sub": 1, "reason": "stopped"}


def test_a_link_that_is_lost_is_opened_again_with_another_ticket(monkeypatch):
    monkeypatch.setattr(live_frames, "FIRST_PAUSE_S", 0.01)
    server = Scripted([{"type": "welcome"}, frame(1)], [{"type": "welcome"}, frame(5), END])

    assert [one.header.tick for one in follow(server)] == [1, 5]
    assert [heard[0]["ticket"] for heard in server.heard] == ["ticket 0", "ticket 1"]
    assert all(heard[1]["topic"] == "run:a:frames" for heard in server.heard)
    assert all(heard[2]["type"] == "grant" for heard in server.heard)


def test_a_session_is_renewed_and_notices_are_left_to_the_frames(monkeypatch):
    server = Scripted([{"type": "welcome"}, {"type": "notice", "kind": "slow"}, {"type": "renew"}, frame(2), END])

    assert len(follow(server)) == 1
    assert server.heard[0][2] == {"type": "renew", "ticket": "ticket 1"}


@pytest.mark.parametrize(
    ("end", "error"),
    [
        ({"reason": "not-found"}, NotFoundError),
        ({"reason": "invalid", "field": "level", "detail": "level: 0, 1 or 2"}, FieldError),
        ({"reason": "too-many-subscriptions"}, StreamRefusedError),
    ],
)
def test_an_end_that_coming_back_would_not_change_is_raised(end, error):
    with pytest.raises(error):
        follow(Scripted([{"type": "welcome"}, {"type": "end", "sub": 1, **end}]))


def test_a_server_that_does_not_answer_is_named():
    async def ticket():
        return "x"

    async def read():
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        return [one async for one in stream_frames(f"http://127.0.0.1:{port}", ticket, "a", WHOLE)]

    with pytest.raises(ServerUnreachableError, match=r"127\.0\.0\.1"):
        asyncio.run(read())
