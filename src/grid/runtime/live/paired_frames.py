"""Two frame buses as one: a run on this machine is followed by local sockets, one elsewhere through the other bus."""

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from grid.runtime.live.feed_messages import Listener
from grid.schemas.frame_requests import FrameRequest


class _Feed(Protocol):
    def want(self, frames: Mapping[FrameRequest, float], *, samples: bool = False, events: bool = False) -> None: ...

    def close(self) -> None: ...


class _FrameBus(Protocol):
    def follow(self, run_id: UUID, listener: Listener) -> _Feed: ...


class PairedFrameBus:
    """Follows every run on both buses; what the owner of the newest epoch says is told."""

    def __init__(self, near: _FrameBus, far: _FrameBus) -> None:
        self._buses = near, far

    def follow(self, run_id: UUID, listener: Listener) -> "PairedFeed":
        """Follow a run; on the event loop."""
        return PairedFeed(self._buses, run_id, listener)


class PairedFeed:
    """A run that is followed on both buses."""

    def __init__(self, buses: tuple[_FrameBus, _FrameBus], run_id: UUID, listener: Listener) -> None:
        self.listener = listener
        self.epoch = -1
        self.source: _Gate | None = None  # the bus that has the run
        self._feeds = [bus.follow(run_id, _Gate(self)) for bus in buses]

    def want(self, frames: Mapping[FrameRequest, float], *, samples: bool = False, events: bool = False) -> None:
        """Ask for frames, samples and news of events."""
        for feed in self._feeds:
            feed.want(frames, samples=samples, events=events)

    def close(self) -> None:
        """Follow the run no longer."""
        for feed in self._feeds:
            feed.close()

    def connect(self, gate: "_Gate", epoch: int) -> None:
        """Listen to a bus that has found the run, unless the other has it, or a newer owner of it."""
        if epoch < self.epoch or (epoch == self.epoch and self.source is not None):
            return
        if self.source is not None:
            self.listener.on_lost(is_final=False)
        self.epoch, self.source = epoch, gate
        self.listener.on_connected(epoch)

    def lose(self, gate: "_Gate", *, is_final: bool) -> None:
        """Tell that the run is lost, by the bus that had it."""
        if self.source is gate:
            self.source = None
            self.listener.on_lost(is_final=is_final)


class _Gate:
    """Listener to one of two buses; passes on what the bus says that has the run."""

    def __init__(self, feed: PairedFeed) -> None:
        self._feed = feed

    def on_connected(self, epoch: int) -> None:
        self._feed.connect(self, epoch)

    def on_frame(self, request: FrameRequest, data: bytes) -> None:
        if self._feed.source is self:
            self._feed.listener.on_frame(request, data)

    def on_same(self, request: FrameRequest, tick: int, computed_ms: int) -> None:
        if self._feed.source is self:
            self._feed.listener.on_same(request, tick, computed_ms)

    def on_refused(self, request: FrameRequest, reason: str) -> None:
        if self._feed.source is self:
            self._feed.listener.on_refused(request, reason)

    def on_sample(self, sample: dict[str, Any]) -> None:
        if self._feed.source is self:
            self._feed.listener.on_sample(sample)

    def on_events(self) -> None:
        if self._feed.source is self:
            self._feed.listener.on_events()

    def on_lost(self, *, is_final: bool) -> None:
        self._feed.lose(self, is_final=is_final)
