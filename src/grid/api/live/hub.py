"""Hub of live runs in one server: what the bus brings of a run is held once, for all who look at it."""

import asyncio
import struct
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from grid.api.live.samples import RunSample, read_bus_sample, read_row
from grid.api.live.tailer import RunTailer
from grid.core.errors import UnavailableError
from grid.core.logging import get_logger
from grid.schemas.frame_requests import FrameRequest
from grid.schemas.jobs import JsonObject
from grid.services.live import RecentSamples
from grid.services.ports import FrameBus

ROWS_S: Final = 1.0  # [s] between two looks for rows of samples while the run's owner is not connected
_TICK, _NUMBER = struct.Struct("<Q"), struct.Struct("<I")
_TICK_AT, _NUMBER_AT, _HEADER_BYTES = 24, 56, 96  # of a frame

log = get_logger(__name__)
ReadSamples = Callable[[UUID, int], RecentSamples]


class SharedFrame(NamedTuple):
    """A frame as all viewers get it."""

    data: bytes
    tick: int
    number: int


class FrameViewer(Protocol):
    """Somebody who looks at frames of a run."""

    def on_frame(self) -> None:
        """There is a new frame of the viewer's request."""
        ...

    def on_same(self, tick: int, computed_ms: int) -> None:
        """The run goes on, and its picture is that of the last frame."""
        ...

    def on_refused(self, reason: str) -> None:
        """There will be no frames of the request."""
        ...


class SampleTaker(Protocol):
    """Somebody who takes samples of a run."""

    def on_sample(self, sample: RunSample) -> None:
        """Take a sample."""
        ...


class AudienceMember(Protocol):
    """Somebody who looks at pictures of a run."""

    def on_audience(self, others: int) -> None:
        """So many others look at them, by this server. Called on the event loop."""
        ...


class _Group:
    """Viewers of one request with their rates [1/s], and its newest frame."""

    def __init__(self) -> None:
        self.viewers: dict[FrameViewer, float] = {}
        self.newest: SharedFrame | None = None


class RunTopic:
    """A run that somebody looks at; it listens to the bus (`grid.services.ports.RunListener`).

    Args:
        run_id, tick_s: Of the run.
        bus: Brings what its owner shows.
        tailer: Is told where events are on their way.
        read_samples: Reads rows behind a tick; called in a thread.
        on_empty: Called when nobody looks any more.
    """

    def __init__(
        self,
        run_id: UUID,
        tick_s: str,
        *,
        bus: FrameBus,
        tailer: RunTailer,
        read_samples: ReadSamples,
        on_empty: Callable[[], None],
    ) -> None:
        self.run_id, self.tick_s, self.epoch = run_id, tick_s, -1
        self.last_tick = 0  # behind the last sample
        self._tailer, self._read_samples, self._on_empty = tailer, read_samples, on_empty
        self._groups: dict[FrameRequest, _Group] = {}
        self._takers: list[SampleTaker] = []
        self._audience: dict[AudienceMember, object] = {}
        self._holders = self._followers = 0
        self.is_connected, self._is_asking = False, False
        self._rows: asyncio.Task[None] | None = None
        self._feed = bus.follow(run_id, self)

    def hold(self) -> None:
        """Count somebody who looks; each `hold` is followed by a `release` in the end."""
        self._holders += 1
        self._ask_soon()

    def release(self) -> None:
        """Count somebody no longer."""
        self._holders -= 1
        if self._holders == 0:
            self.close()
            self._on_empty()

    def follow_events(self, by: int = 1) -> None:
        """Count somebody who reads events, or -1 for one who does no longer: without them no news are asked for."""
        self._followers += by
        self._ask_soon()

    def close(self) -> None:
        """Follow the run no longer."""
        self._feed.close()
        if self._rows is not None:
            self._rows.cancel()

    def add_viewer(self, viewer: FrameViewer, request: FrameRequest, max_hz: float) -> SharedFrame | None:
        """Show frames to a viewer, which has no other request; return the newest that there is already."""
        group = self._groups.setdefault(request, _Group())
        group.viewers[viewer] = max_hz
        self._ask_soon()
        return group.newest

    def remove_viewer(self, viewer: FrameViewer, request: FrameRequest) -> None:
        """Show no more frames to a viewer; harmless when repeated."""
        group = self._groups.get(request)
        if group is not None:
            group.viewers.pop(viewer, None)
            self._ask_soon()  # until then its newest frame stays, for a viewer that changes its rate alone

    def enter_audience(self, member: "AudienceMember", socket: object) -> None:
        """Tell somebody on a socket how many others look at pictures of the run, now and when that changes."""
        self._audience[member] = socket
        self._tell_audience()

    def leave_audience(self, member: "AudienceMember") -> None:
        """Count somebody no longer; harmless when repeated."""
        if self._audience.pop(member, None) is not None:
            self._tell_audience()

    def _tell_audience(self) -> None:
        others = len(set(map(id, self._audience.values()))) - 1
        for member in self._audience:
            member.on_audience(others)

    def find_newest(self, request: FrameRequest) -> SharedFrame | None:
        """The newest frame of a request."""
        group = self._groups.get(request)
        return None if group is None else group.newest

    def add_taker(self, taker: SampleTaker, last_tick: int) -> None:
        """Give samples behind a tick to somebody."""
        self.last_tick = max(self.last_tick, last_tick)
        self._takers.append(taker)
        if self._rows is None or self._rows.done():
            self._rows = asyncio.get_running_loop().create_task(self._follow_rows(), name=f"live-rows-{self.run_id}")
        self._ask_soon()

    def remove_taker(self, taker: SampleTaker) -> None:
        """Give no more samples to somebody; harmless when repeated."""
        if taker in self._takers:
            self._takers.remove(taker)
            self._ask_soon()

    # What the bus says.

    def on_connected(self, epoch: int) -> None:
        """Its owner is there."""
        self.is_connected, self.epoch = True, epoch

    def on_frame(self, request: FrameRequest, data: bytes) -> None:
        """Hold a frame for all who asked for it, and tell them."""
        group = self._groups.get(request)
        if group is None or len(data) < _HEADER_BYTES:
            return
        (tick,), (number,) = _TICK.unpack_from(data, _TICK_AT), _NUMBER.unpack_from(data, _NUMBER_AT)
        group.newest = SharedFrame(data, tick, number)
        for viewer in list(group.viewers):
            viewer.on_frame()

    def on_same(self, request: FrameRequest, tick: int, computed_ms: int) -> None:
        """Tell that the picture is still that of the last frame."""
        for viewer in self._find_viewers(request):
            viewer.on_same(tick, computed_ms)

    def on_refused(self, request: FrameRequest, reason: str) -> None:
        """Tell that there are no such frames."""
        for viewer in self._find_viewers(request):
            viewer.on_refused(reason)

    def on_sample(self, sample: JsonObject) -> None:
        """Give a sample to all who take them."""
        try:
            self._give(read_bus_sample(sample))
        except (KeyError, TypeError, ValueError, AttributeError):
            log.warning("sample_refused", run_id=str(self.run_id))

    def on_events(self) -> None:
        """Look for events soon."""
        self._tailer.hint()

    def on_lost(self, *, is_final: bool) -> None:
        """Its owner is gone: the database tells what follows."""
        self.is_connected = False
        if is_final:
            self._tailer.hint()

    def _find_viewers(self, request: FrameRequest) -> list[FrameViewer]:
        group = self._groups.get(request)
        return [] if group is None else list(group.viewers)

    def _give(self, sample: RunSample) -> None:
        self.last_tick = sample.end_tick
        for taker in list(self._takers):
            taker.on_sample(sample)

    def _ask_soon(self) -> None:
        """Ask the bus once for all changes of this turn of the event loop."""
        if not self._is_asking:
            self._is_asking = True
            asyncio.get_running_loop().call_soon(self._ask)

    def _ask(self) -> None:
        self._is_asking = False
        self._groups = {request: group for request, group in self._groups.items() if group.viewers}
        rates = {request: max(group.viewers.values()) for request, group in self._groups.items()}
        self._feed.want(rates, samples=bool(self._takers), events=self._followers > 0)

    async def _follow_rows(self) -> None:
        """Give samples from rows while nobody brings them by the bus."""
        while self._takers:
            await asyncio.sleep(ROWS_S)
            if self.is_connected:
                continue
            try:
                found = await run_in_threadpool(self._read_samples, self.run_id, self.last_tick)
            except UnavailableError:
                continue
            for row in found.samples:
                self._give(read_row(row, self.tick_s))


class LiveHub:
    """All runs that somebody looks at, in this process. For one event loop.

    Args:
        bus: Brings what owners of runs show.
        tailer: Reads states and events.
        read_samples: Reads rows of samples behind a tick.
    """

    def __init__(self, bus: FrameBus, tailer: RunTailer, read_samples: ReadSamples) -> None:
        self._bus, self.tailer, self.read_samples = bus, tailer, read_samples
        self._topics: dict[UUID, RunTopic] = {}
        self.is_closing = asyncio.Event()
        self._events: set[asyncio.Event] = set()

    def hold(self, run_id: UUID, tick_s: str) -> RunTopic:
        """The topic of a run, held for the caller, who releases it in the end."""
        topic = self._topics.get(run_id)
        if topic is None:
            topic = self._topics[run_id] = RunTopic(
                run_id, tick_s, bus=self._bus, tailer=self.tailer, read_samples=self.read_samples,
                on_empty=partial(self._forget, run_id),
            )  # fmt: skip
        topic.hold()
        return topic

    def make_event(self) -> asyncio.Event:
        """An event for a stream, which is set at the end of the hub too."""
        event = asyncio.Event()
        self._events.add(event)
        return event

    def drop_event(self, event: asyncio.Event) -> None:
        """Set an event no more."""
        self._events.discard(event)

    def _forget(self, run_id: UUID) -> None:
        self._topics.pop(run_id, None)

    async def close(self) -> None:
        """Tell every stream to end, and stop."""
        for event in (self.is_closing, *self._events):
            event.set()
        for topic in list(self._topics.values()):
            topic.close()
        await self.tailer.close()
