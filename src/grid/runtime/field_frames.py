"""Frames of the fields in a record, cut, reduced and encoded row by row. Loads NumPy, never Numba."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from grid.core.errors import FieldError
from grid.runtime.live import frame_passes
from grid.runtime.live.frames import FrameEncoder, Stamp
from grid.runtime.records import RecordReader
from grid.schemas.fields import MOST_AXES, MOST_CELLS_IN_ALL, FieldPart, FieldRequest, RecordField
from grid.schemas.frames import MAX_SIZE, MOST_LEVEL, FrameFlag

FloatArray = NDArray[np.float64]
BLOCK_CELLS = 1 << 19  # read at once


@dataclass(frozen=True)
class FieldFigures:
    """What the values of a field are, over all times that are kept.

    Args:
        low, high: Extremes; None where no cell has a value.
        sha256: Of the values as they are stored, in the order of time.
    """

    low: float | None
    high: float | None
    sha256: str


def require_readable(record: RecordReader, field: RecordField) -> None:
    """Refuse a field that is not in the record as its simulation says.

    Raises:
        RecordLayoutError: Another version wrote the record.
    """
    if not (1 <= len(field.axes) <= MOST_AXES and field.parts):
        raise ValueError(f"the field {field.name} has one to three axes, and a time")
    for part in field.parts:
        record.require_part(part, field.shape)


def measure_field(record: RecordReader, field: RecordField) -> FieldFigures:
    """Find the extremes of a field in its body, and hash it."""
    digest, low, high = hashlib.sha256(), math.inf, -math.inf
    for part in field.parts:
        for first, stop in _blocks(field.shape):
            stored = record.rows(part, first, stop)
            digest.update(stored.data)
            is_known = ~np.isnan(stored)
            known = stored[is_known if field.body is None else is_known & field.body(first, stop)]
            if known.size:
                low, high = min(low, float(np.fmin.reduce(known, None))), max(high, float(np.fmax.reduce(known, None)))
    is_empty = low > high
    return FieldFigures(None if is_empty else low, None if is_empty else high, digest.hexdigest())


def encode_field(
    record: RecordReader, field: RecordField, request: FieldRequest, *, run: bytes, computed_ms: int, epoch: int = 0
) -> bytes:
    """Encode the frames of a field behind each other.

    Args:
        record, field: Where the values are.
        request: Which of them, and how.
        run: First 8 bytes of the job's id.
        computed_ms: Unix time at which the job ended [ms].
        epoch: Number that each frame carries beside it.

    Raises:
        FieldError: There is no such time, axis or place along it, or the frames are too large together.
    """
    window = _choose_window(field, request)
    level = _choose_level([stop - first for first, stop in window], request.max_cells)
    ticks = _choose_ticks(field, request)
    cells = math.prod(-(-(stop - first) >> level) for first, stop in window)
    if len(ticks) * cells > MOST_CELLS_IN_ALL:
        raise FieldError("max_cells", f"at most {MOST_CELLS_IN_ALL // len(ticks)} for {len(ticks)} times")
    frames = []
    for tick in ticks:
        part = field.parts[tick]
        stamp = Stamp(tick, part.time_s, epoch, computed_ms, run, int(FrameFlag.NOT_LIVE))
        values = _reduce_part(record, field, part, window, 1 << level)
        frames.append(_pack(values, stamp, level, tuple(first for first, _ in window), request))
    return b"".join(frames)


def encode_values(values: FloatArray, stamp: Stamp, request: FieldRequest) -> bytes:
    """Encode an array as one frame, reduced to means of blocks where it has more than `request.max_cells` cells.

    Raises:
        FieldError: It cannot be reduced so far.
    """
    level = _choose_level(list(values.shape), request.max_cells)
    known = ~np.isnan(values)
    total, count = np.where(known, values, 0.0), known.astype(np.float64)
    for axis, size in enumerate(values.shape):
        starts = np.arange(0, size, 1 << level)
        total, count = (np.add.reduceat(array, starts, axis=axis) for array in (total, count))
    count[count == 0.0] = np.nan
    return _pack(total / count, stamp, level, (0,) * values.ndim, request)


def _pack(values: FloatArray, stamp: Stamp, level: int, origin: tuple[int, ...], request: FieldRequest) -> bytes:
    encoder = FrameEncoder("requested", bits=request.bits, origin=origin, headroom=0.0, passes=frame_passes)
    quantised = encoder.quantise(values, stamp)
    return replace(quantised, header=replace(quantised.header, level=level)).pack(request.codec)


def _choose_window(field: RecordField, request: FieldRequest) -> list[tuple[int, int]]:
    """The first place and the one behind the last, for each axis."""
    window = [(0, count) for count in field.shape]
    if request.axis is None:
        return window
    names = [axis.name for axis in field.axes]
    if request.axis not in names:
        raise FieldError("axis", f"one of {', '.join(names)}")
    number = names.index(request.axis)
    most = min(field.shape[number] - 1, MAX_SIZE)
    index = min(field.shape[number] // 2, most) if request.index is None else request.index
    if index > most:
        raise FieldError("index", f"0 to {most}")
    window[number] = index, index + 1
    return window


def _choose_level(sizes: list[int], max_cells: int) -> int:
    """The least level with so few cells, and no more along an axis than a header can say."""
    for level in range(MOST_LEVEL):
        reduced = [-(-size >> level) for size in sizes]
        if math.prod(reduced) <= max_cells and max(reduced) <= MAX_SIZE:
            return level
    least = math.prod(-(-size >> MOST_LEVEL) for size in sizes)
    if least > max_cells:
        raise FieldError("max_cells", f"at least {least}")
    return MOST_LEVEL


def _choose_ticks(field: RecordField, request: FieldRequest) -> list[int]:
    last = len(field.parts) - 1
    if request.time == "all":
        return list(range(last + 1))
    tick = last if request.time == "last" else request.time
    if tick > last:
        raise FieldError("time", f"last, all, or 0 to {last}")
    return [tick]


def _reduce_part(
    record: RecordReader, field: RecordField, part: FieldPart, window: list[tuple[int, int]], factor: int
) -> FloatArray:
    """The mean of the values in each block of cells, NaN where none has one; `factor` cells along each axis."""
    sizes = [stop - first for first, stop in window]
    sums, counts = np.zeros([-(-size // factor) for size in sizes]), np.zeros([-(-size // factor) for size in sizes])
    inner = tuple(slice(*ends) for ends in window[1:])
    begin = window[0][0]
    for first, stop in _blocks((sizes[0], *field.shape[1:])):
        values = record.rows(part, begin + first, begin + stop).astype(np.float64)
        if field.body is not None:
            values[~field.body(begin + first, begin + stop)] = np.nan
        known = ~np.isnan(values[:, *inner])
        total, count = np.where(known, values[:, *inner], 0.0), known.astype(np.float64)
        for axis in range(1, len(sizes)):
            starts = np.arange(0, sizes[axis], factor)
            total, count = (np.add.reduceat(array, starts, axis=axis) for array in (total, count))
        places = np.unique(np.arange(first, stop) // factor)
        starts = np.maximum(places * factor - first, 0)
        sums[places] += np.add.reduceat(total, starts, axis=0)
        counts[places] += np.add.reduceat(count, starts, axis=0)
    counts[counts == 0.0] = np.nan
    return np.divide(sums, counts, out=sums)


def _blocks(shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Rows along the first axis, some at a time."""
    rows = max(1, BLOCK_CELLS // math.prod(shape[1:]))
    return pairwise([*range(0, shape[0], rows), shape[0]])
