"""Subscription to one job by the WebSocket: its log and its states, with the ids of its server-sent events."""

import asyncio
import json
import math
from collections import deque
from collections.abc import Callable
from typing import Final
from uuid import UUID

from grid.api.job_events import JobEvent, JobEventReader
from grid.api.live.ledger_tailer import AGAIN_S
from grid.api.live.replies import SubId, reply
from grid.api.streams import PING_S, JobStreams
from grid.core.errors import UnavailableError
from grid.services.logs import JobNews

MOST_WAITING: Final = 8  # messages that wait for a viewer before no more news are taken


class JobSub:
    """Log and states of one job for one viewer: from the tables, then as they come; complete, or there is a gap.

    Args:
        sub_id: The viewer's own name of it.
        streams: Reads jobs, once for everybody.
        job_id: The job.
        after: Id of the last event that the viewer knows; None: all of it.
        wake: Called when there may be something to send.
    """

    def __init__(
        self, sub_id: SubId, streams: JobStreams, job_id: UUID, after: str | None, wake: Callable[[], None]
    ) -> None:
        self.id, self.is_over = sub_id, False
        self._streams, self._job_id, self._wake = streams, job_id, wake
        self._reader, self._after = JobEventReader(after), after
        self._texts: deque[tuple[str, bool]] = deque()  # a message, and whether nothing follows
        self._has_room = asyncio.Event()
        self._subscription = streams.join(job_id)
        self._task = asyncio.get_running_loop().create_task(self._follow(), name="job-news")

    def next(self, now: float) -> str | None:  # noqa: ARG002 - as every subscription
        """The next message."""
        if not self._texts:
            return None
        text, self.is_over = self._texts.popleft()
        if len(self._texts) < MOST_WAITING:
            self._has_room.set()
        return text

    def wait(self, now: float) -> float:  # noqa: ARG002
        """Longest time after which there may be something to send without a call [s]."""
        return math.inf

    def close(self) -> None:
        """Follow no more; twice is harmless."""
        self._task.cancel()
        self._streams.leave(self._subscription)

    async def _follow(self) -> None:
        """Read the past page by page at the viewer's pace, then take news; what waits too long becomes a gap."""
        if await self._read_past():
            return
        self._streams.catch_up(self._job_id, self._reader.cursor)
        while not self._subscription.is_overfull:
            news = await self._subscription.take(PING_S)
            if news is not None and await self._tell(news):
                return
        self._say(reply("gap", sub=self.id, after=self._after), is_last=True)

    async def _read_past(self) -> bool:
        """Read what the tables have; return whether nothing follows."""
        while True:
            try:
                news = await self._streams.read_one(self._job_id, self._reader.cursor)
            except UnavailableError:
                await asyncio.sleep(AGAIN_S)
                continue
            if await self._tell(news):
                return True
            if not news.has_more:
                return False

    async def _tell(self, news: JobNews) -> bool:
        """Tell the events that are new to the viewer; return whether nothing follows."""
        for event in self._reader.read(news):
            self._after = self._reader.place or event.id
            self._say(self._format(event))
            await self._wait_for_room()
        if news.is_final:
            reason = "finished" if news.state.get("status") is not None else "not-found"
            self._say(reply("end", sub=self.id, reason=reason, job=news.state), is_last=True)
        return news.is_final

    def _format(self, event: JobEvent) -> str:
        data = {"text": event.text} if event.kind == "log" else json.loads(event.text)
        return reply("event", sub=self.id, id=self._after, kind=event.kind, data=data)

    def _say(self, text: str, *, is_last: bool = False) -> None:
        self._texts.append((text, is_last))
        self._wake()

    async def _wait_for_room(self) -> None:
        while len(self._texts) >= MOST_WAITING:
            self._has_room.clear()
            await self._has_room.wait()
