"""A frame bus in memory: owners of runs that are told what to show."""

from collections.abc import Mapping
from uuid import UUID

from grid.schemas.frame_requests import FrameRequest
from grid.services.ports import RunListener


class MemoryFrameBus:
    """Tells the listeners of the same object; a run has an owner between `connect` and `disconnect`."""

    def __init__(self) -> None:
        self.feeds: list[MemoryRunFeed] = []
        self.epochs: dict[UUID, int] = {}

    def follow(self, run_id: UUID, listener: RunListener) -> "MemoryRunFeed":
        feed = MemoryRunFeed(self, run_id, listener)
        self.feeds.append(feed)
        if run_id in self.epochs:
            listener.on_connected(self.epochs[run_id])
        return feed

    def of_run(self, run_id: UUID) -> list["MemoryRunFeed"]:
        return [feed for feed in self.feeds if feed.run_id == run_id]

    def connect(self, run_id: UUID, epoch: int = 1) -> None:
        """An owner of the run is there, of an epoch that is not older than the last."""
        self.epochs[run_id] = epoch
        for feed in self.of_run(run_id):
            feed.listener.on_connected(epoch)

    def disconnect(self, run_id: UUID, *, is_final: bool = False) -> None:
        if self.epochs.pop(run_id, None) is not None:
            for feed in self.of_run(run_id):
                feed.listener.on_lost(is_final=is_final)

    def show(self, run_id: UUID, request: FrameRequest, data: bytes) -> None:
        """Send a frame to everybody who wants such frames."""
        for feed in self.of_run(run_id):
            if run_id in self.epochs and request in feed.frames:
                feed.listener.on_frame(request, data)

    def sample(self, run_id: UUID, sample: dict) -> None:
        for feed in self.of_run(run_id):
            if run_id in self.epochs and feed.samples:
                feed.listener.on_sample(sample)


class MemoryRunFeed:
    """A run that is followed."""

    def __init__(self, bus: MemoryFrameBus, run_id: UUID, listener: RunListener) -> None:
        self.bus, self.run_id, self.listener = bus, run_id, listener
        self.frames: Mapping[FrameRequest, float] = {}
        self.samples = self.events = False

    def want(self, frames: Mapping[FrameRequest, float], *, samples: bool = False, events: bool = False) -> None:
        self.frames, self.samples, self.events = dict(frames), samples, events

    def close(self) -> None:
        if self in self.bus.feeds:
            self.bus.feeds.remove(self)
