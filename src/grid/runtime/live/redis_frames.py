"""Frame bus between machines: a server says through Redis what it wants of a run, and who is beside the run answers.

Wants are published again every two seconds, to all relays (`frame_relay.py`) of the installation; a relay that has the
run answers to the channel of the session alone. Every message stands by itself and may be lost, as pictures may.
For one event loop.
"""

import asyncio
import json
import random
import struct
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from grid.core.errors import InputError
from grid.core.logging import get_logger
from grid.runtime.live.bus_wire import Kind, Message, MessageReader
from grid.runtime.live.feed_messages import Listener, NumberedWants
from grid.schemas.frame_requests import FrameRequest

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub

log = get_logger(__name__)

EPOCH: Final = struct.Struct("<Q")  # before each message
RENEW_S: Final = 2.0  # [s] between two publications of the same wants, and two signs of life of a relay
WANTED_S: Final = 3 * RENEW_S  # [s] after which wants or a relay that were not heard of are gone
SOCKET_S: Final = 2.0  # [s] until Redis counts as one that does not answer
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0  # [s] between two tries, doubled each time
AGAIN_S: Final = 0.2  # [s] between two cancellations of a task

FindInstallation = Callable[[], str]


def wants_channel(installation: str) -> str:
    """Return the channel on which servers say what they want."""
    return f"grid:{installation}:frames:wants"


def session_channel(installation: str, session: str) -> str:
    """Return the channel on which a server gets what it wants of one run."""
    return f"grid:{installation}:frames:{session}"


def open_redis(url: str) -> "Redis":
    """Return a client for an event loop; nothing is sent before it is used."""
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    return Redis.from_url(
        url,
        socket_timeout=SOCKET_S,
        socket_connect_timeout=SOCKET_S,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
    )


async def end_task(task: "asyncio.Task[None]") -> None:
    """Cancel a task that uses the client, until it has ended; what it raised is dropped.

    A cancellation may be swallowed: `asyncio.wait_for`, within which the client sends, returns in Python 3.11 what was
    sent in the same turn of the loop, and a client that closes a connection takes it for its own time-out.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=AGAIN_S)
    if not task.cancelled():
        task.exception()  # seen, so that nothing warns of it


class RedisFrameBus:
    """Asks for frames through Redis.

    Args:
        url: `redis://` or `rediss://`.
        find_installation: Reads the installation's identity; it may raise while the database is away.
        origin: Name of this machine's data folder, whose own relay leaves its runs to local sockets.
    """

    def __init__(self, url: str, find_installation: FindInstallation, *, origin: str = "") -> None:
        self.url, self.find_installation, self.origin = url, find_installation, origin

    def follow(self, run_id: UUID, listener: Listener) -> "RedisRunFeed":
        """Follow a run; on the event loop."""
        return RedisRunFeed(self, run_id, listener)


class RedisRunFeed:
    """A run that is followed through Redis, from one epoch to the next."""

    def __init__(self, bus: RedisFrameBus, run_id: UUID, listener: Listener) -> None:
        self._bus, self._run_id, self._listener = bus, run_id, listener
        self._wanted = NumberedWants()
        self._session = uuid4().hex
        self._changed, self._closed = asyncio.Event(), asyncio.Event()
        self._epoch, self._is_connected, self._heard_at = -1, False, 0.0
        self._task = asyncio.get_running_loop().create_task(self._follow(), name=f"redis-frames-{run_id}")

    def want(self, frames: Mapping[FrameRequest, float], *, samples: bool = False, events: bool = False) -> None:
        """Ask for frames, samples and news of events; the first 64 kinds of frames are asked for."""
        self._wanted.change(frames, samples=samples, events=events)
        self._changed.set()

    def close(self) -> None:
        """Follow the run no longer; relays notice within seconds."""
        self._closed.set()  # not cancelled: at the loop's end it would be again, within the client's own closing

    async def _follow(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._closed.is_set():
            began = time.monotonic()
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001 - of redis, sockets, names and the database
                if pause_s == FIRST_PAUSE_S:
                    log.warning("redis_frames_lost", run_id=str(self._run_id), error=type(error).__name__)
            self._lose(is_final=False)
            was_long = time.monotonic() - began > LONGEST_PAUSE_S
            pause_s = FIRST_PAUSE_S if was_long else min(2 * pause_s, LONGEST_PAUSE_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s * random.uniform(0.5, 1.0)):  # noqa: S311 - not all in step
                    await self._closed.wait()

    async def _listen(self) -> None:
        """Say what is wanted and hear the answers until it is closed, or Redis is gone, which raises."""
        installation = await asyncio.to_thread(self._bus.find_installation)
        async with open_redis(self._bus.url) as client, client.pubsub() as subscription:
            await subscription.subscribe(session_channel(installation, self._session))
            asking = asyncio.create_task(self._ask(client, wants_channel(installation)))
            try:
                while not (asking.done() or self._closed.is_set()):
                    await self._hear(subscription)
                if asking.done():
                    await asking  # raises what ended it
            finally:
                await end_task(asking)

    async def _ask(self, client: "Redis", channel: str) -> None:
        while True:
            self._changed.clear()
            document = {
                "run": str(self._run_id), "session": self._session, "origin": self._bus.origin,
                "wants": self._wanted.wants.pack().decode(),
            }  # fmt: skip
            await client.publish(channel, json.dumps(document))
            with suppress(TimeoutError):
                async with asyncio.timeout(RENEW_S):
                    await self._changed.wait()

    async def _hear(self, subscription: "PubSub") -> None:
        found = await subscription.get_message(ignore_subscribe_messages=True, timeout=RENEW_S / 4)
        if self._closed.is_set():
            return
        if found is not None and found["type"] == "message":
            self._take(found["data"])
        elif self._is_connected and time.monotonic() - self._heard_at > WANTED_S:
            self._lose(is_final=False)

    def _take(self, data: bytes) -> None:
        if len(data) < EPOCH.size or (epoch := EPOCH.unpack_from(data)[0]) < self._epoch:
            return  # of a worker that has lost the run
        try:
            for message in MessageReader().feed(data[EPOCH.size :]):
                self._on_message(epoch, message)
        except InputError as error:
            log.warning("redis_frames_refused", run_id=str(self._run_id), reason=str(error))

    def _on_message(self, epoch: int, message: Message) -> None:
        self._heard_at = time.monotonic()
        if message.kind == Kind.HELLO:
            if epoch > self._epoch:
                self._lose(is_final=False)
            self._epoch = epoch
            if not self._is_connected:
                self._is_connected = True
                self._listener.on_connected(epoch)
        elif message.kind == Kind.END:
            self._lose(is_final=message.document.get("is_final") is True)
        elif self._is_connected and epoch == self._epoch:
            self._wanted.tell(message, self._listener)

    def _lose(self, *, is_final: bool) -> None:
        if self._is_connected and not self._closed.is_set():
            self._is_connected = False
            self._listener.on_lost(is_final=is_final)
