"""Server-sent events of a live run: its events, complete and by number, and its samples, the latest at a rate."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.concurrency import run_in_threadpool

from grid.api.live.hub import LiveHub, RunTopic
from grid.api.live.readers import EventReader, SampleReader
from grid.api.live.samples import RunSample, read_row
from grid.api.live.updates import RunUpdate

PING_S: Final = 15.0  # [s] between signs of life, much less than the 60 s after which proxies commonly close
RETRY: Final = b"retry: 1000\n\n"  # [ms] after which a reader comes back
FELL_BEHIND: Final = "You fell behind; connect again to go on."


@dataclass
class Welcome:
    """How long a reader may read.

    Args:
        expires_at: When its token ends, on the monotonic clock [s].
        ask: Asks whether its session is alive; called with every ping's interval.
    """

    expires_at: float
    ask: Callable[[], Awaitable[bool]]

    def __post_init__(self) -> None:
        self._next_check = time.monotonic() + PING_S

    async def holds(self) -> bool:
        """True while the reader may read on."""
        now = time.monotonic()
        if now >= self.expires_at:
            return False
        if now >= self._next_check:
            self._next_check = now + PING_S
            return await self.ask()
        return True

    async def wait(self, changed: asyncio.Event) -> bool:
        """Wait for a change, at most as long as for a ping, or until the token ends; True where there was a change."""
        limit_s = max(0.0, min(PING_S, self.expires_at - time.monotonic()))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await changed.wait()
                return True
        return False


async def stream_events(topic: RunTopic, hub: LiveHub, *, after: int, welcome: Welcome) -> AsyncIterator[bytes]:
    """Yield the events of a run: first from the tables, behind a number, then as they come; at last one `end`.

    Args:
        topic: Of the run, held by the caller.
        hub: Reads.
        after: Number of the last event that the reader knows.
        welcome: Of the reader.
    """
    changed, tailer = hub.make_event(), hub.tailer
    reader = EventReader(topic.run_id, after, changed.set)
    topic.follow_events()
    try:
        yield RETRY
        has_more = True
        while has_more:  # the past, page by page, at the reader's pace
            has_more = await reader.read_page(tailer)
            for event in _format(reader):
                yield event
        tailer.watch(topic.run_id, reader, reader.cursor)
        while await welcome.holds():
            changed.clear()
            for event in _format(reader):
                yield event
            if reader.is_overfull or hub.is_closing.is_set():
                yield format_sse_event(event="gap", data_str=FELL_BEHIND)
                return
            if reader.end is not None:
                yield _end(reader.end)
                return
            if not await welcome.wait(changed):
                yield KEEPALIVE_COMMENT
    finally:
        topic.follow_events(-1)
        tailer.leave(topic.run_id, reader)
        hub.drop_event(changed)


async def stream_samples(
    topic: RunTopic, hub: LiveHub, *, after: int | None, hz: float, welcome: Welcome
) -> AsyncIterator[bytes]:
    """Yield samples of a run at a rate: what the reader missed from rows, then the latest; at last one `end`.

    Args:
        topic: Of the run, held by the caller.
        hub: Reads.
        after: The tick behind the last sample that the reader knows; None: from now on.
        hz: Samples a second.
        welcome: Of the reader.
    """
    changed = hub.make_event()
    reader, watcher = SampleReader(hz, after or 0, changed.set), _EndWatcher(changed)
    try:
        yield RETRY
        if after is not None:
            found = await run_in_threadpool(hub.read_samples, topic.run_id, after)
            if found.has_gap:
                data = json.dumps({"after": after, "next": found.samples[0].ticks.start})
                yield format_sse_event(event="gap", data_str=data)
            for row in found.samples:
                reader.cursor = row.ticks.stop
                yield _sample(read_row(row, topic.tick_s))
        topic.add_taker(reader, reader.cursor)
        hub.tailer.watch(topic.run_id, watcher)
        while await welcome.holds() and not hub.is_closing.is_set():
            changed.clear()
            now = time.monotonic()
            latest = reader.pop(now)
            if latest is not None:
                yield _sample(latest)
            elif reader.is_waiting:
                await asyncio.sleep(min(reader.wait(now), 1.0))
            elif watcher.end is not None:
                yield _end(watcher.end)
                return
            elif not await welcome.wait(changed):
                yield KEEPALIVE_COMMENT
    finally:
        topic.remove_taker(reader)
        hub.tailer.leave(topic.run_id, watcher)
        hub.drop_event(changed)


class _EndWatcher:
    """Notes the end of a run."""

    def __init__(self, changed: asyncio.Event) -> None:
        self.end: RunUpdate | None = None
        self._changed = changed

    def on_update(self, update: RunUpdate) -> None:
        """Note the end."""
        if update.is_final:
            self.end = update
            self._changed.set()


def _format(reader: EventReader) -> Iterator[bytes]:
    """The events that wait."""
    while (event := reader.pop()) is not None:
        yield format_sse_event(event=event.kind, data_str=event.text, id=str(event.n))


def _sample(sample: RunSample) -> bytes:
    return format_sse_event(event="sample", data_str=sample.to_json(), id=str(sample.end_tick))


def _end(update: RunUpdate) -> bytes:
    return format_sse_event(event="end", data_str=update.to_json())
