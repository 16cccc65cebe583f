"""Log rows of a run: chunks of bounded size, numbered per claim, capped per job."""

from collections.abc import Iterator

from grid.schemas.jobs import Claim
from grid.services.ledger import LogChunk

CHUNK_BYTES = 16 * 1024  # of UTF-8 in one row: a reader fetches a log in pieces of this size
JOB_BYTES = 1024 * 1024  # of UTF-8 of one claim: a program that prints without end costs no more
CAP_LINE = "\n[log cut here: a job may write 1 MiB of log]\n"


class LogChunker:
    """The log of one claim: text goes in, chunks come out, and past the cap one line marks the cut."""

    def __init__(self, claim: Claim, *, cap_bytes: int = JOB_BYTES) -> None:
        self._claim = claim
        self._left = cap_bytes
        self._seq = 0
        self._is_cut = False

    def chunks(self, text: str) -> list[LogChunk]:
        """Return the rows for `text`: at most 16 KiB of UTF-8 each, none once the cap is reached."""
        if not text or self._is_cut:
            return []
        encoded = _storable(text).encode()
        self._is_cut = len(encoded) > self._left
        kept = encoded[: self._left].decode(errors="ignore")
        self._left -= len(encoded)
        pieces = list(_pieces(kept))
        if self._is_cut:
            pieces.append(CAP_LINE)
        chunks = [LogChunk(self._claim, self._seq + index, piece) for index, piece in enumerate(pieces)]
        self._seq += len(chunks)
        return chunks


def _storable(text: str) -> str:
    """Replace what a text column cannot hold: NUL (PostgreSQL) and lone surrogates (UTF-8)."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def _pieces(text: str) -> Iterator[str]:
    """Cut text into pieces of at most `CHUNK_BYTES` of UTF-8, never within a character."""
    encoded = text.encode()
    start = 0
    while start < len(encoded):
        end = min(start + CHUNK_BYTES, len(encoded))
        while end < len(encoded) and encoded[end] & 0xC0 == 0x80:  # a continuation byte: step back to its head
            end -= 1
        yield encoded[start:end].decode()
        start = end
