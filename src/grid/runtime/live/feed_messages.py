"""What every way to follow a live run does with wants and messages, whatever carries them."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from grid.runtime.live.bus_wire import MOMENT, MOST_WANTS, Kind, Message, Want, Wants
from grid.schemas.frame_requests import FrameRequest

_NUMBERS: Final = 2**16  # of wants; one is used again after all others


class Listener(Protocol):
    """See `grid.services.ports.RunListener`."""

    def on_connected(self, epoch: int) -> None: ...  # noqa: D102 - of the port
    def on_frame(self, request: FrameRequest, data: bytes) -> None: ...  # noqa: D102
    def on_same(self, request: FrameRequest, tick: int, computed_ms: int) -> None: ...  # noqa: D102
    def on_refused(self, request: FrameRequest, reason: str) -> None: ...  # noqa: D102
    def on_sample(self, sample: dict[str, Any]) -> None: ...  # noqa: D102
    def on_events(self) -> None: ...  # noqa: D102
    def on_lost(self, *, is_final: bool) -> None: ...  # noqa: D102


class NumberedWants:
    """What is wanted of a run, each kind of frames under a number that it keeps while it is wanted."""

    def __init__(self) -> None:
        self.wants = Wants()
        self._numbers: dict[FrameRequest, int] = {}
        self._requests: dict[int, FrameRequest] = {}
        self._next_number = 0

    def change(self, frames: Mapping[FrameRequest, float], *, samples: bool, events: bool) -> Wants:
        """Return what is wanted from now on; the first 64 kinds of frames are asked for."""
        asked = list(frames.items())[:MOST_WANTS]
        for request, _ in asked:
            if request not in self._numbers:
                self._next_number = (self._next_number + 1) % _NUMBERS
                self._numbers[request] = self._next_number
        gone = self._numbers.keys() - {request for request, _ in asked}
        for request in gone:
            del self._numbers[request]
        self._requests = {number: request for request, number in self._numbers.items()}
        wants = tuple(Want(self._numbers[request], request, max_hz) for request, max_hz in asked)
        self.wants = Wants(wants, samples, events)
        return self.wants

    def tell(self, message: Message, listener: Listener) -> None:
        """Tell a listener of a message about a run; one that answers a want that was given up is left out."""
        request = self._requests.get(message.number)
        if message.kind == Kind.SAMPLE:
            listener.on_sample(dict(message.document))
        elif message.kind == Kind.EVENTS:
            listener.on_events()
        elif request is None:
            return
        elif message.kind == Kind.FRAME:
            listener.on_frame(request, message.body)
        elif message.kind == Kind.SAME and len(message.body) == MOMENT.size:
            tick, computed_ms = MOMENT.unpack(message.body)
            listener.on_same(request, tick, int(computed_ms))
        elif message.kind == Kind.REFUSED:
            listener.on_refused(request, message.body.decode(errors="replace"))
