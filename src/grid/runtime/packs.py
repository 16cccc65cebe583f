"""Result packs: the records of one batch in one NPY file, which `numpy.load` opens in any notebook.

Records of several shapes are one NPY array for each shape, one behind the other: `numpy.load` of the open file, again
and again, reads them in turn.

A job's manifest says where its record is (offset, size) and what it is (sha256), so one point is read, and proved,
without touching its neighbours. Only points that succeeded are in a pack. Equal records give equal bytes: fields are
packed without gaps, little-endian, in C order.
"""

import hashlib
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from grid.core.errors import GridError
from grid.schemas.jobs import PackEntry

if TYPE_CHECKING:  # the supervisor may import this module; it never loads NumPy
    import numpy as np

HEADER_BYTES = 1 << 20  # NumPy refuses to parse a longer header


class PackCorruptError(GridError):
    """The stored bytes are not the ones that were written."""

    code, title = "pack-corrupt", "The stored result is damaged"

    def __init__(self, key: str, index: int) -> None:
        super().__init__(key, index)
        self.key, self.index = key, index

    def __str__(self) -> str:
        return f"Record {self.index} of {self.key} does not match its checksum; run the job again."


class Blobs(Protocol):
    """The part of an artifact store that packs are read from."""

    def open(self, key: str) -> BinaryIO:
        """Open a blob for reading, seekable."""
        ...


def write_pack(path: Path, key: str, *blocks: "np.ndarray[Any, Any]") -> list[PackEntry]:
    """Write blocks of records, each of shape ``(points,)``, as the file `path`; return each one's place under `key`.

    The file is new, complete and not yet synced: the store's `adopt` does that.

    Raises:
        TypeError: A dtype that holds Python objects, or is not structured.
        OSError: As the disk says, for instance ENOSPC.
    """
    packed = [normalize(block) for block in blocks]
    entries: list[PackEntry] = []
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        place = 0
        for block in packed:
            entries += _write_block(file, key, block, place)
            place = file.tell()
    return entries


def _write_block(file: BinaryIO, key: str, packed: "np.ndarray[Any, Any]", place: int) -> list[PackEntry]:
    """Write one NPY array at `place`, where the file ends."""
    import numpy as np

    header = make_header(packed)
    rows = memoryview(packed.view(np.uint8).data)
    size = packed.dtype.itemsize
    file.write(header)
    entries: list[PackEntry] = []
    for index in range(len(packed)):
        record = rows[index * size : (index + 1) * size]
        file.write(record)
        offset, digest = place + len(header) + index * size, hashlib.sha256(record).hexdigest()
        entry = PackEntry(key=key, index=index, offset=offset, size=size, sha256=digest)
        if place:
            entry["block"] = place
        entries.append(entry)
    return entries


def normalize(records: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Return records without gaps between fields, little-endian and contiguous; the same array where it is so."""
    import numpy as np
    from numpy.lib import recfunctions

    if records.ndim != 1 or not records.dtype.names or not records.dtype.itemsize or records.dtype.hasobject:
        raise TypeError("Records are a one-dimensional structured array without Python objects.")
    wanted = recfunctions.repack_fields(records.dtype, recurse=True).newbyteorder("<")
    return np.ascontiguousarray(records if records.dtype == wanted else records.astype(wanted))


def make_header(records: "np.ndarray[Any, Any]") -> bytes:
    """Return the NPY header (format 1.0, or 2.0 where the dtype's description is long), padded to 64 bytes."""
    from numpy.lib import format as npy

    description = npy.header_data_from_array_1_0(records)
    try:
        out = io.BytesIO()
        npy.write_array_header_1_0(out, description)
    except ValueError:
        out = io.BytesIO()
        npy.write_array_header_2_0(out, description)
    return out.getvalue()


def read_record(blobs: Blobs, entry: PackEntry) -> "np.void":
    """Read one record, and prove it, without loading its pack.

    Raises:
        NotFoundError: There is no such pack.
        PackCorruptError: The bytes do not match the checksum, or the file is not a pack.
    """
    import numpy as np

    with blobs.open(entry["key"]) as file:
        dtype = read_block_dtype(file, entry)
        file.seek(entry["offset"])
        data = file.read(entry["size"])
    if hashlib.sha256(data).hexdigest() != entry["sha256"] or dtype.itemsize != len(data):
        raise PackCorruptError(entry["key"], entry["index"])
    record: np.void = np.frombuffer(data, dtype=dtype)[0]
    return record


def cut_record(blobs: Blobs, entry: PackEntry, key: str) -> tuple[bytes, PackEntry]:
    """Return one record as a pack of its own, proved, and its entry under `key`. Loads no NumPy.

    The header is that of its array, which names a larger number of records; `read_record` asks for the dtype alone.

    Raises:
        NotFoundError: There is no such pack.
        PackCorruptError: The bytes do not match the checksum, or the file is not a pack.
    """
    with blobs.open(entry["key"]) as file:
        file.seek(entry.get("block", 0))
        begin = file.read(12)  # magic, version, length of the rest of the header: 2 bytes in format 1.0, 4 from 2.0 on
        wide = begin[6:7] != b"\x01"
        length = int.from_bytes(begin[8 : 12 if wide else 10], "little")
        if begin[:6] != b"\x93NUMPY" or length > HEADER_BYTES:
            raise PackCorruptError(entry["key"], entry["index"])
        header = begin + file.read(length - (0 if wide else 2))
        file.seek(entry["offset"])
        data = file.read(entry["size"])
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise PackCorruptError(entry["key"], entry["index"])
    alone = PackEntry(key=key, index=0, offset=len(header), size=entry["size"], sha256=entry["sha256"])
    return header + data, alone


def read_block_dtype(file: BinaryIO, entry: PackEntry) -> "np.dtype[Any]":
    """Read the dtype of the array in which a record lies.

    Raises:
        PackCorruptError: The file is not a pack.
    """
    file.seek(entry.get("block", 0))
    try:
        return read_dtype(file)
    except (ValueError, EOFError, SyntaxError) as error:
        raise PackCorruptError(entry["key"], entry["index"]) from error


def read_dtype(file: BinaryIO) -> "np.dtype[Any]":
    """Read the dtype of the NPY array whose header begins here.

    Raises:
        ValueError, EOFError, SyntaxError: There is none, or one that may hold Python objects.
    """
    from numpy.lib import format as npy

    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    _, _, dtype = read(file, max_header_size=HEADER_BYTES)
    if dtype.hasobject:  # never unpickle
        raise ValueError("not a pack")
    return dtype
