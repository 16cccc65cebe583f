"""Encoder of frames: a field at a moment, reduced, quantised, predicted and compressed.

    encoder = FrameEncoder("temperature", level=1)
    quantised = encoder.quantise(field, Stamp(tick=5472, time_s=182.4, epoch=2, computed_ms=now, run=run_id.bytes[:8]))
    frame = quantised.pack("zstd")

The format and its decoder are `grid.schemas.frames`. A range of values is held over many frames, so that colours stay:
a new one is taken when a value leaves it, or when the values span less than a quarter of it. No value is ever clipped.
"""

import math
import zlib
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import FieldError
from grid.engine.arguments import require_choice
from grid.schemas.frames import (
    BITS,
    CODECS,
    FIELDS,
    LEVELS,
    MAX_RAW_BYTES,
    MAX_SIZE,
    FrameHeader,
    decode_frame,
    find_planes,
)

__all__ = [
    "FrameEncoder", "FramePasses", "FrameRange", "QuantisedFrame", "Stamp", "decode_frame", "encode_frame",
    "reduce_field",
]  # fmt: skip

FieldName = Literal["requested", "temperature", "stress", "utilisation", "damage", "state"]
Codec = Literal["none", "deflate", "zstd"]
FloatArray = NDArray[np.float64]
HEADROOM = 0.12  # share of the span that a new range is wider, half of it on either side
LEAST_SHARE = 0.25  # of its range that values must span
LEAST_SPAN = 1e-9  # of the largest magnitude; a code of a narrower range would be lost in the rounding of its value
LEAST_SPAN_OF_ZERO = 1e-30
MAX_MAGNITUDE = 1e30  # of a value; its error still fits the 32 bits of the header
_REDUCTIONS = {"requested": 0, "temperature": 0, "stress": 2, "utilisation": 1, "damage": 1, "state": 1}


@dataclass(frozen=True)
class Stamp:
    """What a frame says of its moment.

    Args:
        tick, time_s: Of the run; simulated [s].
        epoch: Of the run's owner.
        computed_ms: Unix time [ms].
        run: First 8 bytes of the run's id.
        flags: Bits of `FrameFlag`.

    Raises:
        FieldError: A number does not fit its place in the header.
    """

    tick: int
    time_s: float
    epoch: int = 0
    computed_ms: int = 0
    run: bytes = b"\0" * 8
    flags: int = 0

    def __post_init__(self) -> None:
        for name, bits in (("tick", 64), ("epoch", 32), ("computed_ms", 64), ("flags", 16)):
            if not 0 <= getattr(self, name) < 2**bits:
                raise FieldError(name, f"a whole number of {bits} bits")
        if not math.isfinite(self.time_s):
            raise FieldError("time_s", "a finite number")
        if len(self.run) != 8:
            raise FieldError("run", "8 bytes")


@dataclass(frozen=True)
class FrameRange:
    """Range of values that codes stand for.

    Args:
        low, high: Its ends, in the field's unit.
        is_least: True where it is as narrow as a range may be.
    """

    low: float
    high: float
    is_least: bool = False

    @classmethod
    def around(cls, low: float, high: float, headroom: float = HEADROOM) -> "FrameRange":
        """The range of values between two ends, wider by a share of their span, and never too narrow."""
        least = max(LEAST_SPAN * max(abs(low), abs(high)), LEAST_SPAN_OF_ZERO)
        wanted = (high - low) * (1.0 + headroom)
        margin = 0.5 * (max(wanted, least) - (high - low))
        return cls(low - margin, high + margin, is_least=wanted < least)

    def holds(self, low: float, high: float) -> bool:
        """True where values between two ends lie within it, and span enough of it."""
        is_wide = self.is_least or high - low >= LEAST_SHARE * (self.high - self.low)
        return self.low <= low and high <= self.high and is_wide


@dataclass(frozen=True)
class QuantisedFrame:
    """A frame before its codec.

    Args:
        header: With codec 0 and without checksum.
        raw: Codes as the filter leaves them.
        is_repeat: True where range and codes are those of the frame before.
    """

    header: FrameHeader
    raw: bytes
    is_repeat: bool = False
    _packed: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)

    def pack(self, codec: Codec) -> bytes:
        """The frame as bytes; made once for each codec.

        Args:
            codec: `none`, `deflate` (raw) or `zstd`.
        """
        require_choice("codec", codec, get_args(Codec))
        if codec not in self._packed:
            self._packed[codec] = self._pack(codec)
        return self._packed[codec]

    def _pack(self, codec: Codec) -> bytes:
        payload = _compress(self.raw, codec)
        checksum = zlib.crc32(payload)
        header = replace(self.header, codec=CODECS.index(codec), payload_bytes=len(payload), crc32=checksum)
        return header.pack() + payload


class FramePasses(Protocol):
    """The passes over a field that make its codes: `frame_kernels`, or `frame_passes` without Numba."""

    def quantise(
        self, values: FloatArray, offset: float, inverse: float, missing: int, codes: Any, extremes: FloatArray, /
    ) -> None:
        """Write the code of every cell, and find the extremes."""
        ...

    def predict(self, codes: Any, out: Any, /) -> None:
        """Write the differences of codes from their prediction."""
        ...

    def reduce(self, values: FloatArray, factor: int, kind: int, out: FloatArray, /) -> None:
        """Write one value for each block of cells."""
        ...


class FrameEncoder:
    """Makes the frames of one field, level and region of a run; holds their range and numbers. For one thread.

    Args:
        name: Name of the field.
        level: 0 for full resolution, 1 for half, 2 for a quarter.
        bits: Of a code: 12, 16, or 8; None: 8 for `state`, else 12.
        filtered: False leaves the codes as they are.
        origin: First cell of the region in the full grid.
        headroom: Share of the values' span by which a new range is wider.
        passes: Over the field; None for the compiled ones.

    Raises:
        FieldError: An argument is outside its limits.
    """

    def __init__(
        self,
        name: FieldName,
        level: int = 0,
        *,
        bits: int | None = None,
        filtered: bool = True,
        origin: tuple[int, ...] = (0, 0, 0),
        headroom: float = HEADROOM,
        passes: FramePasses | None = None,
    ) -> None:
        require_choice("field", name, FIELDS)
        if level not in range(len(LEVELS)):
            raise FieldError("level", "0, 1 or 2")
        if bits is not None and bits not in BITS:
            raise FieldError("bits", "8, 12 or 16")
        if len(origin) > 3 or not all(0 <= at <= MAX_SIZE for at in origin):
            raise FieldError("origin", f"at most three cells, 0 to {MAX_SIZE}")
        self.name, self.level, self.filtered = name, level, filtered
        self.bits = bits or (8 if name == "state" else 12)
        x, y, z = (*origin, 0, 0, 0)[:3]
        self.origin = x, y, z
        self.number = 0
        self.range = FrameRange(0.0, float(self.steps)) if name == "state" else None
        self.headroom, self._is_fixed = headroom, name == "state"
        self._passes = passes or _compiled_passes()
        self._last: tuple[FrameRange, bytes] | None = None
        self._codes = np.empty((0, 0), np.uint16)

    def quantise(self, values: FloatArray, stamp: Stamp, mask: NDArray[np.bool_] | None = None) -> QuantisedFrame:
        """Make the next frame of a field.

        Args:
            values: Of the region at full resolution, one to three axes; NaN has no value. Only read.
            stamp: Its moment.
            mask: True in cells that have a value; None where all do.

        Raises:
            FieldError: A value is infinite or above 1e30, not a state where states are shown, or the frame is larger
                than 8 MiB or than 65,535 cells along an axis.
        """
        shown = reduce_field(values, self.name, self.level, mask, self._passes)
        planes = find_planes(shown.shape)
        if max(shown.shape) > MAX_SIZE or 2 * shown.size > MAX_RAW_BYTES:
            raise FieldError("values", f"at most {MAX_SIZE} cells an axis, {MAX_RAW_BYTES // 2} in all, in a frame")
        held = self._write_codes(shown.reshape(-1, planes[2]))
        raw = self._filter(planes)
        is_repeat = self._last == (held, raw)
        self._last = held, raw
        self.number = (self.number + 1) % 2**32
        return QuantisedFrame(self._describe(shown.shape, len(raw), held, stamp), raw, is_repeat)

    @property
    def steps(self) -> int:
        """Largest code of a value: the number of steps of the range."""
        return int(2**self.bits - 2)

    def _write_codes(self, rows: FloatArray) -> FrameRange:
        """Write the codes, and return the range they are of: the one that is held, or a new one."""
        held = self.range or FrameRange(0.0, 1.0)
        low, high = self._quantise(rows, held)
        if low > high:  # no cell has a value
            return held
        if not (math.isfinite(low) and math.isfinite(high)) or max(-low, high) > MAX_MAGNITUDE:
            raise FieldError("values", f"finite, at most {MAX_MAGNITUDE:g}")
        if self._is_fixed and not (held.low <= low and high <= held.high):
            raise FieldError("values", f"states, {held.low:g} to {held.high:g}")
        if self.range is None or not (self._is_fixed or held.holds(low, high)):
            self.range = held = FrameRange.around(low, high, self.headroom)
            self._quantise(rows, held)
        return held

    def _quantise(self, rows: FloatArray, held: FrameRange) -> tuple[float, float]:
        if self._codes.shape != rows.shape:
            self._codes = np.empty(rows.shape, np.uint16)
        extremes = np.empty(2)
        inverse = self.steps / (held.high - held.low)
        self._passes.quantise(rows, held.low, inverse, self.steps + 1, self._codes, extremes)
        return float(extremes[0]), float(extremes[1])

    def _filter(self, planes: tuple[int, int, int]) -> bytes:
        if not self.filtered:
            return self._codes.astype(np.uint8 if self.bits == 8 else "<u2").tobytes()
        out = np.empty((2, *planes), np.uint8)
        self._passes.predict(self._codes.reshape(planes), out)
        return out.tobytes()

    def _describe(self, shape: tuple[int, ...], raw_bytes: int, held: FrameRange, stamp: Stamp) -> FrameHeader:
        scale = (held.high - held.low) / self.steps
        error = np.float32(scale / 2.0)
        if float(error) < scale / 2.0:  # a bound is rounded upwards
            error = np.nextafter(error, np.float32(np.inf))
        nx, ny, nz = (*shape, 1, 1)[:3]
        return FrameHeader(
            FIELDS.index(self.name), 0, int(self.filtered), self.bits, stamp.flags, self.level, (nx, ny, nz),
            self.origin, stamp.tick, stamp.time_s, held.low, scale, self.number, stamp.epoch, stamp.computed_ms,
            raw_bytes, raw_bytes, 0, float(error), stamp.run,
        )  # fmt: skip


def encode_frame(
    values: FloatArray,
    stamp: Stamp,
    *,
    name: FieldName = "requested",
    codec: Codec = "none",
    level: int = 0,
    bits: int | None = None,
    filtered: bool = True,
    mask: NDArray[np.bool_] | None = None,
) -> bytes:
    """Encode a field by itself, with the range of its values.

    Raises:
        FieldError: An argument is outside its limits.
    """
    encoder = FrameEncoder(name, level, bits=bits, filtered=filtered, headroom=0.0)
    return encoder.quantise(values, stamp, mask).pack(codec)


def reduce_field(
    values: FloatArray,
    name: FieldName,
    level: int,
    mask: NDArray[np.bool_] | None = None,
    passes: FramePasses | None = None,
) -> FloatArray:
    """Reduce a field to a level: temperatures by mean, stress by the value of largest magnitude, others by maximum.

    Args:
        values: One to three axes; NaN has no value.
        name: Name of the field.
        level: 0, 1 or 2: blocks of 1, 2 or 4 cells along each axis; those at the end may be smaller.
        mask: True in cells that have a value; a block without one is NaN.
        passes: Over the field; None for the compiled ones.

    Raises:
        FieldError: The values or the mask are of another shape.
    """
    array = np.ascontiguousarray(values, np.float64)
    if not 1 <= array.ndim <= 3 or array.size == 0:
        raise FieldError("values", "a field of one to three axes")
    if mask is not None:
        if mask.shape != array.shape:
            raise FieldError("mask", "of the shape of the values")
        array = np.where(mask, array, np.nan)
    if level == 0:
        return array
    factor = LEVELS[level]
    out = np.empty([-(-cells // factor) for cells in array.shape])
    planes = find_planes(array.shape)
    blocks = out.reshape([-(-cells // factor) for cells in planes])
    (passes or _compiled_passes()).reduce(array.reshape(planes), factor, _REDUCTIONS[name], blocks)
    return out


def _compiled_passes() -> FramePasses:
    from grid.runtime.live import frame_kernels

    return frame_kernels


def _compress(raw: bytes, codec: Codec) -> bytes:
    if codec == "deflate":
        deflater = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
        return deflater.compress(raw) + deflater.flush()
    if codec == "zstd":
        import zstandard

        return zstandard.ZstdCompressor(level=1).compress(raw)
    return raw
