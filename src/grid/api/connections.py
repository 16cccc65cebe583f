"""Connections: how long one may take to say what it wants and to take what it is told, and how many there are.

uvicorn waits for the header of a request as long as it takes, for a reader without end, and discards the rest of a
body that was refused for as long as it comes; and it refuses in plain text. A thousand connections that send nothing,
a byte now and then, or read nothing would shut everybody else out. So each is looked at every few seconds, and one of
which a wait has lasted too long is aborted: closing would wait for the reader to take what is left.
"""

import socket
import sys
from asyncio import TimerHandle, Transport
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

import h11
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from grid.api.anonymous import LOG
from grid.api.problems import RETRY_AFTER_S, problem
from grid.core.ids import new_id
from grid.core.logging import get_logger

CONNECTIONS = 1_200  # at once: the streams that the server serves, and ordinary requests beside them
HEADER_S = 20.0  # from the first byte of a request, or from the connection, to the end of the header
TAKEN_S = 20.0  # in which a reader takes `LEAST_TAKEN` bytes, where as many wait for it
LEAST_TAKEN = 8 * 1024  # [B] a reader that takes less is one that takes nothing
UNTAKEN_S = 20.0  # in which the other side's system takes something of what waits in this one, however little it is
REST_S = 5.0  # for the rest of a body, once its request is answered
CLOSING_S = 5.0  # for what is left to be told, once the connection is to be closed
LOOK_S = 2.0  # [s] between two looks at what a connection does: the error of the limits above
READ_BYTES = 64 * 1024  # taken from the system at once: asyncio's 256 KiB would be held through a whole stream
WRITE_BYTES = 16 * 1024  # that wait for a reader before the application does
UNSENT_BYTES = 16 * 1024  # that the system may hold for a reader that takes nothing
TOO_MANY = "There are as many connections as the server serves; try again in a moment."
_SAYS = frozenset({400, 413, 414, 431, 501})  # what h11 may find in a request

log = get_logger(__name__)


class CountingTransport:
    """A transport that counts what it was given to send."""

    def __init__(self, transport: Transport) -> None:
        self._transport, self._written = transport, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send, as soon as the reader takes it."""
        self._written += len(data)
        self._transport.write(data)

    @property
    def waiting(self) -> int:
        """Bytes that the system has not taken yet, since it holds what the reader has not."""
        return self._transport.get_write_buffer_size()

    @property
    def taken(self) -> int:
        """Bytes that the system has taken so far."""
        return self._written - self.waiting


class Connection(H11Protocol):
    """uvicorn's, with a limit to its patience and with problems for answers."""

    transport: CountingTransport  # type: ignore[assignment]

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._header_timer: TimerHandle | None = None
        self._look_timer: TimerHandle | None = None
        self._since: dict[str, float] = {}
        self._taken = 0
        self._is_refused = False
        self._heard = 0  # bytes since the last answer

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        _bound_buffers(transport)
        super().connection_made(CountingTransport(transport))  # type: ignore[arg-type]
        self._wait_for_header()
        self._look_timer = self.loop.call_later(LOOK_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        if self._look_timer is not None:
            self._look_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; what has begun a request has so long to end its header."""
        if self._is_refused:
            return
        self._heard += len(data)
        self.app = _refuse_for_now if len(self.connections) > CONNECTIONS else self.config.loaded_app
        super().data_received(data)
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self._wait_for_header()
        else:
            self._stop_waiting()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand over to the WebSocket's protocol, which has limits of its own."""
        self._stop_waiting()
        if self._look_timer is not None:
            self._look_timer.cancel()
        super().handle_websocket_upgrade(event)

    def _should_upgrade(self) -> bool:
        """Upgrade where there is room for another connection; the answer says so elsewhere."""
        return len(self.connections) <= CONNECTIONS and super()._should_upgrade()

    def on_response_complete(self) -> None:
        """Begin with the next request."""
        self._heard = 0  # the middleware has counted what it had
        super().on_response_complete()

    def _look(self) -> None:
        """Abort where one of the waits has lasted too long; look again in a while."""
        self._look_timer = self.loop.call_later(LOOK_S, self._look)
        now = self.loop.time()
        for wait, is_on, limit_s in self._waits():
            if not is_on:
                self._since.pop(wait, None)
            elif now - self._since.setdefault(wait, now) >= limit_s:
                LOG.write(log.info, "connection_aborted", reason=wait)
                self.transport.abort()
                return

    def _waits(self) -> Iterator[tuple[str, bool, float]]:
        """Yield what may be waited for: its name, whether it is now, and for how long at most [s]."""
        transport, ours, theirs = self.transport, self.conn.our_state, self.conn.their_state
        if transport.taken - self._taken >= LEAST_TAKEN:
            self._taken = transport.taken
            self._since.pop("nothing_taken", None)
        yield "nothing_taken", transport.waiting > 0, TAKEN_S
        yield "closing", transport.is_closing() or self._is_refused, CLOSING_S
        yield "rest_of_body", ours in {h11.DONE, h11.MUST_CLOSE} and theirs is h11.SEND_BODY, REST_S
        # Behind a whole request, before its answer: a request that comes early has to be answered before long, too.
        yield "early_request", theirs is h11.DONE and bool(self.conn.trailing_data[0]), HEADER_S

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn calls it so
        """Say as a problem that what came is not HTTP, or not within its limits."""
        hint = getattr(sys.exc_info()[1], "error_status_hint", HTTPStatus.BAD_REQUEST)
        self._refuse(hint if hint in _SAYS else HTTPStatus.BAD_REQUEST)

    def _wait_for_header(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(HEADER_S, self._header_is_late)

    def _stop_waiting(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _header_is_late(self) -> None:
        self._header_timer = None
        if self.conn.trailing_data[0]:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        elif not self.transport.is_closing():
            self.transport.close()  # it has said nothing, so there is nothing to answer

    def _refuse(self, status: int) -> None:
        """Answer with a problem and close; only close where an answer is on its way already.

        What still comes is read and dropped until the other side closes too, or for `CLOSING_S`: were it left unread,
        the system would take the answer back.
        """
        self._stop_waiting()
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.close()
            return
        LOG.add_credit(self._heard)
        answer = _answer(status)
        for event in _whole_answer(status, answer.raw_headers, bytes(answer.body)):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.write_eof()
        self._is_refused = True


def _bound_buffers(transport: Transport) -> None:
    """Let little wait for a reader, here and in the system, and little be read ahead."""
    transport.set_write_buffer_limits(high=WRITE_BYTES)
    transport.max_size = READ_BYTES  # type: ignore[attr-defined]  # of asyncio's own transport
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.family in {socket.AF_INET, socket.AF_INET6}:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1e3 * UNTAKEN_S))


def _whole_answer(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> Iterable[h11.Event]:
    yield h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase.encode())
    yield h11.Data(data=body)
    yield h11.EndOfMessage()


def _answer(status: int, detail: str | None = None) -> Response:
    """Make a problem about a request that nobody reads: it has an id, for whoever reports it, and no path."""
    request_id = str(new_id())
    headers = {"Connection": "close", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    headers |= {"X-Request-Id": request_id} | ({"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {})
    LOG.write(log.warning, "connection_refused", status=int(status), request_id=request_id)
    return problem(status, {"path": "/", "state": {"request_id": request_id}}, detail=detail, headers=headers)


async def _refuse_for_now(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer while there are too many connections, without looking at what was asked."""
    await _answer(HTTPStatus.SERVICE_UNAVAILABLE, TOO_MANY)(scope, receive, send)
