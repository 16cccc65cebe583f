"""Server-sent events of a job: news of the ledger as one reader of its stream gets them, each once."""

import json
from collections.abc import Iterator

from fastapi.sse import format_sse_event

from grid.services.logs import START, JobNews, LogCursor


class JobEventFormatter:
    """Formats the news of one job for one reader, and leaves out what that reader has had."""

    def __init__(self, last_event_id: str | None) -> None:
        self.cursor, self.version = _parse_event_id(last_event_id)

    def format(self, news: JobNews) -> Iterator[bytes]:
        """Yield the events that the reader has not had, each made when it is asked for."""
        for chunk in news.chunks:
            place = LogCursor(chunk.epoch, chunk.seq)
            if place > self.cursor:
                self.cursor = place
                text = chunk.text.removesuffix("\n")
                yield format_sse_event(event="log", data_str=text, id=f"{chunk.epoch}:{chunk.seq}")
        if news.has_more:
            return  # the status comes after the log that led to it
        if news.version > self.version:
            self.version = news.version
            yield format_sse_event(event="status", data_str=json.dumps(news.state), id=f"job:{news.version}")
            if self.cursor > START:
                yield format_sse_event(id=f"{self.cursor.epoch}:{self.cursor.seq}")
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
