"""A server as the publisher of a run sees it: it says what it wants, and reads what comes."""

import time
from collections import deque
from pathlib import Path

import numpy as np

from grid.runtime.live.bus_wire import Kind, Message, MessageReader, Want, Wants, connect
from grid.runtime.live.publisher import FramePublisher, Picture
from grid.schemas.frame_requests import FrameRequest

LIMIT_S = 10.0  # for one message: the machine may be busy


class FrameReader:
    """One connection to a publisher."""

    def __init__(self, path: Path) -> None:
        self.socket = connect(path)
        self.socket.settimeout(LIMIT_S)
        self._reader, self._messages = MessageReader(), deque[Message]()
        try:
            self.hello = self.next(Kind.HELLO).document
        except (EOFError, OSError):
            self.close()
            raise

    def want(self, *requests: FrameRequest, max_hz: float = 30.0, samples: bool = False, events: bool = False) -> None:
        frames = tuple(Want(number, request, max_hz) for number, request in enumerate(requests))
        self.socket.sendall(Wants(frames, samples, events).pack())

    def next(self, *kinds: Kind) -> Message:
        """The next message of one of some kinds, or of any; others are dropped."""
        while True:
            while self._messages:
                message = self._messages.popleft()
                if not kinds or message.kind in kinds:
                    return message
            data = self.socket.recv(1 << 20)
            if not data:
                raise EOFError
            self._messages.extend(self._reader.feed(data))

    def close(self) -> None:
        self.socket.close()


def make_picture(tick: int, *, cells: int = 16, flags: int = 0, **fields: np.ndarray) -> Picture:
    """A picture of a temperature that is its tick's, or of given fields."""
    given = fields or {"temperature": np.full((cells, cells), 300.0 + tick)}
    return Picture(tick, tick / 30.0, flags, 1_000 + tick, given)


def wait_until_wanted(publisher: FramePublisher, *names: str) -> None:
    """Ask as the loop does, until fields are due."""
    end = time.monotonic() + LIMIT_S
    missing = set(names)
    while missing:
        missing -= set(publisher.wanted(time.monotonic()))
        if time.monotonic() > end:
            raise TimeoutError(f"{missing} not wanted")
        time.sleep(0.001)
