"""One look at a live run: its streams are read until everything that is shown has come once."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from grid.cli.monitor.source import Alert, Happening, MonitorSource, Want
from grid.cli.monitor.state import MonitorState
from grid.client.frames import Frame, FrameHeader, decode_frame

T = TypeVar("T")

PATIENCE_S: Final = 10.0  # for what has not come; the rest is shown without it
STEPS_S: Final = 600.0  # for ticks that were asked for, which may be many
SETTLE_S: Final = 0.25  # without another event: those of the past have come
FIELD: Final = "temperature"
FRAMES_HZ: Final = 30.0
POLL_S: Final = 0.02  # between two looks at what has come


@dataclass
class Look:
    """What a look has found.

    Args:
        state: Newest of everything.
        data: Newest frame; None without one.
        has_alerts: Whether the alerts are known.
        moved: When the last event or alert came, by the clock of the event loop [s].
    """

    state: MonitorState = field(default_factory=MonitorState)
    data: bytes | None = None
    has_alerts: bool = False
    moved: float = 0.0

    @property
    def frame(self) -> Frame | None:
        """The newest frame, decoded.

        Raises:
            FrameError: It is none.
        """
        return None if self.data is None else decode_frame(self.data)

    def is_whole(self, ticks: int) -> bool:
        """True where nothing is missing that a run in its state tells, of tick `ticks` or later."""
        run, is_over = self.state.run, self.state.status.link == "over"
        if run is None or not self.has_alerts:
            return False
        reading, is_placed = self.state.reading, bool(run.size)
        if is_over:
            return is_placed or self.data is None
        is_shown = self.data is not None and FrameHeader.unpack(self.data).tick >= ticks
        return is_placed and is_shown and reading is not None and reading.tick >= ticks


async def look_once(
    source: MonitorSource, *, ticks: int = 0, patience_s: float = PATIENCE_S, clock: Callable[[], float] = time.time
) -> Look:
    """Look at a run until all is known, or patience has ended.

    Args:
        source: Of the run.
        ticks: That a paused run takes first.
        patience_s: How long is waited for what does not come [s].
        clock: Unix time [s].

    Raises:
        GridError: There is no such run, or it cannot be reached.
    """
    look = Look()
    try:
        look.state.take_run(await source.open())
        readers = _read(source, look, clock)
        try:
            await source.want(Want(FIELD, max_hz=FRAMES_HZ))
            if ticks:
                await _wait(lambda: look.state.status.state == "paused", patience_s)
                await source.step(ticks)
            await _wait(lambda: look.is_whole(ticks), STEPS_S if ticks else patience_s)
            now = asyncio.get_running_loop().time
            await _wait(lambda: now() - look.moved >= SETTLE_S, patience_s)
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
    finally:
        await source.close()
    return look


def _read(source: MonitorSource, look: Look, clock: Callable[[], float]) -> list[asyncio.Task[None]]:
    """A task for each stream of a source."""
    state, now = look.state, asyncio.get_running_loop().time
    look.moved = now()

    def take_alerts(alerts: tuple[Alert, ...]) -> None:
        state.take_alerts(alerts)
        look.has_alerts, look.moved = True, now()

    def take_happening(happening: Happening) -> None:
        state.take_happening(happening)
        look.moved = now()

    def take_frame(data: bytes) -> None:
        header = FrameHeader.unpack(data)
        state.take_frame(header.tick, header.time_s, header.computed_ms)
        look.data = data

    works = (
        _each(source.runs(), state.take_run),
        _each(source.statuses(), lambda status: state.take_status(status, clock())),
        _each(source.readings(), state.take_reading),
        _each(source.frames(), take_frame),
        _each(source.alerts(), take_alerts),
        _each(source.happenings(), take_happening),
    )
    return [asyncio.create_task(work) for work in works]


async def _each(stream: AsyncIterator[T], take: Callable[[T], None]) -> None:
    async for value in stream:
        take(value)


async def _wait(is_so: Callable[[], bool], seconds: float) -> bool:
    """Wait for something as long as `seconds`; return whether it is so."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not is_so():
        if loop.time() >= end:
            return False
        await asyncio.sleep(POLL_S)
    return True
