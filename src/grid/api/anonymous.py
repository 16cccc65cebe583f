"""The log of requests by nobody known: all together, they may not make the server write more than they send.

A line of log is ten times as long as the shortest request, so a stranger with a little bandwidth could fill a disk. So
the bytes of such requests are counted as credit, and a line is written where there is credit for it; else it is left
out, and the next line that is written says how many were.
"""

from collections.abc import Callable
from typing import Any

from starlette.types import Scope

FIRST_BYTES = 16 * 1024  # credit of a server that has just started, so that a few requests by hand are all seen
MOST_BYTES = 64 * 1024  # credit that is kept
LINE_BYTES = 420  # of a line, but for what the caller chose of it; lines have 200 to 400


class AnonymousLog:
    """Writes lines about requests by nobody known, as far as they have sent as much."""

    def __init__(self) -> None:
        self._credit = FIRST_BYTES
        self._left_out = 0

    def add_credit(self, size: int) -> None:
        """Count bytes that came."""
        self._credit = min(MOST_BYTES, self._credit + size)

    def write(self, write: Callable[..., Any], event: str, *, chosen: int = 0, **values: object) -> None:
        """Write a line, or count it.

        Args:
            write: Such as `log.info`.
            event: The key of the event.
            chosen: Bytes of the line that the caller chose, such as a path.
            values: Of the event.
        """
        size = LINE_BYTES + chosen
        if size > self._credit:
            self._left_out += 1
            return
        self._credit -= size
        if self._left_out:
            values["left_out"], self._left_out = self._left_out, 0
        write(event, **values)


LOG = AnonymousLog()  # of this process: its log is one


def mark_known(scope: Scope) -> None:
    """Say that the caller of a request is known."""
    scope.setdefault("state", {})["is_known"] = True


def is_known(scope: Scope) -> bool:
    """Tell whether the caller of a request is known by now."""
    return bool(scope.get("state", {}).get("is_known"))


def size_of_head(scope: Scope) -> int:
    """Return the bytes of a request's line and header."""
    fields = sum(len(name) + len(value) + 4 for name, value in scope["headers"])
    return len(scope["method"]) + len(scope.get("raw_path") or b"") + len(scope["query_string"]) + fields + 12
