"""Publisher of a live run: hands its newest pictures, samples and news of events to the servers that want them.

    publisher = FramePublisher(home.run / name_socket(run_id, epoch), run_id, epoch)
    publisher.start()
    for field in publisher.wanted(now, session.tick): ...            # in the loop, after a tick or while it waits
    publisher.offer(Picture(tick, time_s, flags, computed_ms, {field: array}))

It encodes only what is wanted, once for all, in a thread of its own, from references to arrays that nobody changes.
The loop never waits for it: a picture that comes too early for a reader is replaced by the next.
"""

import math
import os
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from grid.core.errors import FieldError, InputError
from grid.core.logging import get_logger
from grid.runtime.live.bus_wire import VERSION, Kind, listen, pack_json
from grid.runtime.live.frame_cache import FrameCache, Picture
from grid.runtime.live.frame_pacing import EncodingLoad, FrameClock
from grid.runtime.live.messages import LiveEvent, Sample
from grid.runtime.live.server_link import ServerLink, WantState, is_own_user
from grid.schemas.frame_requests import MOST_HZ, LiveField

__all__ = ["FramePublisher", "Picture"]

MOST_LINKS: Final = 16  # servers of a machine
MOST_SAMPLES: Final = 64  # that wait for the thread
SEND_BYTES: Final = 256 * 1024  # that the system holds for a server
IDLE_S: Final = 1.0  # [s] between two looks at what may be forgotten
JOIN_S: Final = 5.0  # [s] for the thread to end

log = get_logger(__name__)


@dataclass
class _FieldClock(FrameClock):
    """Due times of a field's pictures, and the tick of the last."""

    tick: int = -1


class FramePublisher:
    """Listens on a Unix stream socket, and serves what connects to it.

    `wanted` and the methods that offer are for the thread of the loop alone.

    Args:
        socket_path: Its folder is made where it is missing, for this user alone.
        run_id, epoch: Of the run and its owner; they are in every frame.
    """

    def __init__(self, socket_path: Path, run_id: UUID, epoch: int) -> None:
        self.path, self._run_id, self._epoch = socket_path, run_id, epoch
        self.cache = FrameCache(run_id.bytes[:8], epoch)
        self.load = EncodingLoad()
        self._clocks: Mapping[LiveField, _FieldClock] = {}  # replaced as a whole by the thread
        self._asked: tuple[LiveField, ...] = ()
        self._missing: frozenset[LiveField] = frozenset()  # fields that the run does not have
        self._pictures: dict[LiveField, Picture] = {}
        self._samples: deque[Sample] = deque(maxlen=MOST_SAMPLES)
        self._events: deque[LiveEvent] = deque(maxlen=1)
        self._links: dict[int, ServerLink] = {}
        self._is_closing, self._is_final = threading.Event(), False
        self._is_open, self._looked = False, -math.inf
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to listen.

        Raises:
            OSError: The socket cannot be made.
        """
        self._listener = listen(self.path, MOST_LINKS)
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, name="frame-publisher", daemon=True)
        self._thread.start()

    @property
    def is_watched(self) -> bool:
        """True while a server is connected."""
        return bool(self._links)

    def encoding_share(self, now: float) -> float:
        """Share of the last second that encoding took, of one core: with ticks on time, its share of a tick."""
        return self.load.share(now)

    def load_figures(self, now: float) -> dict[str, float | None]:
        """What pictures cost at the rates that are asked for, whether they are stopped, and whether servers can come.

        Each is a metric of `grid.schemas.live.PACE_METRICS`; a socket that was removed lets no server come any more.
        """
        if now - self._looked >= IDLE_S:
            thread = self._thread
            self._is_open = thread is not None and thread.is_alive() and self.path.is_socket()
            self._looked = now
        return {
            "encode_share": self.load.full_share(now), "frames_stopped": float(self.load.is_stopped),
            "has_frames": float(self._is_open),
        }  # fmt: skip

    def wanted(self, now: float, tick: int | None = None) -> tuple[LiveField, ...]:
        """Fields of which a picture is due, at most 30 times a second each; it does not wait for anything.

        Args:
            now: Monotonic time [s].
            tick: Current tick; fields that were offered of it already are left out.
        """
        due = []
        if self.load.is_stopped:
            return ()
        for name, clock in self._clocks.items():
            if clock.is_due(now) and (tick is None or clock.tick != tick):
                clock.take(now)
                due.append(name)
        self._asked = tuple(due)
        return self._asked

    def offer(self, picture: Picture) -> None:
        """Take a picture with the fields that were wanted; those that it lacks are told not to exist in this run."""
        for name, clock in self._clocks.items():
            if name in picture.fields:
                clock.tick = picture.tick
        lacking = frozenset(self._asked) - picture.fields.keys()
        if lacking:
            self._missing |= lacking
        if self._links:
            self._pictures.update(dict.fromkeys(picture.fields, picture))
            self._ring()

    def offer_sample(self, sample: Sample) -> None:
        """Take a sample; the oldest of 64 that wait is dropped."""
        if self._links:
            self._samples.append(sample)
            self._ring()

    def offer_events(self, *events: LiveEvent) -> None:
        """Take note that there are events: servers look into the database for them."""
        if events and self._links:
            self._events.append(events[-1])
            self._ring()

    def close(self, *, is_final: bool = False) -> None:
        """Stop; servers are told whether the run has come to its end. Twice is harmless."""
        if self._thread is not None:
            self._is_final = is_final
            self._is_closing.set()
            self._ring()
            self._thread.join(JOIN_S)
            self._thread = None
            os.close(self._wake)

    def _ring(self) -> None:
        with suppress(OSError):  # it rings already, or has closed
            os.eventfd_write(self._wake, 1)

    def _serve(self) -> None:
        try:
            while not self._is_closing.is_set():
                for key, mask in self._selector.select(self._wait_s(time.monotonic())):
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.fileobj == self._wake:
                        with suppress(BlockingIOError):
                            os.eventfd_read(self._wake)
                    else:
                        self._attend(key.data, mask)
                self._deliver(time.monotonic())
        finally:
            self._clocks = {}
            self._shut()

    def _wait_s(self, now: float) -> float:
        """Time until a want is due that a picture waits for [s]."""
        waits = [
            state.clock.wait(now)
            for link in self._links.values()
            if not link.is_busy
            for state in link.states.values()
            if self._find_news(state) is not None
        ]
        return min(waits, default=IDLE_S)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        if len(self._links) >= MOST_LINKS or not is_own_user(connection, os.geteuid()):
            connection.close()
            return
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        hello = {"run": str(self._run_id), "epoch": self._epoch, "version": VERSION}
        link = ServerLink(connection, pack_json(Kind.HELLO, hello))
        self._links[connection.fileno()] = link
        self._selector.register(connection, selectors.EVENT_READ | selectors.EVENT_WRITE, link)

    def _attend(self, link: ServerLink, mask: int) -> None:
        """Read from a server, or go on sending to it."""
        try:
            if mask & selectors.EVENT_WRITE:
                link.send()
            if mask & selectors.EVENT_READ and link.receive():
                self._weigh(time.monotonic())
        except (OSError, InputError) as error:
            self._drop(link, error)

    def _drop(self, link: ServerLink, error: Exception) -> None:
        if link.is_open:
            if isinstance(error, InputError):
                log.warning("server_link_refused", reason=str(error))
            del self._links[link.socket.fileno()]
            self._selector.unregister(link.socket)
            link.close()
            self._weigh(time.monotonic())

    def _weigh(self, now: float) -> None:
        """Find the fields that are wanted and how often; drop the pictures that nobody wants any more."""
        rates: dict[LiveField, float] = {}
        for link in self._links.values():
            for state in link.states.values():
                if not state.is_refused:
                    name = state.want.request.field
                    rates[name] = max(rates.get(name, 0.0), state.want.max_hz)
        clocks: dict[LiveField, _FieldClock] = {}
        for name, rate in rates.items():
            interval = self.load.divisor / min(rate, MOST_HZ)
            before = self._clocks.get(name) or _FieldClock(interval)
            clocks[name] = _FieldClock(interval, min(before.due, now + interval), before.tick)
        self._clocks = clocks
        for name in list(self._pictures.keys() - clocks.keys()):
            self._pictures.pop(name, None)

    def _deliver(self, now: float) -> None:
        """Tell every server that takes something what is new."""
        messages = self._take_messages()
        for link in list(self._links.values()):
            for kind, message in messages:
                if link.wants.samples if kind is Kind.SAMPLE else link.wants.events:
                    link.put(message)
            try:
                self._send_frames(link, now)
            except OSError as error:
                self._drop(link, error)
                continue
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if link.is_busy else 0)
            if self._selector.get_key(link.socket).events != events:
                self._selector.modify(link.socket, events, link)
        self.cache.forget(now)
        if self.load.look(now):
            log.info("frame_rates_changed", divisor=self.load.divisor, is_stopped=self.load.is_stopped)
            self._weigh(now)

    def _send_frames(self, link: ServerLink, now: float) -> None:
        if not link.is_busy:
            link.send()
        for state in link.find_due(now):
            if link.is_busy:
                return
            picture = self._find_news(state)
            if picture is not None:
                self._send_frame(link, state, picture, now)
            elif state.want.request.field in self._missing:
                link.refuse(state, "field: this run does not have it")
                self._weigh(now)
                link.send()

    def _send_frame(self, link: ServerLink, state: WantState, picture: Picture, now: float) -> None:
        before = self.cache.spent_s
        try:
            frame = self.cache.encode(state.want.request, picture, now)
        except FieldError as error:
            state.shown = picture
            if error.field != "values":  # which may be finite in the next one
                link.refuse(state, str(error))
                self._weigh(now)
                link.send()
            return
        finally:
            self.load.add(now, self.cache.spent_s - before)
        link.send_frame(state, picture, frame, now)

    def _find_news(self, state: WantState) -> Picture | None:
        """The newest picture of a want's field, unless it was shown."""
        picture = None if state.is_refused else self._pictures.get(state.want.request.field)
        return None if picture is state.shown else picture

    def _take_messages(self) -> list[tuple[Kind, bytes]]:
        messages = []
        while self._samples:
            messages.append((Kind.SAMPLE, pack_json(Kind.SAMPLE, _finite(asdict(self._samples.popleft())))))
        if self._events:
            event = self._events.popleft()
            messages.append((Kind.EVENTS, pack_json(Kind.EVENTS, {"tick": event.tick, "kind": event.kind})))
        return messages

    def _shut(self) -> None:
        end = pack_json(Kind.END, {"is_final": self._is_final})
        for link in self._links.values():
            link.put(end)
            with suppress(OSError):
                link.send()
            link.close()
        self._links = {}
        self._selector.close()
        self._listener.close()
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def _finite(value: Any) -> Any:
    """JSON without the numbers that it does not have."""
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
