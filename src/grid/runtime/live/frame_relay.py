"""Relay of frames: beside the workers of one machine, it answers servers of other machines through Redis.

It follows a run by local sockets, as a server of this machine does, as long as somebody wants it, and publishes what it
hears to the channel of that session. What waits for Redis is bounded: the oldest pictures go.
"""

import asyncio
import json
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from grid.core.errors import InputError
from grid.core.logging import get_logger
from grid.runtime.live.bus_wire import MOMENT, Kind, Wants, pack_json, pack_message
from grid.runtime.live.frame_bus import UnixFrameBus
from grid.runtime.live.redis_frames import (
    EPOCH,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    RENEW_S,
    WANTED_S,
    FindInstallation,
    end_task,
    open_redis,
    session_channel,
    wants_channel,
)
from grid.schemas.frame_requests import FrameRequest

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = get_logger(__name__)

MOST_SESSIONS: Final = 256  # of all servers together
MOST_WAITING: Final = 32  # messages of a session


class FrameRelay:
    """Answers servers elsewhere, on an event loop in a thread of its own.

    Args:
        url: `redis://` or `rediss://`.
        find_installation: Reads the installation's identity.
        run_folder: Where the children of live runs listen.
        origin: Name of this machine's data folder; its own servers use the sockets themselves.
    """

    def __init__(self, url: str, find_installation: FindInstallation, run_folder: Path, *, origin: str = "") -> None:
        self._url, self._find_installation, self._origin = url, find_installation, origin
        self._bus = UnixFrameBus(run_folder)
        self._sessions: dict[str, RelayedSession] = {}
        self._thread = threading.Thread(target=self._run, name="frame-relay", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end = asyncio.Event()
        self._has_begun = threading.Event()

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()
        self._has_begun.wait()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Answer no more; twice is harmless."""
        if self._loop is not None and self._thread.is_alive():
            with suppress(RuntimeError):  # it has just ended
                self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(timeout_s)

    def _run(self) -> None:
        asyncio.run(self._serve_until_stopped())  # ends what is left of feeds and sessions as well

    async def _serve_until_stopped(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._has_begun.set()
        serving = self._loop.create_task(self._serve())
        await self._end.wait()
        await end_task(serving)

    async def _serve(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._end.is_set():
            began = time.monotonic()
            try:
                await self._answer()
            except Exception as error:  # noqa: BLE001 - of redis, sockets, names and the database
                if pause_s == FIRST_PAUSE_S:
                    log.warning("frame_relay_lost", error=type(error).__name__)
            finally:
                self._end_sessions(list(self._sessions))
            pause_s = FIRST_PAUSE_S if time.monotonic() - began > LONGEST_PAUSE_S else min(2 * pause_s, LONGEST_PAUSE_S)
            await asyncio.sleep(pause_s)

    async def _answer(self) -> None:
        """Hear what servers want, until Redis is gone, which raises."""
        installation = await asyncio.to_thread(self._find_installation)
        async with open_redis(self._url) as client, client.pubsub() as subscription:
            await subscription.subscribe(wants_channel(installation))
            while True:
                found = await subscription.get_message(ignore_subscribe_messages=True, timeout=RENEW_S / 4)
                if found is not None and found["type"] == "message":
                    with suppress(InputError, ValueError, KeyError, TypeError):  # of somebody else
                        self._take(client, installation, json.loads(found["data"]))
                now = time.monotonic()
                self._end_sessions([name for name, each in self._sessions.items() if now - each.wanted_at > WANTED_S])
                if any(each.failed for each in self._sessions.values()):
                    raise ConnectionError

    def _take(self, client: "Redis", installation: str, document: dict[str, Any]) -> None:
        name, origin = str(document["session"]), document["origin"]
        if self._origin and origin == self._origin:
            return
        wants = Wants.unpack(document["wants"].encode())
        if name not in self._sessions:
            if len(self._sessions) >= MOST_SESSIONS:
                return
            channel = session_channel(installation, name)
            self._sessions[name] = RelayedSession(client, channel, self._bus, UUID(document["run"]))
        self._sessions[name].want(wants)

    def _end_sessions(self, names: list[str]) -> None:
        for name in names:
            self._sessions.pop(name).close()


class RelayedSession:
    """What one server wants of one run; a listener of the local bus."""

    def __init__(self, client: "Redis", channel: str, bus: UnixFrameBus, run_id: UUID) -> None:
        self._client, self._channel, self._run_id = client, channel, run_id
        self._numbers: dict[FrameRequest, int] = {}
        self._waiting: deque[bytes] = deque(maxlen=MOST_WAITING)
        self._has_news, self._epoch, self._is_closed = asyncio.Event(), -1, False
        self.wanted_at = time.monotonic()
        self._feed = bus.follow(run_id, self)
        self._task = asyncio.get_running_loop().create_task(self._send(), name=f"frame-relay-{run_id}")

    @property
    def failed(self) -> bool:
        """True where Redis did not take a message."""
        return self._task.done()

    def want(self, wants: Wants) -> None:
        """Follow the wants of the server, and note that it is there."""
        self.wanted_at = time.monotonic()
        numbers = {want.request: want.number for want in wants.frames}
        if numbers != self._numbers or wants != getattr(self, "_wants", None):
            self._numbers, self._wants = numbers, wants
            frames = {want.request: want.max_hz for want in wants.frames}
            self._feed.want(frames, samples=wants.samples, events=wants.events)

    def close(self) -> None:
        """Follow the run no longer."""
        self._feed.close()
        self._is_closed = True  # the client may swallow the cancellation: see `end_task`
        self._task.cancel()

    async def _send(self) -> None:
        """Publish what waits, and a sign of life where nothing does; it ends where Redis is gone."""
        with suppress(Exception):
            while not self._is_closed:
                with suppress(TimeoutError):
                    async with asyncio.timeout(RENEW_S):
                        await self._has_news.wait()
                if not self._waiting and self._epoch >= 0:
                    self._say(self._hello())
                self._has_news.clear()
                while self._waiting and not self._is_closed:
                    await self._client.publish(self._channel, self._waiting.popleft())

    def _hello(self) -> bytes:
        return pack_json(Kind.HELLO, {"run": str(self._run_id), "epoch": self._epoch})

    def _say(self, message: bytes) -> None:
        if self._epoch >= 0:
            self._waiting.append(EPOCH.pack(self._epoch) + message)
            self._has_news.set()

    def _answer(self, kind: Kind, request: FrameRequest, body: bytes) -> None:
        if (number := self._numbers.get(request)) is not None:
            self._say(pack_message(kind, body, number))

    def on_connected(self, epoch: int) -> None:
        """Tell the server that the run is here."""
        self._epoch = epoch
        self._say(self._hello())

    def on_frame(self, request: FrameRequest, data: bytes) -> None:
        """Pass a frame on."""
        self._answer(Kind.FRAME, request, data)

    def on_same(self, request: FrameRequest, tick: int, computed_ms: int) -> None:
        """Pass on that nothing has changed."""
        self._answer(Kind.SAME, request, MOMENT.pack(tick, computed_ms))

    def on_refused(self, request: FrameRequest, reason: str) -> None:
        """Pass a refusal on."""
        self._answer(Kind.REFUSED, request, reason.encode())

    def on_sample(self, sample: dict[str, Any]) -> None:
        """Pass a sample on."""
        self._say(pack_json(Kind.SAMPLE, sample))

    def on_events(self) -> None:
        """Pass on that there are events."""
        self._say(pack_json(Kind.EVENTS, {}))

    def on_lost(self, *, is_final: bool) -> None:
        """Tell the server that the run's owner is gone."""
        self._say(pack_json(Kind.END, {"is_final": is_final}))
        self._epoch = -1
