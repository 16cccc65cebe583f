"""A zip that leaves while it is made: no temporary file, no whole file in memory, and the same bytes every time."""

import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

CHUNK_BYTES = 256 * 1024
# Pictures are packed already, and a giant is sent sooner than it is packed.
STORED_SUFFIXES = (".png", ".zip", ".gz")
DEFLATE_LIMIT_BYTES = 64 * 2**20
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can name; a real one would change the bytes


@dataclass(frozen=True)
class ZipMember:
    """One file of a zip: its name in it, its size in bytes, and where to read it from."""

    name: str
    size: int
    source: BinaryIO


class _Sink(io.RawIOBase):
    """Takes what `zipfile` writes until it is fetched; not seekable, so sizes follow the data in the archive."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: "memoryview | bytes | bytearray") -> int:  # type: ignore[override]
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


def stream_zip(members: Sequence[ZipMember]) -> Iterator[bytes]:
    """Yield the bytes of a zip of `members`, in their order. The sources are read, not closed."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as archive:
        for member in members:
            with archive.open(_info(member), "w", force_zip64=member.size >= zipfile.ZIP64_LIMIT) as entry:
                while chunk := member.source.read(CHUNK_BYTES):
                    entry.write(chunk)
                    if data := sink.take():
                        yield data
    yield sink.take()


def _info(member: ZipMember) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(member.name, _EPOCH)
    is_stored = member.name.endswith(STORED_SUFFIXES) or member.size > DEFLATE_LIMIT_BYTES
    info.compress_type = zipfile.ZIP_STORED if is_stored else zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    info.create_system = 3  # Unix, wherever the server runs
    return info
