"""The one WebSocket: a viewer says hello with a ticket, subscribes to topics, and grants the frames it shows.

Three tasks a socket: one reads what the viewer says, one sends what is due, one asks whether viewer and session are
still there. Nothing is answered before the ticket is good.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket, WebSocketDisconnect

from grid.api.live import requests
from grid.api.live.frame_sub import FrameSub
from grid.api.live.replies import BAD_TICKET, RESTART, STALLED, SUBPROTOCOL, SubId, invalid_reply, reply
from grid.api.live.subs import Sub, SubMaker, Wanted
from grid.api.stream_places import StreamPlaces
from grid.core.errors import (
    AuthenticationError,
    FieldError,
    InputError,
    NotFoundError,
    TooManyRequestsError,
    UnavailableError,
)
from grid.core.logging import get_logger
from grid.database.uow import UnitOfWork
from grid.services import tickets
from grid.services.sessions import Principal, SessionDirectory

HELLO_S: Final = 5.0  # [s] for the first message
SESSION_S: Final = 15.0  # [s] between two looks whether the session is alive
LOOK_S: Final = 1.0  # [s] between two looks for frames that were not shown
RENEW_S: Final = 60.0  # [s] before the end of the session at which the viewer is told
CLOSING_S: Final = 1.0  # [s] for a close that the viewer can read
MOST_SUBS: Final = 32  # of a socket
MOST_CONTROL: Final = 64  # answers that wait for a viewer, before nothing more is read from it
MESSAGES_PER_S: Final = 200.0  # read from a viewer: 30 grants a second of six fields
MESSAGES_AT_ONCE: Final = 400.0
LONGEST_WAIT_S: Final = 60.0

log = get_logger(__name__)


class LiveSocket:
    """One accepted socket.

    Args:
        socket: Accepted.
        maker: Makes subscriptions.
        is_closing: Set where the server stops.
        places: Of open streams.
        uow: Where tickets are.
        sessions: Knows which sessions are alive.
        version: Of the server.
    """

    def __init__(
        self,
        socket: WebSocket,
        *,
        maker: SubMaker,
        is_closing: asyncio.Event,
        places: StreamPlaces,
        uow: UnitOfWork,
        sessions: SessionDirectory,
        version: str,
    ) -> None:
        self._socket, self._maker, self._is_closing, self._places = socket, maker, is_closing, places
        self._uow, self._sessions, self._version = uow, sessions, version
        self._subs: dict[SubId, Sub] = {}
        self._control: deque[str] = deque()
        self._changed = asyncio.Event()
        self._resume: dict[str, int | str] = {}
        self._allowance, self._read_at = MESSAGES_AT_ONCE, time.monotonic()
        self._is_renewal_told = False
        self._principal: Principal | None = None

    async def run(self) -> None:
        """Serve the viewer until it goes, or has to."""
        principal = await self._wait_for_hello()
        if principal is None:
            await self._close(BAD_TICKET)
            return
        try:
            self._places.take(principal.id)
        except TooManyRequestsError as error:
            self._control.append(reply("end", sub=None, reason="too-many-streams", detail=str(error)))
            await self._close(BAD_TICKET)
            return
        self._principal = principal
        try:
            self._welcome(principal)
            code = await self._serve()
            if code is not None:
                await self._close(code)
        finally:
            self._places.give_back(principal.id)
            for sub in self._subs.values():
                sub.close()

    async def _serve(self) -> int | None:
        """Run the tasks until one of them ends; return the code to close with, None where the viewer has gone."""
        waits = (self._read(), self._write(), self._watch(), self._wait_for_restart())
        tasks = [asyncio.ensure_future(one) for one in waits]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        try:
            codes = [task.result() for task in tasks if task in done]
        except WebSocketDisconnect:
            return None
        except Exception:
            log.exception("live_socket_failed")
            return RESTART  # the viewer comes back
        return codes[0]

    # What the viewer says.

    async def _wait_for_hello(self) -> Principal | None:
        """Return the user of the ticket in the first message; None where there is no good one in time."""
        try:
            async with asyncio.timeout(HELLO_S):
                received = await self._socket.receive()
            if received["type"] != "websocket.receive":
                return None
            message = requests.read_message(received.get("text"))
            if message["type"] != "hello":
                return None
            self._resume = requests.read_resume(message)
            return await run_in_threadpool(tickets.use_ticket, self._uow, requests.read_ticket(message))
        except (TimeoutError, InputError, AuthenticationError, UnavailableError):
            return None

    async def _read(self) -> int | None:
        while True:
            received = await self._socket.receive()
            if received["type"] != "websocket.receive":
                return None
            await self._slow_down()
            try:
                message = requests.read_message(received.get("text"))
                if message["type"] in {"hello", "renew"}:
                    if not await self._renew(message):
                        return BAD_TICKET
                else:
                    await self._handle(message)
            except FieldError as error:
                self._say(reply("notice", sub=None, kind="invalid", field=error.field, detail=str(error)))
            except InputError as error:
                self._say(reply("notice", sub=None, kind="invalid", detail=str(error)))

    async def _slow_down(self) -> None:
        """Read no faster than so many messages a second, and nothing while many answers wait."""
        now = time.monotonic()
        self._allowance = min(MESSAGES_AT_ONCE, self._allowance + (now - self._read_at) * MESSAGES_PER_S) - 1.0
        self._read_at = now
        if self._allowance < 0.0:
            await asyncio.sleep(-self._allowance / MESSAGES_PER_S)
        while len(self._control) >= MOST_CONTROL:
            await asyncio.sleep(0.05)

    async def _handle(self, message: Mapping[str, Any]) -> None:
        kind = message["type"]
        if kind == "ping":
            self._say(reply("pong", t=requests.read_echo(message), server=round(time.time() * 1e3)))
            return
        sub_id = requests.read_id(message)
        if kind == "sub":
            await self._subscribe(sub_id, message)
        elif kind == "unsub":
            self._drop(sub_id)
        else:
            sub, number = self._subs.get(sub_id), requests.read_number(message, "seq")
            if isinstance(sub, FrameSub) and number is not None:
                sub.grant(number)

    async def _renew(self, message: Mapping[str, Any]) -> bool:
        """Go on under the session of a new ticket of the same user; False where it is none."""
        try:
            principal = await run_in_threadpool(tickets.use_ticket, self._uow, requests.read_ticket(message))
        except (AuthenticationError, UnavailableError):
            return False
        if self._principal is None or principal.id != self._principal.id:
            return False
        self._principal, self._is_renewal_told = principal, False
        self._welcome(principal)
        return True

    async def _subscribe(self, sub_id: SubId, message: Mapping[str, Any]) -> None:
        if sub_id in self._subs:
            raise FieldError("id", "not the name of another subscription of this socket")
        if len(self._subs) >= MOST_SUBS:
            self._say(reply("end", sub=sub_id, reason="too-many-subscriptions", detail=f"{MOST_SUBS} at most"))
            return
        assert self._principal is not None  # noqa: S101 - nothing is read before
        try:
            wanted = Wanted(sub_id, message, self._resume, self._principal)
            self._subs[sub_id] = await self._maker.make(wanted, self._subs.values(), self._wake, self)
        except FieldError as error:
            self._say(invalid_reply(sub_id, error))
        except NotFoundError:
            self._say(reply("end", sub=sub_id, reason="not-found"))
        except UnavailableError:
            self._say(reply("end", sub=sub_id, reason="unavailable"))
        self._wake()

    # What the viewer is told.

    async def _write(self) -> int | None:
        while True:
            self._changed.clear()
            now = time.monotonic()
            message = self._find_next(now)
            if message is not None:
                await self._send(message)
                continue
            wait_s = min((sub.wait(now) for sub in self._subs.values()), default=LONGEST_WAIT_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(wait_s, LONGEST_WAIT_S)):
                    await self._changed.wait()

    def _find_next(self, now: float) -> str | bytes | None:
        """The next message: answers first, then of the subscriptions in turn."""
        if self._control:
            return self._control.popleft()
        for sub_id, sub in list(self._subs.items()):
            message = sub.next(now)
            if sub.is_over:
                self._drop(sub_id)
            elif message is not None:
                self._subs[sub_id] = self._subs.pop(sub_id)  # behind the others
            if message is not None:
                return message
        return None

    async def _send(self, message: str | bytes) -> None:
        content = {"text": message} if isinstance(message, str) else {"bytes": message}
        await self._socket.send({"type": "websocket.send", **content})

    async def _watch(self) -> int | None:
        """Return the code to close with where frames are not shown, or the session has ended."""
        session_due = time.monotonic() + SESSION_S
        while True:
            await asyncio.sleep(LOOK_S)
            now = time.monotonic()
            if any(isinstance(sub, FrameSub) and sub.is_stalled(now) for sub in self._subs.values()):
                return STALLED
            if now >= session_due:
                session_due = now + SESSION_S
                if not await self._is_alive():
                    self._control.extend(reply("end", sub=sub_id, reason="expired") for sub_id in self._subs)
                    return BAD_TICKET

    async def _is_alive(self) -> bool:
        """Ask whether the session is alive; tell the viewer before its end comes."""
        principal = self._principal
        assert principal is not None  # noqa: S101 - nothing runs before
        try:
            if not await run_in_threadpool(self._sessions.is_alive, principal):
                return False
        except UnavailableError:
            return True  # the database is away for a moment
        left_s = (principal.expires_at - datetime.now(UTC)).total_seconds()
        if left_s < RENEW_S and not self._is_renewal_told:
            self._is_renewal_told = True
            self._say(reply("renew"))
        return True

    async def _wait_for_restart(self) -> int | None:
        await self._is_closing.wait()
        return RESTART

    async def _close(self, code: int) -> None:
        """Send what answers wait, and close; a viewer that takes nothing is left to the connection's own limits."""
        with contextlib.suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
            async with asyncio.timeout(CLOSING_S):
                while self._control:
                    await self._send(self._control.popleft())
                await self._socket.send({"type": "websocket.close", "code": code, "reason": ""})

    def _welcome(self, principal: Principal) -> None:
        user = {"id": str(principal.id), "username": principal.username}
        self._say(reply("welcome", version=self._version, protocol=SUBPROTOCOL, user=user))

    def _say(self, text: str) -> None:
        self._control.append(text)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()

    def _drop(self, sub_id: SubId) -> None:
        sub = self._subs.pop(sub_id, None)
        if sub is not None:
            sub.close()
