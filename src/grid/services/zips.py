"""A zip that leaves while it is made: no temporary file, no whole file in memory, and the same bytes every time.

Its size is known before its first byte, so that a download has a length and can be resumed: what is packed is packed
once to be measured and once to be sent, and so it is little; what is stored as it is needs no measuring.
"""

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

CHUNK_BYTES = 256 * 1024  # of one read of a file
# Pictures are packed already. What is packed of one zip takes about half a second of processor time, twice.
STORED_SUFFIXES = (".png", ".zip", ".gz", ".npz")
DEFLATE_LIMIT_BYTES = 16 * 2**20  # compressed in one zip; further files are stored
FORMAT = b"1"  # another one wherever equal files would give another zip
MOST_SIZES = 4096  # remembered sizes of zips, so that each part of a download in parts costs no measuring
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
    yield from _stream((member, is_stored, _read(member)) for member, is_stored in _choose(members))


def measure_zip(members: Sequence[ZipMember], tag: str) -> int:
    """Return the size of the zip of `members` in bytes; their sources are read and set back to their beginning.

    Args:
        members: The files.
        tag: What `tag_zip` returns for them: the key of the sizes that are remembered.
    """
    with _sizes_lock:
        if tag in _sizes:
            return _sizes[tag]
    blocks = (
        (member, is_stored, _zeros(member.size) if is_stored else _read(member))
        for member, is_stored in _choose(members)
    )
    size = sum(len(block) for block in _stream(blocks))
    for member in members:
        member.source.seek(0)
    with _sizes_lock:
        if len(_sizes) >= MOST_SIZES:
            _sizes.pop(next(iter(_sizes)))
        _sizes[tag] = size
    return size


def tag_zip(files: Iterable[tuple[str, str]]) -> str:
    """Return a name for the bytes of a zip, from the names of its files and their sha256."""
    digest = hashlib.sha256(FORMAT)
    for name, sha256 in files:
        digest.update(f"{sha256} {name}\n".encode())
    return digest.hexdigest()


_sizes: dict[str, int] = {}
_sizes_lock = threading.Lock()


def _choose(members: Sequence[ZipMember]) -> Iterator[tuple[ZipMember, bool]]:
    """Yield each file with whether it is stored uncompressed: packed ones, and all beyond what one zip may compress."""
    packed = 0
    for member in members:
        is_stored = member.name.endswith(STORED_SUFFIXES) or packed + member.size > DEFLATE_LIMIT_BYTES
        packed += 0 if is_stored else member.size
        yield member, is_stored


def _read(member: ZipMember) -> Iterator[bytes]:
    return iter(lambda: member.source.read(CHUNK_BYTES), b"")


def _zeros(size: int) -> Iterator[bytes]:
    block = bytes(min(size, CHUNK_BYTES))
    for start in range(0, size, CHUNK_BYTES):
        yield block[: size - start]


def _stream(entries: Iterable[tuple[ZipMember, bool, Iterator[bytes]]]) -> Iterator[bytes]:
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as archive:
        for member, is_stored, blocks in entries:
            info = _info(member, is_stored=is_stored)
            with archive.open(info, "w", force_zip64=member.size >= zipfile.ZIP64_LIMIT) as entry:
                for block in blocks:
                    entry.write(block)
                    if data := sink.take():
                        yield data
    yield sink.take()


def _info(member: ZipMember, *, is_stored: bool) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(member.name, _EPOCH)
    info.compress_type = zipfile.ZIP_STORED if is_stored else zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    info.create_system = 3  # Unix, wherever the server runs
    return info
