"""The application with a frame bus in memory, a running run of Alice, and viewers of it."""

import json
import time
from contextlib import contextmanager
from uuid import UUID

import numpy as np
import pytest
from dishka import Provider, Scope
from starlette.websockets import WebSocketDisconnect
from tests.doubles.frame_buses import MemoryFrameBus
from tests.support import live_runs
from tests.support.service import Catalogue

from grid.core.passwords import PasswordHasher
from grid.runtime.live.frame_cache import FrameCache, Picture
from grid.schemas.frame_requests import FrameRequest
from grid.schemas.frames import decode_frame
from grid.schemas.live import RunClaim
from grid.services.container import make_container
from grid.services.ports import Doorbell, FrameBus, ImageCatalogue

LIVE, TICKETS = "ws://127.0.0.1:8000/api/v1/live", "/api/v1/streams/tickets"
LIMIT_S = 20.0


@pytest.fixture
def bus():
    return MemoryFrameBus()


@pytest.fixture
def container(settings, bell, hasher, bus):
    doubles = Provider(scope=Scope.APP)
    doubles.provide(lambda: bell, provides=Doorbell)
    doubles.provide(lambda: Catalogue(), provides=ImageCatalogue)  # noqa: PLW0108 - a class would be asked what it needs
    doubles.provide(lambda: hasher, provides=PasswordHasher)
    doubles.provide(lambda: bus, provides=FrameBus)
    wiring = make_container(settings, doubles)
    yield wiring
    wiring.close()


@pytest.fixture
def claim(alice, uow) -> RunClaim:
    """A run of Alice that a worker runs."""
    return live_runs.start(uow, alice.user_id)


class Owner:
    """The owner of a run, as the bus knows it. Calls go to the event loop."""

    def __init__(self, bus: MemoryFrameBus, portal, run_id: UUID) -> None:
        self.bus, self.portal, self.run_id = bus, portal, run_id
        self.cache = FrameCache(bytes(8), 1)
        portal.call(bus.connect, run_id)

    @property
    def wanted(self) -> dict[FrameRequest, float]:
        feeds = self.portal.call(self.bus.of_run, self.run_id)
        return {request: rate for feed in feeds for request, rate in feed.frames.items()}

    def wait_for(self, *requests: FrameRequest) -> None:
        """Wait until exactly these are wanted."""
        end = time.monotonic() + LIMIT_S
        while set(self.wanted) != set(requests):
            assert time.monotonic() < end, self.wanted
            time.sleep(0.002)

    def show(self, tick: int, values: np.ndarray | None = None) -> None:
        """Send what is wanted of a tick."""
        shown = np.full((16, 16), float(tick)) if values is None else values
        for request in self.wanted:
            picture = Picture(tick, tick / 32.0, 0, 1_000 + tick, {request.field: shown})
            frame = self.cache.encode(request, picture, 0.0)
            self.portal.call(self.bus.show, self.run_id, request, frame.data)

    def tell(self, method: str, *given) -> None:
        """Call a method of the listeners."""
        for feed in self.portal.call(self.bus.of_run, self.run_id):
            self.portal.call(getattr(feed.listener, method), *given)

    def sample(self, tick: int, **values: float) -> None:
        document = {
            "first": tick, "last": tick, "time_s": tick / 32, "pace": {"ratio": 1.0},
            "values": {name: [value] * 4 for name, value in values.items()},
        }  # fmt: skip
        while not any(feed.samples for feed in self.portal.call(self.bus.of_run, self.run_id)):
            time.sleep(0.002)
        self.portal.call(self.bus.sample, self.run_id, document)


@pytest.fixture
def owner(bus, portal, claim) -> Owner:
    return Owner(bus, portal, claim.run_id)


class Viewer:
    """One end of a socket."""

    def __init__(self, socket) -> None:
        self.socket = socket

    def say(self, kind: str, **members) -> None:
        self.socket.send_text(json.dumps({"type": kind, **members}))

    def sub(self, run_id: UUID, what: str, name: str | int = "a", **members) -> None:
        self.say("sub", id=name, topic=f"run:{run_id}:{what}", **members)

    def hear(self, *kinds: str):
        """The next message of one of some kinds, or of any: a document, or a decoded frame."""
        while True:
            message = self.socket.receive()
            if message["type"] == "websocket.close":
                raise WebSocketDisconnect(message["code"])
            if message.get("bytes") is not None:
                if not kinds or "frame" in kinds:
                    return decode_frame(message["bytes"])
                continue
            document = json.loads(message["text"])
            if not kinds or document["type"] in kinds:
                return document

    def hear_end(self) -> int:
        """The code with which the socket is closed."""
        try:
            while True:
                self.hear()
        except WebSocketDisconnect as end:
            return end.code


@pytest.fixture
def connect_viewer(anonymous):
    """Opens a socket that has said nothing."""

    @contextmanager
    def opened(**more):
        with anonymous.websocket_connect(LIVE, subprotocols=["grid.v1"], **more) as socket:
            yield Viewer(socket)

    return opened


@pytest.fixture
def view(connect_viewer):
    """Opens a socket of a client that is logged in."""

    @contextmanager
    def opened(client, **hello):
        ticket = client.post(TICKETS).json()["ticket"]
        with connect_viewer() as viewer:
            viewer.say("hello", ticket=ticket, **hello)
            assert viewer.hear()["type"] == "welcome"
            yield viewer

    return opened
