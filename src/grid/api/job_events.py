"""Events of a job: news of the ledger as one reader gets them, each once; and as server-sent events."""

import json
from collections.abc import Iterator
from typing import Literal, NamedTuple

from fastapi.sse import format_sse_event

from grid.services.logs import START, JobNews, LogCursor


class JobEvent(NamedTuple):
    """One event: a chunk of the log, whose id is `epoch:seq`, or the state as JSON, whose id is `job:version`."""

    kind: Literal["log", "status"]
    id: str
    text: str


class JobEventReader:
    """Turns the news of one job into events for one reader, and leaves out what that reader has had.

    Args:
        last_id: Id of the last event that the reader knows; one that is not ours starts at the beginning.
    """

    def __init__(self, last_id: str | None) -> None:
        self.cursor, self.version = _parse_event_id(last_id)

    @property
    def place(self) -> str | None:
        """The id of the last chunk of the log that was read; None where there was none."""
        return f"{self.cursor.epoch}:{self.cursor.seq}" if self.cursor > START else None

    def read(self, news: JobNews) -> Iterator[JobEvent]:
        """Yield the events that the reader has not had, each made when it is asked for."""
        for chunk in news.chunks:
            place = LogCursor(chunk.epoch, chunk.seq)
            if place > self.cursor:
                self.cursor = place
                yield JobEvent("log", f"{chunk.epoch}:{chunk.seq}", chunk.text.removesuffix("\n"))
        if news.has_more:
            return  # the status comes after the log that led to it
        if news.version > self.version:
            self.version = news.version
            yield JobEvent("status", f"job:{news.version}", json.dumps(news.state))


class JobEventFormatter:
    """Formats the news of one job for one reader of server-sent events."""

    def __init__(self, last_event_id: str | None) -> None:
        self._reader = JobEventReader(last_event_id)

    @property
    def cursor(self) -> LogCursor:
        """Place in the log up to which the reader has read."""
        return self._reader.cursor

    def format(self, news: JobNews) -> Iterator[bytes]:
        """Yield the events that the reader has not had, each made when it is asked for."""
        for event in self._reader.read(news):
            yield format_sse_event(event=event.kind, data_str=event.text, id=event.id)
            if event.kind == "status" and self._reader.place is not None:
                yield format_sse_event(id=self._reader.place)
        if news.is_final:
            yield format_sse_event(event="end", data_str=json.dumps(news.state))


def _parse_event_id(text: str | None) -> tuple[LogCursor, int]:
    """Read `epoch:seq` or `job:version`; anything else starts at the beginning."""
    head, _, tail = (text or "").partition(":")
    if not (tail.isascii() and tail.isdecimal() and len(tail) < 10):
        return START, -1
    if head == "job":
        return START, int(tail)
    if head.isascii() and head.isdecimal() and len(head) < 10:
        return LogCursor(int(head), int(tail)), -1
    return START, -1
