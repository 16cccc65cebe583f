"""Connections: how long one may take to say what it wants, how many there are, and problems before any request is read.

uvicorn waits for the header of a request as long as it takes, and refuses in plain text. A thousand connections that
send nothing, or a byte now and then, would shut everybody else out.
"""

import sys
from asyncio import TimerHandle, Transport
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import h11
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from grid.api.problems import RETRY_AFTER_S, problem
from grid.core.ids import new_id
from grid.core.logging import get_logger

CONNECTIONS = 1_200  # at once: the streams that the server serves, and ordinary requests beside them
HEADER_S = 20.0  # from the first byte of a request, or from the connection, to the end of the header
TOO_MANY = "There are as many connections as the server serves; try again in a moment."
_SAYS = frozenset({400, 413, 414, 431, 501})  # what h11 may find in a request

log = get_logger(__name__)


class Connection(H11Protocol):
    """uvicorn's, with a limit to its patience and with problems for answers."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._header_timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait_for_header()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; what has begun a request has so long to end its header."""
        self.app = _refuse_for_now if len(self.connections) > CONNECTIONS else self.config.loaded_app
        super().data_received(data)
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self._wait_for_header()
        else:
            self._stop_waiting()

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
        """Answer with a problem and close; only close where an answer is on its way already."""
        self._stop_waiting()
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            answer = _answer(status)
            for event in _whole_answer(status, answer.raw_headers, bytes(answer.body)):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def _whole_answer(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> Iterable[h11.Event]:
    yield h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase.encode())
    yield h11.Data(data=body)
    yield h11.EndOfMessage()


def _answer(status: int, detail: str | None = None) -> Response:
    """Make a problem about a request that nobody reads: it has an id, for whoever reports it, and no path."""
    request_id = str(new_id())
    headers = {"Connection": "close", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    headers |= {"X-Request-Id": request_id} | ({"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {})
    log.warning("connection_refused", status=status, request_id=request_id)
    return problem(status, {"path": "/", "state": {"request_id": request_id}}, detail=detail, headers=headers)


async def _refuse_for_now(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer while there are too many connections, without looking at what was asked."""
    await _answer(HTTPStatus.SERVICE_UNAVAILABLE, TOO_MANY)(scope, receive, send)
