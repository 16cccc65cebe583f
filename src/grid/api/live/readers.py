"""Readers of a run's events and samples: what waits for one stream, bounded, whatever the stream is sent by."""

import math
from collections import deque
from collections.abc import Callable
from typing import Final
from uuid import UUID

from grid.api.live.samples import RunSample
from grid.api.live.tailer import RunTailer
from grid.api.live.updates import EventItem, RunUpdate
from grid.core.errors import FieldError

QUEUE_EVENTS: Final = 256  # that wait for a slow reader, before it has to come back
QUEUE_BYTES: Final = 256 * 1024  # [B] of memory that they may hold
SAMPLES_HZ: Final = 2.0  # samples a second, where none is asked for
MOST_SAMPLES_HZ: Final = 10.0
LEAST_SAMPLES_HZ: Final = 0.1


class EventReader:
    """Events of a run for one reader, each once and in order.

    Args:
        run_id: The run.
        after: Number of the last event that the reader knows.
        on_change: Called when there is something to read.
    """

    def __init__(self, run_id: UUID, after: int, on_change: Callable[[], None]) -> None:
        self.run_id, self.cursor = run_id, after
        self.is_overfull = False
        self.end: RunUpdate | None = None  # the last update, where nothing follows what waits
        self._on_change = on_change
        self._waiting: deque[EventItem] = deque()
        self._bytes = 0

    def on_update(self, update: RunUpdate) -> None:
        """Take what the reader does not know yet; one for which too much waits takes nothing any more."""
        was_waiting = bool(self._waiting)
        for event in update.events:
            if event.n > self.cursor and not self.is_overfull:
                self.cursor = event.n
                self._waiting.append(event)
                self._bytes += len(event.text)
        if was_waiting and (len(self._waiting) > QUEUE_EVENTS or self._bytes > QUEUE_BYTES):
            self.is_overfull = True
        if self.is_overfull:
            self._waiting.clear()
        elif update.is_final:
            self.end = update
        self._on_change()

    def pop(self) -> EventItem | None:
        """The next event."""
        if not self._waiting:
            return None
        event = self._waiting.popleft()
        self._bytes -= len(event.text)
        return event

    @property
    def is_at_end(self) -> bool:
        """True where everything was read and nothing follows."""
        return self.end is not None and not self._waiting

    async def read_page(self, tailer: RunTailer) -> bool:
        """Read a part of the past; False where there is no more of it.

        Raises:
            UnavailableError: The database does not answer.
        """
        update = await tailer.read_one(self.run_id, self.cursor)
        self.on_update(update)
        return update.has_more and not self.is_overfull


class SampleReader:
    """Samples of a run for one reader, so many a second; those between two are merged into the later one.

    Args:
        hz: Samples a second.
        after: The tick behind the last sample that the reader knows.
        on_change: Called when there is something to read.
    """

    def __init__(self, hz: float, after: int, on_change: Callable[[], None]) -> None:
        self.cursor = after
        self._interval, self._on_change = 1.0 / hz, on_change
        self._waiting: RunSample | None = None
        self._due = -math.inf

    def on_sample(self, sample: RunSample) -> None:
        """Take a sample, unless the reader knows it."""
        if sample.end_tick > self.cursor:
            self._waiting = sample if self._waiting is None else self._waiting.merge(sample)
            self._on_change()

    @property
    def is_waiting(self) -> bool:
        """True where a sample waits to be due."""
        return self._waiting is not None

    def pop(self, now: float) -> RunSample | None:
        """The sample that is due at a time [s]."""
        if self._waiting is None or now < self._due:
            return None
        sample, self._waiting = self._waiting, None
        self.cursor = sample.end_tick
        self._due = max(self._due + self._interval, now + 0.5 * self._interval)
        return sample

    def wait(self, now: float) -> float:
        """Time until a sample that waits is due [s]."""
        return math.inf if self._waiting is None else max(0.0, self._due - now)


def require_rate(hz: object) -> float:
    """Return a rate of samples.

    Raises:
        FieldError: It is no number within its limits.
    """
    if isinstance(hz, bool) or not isinstance(hz, int | float) or not LEAST_SAMPLES_HZ <= hz <= MOST_SAMPLES_HZ:
        raise FieldError("max_hz", f"{LEAST_SAMPLES_HZ:g} to {MOST_SAMPLES_HZ:g} a second")
    return float(hz)
