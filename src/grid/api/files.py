"""Answers that are files: with their length and a validator, whole, in part (Range), or not again (If-None-Match).

RFC 9110, sections 13 and 14. One range a request is served; a request for several gets the whole file, as it may.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from grid.core.errors import GridError

_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.IGNORECASE | re.ASCII)
_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e]*)"')


class UnsatisfiableRangeError(GridError):
    """The range begins behind the end of the file."""

    code, title = "range-not-satisfiable", "The range is outside the file"

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size

    def __str__(self) -> str:
        return f"The file has {self.size} bytes."


@dataclass(frozen=True)
class Span:
    """Bytes `start` to `stop` (not included) of a file of `size` bytes."""

    start: int
    stop: int
    size: int

    @property
    def length(self) -> int:
        """Number of bytes."""
        return self.stop - self.start

    @property
    def is_whole(self) -> bool:
        """True for the whole file."""
        return self.length == self.size


def choose_span(headers: Mapping[str, str], *, size: int, tag: str) -> Span:
    """Return the bytes that a request asks for.

    A header that cannot be read, one that names several ranges, and one whose `If-Range` names another file mean the
    whole file.

    Raises:
        UnsatisfiableRangeError: Nothing of the range is in the file.
    """
    whole = Span(0, size, size)
    wanted = _RANGE.fullmatch(headers.get("range", ""))
    if wanted is None or wanted.groups() == ("", ""):
        return whole
    if "if-range" in headers and headers["if-range"].strip() != f'"{tag}"':
        return whole
    first, last = wanted.groups()
    if not first:  # the last so many bytes
        if int(last) == 0 or size == 0:
            raise UnsatisfiableRangeError(size)
        return Span(max(0, size - int(last)), size, size)
    if last and int(last) < int(first):
        return whole
    if int(first) >= size:
        raise UnsatisfiableRangeError(size)
    return Span(int(first), min(size, int(last) + 1) if last else size, size)


def is_known(headers: Mapping[str, str], tag: str) -> bool:
    """Tell whether `If-None-Match` names the file, so that it need not be sent again."""
    names = headers.get("if-none-match")
    return names is not None and (names.strip() == "*" or tag in _TAG.findall(names))


def file_headers(name: str, tag: str) -> dict[str, str]:
    """Return the headers of a file that is sent as an attachment."""
    return {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "ETag": f'"{tag}"',
    }


def not_modified(tag: str) -> Response:
    """Say that the caller has the file already."""
    return Response(status_code=304, headers={"ETag": f'"{tag}"', "Cache-Control": "private, no-cache"})


def cut(blocks: Iterable[bytes], start: int, stop: int) -> Iterator[bytes]:
    """Yield bytes `start` to `stop` of a stream of blocks, without holding more than one of them."""
    place = 0
    for block in blocks:
        end = place + len(block)
        if end > start:
            yield block[max(0, start - place) : stop - place]
        if end >= stop:
            return
        place = end


class FileResponse(StreamingResponse):
    """A span of a file, streamed; its sources are closed however the answer ends, also where it never began."""

    def __init__(
        self, blocks: Iterator[bytes], span: Span, sources: list[BinaryIO], headers: dict[str, str], media_type: str
    ) -> None:
        status, more = (200, {}) if span.is_whole else (206, {"Content-Range": _content_range(span)})
        headers = headers | more | {"Content-Length": str(span.length)}
        super().__init__(blocks, status, headers=headers, media_type=media_type)
        self._sources = sources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            for source in self._sources:
                source.close()


def _content_range(span: Span) -> str:
    return f"bytes {span.start}-{span.stop - 1}/{span.size}"


Responses = dict[int | str, dict[str, Any]]
PARTIAL: Responses = {
    206: {"description": "The part that `Range` asks for"},
    304: {"description": "`If-None-Match` names the file: it has not changed"},
}
