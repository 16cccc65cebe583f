"""Connection of a run's child to one server: what the server wants, and what is on its way to it.

At most one message is being sent, and a frame is made only when the one before has been handed over: what waits is the
newest picture, never an older frame.
"""

import math
import socket
import struct
from collections import deque
from dataclasses import dataclass
from typing import Final

from grid.core.errors import InputError
from grid.runtime.live.bus_wire import MOMENT, MOST_LINE, Kind, Want, Wants, pack_message
from grid.runtime.live.frame_cache import CachedFrame, Picture
from grid.runtime.live.frame_pacing import FrameClock

READ_BYTES: Final = 64 * 1024
MOST_WAITING: Final = 64  # samples and notices that wait for a server


@dataclass
class WantState:
    """A want, and what the server has had of it."""

    want: Want
    clock: FrameClock
    content: int = -1  # number of the contents that were sent last
    shown: Picture | None = None  # that was told last
    is_refused: bool = False


class ServerLink:
    """One connection.

    Args:
        connection: Accepted; it never blocks from here on.
        hello: The first message.
    """

    def __init__(self, connection: socket.socket, hello: bytes) -> None:
        connection.setblocking(False)
        self.socket, self.is_open = connection, True
        self.wants = Wants()
        self.states: dict[int, WantState] = {}
        self._line = bytearray()
        self._sending: memoryview | None = memoryview(hello)
        self._waiting: deque[bytes] = deque(maxlen=MOST_WAITING)

    @property
    def is_busy(self) -> bool:
        """True while a message is being sent: nothing else begins."""
        return self._sending is not None

    def put(self, message: bytes) -> None:
        """Add a sample or a notice to what waits; the oldest goes where there are too many."""
        self._waiting.append(message)

    def receive(self) -> bool:
        """Read what the server says; True where it wants something else now.

        Raises:
            InputError, OSError: The connection is of no use any more.
        """
        try:
            data = self.socket.recv(READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            raise ConnectionResetError
        self._line += data
        *lines, rest = self._line.split(b"\n")
        if len(rest) > MOST_LINE or any(len(line) > MOST_LINE for line in lines):
            raise InputError("A line of a server is too long.")
        self._line = bytearray(rest)
        if lines:
            self._take_wants(Wants.unpack(bytes(lines[-1])))
        return bool(lines)

    def send(self) -> None:
        """Hand over as much as the system takes.

        Raises:
            OSError: The connection is of no use any more.
        """
        while True:
            if self._sending is None:
                if not self._waiting:
                    return
                self._sending = memoryview(self._waiting.popleft())
            try:
                sent = self.socket.send(self._sending)
            except BlockingIOError:
                return
            self._sending = self._sending[sent:] if sent < len(self._sending) else None

    def find_due(self, now: float) -> list[WantState]:
        """Wants of which a frame may be made now, the one that has waited longest first."""
        due = [state for state in self.states.values() if not state.is_refused and state.clock.is_due(now)]
        return sorted(due, key=lambda state: state.clock.due)

    def send_frame(self, state: WantState, picture: Picture, frame: CachedFrame, now: float) -> None:
        """Send a frame of a want, or that nothing has changed.

        Raises:
            OSError: The connection is of no use any more.
        """
        if state.content == frame.content:
            message = pack_message(Kind.SAME, MOMENT.pack(picture.tick, picture.computed_ms), state.want.number)
        else:
            message = pack_message(Kind.FRAME, frame.data, state.want.number)
        state.content, state.shown = frame.content, picture
        state.clock.take(now)
        self._sending = memoryview(message)
        self.send()

    def refuse(self, state: WantState, reason: str) -> None:
        """Tell that a want gets no frames."""
        state.is_refused = True
        self.put(pack_message(Kind.REFUSED, reason.encode(), state.want.number))

    def close(self) -> None:
        """Close the connection; twice is harmless."""
        self.is_open = False
        self.socket.close()

    def _take_wants(self, wants: Wants) -> None:
        before = self.states
        self.states = {}
        for want in wants.frames:
            state = before.get(want.number)
            if state is None or state.want.request != want.request:
                state = WantState(want, FrameClock(1.0 / want.max_hz))
            elif state.want.max_hz != want.max_hz:
                due = -math.inf if want.max_hz > state.want.max_hz else state.clock.due
                state.want, state.clock = want, FrameClock(1.0 / want.max_hz, due)
            self.states[want.number] = state
        self.wants = wants


def is_own_user(connection: socket.socket, user: int) -> bool:
    """True where a process of this user is at the other end."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return bool(struct.unpack("3i", credentials)[1] == user)
