"""Tailer of live runs: one task for the whole process reads the database for everybody who follows a run."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from grid.api.live.updates import RunUpdate
from grid.core.errors import UnavailableError
from grid.core.logging import get_logger

POLL_S: Final = 0.25  # [s] between two looks
SOON_S: Final = 0.04  # [s] between two looks while events are on their way to the database
SOON_FOR_S: Final = 0.5  # [s] in which they arrive there, commonly

log = get_logger(__name__)
ReadUpdates = Callable[[Mapping[UUID, int | None]], Mapping[UUID, RunUpdate]]


class RunWatcher(Protocol):
    """Somebody who follows a run."""

    def on_update(self, update: RunUpdate) -> None:
        """Take news; they may contain events that are known. Called on the event loop."""
        ...


@dataclass
class _Topic:
    """Watchers of a run, and the number of the last event that all of them have been told; None: they want none."""

    watchers: list[RunWatcher] = field(default_factory=list)
    cursor: int | None = None
    version: int = -2


class RunTailer:
    """Reads runs while somebody follows them, and tells. For one event loop.

    Args:
        read: Reads updates of runs behind places; called in a thread.
        poll_s: Time between two looks [s].
    """

    def __init__(self, read: ReadUpdates, *, poll_s: float = POLL_S) -> None:
        self._read, self._poll_s = read, poll_s
        self._topics: dict[UUID, _Topic] = {}
        self._task: asyncio.Task[None] | None = None
        self._hinted = asyncio.Event()
        self._soon_until = 0.0

    def watch(self, run_id: UUID, watcher: RunWatcher, cursor: int | None = None) -> None:
        """Tell a watcher of changes of the run's state from now on, the present state first, and of events.

        Args:
            run_id: The run.
            watcher: Whom to tell.
            cursor: Number of the last event that it knows; None where it wants none.
        """
        topic = self._topics.setdefault(run_id, _Topic())
        topic.watchers.append(watcher)
        if cursor is not None:
            topic.cursor = cursor if topic.cursor is None else min(topic.cursor, cursor)
        topic.version = -2  # so that everybody is told, and those who know it drop it
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._tail(), name="live-run-tailer")
        self._hinted.set()

    def leave(self, run_id: UUID, watcher: RunWatcher) -> None:
        """Tell a watcher no more; harmless when repeated."""
        topic = self._topics.get(run_id)
        if topic is None or watcher not in topic.watchers:
            return
        topic.watchers.remove(watcher)
        if not topic.watchers:
            del self._topics[run_id]
        if not self._topics and self._task is not None:
            self._task.cancel()
            self._task = None  # whoever comes next gets another one, even before this one has ended

    def hint(self) -> None:
        """Look soon: there are events that the database will have in a moment."""
        self._soon_until = time.monotonic() + SOON_FOR_S
        self._hinted.set()

    async def read_one(self, run_id: UUID, cursor: int) -> RunUpdate:
        """Read a part of a run's past, behind a place.

        Raises:
            UnavailableError: The database does not answer.
        """
        found = await run_in_threadpool(self._read, {run_id: cursor})
        return found[run_id]

    async def close(self) -> None:
        """Stop."""
        self._topics.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _tail(self) -> None:
        while self._topics:
            if not await self._look():
                await self._wait()

    async def _wait(self) -> None:
        pause_s = SOON_S if time.monotonic() < self._soon_until else self._poll_s
        self._hinted.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._hinted.wait()
                await asyncio.sleep(SOON_S)

    async def _look(self) -> bool:
        """Read once for everybody, and tell; return whether there is more to read at once."""
        cursors = {run_id: topic.cursor for run_id, topic in self._topics.items()}
        try:
            found = await run_in_threadpool(self._read, cursors)
        except Exception as error:
            known = isinstance(error, UnavailableError)
            log.warning("live_streams_blind", reason=str(error) if known else None, exc_info=None if known else error)
            return False
        for run_id, update in found.items():
            self._tell(run_id, cursors[run_id], update)
        return any(update.has_more for update in found.values())

    def _tell(self, run_id: UUID, asked: int | None, update: RunUpdate) -> None:
        topic = self._topics.get(run_id)
        if topic is None or (not update.events and update.version == topic.version):
            return
        if topic.cursor == asked:  # else a reader moved it back meanwhile
            topic.version = topic.version if update.has_more else update.version
            if update.events:
                topic.cursor = update.events[-1].n
        for watcher in list(topic.watchers):
            watcher.on_update(update)
