"""Tailers of the ledger and of the service's state: each one task for the whole process, whoever follows.

While nobody follows, nothing is read.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection
from functools import reduce
from operator import or_
from typing import Final, Protocol
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from grid.core.errors import UnavailableError
from grid.core.logging import get_logger
from grid.services.ledger_news import Interest, LedgerNews
from grid.services.ports import BellListener
from grid.services.system_news import SystemNews

GAP_S: Final = 0.25  # [s] between two looks, however often it rings
REST: Final = 4.0  # times what a look has taken: reading takes a fifth of a thread at most, whatever is followed
POLL_S: Final = 0.5  # [s] after which one looks where no bell rings
AGAIN_S: Final = 1.0  # [s] after which the database is asked again where it does not answer
SYSTEM_S: Final = 2.0  # [s] between two looks at the state of the service

log = get_logger(__name__)
ReadNews = Callable[[int, Interest], LedgerNews]
ReadSystem = Callable[[Collection[UUID | None]], SystemNews]


class LedgerWatcher(Protocol):
    """Somebody who follows rows of the ledger."""

    @property
    def interest(self) -> Interest:
        """Rows that are followed; they never change."""
        ...

    def on_news(self, news: LedgerNews) -> None:
        """Take news of everybody's rows; called on the event loop."""
        ...


class SystemWatcher(Protocol):
    """Somebody who follows the state of the service."""

    owner_id: UUID | None

    def on_system(self, news: SystemNews) -> None:
        """Take the state; called on the event loop."""
        ...


class LedgerTailer:
    """Reads the stream of the ledger's events while somebody follows, and tells. For one event loop.

    Args:
        find_place: Returns the number of the newest event; called in a thread.
        read: Reads news behind an event; called in a thread.
        listen: Begins to listen for changes; None: looks every `POLL_S`.
    """

    def __init__(
        self, find_place: Callable[[], int], read: ReadNews, listen: Callable[[], BellListener] | None = None
    ) -> None:
        self.read = read
        self._find_place, self._listen = find_place, listen
        self._joining: list[tuple[LedgerWatcher, asyncio.Future[int]]] = []
        self._watchers: list[LedgerWatcher] = []
        self._place: int | None = None
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def join(self, watcher: LedgerWatcher) -> int:
        """Tell a watcher of news from now on; return the number of the event behind which they begin."""
        joined: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._joining.append((watcher, joined))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._tail(), name="ledger-tailer")
        self._woken.set()
        return await joined

    def leave(self, watcher: LedgerWatcher) -> None:
        """Tell a watcher no more; twice is harmless."""
        self._watchers = [one for one in self._watchers if one is not watcher]
        self._joining = [pair for pair in self._joining if pair[0] is not watcher]
        if not self._watchers and not self._joining and self._task is not None:
            self._task.cancel()
            self._task = None  # whoever joins next gets another one, even before this one has ended

    async def _tail(self) -> None:
        listener = self._listen() if self._listen is not None else None
        clock, self._place = asyncio.get_running_loop().time, None
        try:
            while self._watchers or self._joining:
                began = clock()
                try:
                    has_more = await self._look()
                except Exception as error:
                    reason = str(error) if isinstance(error, UnavailableError) else None
                    log.warning("ledger_stream_blind", reason=reason, exc_info=error if reason is None else None)
                    await asyncio.sleep(AGAIN_S)
                    continue
                took_s = clock() - began
                if not has_more:
                    await self._wait(max(GAP_S, REST * took_s))
                    if not self._joining:
                        await self._wait_for_ring(listener)
        finally:
            if listener is not None:
                listener.close()

    async def _look(self) -> bool:
        """Read once for everybody, and tell; return whether there is more to read at once."""
        if self._place is None:
            self._place = await run_in_threadpool(self._find_place)
        for watcher, joined in self._joining:
            self._watchers.append(watcher)
            if not joined.done():
                joined.set_result(self._place)
        self._joining = []
        watchers = list(self._watchers)
        if not watchers:
            return False
        interest = reduce(or_, (watcher.interest for watcher in watchers))
        news = await run_in_threadpool(self.read, self._place, interest)
        self._place = news.last
        if news.has_gap or news.last != news.after:
            for watcher in watchers:
                watcher.on_news(news)
        return news.has_more

    async def _wait_for_ring(self, listener: BellListener | None) -> None:
        if listener is None:
            await self._wait(POLL_S)
            return
        loop = asyncio.get_running_loop()
        loop.add_reader(listener.fileno(), self._woken.set)
        try:
            await self._wait(POLL_S)
        finally:
            loop.remove_reader(listener.fileno())
        listener.drain()

    async def _wait(self, pause_s: float) -> None:
        """Wait, or until somebody joins."""
        self._woken.clear()
        if not self._joining:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._woken.wait()


class SystemTailer:
    """Reads the state of the service every two seconds while somebody follows. For one event loop.

    Args:
        read: Reads it for some owners at once; called in a thread.
    """

    def __init__(self, read: ReadSystem) -> None:
        self._read = read
        self._watchers: list[SystemWatcher] = []
        self._joined = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def join(self, watcher: SystemWatcher) -> None:
        """Tell a watcher of the state, soon and then again and again."""
        self._watchers.append(watcher)
        self._joined.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._tail(), name="system-tailer")

    def leave(self, watcher: SystemWatcher) -> None:
        """Tell a watcher no more; twice is harmless."""
        self._watchers = [one for one in self._watchers if one is not watcher]
        if not self._watchers and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _tail(self) -> None:
        while self._watchers:
            self._joined.clear()
            watchers = list(self._watchers)
            try:
                news = await run_in_threadpool(self._read, {watcher.owner_id for watcher in watchers})
            except Exception:
                log.exception("system_stream_blind")
            else:
                for watcher in watchers:
                    watcher.on_system(news)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SYSTEM_S):
                    await self._joined.wait()
