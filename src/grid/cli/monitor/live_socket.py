"""The WebSocket `/api/v1/live` from a viewer's side: hello with a ticket, subscriptions, credit, and coming back.

Messages are JSON objects with a `type`; frames are binary messages. Each subscription has a number of its own here.
Whoever listens is told of each message; a connection that ends is opened again, with a pause that grows, until it is
closed here. Events and samples are asked for behind the last one that is known, so that a lost link loses none.
"""

import asyncio
import contextlib
import json
import random
import ssl
import time
from typing import Any, Final, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from grid.client.live_link import MOST_BYTES, OPEN_S, SUBPROTOCOL, Ticket, socket_url
from grid.core.errors import GridError, NotFoundError

PING_S: Final = 5.0  # between two pings, which tell the clocks apart
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 5.0  # before the link is tried again


class Listener(Protocol):
    """Whoever listens to the socket."""

    def on_open(self) -> None:
        """The link is there; subscriptions are to be made."""

    def on_message(self, message: dict[str, Any]) -> None:
        """A message."""

    def on_frame(self, data: bytes) -> None:
        """A frame."""

    def on_skew(self, seconds: float) -> None:
        """The clock of the server less the one here [s]."""

    def on_lost(self, reason: str) -> None:
        """The link is gone; it is tried again."""


class LiveSocket:
    """One connection to the server, again and again.

    Args:
        address: Of the server, such as `http://127.0.0.1:8000`.
        ticket: Gets a ticket, which opens one connection.
        listener: Told of everything.
        pauses: First and longest pause before the link is tried again [s].
    """

    def __init__(
        self,
        address: str,
        ticket: Ticket,
        listener: Listener,
        *,
        pauses: tuple[float, float] = (FIRST_PAUSE_S, LONGEST_PAUSE_S),
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._url, self._ticket, self._listener, self._pauses = socket_url(address), ticket, listener, pauses
        self._context = context
        self._connection: ClientConnection | None = None
        self._number = 0

    @property
    def is_open(self) -> bool:
        """True while messages can be sent."""
        return self._connection is not None

    async def run(self) -> None:
        """Hold the link until this is cancelled.

        Raises:
            NotFoundError: The server has no such thing any more: what is looked at does not exist for this user.
        """
        pause = self._pauses[0]
        while True:
            reason = "The server closed the connection"
            try:
                async with connect(
                    self._url, subprotocols=[SUBPROTOCOL], compression=None, max_size=MOST_BYTES, open_timeout=OPEN_S,
                    ping_interval=PING_S, ping_timeout=2.0 * PING_S, proxy=None, ssl=self._context,
                ) as connection:  # fmt: skip
                    await self._greet(connection)
                    pause = self._pauses[0]
                    await self._listen(connection)
            except ConnectionClosed as error:
                reason = close_reason(error)
            except NotFoundError:
                raise
            except (OSError, TimeoutError, WebSocketException, GridError) as error:
                reason = (
                    str(error) if isinstance(error, GridError) else f"No link to the server ({type(error).__name__})"
                )
            finally:
                self._connection = None
            self._listener.on_lost(reason)
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311 - so that not all come back at once
            pause = min(2.0 * pause, self._pauses[1])

    async def send(self, kind: str, **members: Any) -> bool:
        """Send a message; False where there is no link now."""
        if self._connection is None:
            return False
        try:
            await self._connection.send(json.dumps({"type": kind, **members}, separators=(",", ":")))
        except ConnectionClosed:
            return False
        return True

    async def subscribe(self, topic: str, **members: Any) -> int:
        """Subscribe to a topic; return the number of the subscription."""
        self._number += 1
        await self.send("sub", id=self._number, topic=topic, **members)
        return self._number

    async def _greet(self, connection: ClientConnection) -> None:
        await connection.send(json.dumps({"type": "hello", "ticket": await self._ticket()}))
        async with asyncio.timeout(OPEN_S):
            answer = _read(await connection.recv())
        if answer.get("type") != "welcome":
            raise OSError("the server did not welcome the connection")
        self._connection = connection
        self._listener.on_open()

    async def _listen(self, connection: ClientConnection) -> None:
        pinger = asyncio.create_task(self._ping())
        try:
            async for data in connection:
                if isinstance(data, bytes):
                    self._listener.on_frame(data)
                else:
                    await self._take(_read(data))
        finally:
            pinger.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pinger

    async def _take(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "renew":
            await self.send("renew", ticket=await self._ticket())
        elif kind == "pong":
            sent, server = message.get("t"), message.get("server")
            if isinstance(sent, (int, float)) and isinstance(server, (int, float)):
                here = 0.5 * (sent + time.time() * 1000.0)
                self._listener.on_skew((server - here) / 1000.0)
        else:
            self._listener.on_message(message)

    async def _ping(self) -> None:
        while await self.send("ping", t=round(time.time() * 1000.0)):
            await asyncio.sleep(PING_S)


def close_reason(error: ConnectionClosed) -> str:
    """Why a connection ended, in words."""
    code = None if error.rcvd is None else error.rcvd.code
    told = {
        1012: "The server restarts",
        4401: "The session has ended; log in again with `grid auth login`",
        4408: "The server saw no picture shown for half a minute",
    }
    return told.get(code or 0, "The connection to the server ended")


def _read(data: str | bytes) -> dict[str, Any]:
    """A message of the server; one that is none is read as an empty one."""
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
