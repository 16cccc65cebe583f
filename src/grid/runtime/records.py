"""Records of packs, read by parts: a record may be larger than what a server can hold of it at once. Loads NumPy."""

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import AdmissionError, GoneError
from grid.runtime.packs import Blobs, PackCorruptError, read_block_dtype
from grid.schemas.fields import FieldPart
from grid.schemas.jobs import PackEntry

BLOCK_BYTES = 1 << 20  # hashed at once
MOST_MEMBER_BYTES = 64 << 20  # of a member that is read as a whole
MOST_ROW_CELLS = 1 << 24  # of one row along the first axis, which is held at once


class RecordLayoutError(GoneError):
    """The record does not hold what this version of its simulation looks for."""

    code, title = "record-layout", "The stored record is of another layout"

    def __init__(self, member: str) -> None:
        super().__init__(member)
        self.member = member

    def __str__(self) -> str:
        return f"The record was written by another version: {self.member} is not as expected. Run the job again."


class RecordReader:
    """A proven record in an open file.

    Args:
        file: Seekable.
        offset: Where the record begins.
        dtype: Of the record.
    """

    def __init__(self, file: BinaryIO, offset: int, dtype: "np.dtype[Any]") -> None:
        self._file, self._offset, self._dtype = file, offset, dtype

    def shape(self, member: str) -> tuple[int, ...]:
        """Return the shape of a member.

        Raises:
            RecordLayoutError: There is none of that name.
        """
        return self._find(member)[0].shape

    def read(self, member: str) -> "NDArray[Any]":
        """Read a member as a whole.

        Raises:
            RecordLayoutError: There is none of that name, or it is larger than 64 MiB.
        """
        kind, place = self._find(member)
        if kind.itemsize > MOST_MEMBER_BYTES:
            raise RecordLayoutError(member)
        return self._take(kind.base, place, kind.shape)

    def require_part(self, part: FieldPart, shape: tuple[int, ...]) -> None:
        """Refuse a part that is not an array of floats of this shape.

        Raises:
            RecordLayoutError: It is not.
        """
        kind, _ = self._find(part.member)
        found = kind.shape if part.entry is None else kind.shape[1:]
        is_inside = part.entry is None or (kind.shape and 0 <= part.entry < kind.shape[0])
        if found != shape or not is_inside or kind.base.kind != "f":
            raise RecordLayoutError(part.member)

    def rows(self, part: FieldPart, first: int, stop: int) -> "NDArray[Any]":
        """Read rows `first` to `stop` (not included) along the first axis of a part, as they are stored.

        Raises:
            RecordLayoutError: There is no such part.
            AdmissionError: A single row has more than 16,777,216 cells.
        """
        kind, place = self._find(part.member)
        shape = kind.shape if part.entry is None else kind.shape[1:]
        cells = math.prod(shape[1:])
        if cells > MOST_ROW_CELLS:
            raise AdmissionError("cells of a row", cells, MOST_ROW_CELLS, "cells")
        begin = (part.entry or 0) * math.prod(shape) + first * cells
        return self._take(kind.base, place + begin * kind.base.itemsize, (stop - first, *shape[1:]))

    def _find(self, member: str) -> "tuple[np.dtype[Any], int]":
        fields = self._dtype.fields
        if fields is None or member not in fields:
            raise RecordLayoutError(member)
        kind, place = fields[member][:2]
        return kind, place

    def _take(self, kind: "np.dtype[Any]", place: int, shape: tuple[int, ...]) -> "NDArray[Any]":
        size = math.prod(shape) * kind.itemsize
        self._file.seek(self._offset + place)
        data = self._file.read(size)
        return np.frombuffer(data, kind).reshape(shape)


@contextmanager
def open_record(blobs: Blobs, entry: PackEntry) -> Iterator[RecordReader]:
    """Open one record, and prove it, holding no more than a block of it.

    Raises:
        NotFoundError: There is no such pack.
        PackCorruptError: The bytes do not match the checksum, or the file is not a pack.
    """
    with blobs.open(entry["key"]) as file:
        dtype = read_block_dtype(file, entry)
        if dtype.itemsize != entry["size"] or _hash(file, entry) != entry["sha256"]:
            raise PackCorruptError(entry["key"], entry["index"])
        yield RecordReader(file, entry["offset"], dtype)


def _hash(file: BinaryIO, entry: PackEntry) -> str:
    digest, left = hashlib.sha256(), entry["size"]
    file.seek(entry["offset"])
    while left > 0 and (block := file.read(min(BLOCK_BYTES, left))):
        digest.update(block)
        left -= len(block)
    return digest.hexdigest()
