"""One object of S3, read as a file: ranges are fetched when they are needed, ahead of what is read in turn."""

import io
from collections.abc import Callable
from typing import Final

LEAST_AHEAD: Final = 1 << 20  # [B] of a range: a record of a pack, and not the pack
MOST_AHEAD: Final = 8 << 20  # [B] of a range, once a file is read from front to back


class S3Blob(io.BufferedIOBase):
    """Seekable, and buffered by one range.

    Args:
        size: Of the object [B].
        fetch: Returns the bytes from a place on, so many of them; all of them lie in the object.
    """

    def __init__(self, size: int, fetch: Callable[[int, int], bytes]) -> None:
        self._size, self._fetch = size, fetch
        self._place = 0  # of the next byte that is read
        self._from, self._data = 0, b""  # the range that is at hand
        self._ahead = LEAST_AHEAD

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, which may lie behind the end; nothing is fetched."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("a place before the beginning of the file")
        self._place = base + offset
        return self._place

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes: so many, or all; fewer only at the end."""
        if self.closed:
            raise ValueError("I/O operation on closed file")
        left = max(0, self._size - self._place)
        wanted = left if size is None or size < 0 else min(size, left)
        parts: list[bytes] = []
        while wanted:
            part = self._at_hand(wanted)
            parts.append(part)
            self._place += len(part)
            wanted -= len(part)
        return b"".join(parts)

    def read1(self, size: int = -1, /) -> bytes:
        """Return the next bytes as `read` does."""
        return self.read(LEAST_AHEAD if size < 0 else size)

    def _at_hand(self, wanted: int) -> bytes:
        """Return some of the next bytes, after fetching them where they are not there."""
        begin = self._place - self._from
        if not 0 <= begin < len(self._data):
            follows = bool(self._data) and self._place == self._from + len(self._data)
            self._ahead = min(MOST_AHEAD, 2 * self._ahead) if follows else LEAST_AHEAD
            length = min(self._size - self._place, max(self._ahead, min(wanted, MOST_AHEAD)))
            self._from, self._data, begin = self._place, self._fetch(self._place, length), 0
        return self._data[begin : begin + wanted]
