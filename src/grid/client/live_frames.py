"""Frames of a live run over the WebSocket, decoded, one after the other: the newest that the reader keeps up with.

The server sends the next frame when one was granted; here that is when the reader asks for the next. So a slow reader
gets fewer frames, never older ones. A link that is lost is opened again.
"""

import asyncio
import json
import random
import ssl
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from grid.client.calls import API, Call, Id
from grid.client.frames import Frame, decode_frame
from grid.client.live_link import MOST_BYTES, OPEN_S, SUBPROTOCOL, Ticket, socket_url
from grid.client.remote import unreachable
from grid.core.errors import ConflictError, FieldError, NotFoundError, UnavailableError
from grid.schemas.frame_requests import FrameRequest

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 10.0  # before the link is opened again


class StreamRefusedError(ConflictError):
    """The server ends the subscription for a reason that coming back would not change."""

    code, title = "stream-refused", "The server does not show this"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"The server says {self.reason}."


def issue_ticket() -> Call[str]:
    """A ticket, which opens one WebSocket within 30 seconds."""
    return Call("POST", f"{API}/streams/tickets", lambda response: str(response.json()["ticket"]), body={})


async def stream_frames(
    address: str,
    ticket: Ticket,
    run: Id,
    request: FrameRequest,
    *,
    max_hz: float = 30.0,
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[Frame]:
    """Yield frames of a run until it has ended.

    Args:
        address: Of the server.
        ticket: Gets a ticket, which opens one connection.
        run: The run.
        request: Which frames; the server may send smaller ones where the link is slow.
        max_hz: At most so many a second.
        context: How the certificate of a server with TLS is checked.

    Raises:
        ServerUnreachableError: Nobody answers at the address.
        NotFoundError: There is no such run for this user.
        FieldError: A part of the request is outside its limits, or the run does not have the field.
        StreamRefusedError: The server ends it for another reason.
    """
    words = {"id": 1, "topic": f"run:{run}:frames", "max_hz": max_hz, **request.to_json()}
    pause_s, is_new = FIRST_PAUSE_S, True
    while True:
        try:
            async with connect(
                socket_url(address), subprotocols=[SUBPROTOCOL], compression=None, max_size=MOST_BYTES,
                open_timeout=OPEN_S, proxy=None, ssl=context,
            ) as connection:  # fmt: skip
                await _say(connection, "hello", ticket=await ticket())
                await _say(connection, "sub", **words)
                async for frame in _read(connection, ticket):
                    pause_s, is_new = FIRST_PAUSE_S, False
                    yield frame
                return
        except ConnectionClosed:
            pass
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
            if is_new:
                raise unreachable(address, error) from error
        await asyncio.sleep(pause_s * random.uniform(0.75, 1.25))  # noqa: S311 - so that not all come back at once
        pause_s = min(2.0 * pause_s, LONGEST_PAUSE_S)


async def _read(connection: ClientConnection, ticket: Ticket) -> AsyncIterator[Frame]:
    """Yield the frames of one connection until the run has ended; grant each when the next is asked for."""
    async for data in connection:
        if isinstance(data, bytes):
            frame = decode_frame(data)
            yield frame
            await _say(connection, "grant", id=1, seq=frame.header.frame)
            continue
        message = json.loads(data)
        if message["type"] == "renew":
            await _say(connection, "renew", ticket=await ticket())
        elif message["type"] == "end":
            reason = str(message.get("reason", ""))
            if reason == "stopped":
                return
            if reason not in {"expired", "too-many-streams"}:  # else the connection is closed, and opened again
                raise _refusal(message)
    raise ConnectionClosed(None, None)


def _refusal(message: dict[str, Any]) -> Exception:
    reason = str(message.get("reason"))
    if reason == "not-found":
        return NotFoundError("live run")
    if reason == "unavailable":
        return UnavailableError("The server cannot look the run up now; try again in a moment.")
    if reason == "invalid":
        field = str(message.get("field"))
        return FieldError(field, str(message.get("detail", "")).removeprefix(f"{field}: "))
    return StreamRefusedError(reason)


async def _say(connection: ClientConnection, word: str, **members: Any) -> None:
    await connection.send(json.dumps({"type": word, **members}, separators=(",", ":")))
