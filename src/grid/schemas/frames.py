"""Frames: one field at one moment as bytes that stand alone, and their strict decoder, which needs NumPy alone.

A frame is a header of 96 bytes, little-endian, and a payload. Every cell is a code of 8, 12 or 16 bits,

    value = offset + scale code,    the largest code of that many bits: no value.

Cells lie in C order of (nx, ny, nz); trailing axes of one cell are left out, and what stays is a stack of planes of
rows. With filter 1 each code is predicted from its neighbours in the plane, left + up - left above, 0 beyond the edge;
of the differences modulo 2^16 small ones of either sign become small numbers (zigzag), all low bytes are stored first,
then all high bytes. Without it a code takes one byte for 8 bits, else two, the low one first.

The bytes may come from anywhere: nothing is taken of more than 8 MiB, and no more is unpacked than the header says.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntFlag
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import InputError

MAGIC = b"GRF1"
VERSION = 1
MAX_RAW_BYTES = 8 << 20
MAX_SIZE = 2**16 - 1  # cells along an axis
FIELDS = ("requested", "temperature", "stress", "utilisation", "damage", "state")
CODECS = ("none", "deflate", "zstd")
LEVELS = (1, 2, 4)  # cells of the full grid along an axis for one of the frame
MOST_LEVEL = 12  # of a field that a request names: 2^level cells
BITS = (8, 12, 16)
HEADER = struct.Struct("<4sBBBBHBB3H3HQdddIIQIIIf8s")
Codes = NDArray[np.uint16]


class FrameError(InputError):
    """Bytes that are no frame of this version."""

    code, title = "invalid-frame", "The bytes are not a frame"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason}; ask for the frame again, or use a client of this version"


class FrameFlag(IntFlag):
    """Circumstances of a frame; bits that are not listed are ignored."""

    LUMPED = 1
    CATCHING_UP = 2
    NOT_LIVE = 4
    PAUSED = 8
    PHYSICS_DEGRADED = 16
    ESTIMATE = 32


@dataclass(frozen=True)
class FrameHeader:
    """The header of a frame but for magic and version.

    Args:
        field: Index in `FIELDS`.
        codec: Index in `CODECS`.
        filter: 1 where the codes are predicted, else 0.
        bits: Of a code.
        flags: Bits of `FrameFlag`.
        level: 2^level cells of the full grid along an axis for one of the frame; above 2 in requested fields only.
        size: Cells of the frame along x, y and z, 1 where there is no such axis.
        origin: Its first cell in the full grid.
        tick, time_s: Of the run; simulated [s].
        offset, scale: Of the codes, in the field's unit.
        frame: Number of the frame, of its field and level.
        epoch: Of the run's owner.
        computed_ms: Unix time [ms].
        raw_bytes, payload_bytes: Length of the payload before and after the codec.
        crc32: Of the payload as it is sent.
        error: Largest error of a value by its code, scale/2.
        run: First 8 bytes of the run's id.
    """

    field: int
    codec: int
    filter: int
    bits: int
    flags: int
    level: int
    size: tuple[int, int, int]
    origin: tuple[int, int, int]
    tick: int
    time_s: float
    offset: float
    scale: float
    frame: int
    epoch: int
    computed_ms: int
    raw_bytes: int
    payload_bytes: int
    crc32: int
    error: float
    run: bytes

    def pack(self) -> bytes:
        """The header as 96 bytes.

        Raises:
            struct.error: A number does not fit its place.
        """
        return HEADER.pack(
            MAGIC, self.field, self.codec, self.filter, self.bits, self.flags, self.level, VERSION,
            *self.size, *self.origin, self.tick, self.time_s, self.offset, self.scale, self.frame, self.epoch,
            self.computed_ms, self.raw_bytes, self.payload_bytes, self.crc32, self.error, self.run,
        )  # fmt: skip

    @classmethod
    def unpack(cls, data: bytes | memoryview) -> "FrameHeader":
        """The header at the beginning of some bytes, checked by itself.

        Raises:
            FrameError: There is none, or it contradicts itself.
        """
        if len(data) < HEADER.size:
            raise FrameError(f"{len(data)} bytes are less than a header of {HEADER.size}")
        magic, *numbers = HEADER.unpack_from(data)
        if magic != MAGIC:
            raise FrameError("The first bytes are not those of a frame")
        field, codec, filtered, bits, flags, level, version, *places = numbers
        if version != VERSION:
            raise FrameError(f"Version {version} is not known")
        size, origin, rest = places[:3], places[3:6], places[6:]
        header = cls(field, codec, filtered, bits, flags, level, (*size,), (*origin,), *rest)
        header._require_consistent()
        return header

    def _require_consistent(self) -> None:
        known = (
            self.field < len(FIELDS)
            and self.codec < len(CODECS)
            and self.filter <= 1
            and self.bits in BITS
            and self.level <= (MOST_LEVEL if self.field == 0 else len(LEVELS) - 1)
        )
        if not known:
            raise FrameError("The header names a field, codec, filter, code or level that is not known")
        if not all(self.size):
            raise FrameError("The frame has no cells")
        if self.raw_bytes != self.code_bytes or self.raw_bytes > MAX_RAW_BYTES:
            raise FrameError(f"{self.raw_bytes} bytes of codes are not those of its cells, or above {MAX_RAW_BYTES}")
        numbers = (self.time_s, self.scale, self.offset, self.offset + self.scale * 2.0**16, self.error)
        if not all(map(math.isfinite, numbers)) or self.scale < 0.0 or self.error < 0.0:
            raise FrameError("The header holds a number that is not finite, or a scale or error below 0")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the field: the size, trailing axes of one cell left out."""
        return find_shape(self.size)

    @property
    def cells(self) -> int:
        """Number of cells."""
        return math.prod(self.size)

    @property
    def code_bytes(self) -> int:
        """Bytes of all codes before the codec."""
        return self.cells * (1 if self.filter == 0 and self.bits == 8 else 2)

    @property
    def missing(self) -> int:
        """The code of cells without a value."""
        return int(2**self.bits - 1)


@dataclass(frozen=True)
class Frame:
    """A decoded frame.

    Args:
        header: Its header.
        codes: Of the cells, shape `header.shape`; read-only.
    """

    header: FrameHeader
    codes: Codes

    @cached_property
    def values(self) -> NDArray[np.float64]:
        """The field, NaN in cells without a value."""
        values = self.codes * np.float64(self.header.scale) + np.float64(self.header.offset)
        values[self.codes == self.header.missing] = np.nan
        return values


def decode_frame(data: bytes | memoryview) -> Frame:
    """Decode the one frame that some bytes are.

    Raises:
        FrameError: They are not exactly one frame.
    """
    frame, end = _decode(memoryview(data))
    if end != len(data):
        raise FrameError(f"{len(data) - end} bytes follow the frame")
    return frame


def decode_frames(data: bytes | memoryview) -> Iterator[Frame]:
    """Decode frames that follow each other.

    Raises:
        FrameError: Some bytes are no frame, when they are reached.
    """
    view = memoryview(data)
    while view:
        frame, end = _decode(view)
        view = view[end:]
        yield frame


def find_shape(size: tuple[int, ...]) -> tuple[int, ...]:
    """Sizes without trailing ones; one axis stays at least."""
    axes = len(size)
    while axes > 1 and size[axes - 1] == 1:
        axes -= 1
    return tuple(size[:axes])


def find_planes(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Planes, rows and columns of a field of such a shape, for the prediction."""
    planes, rows, columns = (1, 1, *find_shape(shape))[-3:]
    return planes, rows, columns


def _decode(view: memoryview) -> tuple[Frame, int]:
    header = FrameHeader.unpack(view)
    end = HEADER.size + header.payload_bytes
    payload = view[HEADER.size : end]
    if len(payload) != header.payload_bytes:
        raise FrameError(f"{len(payload)} of {header.payload_bytes} bytes of the payload are there")
    if zlib.crc32(payload) != header.crc32:
        raise FrameError("The checksum of the payload does not fit")
    raw = _decompress(payload, CODECS[header.codec], header.raw_bytes)
    codes = _undo_prediction(raw, header.shape) if header.filter else _read_codes(raw, header)
    if codes.size and int(codes.max()) > header.missing:
        raise FrameError(f"A code has more than {header.bits} bits")
    codes.flags.writeable = False
    return Frame(header, codes), end


def _decompress(payload: memoryview, codec: str, size: int) -> bytes:
    """Undo the codec; no more than `size` bytes are ever unpacked."""
    raw = b""
    if codec == "none":
        raw = bytes(payload) if len(payload) == size else b""
    elif codec == "deflate":
        raw = _inflate(payload, size)
    else:
        raw = _unpack_zstd(payload, size)
    if len(raw) != size:
        raise FrameError(f"The payload does not unpack to the {size} bytes that the header names")
    return raw


def _inflate(payload: memoryview, size: int) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        raw = inflater.decompress(payload, size + 1)
    except zlib.error as error:
        raise FrameError("The payload cannot be inflated") from error
    is_whole = inflater.eof and not inflater.unused_data and not inflater.unconsumed_tail
    return raw if is_whole else b""


def _unpack_zstd(payload: memoryview, size: int) -> bytes:
    import zstandard

    try:
        if zstandard.get_frame_parameters(payload).content_size != size:  # what a reader would allocate
            return b""
        raw: bytes = zstandard.ZstdDecompressor().decompress(payload, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise FrameError("The payload cannot be unpacked") from error
    return raw


def _read_codes(raw: bytes, header: FrameHeader) -> Codes:
    kind: Any = np.uint8 if header.bits == 8 else "<u2"
    return np.frombuffer(raw, kind).astype(np.uint16).reshape(header.shape)


def _undo_prediction(raw: bytes, shape: tuple[int, ...]) -> Codes:
    low, high = np.frombuffer(raw, np.uint8).reshape(2, -1)
    folded = high.astype(np.uint16)
    folded <<= 8
    folded |= low
    signs = folded & np.uint16(1)
    folded >>= 1
    folded ^= np.negative(signs, out=signs)
    codes: Codes = folded.reshape(find_planes(shape))
    np.cumsum(codes, axis=2, dtype=np.uint16, out=codes)
    for row in range(1, codes.shape[1]):  # a row at a time is several times as fast as `cumsum` across rows
        codes[:, row] += codes[:, row - 1]
    return codes.reshape(shape)
