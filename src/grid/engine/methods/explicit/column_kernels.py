r"""Compiled runs of columns: homogeneous bodies in 1D, each from its start to its end. Importing this loads Numba.

.. math:: T'_i = T_i + Fo\,\big((T_{i-1} + T_{i+1}) - 2 T_i\big)

with a ghost beyond each end, T_ghost = slope T + shift (`grid.engine.methods.explicit.box`). Columns of equal steps run
in blocks of `LANES`, the columns along the last axis, so that one vector instruction serves eight of them
(`column_lanes`); one column alone is vectorised along its cells (`column_rows`). Either way a column has the same
operations in the same order, so its bytes do not depend on other columns.
"""

from typing import Any

import numpy as np

from grid.engine.kernel_cache import njit
from grid.engine.methods.explicit.column_lanes import LANES, make_advance, make_note
from grid.engine.methods.explicit.column_rows import VECTOR, make_advance_row, make_note_row

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions
CAPACITY, CONDUCTANCE, LOW_SLOPE, LOW_SHIFT, HIGH_SLOPE, HIGH_SHIFT = range(6)  # [-] row numbers of `law`
IN, OUT, STORED, CONTENT, ERROR = range(5)  # [-] row numbers of `totals`
LINE_BYTES = 64  # [B] cache line

advance_many, note_many = make_advance(), make_note()
advance_row, note_row = make_advance_row(), make_note_row()


@njit(cache=True, nogil=True)
def compare(a: Array, b: Array, c: Array, factor: float, worst: Array) -> None:
    """Follow the estimates of the time error of `ExplicitStepper.estimate_error`, cell by cell.

    From a level and the two after it: the smaller of t/2 times the change of the rate, and of one step; `factor` is
    t / (2 dt).
    """
    for j in range(worst.shape[0]):
        first = b[j] - a[j]
        found = min(abs(factor * ((c[j] - b[j]) - first)), abs(first))
        worst[j] = max(worst[j], found)


@njit(cache=True, nogil=True)
def sum_up(fields: Array, law: Array, sums: Array, worst: Array, totals: Array) -> None:
    """Heat moved and stored, the content by which rounding is judged, and the largest time error."""
    kept, cells = fields.shape[1], fields.shape[2]
    for k in range(law.shape[1]):
        totals[IN, k] = law[CONDUCTANCE, k] * sums[0, k]
        totals[OUT, k] = law[CONDUCTANCE, k] * sums[1, k]
        stored, content, error = 0.0, 0.0, 0.0
        for i in range(cells):
            first, last = fields[k, 0, i], fields[k, kept - 1, i]
            stored += law[CAPACITY, k] * (last - first)
            content += law[CAPACITY, k] * max(abs(first), abs(last))
            error = max(error, worst[i, k])
        totals[STORED, k], totals[CONTENT, k], totals[ERROR, k] = stored, content, error


@njit(cache=True, nogil=True)
def advance(work: Array, law: Array, numbers: Array, heat: Array, cells: int, count: int) -> None:
    """Take `count` steps of a block, or of one column, in the first level of `make_levels`.

    Args:
        work: See `make_levels`.
        law: See `CAPACITY`, shape (6, lanes).
        numbers: Mesh Fourier numbers, shape (lanes,).
        heat: Shape (2, lanes). What the ghosts are above and below the cells beside them is added to it [K].
        cells: Of a column.
        count: Steps.
    """
    if law.shape[1] == LANES:
        block = work.reshape((3, -1, LANES))
        for _ in range(count):
            advance_many(block, law, numbers, heat, 0, 0, cells)
    else:
        flat, one, booked, number = work.reshape(-1), law.reshape(-1), heat.reshape(-1), numbers[0]
        for _ in range(count):
            advance_row(flat, one, number, booked, 0, 0, cells)


@njit(cache=True, nogil=True)
def make_levels(fields: Array) -> Any:
    """Three levels, shape (3, numbers), the first of them the first of the stored fields; on lines of the cache.

    Of a block each has cells + 2 rows of `LANES`, ghosts first and last; of one column whole vectors, the cells first.
    """
    lanes, cells = fields.shape[0], fields.shape[2]
    many = lanes == LANES
    size = (cells + 2) * LANES if many else (cells // VECTOR + 1) * VECTOR
    room = np.zeros(3 * size + LINE_BYTES // 8)
    skip = (-room.ctypes.data % LINE_BYTES) // 8
    work = room[skip : skip + 3 * size].reshape((3, size))
    first = work[0, LANES:] if many else work[0]
    for k in range(lanes):
        for i in range(cells):
            first[i * lanes + k] = fields[k, 0, i]
    return work


@njit(cache=True, nogil=True)
def note(work: Array, cells: int, row: Array) -> None:
    """Lowest, sum and highest of the first level of a block, or of one column."""
    if row.shape[1] == LANES:
        note_many(work.reshape((3, -1, LANES)), 0, cells, row)
    else:
        note_row(work.reshape(-1), 0, cells, row.reshape(-1))


@njit(cache=True, nogil=True)
def keep(work: Array, fields: Array, entry: int) -> None:
    """Copy the first level to an entry of the stored fields."""
    lanes = fields.shape[0]
    first = work[0, LANES:] if lanes == LANES else work[0]
    for k in range(lanes):
        for i in range(fields.shape[2]):
            fields[k, entry, i] = first[i * lanes + k]


@njit(cache=True, nogil=True)
def watch(work: Array, law: Array, numbers: Array, cells: int, factor: float, worst: Array) -> None:
    """Two more steps in the other levels, to compare rates."""
    size, lanes, ignored = work.shape[1], law.shape[1], np.zeros((2, law.shape[1]))
    if lanes == LANES:
        block = work.reshape((3, -1, LANES))
        advance_many(block, law, numbers, ignored, 0, 1, cells)
        advance_many(block, law, numbers, ignored, 1, 2, cells)
    else:
        flat, one, booked = work.reshape(-1), law.reshape(-1), ignored.reshape(-1)
        advance_row(flat, one, numbers[0], booked, 0, size, cells)
        advance_row(flat, one, numbers[0], booked, size, 2 * size, cells)
    begin = LANES if lanes == LANES else 0
    a, b, c = work[0, begin:], work[1, begin:], work[2, begin:]
    compare(a, b, c, factor, worst.reshape(-1))


@njit(cache=True, nogil=True)
def run_block(
    law: Array, stop_times: Array, asked: Array, counts: Array, chunk: int, fields: Array, rows: Array, totals: Array
) -> None:
    """A block of `LANES` columns of equal steps, or one column, from `fields[:, 0]` on.

    Args:
        law: See `CAPACITY`, shape (6, lanes).
        stop_times: Times on which a step ends [s].
        asked: Whether the field is stored there.
        counts: Equal steps between stop times.
        chunk: Steps between two rows of the history.
        fields: Stored fields, shape (lanes, 1 + asked, cells).
        rows: Lowest, mean and highest temperature at the start, each `chunk` steps and the end, shape (rows, 3, lanes).
        totals: See `IN`, shape (5, lanes).
    """
    lanes, cells, work = law.shape[1], fields.shape[2], make_levels(fields)
    heat, sums = np.zeros((2, lanes)), np.zeros((2, lanes))
    worst, numbers = np.zeros((cells, lanes)), np.zeros(lanes)
    kept, noted, since, start = 1, 1, 0, 0.0
    note(work, cells, rows[0])
    for s in range(stop_times.shape[0]):
        length = (stop_times[s] - start) / counts[s]
        for k in range(lanes):
            numbers[k] = length * law[CONDUCTANCE, k] / law[CAPACITY, k]
            heat[0, k], heat[1, k] = 0.0, 0.0
        done = 0
        while done < counts[s]:
            if since == chunk:
                note(work, cells, rows[noted])
                noted, since = noted + 1, 0
            count = min(chunk - since, counts[s] - done)
            advance(work, law, numbers, heat, cells, count)
            done, since = done + count, since + count
        for k in range(lanes):
            sums[0, k] += length * heat[0, k]
            sums[1, k] += length * heat[1, k]
        start = stop_times[s]
        if asked[s]:
            keep(work, fields, kept)
            kept += 1
            if kept == fields.shape[1]:
                note(work, cells, rows[noted])
            watch(work, law, numbers, cells, 0.5 * start / length, worst)
    for n in range(rows.shape[0]):
        for k in range(lanes):
            rows[n, 1, k] /= cells
    sum_up(fields, law, sums, worst, totals)


@njit(cache=True, nogil=True)
def run_blocks(
    law: Array, stop_times: Array, asked: Array, counts: Array, chunk: int, fields: Array, rows: Array, totals: Array,
    begin: int, end: int,
) -> None:  # fmt: skip
    """Blocks begin <= b < end, each by `run_block`; the first axis of every array with lanes is that of the blocks."""
    for b in range(begin, end):
        run_block(law[b], stop_times, asked, counts, chunk, fields[b], rows[b], totals[b])


@njit(cache=True, nogil=True)
def run_column(
    law: Array, stop_times: Array, asked: Array, counts: Array, chunk: int, start: Array, kept: int, rows: int,
    numbers: Array,
) -> None:  # fmt: skip
    """One column, by `run_block`; all results go to one array, since each array argument costs time.

    Args:
        law, stop_times, asked, counts, chunk: Of `run_block`.
        start: Field at the start, shape (cells,).
        kept, rows: Number of stored fields, and of rows of the history.
        numbers: Fields; lowest, mean and highest temperatures along the run; and totals, one after the other.
    """
    cells, history = start.shape[0], np.empty((rows, 3, 1))
    end = kept * cells
    fields = numbers[:end].reshape((1, kept, cells))
    fields[0, 0] = start
    run_block(law, stop_times, asked, counts, chunk, fields, history, numbers[end + 3 * rows :].reshape((5, 1)))
    for figure in range(3):
        for row in range(rows):
            numbers[end + figure * rows + row] = history[row, figure, 0]
