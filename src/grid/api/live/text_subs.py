"""Subscriptions to events and to samples of a run by the WebSocket."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Final

from starlette.concurrency import run_in_threadpool

from grid.api.live.hub import LiveHub, RunTopic
from grid.api.live.readers import EventReader, SampleReader
from grid.api.live.replies import SubId, end_reply, event_reply, reply, sample_reply
from grid.api.live.samples import read_row
from grid.api.live.updates import RunUpdate
from grid.core.errors import UnavailableError

AGAIN_S: Final = 1.0  # [s] after which the database is asked again where it does not answer


class EventSub:
    """Events of a run for one viewer: from the tables, then as they come; complete, or it says that there is a gap.

    Args:
        sub_id: The viewer's own name of it.
        topic: Of the run; held by the caller for this subscription, which releases it.
        hub: Reads.
        after: Number of the last event that the viewer knows.
        wake: Called when there may be something to send.
    """

    def __init__(self, sub_id: SubId, topic: RunTopic, hub: LiveHub, after: int, wake: Callable[[], None]) -> None:
        self.id, self.is_over = sub_id, False
        self._topic, self._hub, self._is_closed = topic, hub, False
        self._reader = EventReader(topic.run_id, after, wake)
        self._drained = asyncio.Event()
        self._told = after
        topic.follow_events()
        self._past = asyncio.get_running_loop().create_task(self._read_past(), name="live-events-past")

    def next(self, now: float) -> str | None:  # noqa: ARG002 - as every subscription
        """The next message."""
        event = self._reader.pop()
        if event is not None:
            self._told = event.n
            return event_reply(self.id, event)
        self._drained.set()
        if self._reader.is_overfull:
            self.is_over = True
            return reply("gap", sub=self.id, after=self._told)
        if self._reader.is_at_end and self._reader.end is not None:
            self.is_over = True
            return end_reply(self.id, self._reader.end)
        return None

    def wait(self, now: float) -> float:  # noqa: ARG002
        """Longest time after which there may be something to send without a call [s]."""
        return math.inf

    def close(self) -> None:
        """Follow no more; twice is harmless."""
        if not self._is_closed:
            self._is_closed = True
            self._past.cancel()
            self._topic.follow_events(-1)
            self._hub.tailer.leave(self._topic.run_id, self._reader)
            self._topic.release()

    async def _read_past(self) -> None:
        """Read page by page at the viewer's pace, then follow."""
        has_more = True
        while has_more:
            self._drained.clear()
            try:
                has_more = await self._reader.read_page(self._hub.tailer)
            except UnavailableError:
                await asyncio.sleep(AGAIN_S)
                continue
            if has_more:
                await self._drained.wait()
        if self._reader.end is None:
            self._hub.tailer.watch(self._topic.run_id, self._reader, self._reader.cursor)


class SampleSub:
    """Samples of a run for one viewer: at its rate, the latest wins, and no peak is lost.

    Args:
        sub_id: The viewer's own name of it.
        topic: Of the run; held by the caller for this subscription, which releases it.
        hub: Reads.
        hz: Samples a second.
        after: The tick behind the last sample that the viewer knows; None: from now on.
        wake: Called when there may be something to send.
    """

    def __init__(
        self, sub_id: SubId, topic: RunTopic, hub: LiveHub, hz: float, after: int | None, wake: Callable[[], None]
    ) -> None:
        self.id, self.is_over = sub_id, False
        self._topic, self._hub, self._wake, self._is_closed = topic, hub, wake, False
        self._texts: deque[str] = deque()
        self._end: RunUpdate | None = None
        self._reader = SampleReader(hz, after or 0, wake)
        self._past: asyncio.Task[None] | None = None
        if after is None:
            self._follow()
        else:
            self._past = asyncio.get_running_loop().create_task(self._read_past(after), name="live-samples-past")

    def next(self, now: float) -> str | None:
        """The next message."""
        if self._texts:
            return self._texts.popleft()
        sample = self._reader.pop(now)
        if sample is not None:
            return sample_reply(self.id, sample)
        if self._end is not None and not self._reader.is_waiting:
            self.is_over = True
            return end_reply(self.id, self._end)
        return None

    def wait(self, now: float) -> float:
        """Longest time after which there may be something to send without a call [s]."""
        return self._reader.wait(now)

    def close(self) -> None:
        """Follow no more; twice is harmless."""
        if not self._is_closed:
            self._is_closed = True
            if self._past is not None:
                self._past.cancel()
            self._topic.remove_taker(self._reader)
            self._hub.tailer.leave(self._topic.run_id, self)
            self._topic.release()

    def on_update(self, update: RunUpdate) -> None:
        """Note the end of the run."""
        if update.is_final:
            self._end = update
            self._wake()

    async def _read_past(self, after: int) -> None:
        """Fill in from rows, coarser if need be, then follow."""
        while True:
            try:
                found = await run_in_threadpool(self._hub.read_samples, self._topic.run_id, after)
                break
            except UnavailableError:
                await asyncio.sleep(AGAIN_S)
        if found.has_gap:
            self._texts.append(reply("gap", sub=self.id, after=after, next=found.samples[0].ticks.start))
        for row in found.samples:
            self._texts.append(sample_reply(self.id, read_row(row, self._topic.tick_s)))
            self._reader.cursor = row.ticks.stop
        self._follow()
        self._wake()

    def _follow(self) -> None:
        self._topic.add_taker(self._reader, self._reader.cursor)
        self._hub.tailer.watch(self._topic.run_id, self)
