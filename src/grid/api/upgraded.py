"""Connections that have become a WebSocket: uvicorn's, which are given up where the other side takes nothing.

As before the upgrade, a connection whose reader takes nothing, or does not let it close, is aborted.
"""

import logging
import socket
from asyncio import TimerHandle
from asyncio.transports import BaseTransport
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from grid.api.anonymous import LOG
from grid.api.connections import LEAST_TAKEN, CountingTransport
from grid.core.logging import get_logger

TAKEN_S: Final = 30.0  # in which a reader takes something, where something waits for it
CLOSING_S: Final = 2.0  # for what is left to be told, once the connection is to be closed
LOOK_S: Final = 1.0  # [s] between two looks
SEND_BYTES: Final = 256 * 1024  # that the system holds for a viewer: a frame, and the next while it travels
PING_S: Final = 15.0  # [s] between signs of life
MESSAGE_BYTES: Final = 16 * 1024  # of a viewer's message

log = get_logger(__name__)
_quiet = logging.getLogger("grid.api.upgraded.uvicorn")
_quiet.setLevel(logging.WARNING)  # uvicorn would log each address with its query


class UpgradedConnection(WebSocketsSansIOProtocol):
    """A WebSocket with a limit to its patience."""

    transport: CountingTransport  # type: ignore[assignment]

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.logger = _quiet
        self._look_timer: TimerHandle | None = None
        self._taken, self._since = 0, 0.0
        self._closing_since: float | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        """Begin to look whether the other side takes what it is told."""
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1e3 * TAKEN_S))
        self._since = self.loop.time()
        self._look_timer = self.loop.call_later(LOOK_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no longer."""
        if self._look_timer is not None:
            self._look_timer.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        """Abort where one of the waits has lasted too long; look again in a while."""
        self._look_timer = self.loop.call_later(LOOK_S, self._look)
        now, transport = self.loop.time(), self.transport
        if transport.waiting == 0 or transport.taken - self._taken >= LEAST_TAKEN:
            self._taken, self._since = transport.taken, now
        if not (self.close_sent or transport.is_closing()):
            self._closing_since = None
        elif self._closing_since is None:
            self._closing_since = now
        is_late = self._closing_since is not None and now - self._closing_since >= CLOSING_S
        if is_late or now - self._since >= TAKEN_S:
            LOG.write(log.info, "connection_aborted", reason="closing" if is_late else "nothing_taken")
            transport.abort()
