"""V1 and V3: a run at its rate with viewers that read and decode every frame, beside the same tick by plain steps."""

import asyncio
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.live.service import connected, find_children, make_burst, make_run, wait_until
from benchmarks.live.tick import find_tick, plain_steps
from benchmarks.service import Service
from grid.client.frames import decode_frame
from grid.runtime.live.frame_bus import UnixFrameBus
from grid.runtime.processes import find_cpu_seconds, find_rss_bytes
from grid.schemas.frame_requests import FrameRequest

REST_S = 5.0  # [s] at the begin that do not count


@dataclass
class Paced:
    """What was found.

    Args:
        rate: Ticks a wall second that were asked for.
        plain_s: Processor time of the same tick by plain explicit steps, in this process [s].
        ticks, wall_s: Done while it was looked at.
        tick_s: Processor time of the physics of ticks, as the run says [s].
        child_s: Processor time of the whole child a tick, frames included [s].
        jitter_s: Lag that 99 of 100 starts do not exceed [s].
        slips: Times that wall time was dropped.
        frames, bytes: That the viewer got, on average.
        ages_s: From the computation of a frame until it was decoded [s].
        growth_bytes: Of the child's memory while it was looked at.
    """

    rate: float
    plain_s: float
    ticks: int = 0
    wall_s: float = 0.0
    tick_s: list[float] = field(default_factory=list)
    child_s: float = 0.0
    jitter_s: float = 0.0
    slips: float = 0.0
    frames: int = 0
    bytes: float = 0.0
    ages_s: list[float] = field(default_factory=list)
    growth_bytes: int = 0

    @property
    def ratio(self) -> float:
        """Real-time ratio: ticks done over ticks that the rate asks for."""
        return self.ticks / (self.wall_s * self.rate)


class Viewer:
    """Reads and decodes the frames of a run; it asks for the next as soon as one is decoded."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.ages: list[float] = []

    def on_connected(self, epoch: int) -> None: ...
    def on_frame(self, request: FrameRequest, data: bytes) -> None:  # noqa: ARG002 - of the protocol
        frame = decode_frame(data)
        self.sizes.append(len(data))
        self.ages.append(time.time() - frame.header.computed_ms / 1e3)

    def on_same(self, request: FrameRequest, tick: int, computed_ms: int) -> None: ...
    def on_refused(self, request: FrameRequest, reason: str) -> None: ...
    def on_sample(self, sample: dict[str, Any]) -> None: ...
    def on_events(self) -> None: ...
    def on_lost(self, *, is_final: bool) -> None: ...


@contextmanager
def watching(home: Path, run: UUID, hertz: float) -> Iterator[Viewer]:
    """Look at a run by the frame bus, as a server with one viewer does."""
    viewer, ready = Viewer(), threading.Event()
    stop: list[Any] = []

    async def look() -> None:
        feed = UnixFrameBus(home / "run").follow(run, viewer)
        feed.want({FrameRequest(): hertz})
        ended = asyncio.Event()
        stop.extend([asyncio.get_running_loop(), ended])
        ready.set()
        await ended.wait()
        feed.close()

    thread = threading.Thread(target=lambda: asyncio.run(look()), name="viewer")
    thread.start()
    ready.wait()
    try:
        yield viewer
    finally:
        stop[0].call_soon_threadsafe(stop[1].set)
        thread.join(5.0)


def measure(service: Service, *, cells: int, most_rate: float, share: float, seconds: float) -> Paced:
    """A run with a burst on, ten rules and one viewer.

    Args:
        service: Under test.
        cells: Along each side of the plate.
        most_rate: Ticks a second at most.
        share: The rate is at most this over the processor time of a tick by plain steps.
        seconds: How long it is looked at [s].
    """
    tick = find_tick(cells)
    plain = time_plain(cells, tick)
    found = Paced(min(most_rate, share / plain), plain)
    home = Path(service.environment["GRID_HOME"])
    with connected(service) as client:
        engine = client.engine
        run = engine.start(**make_run(cells, found.rate)).id
        wait_until(lambda: engine.show(run).status == "running", "the run ran")
        engine.set_rules(run, make_rules(10))
        engine.inject(run, make_burst(cells, 10.0 * seconds))
        with watching(home, run, found.rate) as viewer:
            time.sleep(REST_S)
            (pid,) = [pid for pids in find_children(home).values() for pid in pids]
            first, began = engine.metrics(run), time.monotonic()
            used, held = find_cpu_seconds(pid), find_rss_bytes(pid) or 0
            viewer.sizes.clear()
            viewer.ages.clear()
            while time.monotonic() - began < seconds:
                time.sleep(1.0)
                shown = engine.metrics(run)
                if (spent := shown.metrics["processor_s"]) is not None:
                    found.tick_s.append(spent)
            found.wall_s = (shown.sampled_at - first.sampled_at).total_seconds()
            found.ticks = shown.tick - first.tick
            found.child_s = (find_cpu_seconds(pid) - used) / max(1, found.ticks)
            found.growth_bytes = (find_rss_bytes(pid) or 0) - held
            found.frames, found.ages_s = len(viewer.sizes), viewer.ages
            found.bytes = statistics.fmean(viewer.sizes) if viewer.sizes else 0.0
        found.jitter_s, found.slips = shown.metrics["jitter_s"] or 0.0, shown.metrics["slips"] or 0.0
        engine.stop(run)
        wait_until(lambda: engine.show(run).status == "stopped", "the run had ended")
    return found


def make_rules(count: int) -> list[dict[str, Any]]:
    """Rules on the highest temperature, none of which fires."""
    return [
        {"name": f"rule-{index}", "metric": "highest", "op": ">", "raise": 1e5 + index, "clear": 9e4, "severity": "low"}
        for index in range(count)
    ]


def time_plain(cells: int, tick: float, repeats: int = 5) -> float:
    """Processor time of the same tick by plain explicit steps [s]."""
    advance, seconds = plain_steps(cells, tick), []
    for _ in range(repeats):
        started = time.process_time()
        advance()
        seconds.append(time.process_time() - started)
    return statistics.median(seconds)
