"""A program's output, cut into lines: bounded, clean, and with the progress taken out."""

import math
import re
from collections.abc import Iterator
from typing import Any

LINE_BYTES = 4096  # of one line of output; a longer one is cut into several
PROGRESS_INTERVAL_S = 0.25  # [s] between two messages
_PROGRESS = re.compile(rb"::progress +([01](?:\.[0-9]{0,18})?|\.[0-9]{1,18})\s*")


class LogLines:
    """Takes bytes, yields messages: `log` with whole lines, `progress` with a fraction that never falls.

    Lines longer than 4 KiB are cut, bytes that are not UTF-8 and NUL are replaced, and beyond `most_bytes` the log
    says once that the rest is left out.
    """

    def __init__(self, most_bytes: int) -> None:
        self.left = most_bytes
        self.most_bytes = most_bytes
        self.fraction, self.told, self.told_at = 0.0, 0.0, -math.inf
        self._rest = b""
        self._is_cut = False

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """Yield what these bytes complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        texts = [text for line in lines for text in self._take(line)]
        while len(self._rest) > LINE_BYTES:
            piece, self._rest = self._rest[:LINE_BYTES], self._rest[LINE_BYTES:]
            texts += self._take(piece)
        if texts:
            yield {"type": "log", "text": "".join(texts)}

    def end(self) -> Iterator[dict[str, Any]]:
        """Yield a last line without a line end, and the last progress."""
        rest, self._rest = self._rest, b""
        texts = self._take(rest) if rest else []
        if texts:
            yield {"type": "log", "text": "".join(texts)}
        yield from self.tick(math.inf)

    def tick(self, now: float) -> Iterator[dict[str, Any]]:
        """Yield the progress, at most four times a second."""
        if self.fraction > self.told and now - self.told_at >= PROGRESS_INTERVAL_S:
            self.told, self.told_at = self.fraction, now
            yield {"type": "progress", "fraction": self.fraction}

    def _take(self, line: bytes) -> list[str]:
        progress = _PROGRESS.fullmatch(line)
        if progress:
            self.fraction = max(self.fraction, min(1.0, float(progress[1])))
            return []
        pieces = [line[i : i + LINE_BYTES] for i in range(0, len(line), LINE_BYTES)] or [b""]
        return [text for piece in pieces for text in self._count(piece)]

    def _count(self, piece: bytes) -> list[str]:
        if self._is_cut:
            return []
        self.left -= len(piece) + 1
        if self.left < 0:
            self._is_cut = True
            return [f"[the log is cut here: more than {self.most_bytes} bytes]\n"]
        return [piece.rstrip(b"\r").decode("utf-8", "replace").replace("\0", "�") + "\n"]
