"""Server-sent events of jobs: one tailer for the whole process reads the database, and every stream gets its share.

A stream carries `log` events with the id `epoch:seq`, `status` events with the id `job:version`, at last one `end`; a
`gap` says that the reader fell behind and has to come back. Everything is read from tables, so `Last-Event-ID` resumes
after a restart of the server too. After each status event the id of the last log event is given again, on its own, so
that a reader that comes back names its place in the log. Delivery is at least once: ids tell repeats.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Protocol
from uuid import UUID

from fastapi import Depends
from fastapi.requests import HTTPConnection
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from starlette.concurrency import run_in_threadpool
from starlette.types import Message, Receive, Scope, Send

from grid.api.dependencies import FromDishka
from grid.api.job_events import JobEventFormatter
from grid.api.stream_places import StreamPlaces, find_places
from grid.core.errors import UnavailableError
from grid.core.logging import get_logger
from grid.database.uow import UnitOfWork
from grid.services.logs import JobNews, LogCursor, read_news
from grid.services.ports import BellListener, BellListenerFactory

log = get_logger(__name__)

QUEUE_MESSAGES = 256  # events that wait for a slow reader, before it has to come back
QUEUE_BYTES = 128 * 1024  # [B] of memory that they may hold
PAGE_CHUNKS = 1  # of the past, read at once for one stream: a reader that takes nothing holds them meanwhile
PING_S = 15.0  # [s] between signs of life, much less than the 60 s after which proxies commonly close
STALLED_S = 2 * PING_S  # a reader that takes nothing for two pings is gone
POLL_S = 0.5  # [s] between looks where no bell rings
GAP_S = 0.05  # between two looks, however often it rings
RETRY_MS = 1_000  # [ms] after which a reader comes back, as the stream tells it


class ReadNews(Protocol):
    """Reads what is new since places in some jobs' logs, a limited number of chunks at once."""

    def __call__(self, cursors: Mapping[UUID, LogCursor], *, limit: int | None = None) -> Mapping[UUID, JobNews]:
        """Return news by job; a job that is gone is left out."""
        ...


@dataclass(eq=False)
class Subscription:
    """One open stream: a bounded queue of news. Overfull, it takes no more and says so.

    `user_id` is None where it takes none of the places of streams: a part of a WebSocket, which has one.
    """

    user_id: UUID | None
    job_id: UUID
    is_overfull: bool = False
    _queue: deque[JobNews] = field(default_factory=deque)
    _messages: int = 0
    _bytes: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, news: JobNews) -> None:
        """Hand over news; never waits."""
        self._messages += news.messages
        self._bytes += news.size
        if self._messages > QUEUE_MESSAGES or self._bytes > QUEUE_BYTES:
            self.is_overfull = True
            self._queue.clear()
        elif not self.is_overfull:
            self._queue.append(news)
        self._changed.set()

    async def take(self, timeout_s: float) -> JobNews | None:
        """Return the next news, or None after `timeout_s` or where the stream is overfull."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self._queue and not self.is_overfull:
                    self._changed.clear()
                    await self._changed.wait()
        if not self._queue:
            return None
        news = self._queue.popleft()
        self._messages -= news.messages
        self._bytes -= news.size
        return news


@dataclass
class _Topic:
    """Place in one job's news up to which the tailer has told its subscribers. None: nobody caught up yet."""

    subscriptions: set[Subscription] = field(default_factory=set)
    cursor: LogCursor | None = None
    version: int = -1


class JobStreams:
    """All open streams of this process, and the task that feeds them while there are any."""

    def __init__(
        self,
        read_news: ReadNews,
        listen: Callable[[], BellListener] | None = None,
        *,
        poll_s: float = POLL_S,
        places: StreamPlaces | None = None,
    ) -> None:
        """Take what reads the tables, what begins to listen for changes while there are streams, and their places."""
        self._read_news = read_news
        self._listen = listen
        self._poll_s = poll_s
        self._topics: dict[UUID, _Topic] = {}
        self._places = places or StreamPlaces()
        self._tailer: asyncio.Task[None] | None = None

    def open(self, user_id: UUID, job_id: UUID) -> Subscription:
        """Join the fan-out of a job.

        Raises:
            TooManyRequestsError: The user, or all users together, have as many streams as they may.
        """
        self._places.take(user_id)
        return self._join(Subscription(user_id, job_id))

    def join(self, job_id: UUID) -> Subscription:
        """Join the fan-out of a job for a socket, which has its place already."""
        return self._join(Subscription(None, job_id))

    def _join(self, subscription: Subscription) -> Subscription:
        job_id = subscription.job_id
        self._topics.setdefault(job_id, _Topic()).subscriptions.add(subscription)
        if self._tailer is None or self._tailer.done():
            self._tailer = asyncio.create_task(self._tail(), name="job-streams")
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Leave the fan-out; harmless when repeated."""
        topic = self._topics.get(subscription.job_id)
        if topic is None or subscription not in topic.subscriptions:
            return
        topic.subscriptions.remove(subscription)
        if not topic.subscriptions:
            del self._topics[subscription.job_id]
        if subscription.user_id is not None:
            self._places.give_back(subscription.user_id)
        if not self._topics and self._tailer is not None:
            self._tailer.cancel()
            self._tailer = None  # whoever comes next gets another one, even before this one has ended

    async def close(self) -> None:
        """End every stream and the tailer."""
        for topic in self._topics.values():
            for subscription in topic.subscriptions:
                subscription.is_overfull = True
                subscription._changed.set()  # noqa: SLF001 - the two classes are one machine
        if self._tailer is not None:
            self._tailer.cancel()
            await asyncio.gather(self._tailer, return_exceptions=True)

    async def events(
        self,
        subscription: Subscription,
        *,
        last_event_id: str | None,
        expires_at: float,
        is_welcome: Callable[[], Awaitable[bool]],
    ) -> AsyncIterator[bytes]:
        """Yield the events of one stream: first from the tables, from `last_event_id` on, then as they come.

        Args:
            subscription: From `open`.
            last_event_id: As the reader sent it; one that is not ours starts at the beginning.
            expires_at: When the reader's token ends, on the monotonic clock; the stream ends with it.
            is_welcome: Asked with every ping's interval; where the reader's session has ended, so does the stream.
        """
        formatter = JobEventFormatter(last_event_id)
        yield f"retry: {RETRY_MS}\n\n".encode()
        while True:  # the past, page by page, at the reader's pace
            news = await self.read_one(subscription.job_id, formatter.cursor)
            for event in formatter.format(news):
                yield event
            if news.is_final:
                return
            if not news.has_more:
                break
        self.catch_up(subscription.job_id, formatter.cursor)
        next_check = time.monotonic() + PING_S
        while not subscription.is_overfull:
            left_s = expires_at - time.monotonic()
            if left_s <= 0:
                return
            if time.monotonic() >= next_check:
                if not await is_welcome():
                    return
                next_check = time.monotonic() + PING_S
            fresh = await subscription.take(min(PING_S, left_s))
            if fresh is None:
                yield KEEPALIVE_COMMENT
                continue
            for event in formatter.format(fresh):
                yield event
            if fresh.is_final:
                return
        yield format_sse_event(event="gap", data_str="You fell behind; connect again to go on.")

    async def read_one(self, job_id: UUID, cursor: LogCursor) -> JobNews:
        """Read a part of a job's past, behind a place.

        Raises:
            UnavailableError: The database does not answer.
        """
        news = await run_in_threadpool(self._read_news, {job_id: cursor}, limit=PAGE_CHUNKS)
        return news.get(job_id) or JobNews.gone(job_id, cursor)

    def catch_up(self, job_id: UUID, cursor: LogCursor) -> None:
        """Let the tailer go on from where this reader is; others that are further drop what they know already."""
        topic = self._topics.get(job_id)
        if topic is not None:
            topic.cursor = cursor if topic.cursor is None else min(topic.cursor, cursor)

    async def _tail(self) -> None:
        listener = self._listen() if self._listen is not None else None
        try:
            while self._topics:
                if not await self._look():
                    await self._wait_for_change(listener)
        finally:
            if listener is not None:
                listener.close()

    async def _look(self) -> bool:
        """Read once for everybody, and tell; return whether there is more to read at once."""
        cursors = {job_id: topic.cursor for job_id, topic in self._topics.items() if topic.cursor is not None}
        if not cursors:
            return False
        try:
            found = await run_in_threadpool(self._read_news, cursors)
        except Exception as error:
            known = isinstance(error, UnavailableError)
            log.warning("streams_blind", reason=str(error) if known else None, exc_info=None if known else error)
            return False
        for job_id, asked in cursors.items():
            self._tell(job_id, asked, found.get(job_id) or JobNews.gone(job_id, asked))
        return any(news.has_more for news in found.values())

    def _tell(self, job_id: UUID, asked: LogCursor, news: JobNews) -> None:
        topic = self._topics.get(job_id)
        if topic is None or topic.cursor is None or (not news.chunks and news.version == topic.version):
            return
        if topic.cursor == asked:  # else a reader moved it back meanwhile
            topic.cursor = news.cursor
            topic.version = topic.version if news.has_more else news.version
        for subscription in list(topic.subscriptions):
            subscription.put(news)

    async def _wait_for_change(self, listener: BellListener | None) -> None:
        """Wait for a ring, or for the time after which one looks anyway."""
        await asyncio.sleep(GAP_S)
        if listener is None:
            await asyncio.sleep(self._poll_s)
            return
        loop, rung = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(listener.fileno(), rung.set)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    await rung.wait()
        finally:
            loop.remove_reader(listener.fileno())
        listener.drain()


class _StalledError(Exception):
    """The reader takes nothing."""


class StreamResponse(EventSourceResponse):
    """A stream of events that drops a reader that takes nothing.

    Args:
        events: As they are sent.
        leave: Called at the end, however it comes.
    """

    def __init__(self, events: AsyncIterator[bytes], leave: Callable[[], None]) -> None:
        super().__init__(events, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""

        async def send_soon(message: Message) -> None:
            try:
                async with asyncio.timeout(STALLED_S):
                    await send(message)
            except TimeoutError:
                raise _StalledError from None

        try:
            with contextlib.suppress(_StalledError):  # the server closes a connection whose answer has no end
                await super().__call__(scope, receive, send_soon)
        finally:
            self._leave()


class JobStreamResponse(StreamResponse):
    """A stream of a job, which leaves the fan-out at its end."""

    def __init__(self, streams: JobStreams, subscription: Subscription, events: AsyncIterator[bytes]) -> None:
        super().__init__(events, partial(streams.leave, subscription))


async def open_streams(
    connection: HTTPConnection, uow: FromDishka[UnitOfWork], listen: FromDishka[BellListenerFactory]
) -> JobStreams:
    """Return the streams of this process, made at first use (on the event loop, so never twice)."""
    state = connection.app.state
    if not hasattr(state, "job_streams"):
        places = find_places(connection)
        state.job_streams = JobStreams(partial(read_news, uow), partial(listen, "changes"), places=places)
    streams: JobStreams = state.job_streams
    return streams


OpenStreams = Annotated[JobStreams, Depends(open_streams)]
