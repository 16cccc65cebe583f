"""Server-sent events, read line by line (WHATWG HTML, section 9.2), with the id to resume from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """One event of a stream."""

    kind: str  # log, status, gap, end
    data: str
    id: str | None


class EventReader:
    """Turns lines into events and remembers where to resume; it does no reading of its own."""

    def __init__(self, last_event_id: str | None = None) -> None:
        self.last_event_id = last_event_id
        self.retry_s = 1.0
        self.is_over = False
        self._kind = ""
        self._data: list[str] = []

    def headers(self) -> dict[str, str]:
        """Return the headers of the next request."""
        resume = {"Last-Event-ID": self.last_event_id} if self.last_event_id else {}
        return {"Accept": "text/event-stream", **resume}

    def feed(self, line: str) -> Event | None:
        """Take one line; return an event where the line ends one. After `end` the stream is over."""
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._kind = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self.last_event_id = value
        elif name == "retry" and value.isdecimal():
            self.retry_s = int(value) / 1000
        return None

    def _dispatch(self) -> Event | None:
        kind, data = self._kind or "message", self._data
        self._kind, self._data = "", []
        if not data:
            return None
        self.is_over = kind == "end"
        return Event(kind, "\n".join(data), self.last_event_id)
