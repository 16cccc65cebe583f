r"""Compiled runs of columns: homogeneous bodies in 1D, each from its start to its end. Importing this loads Numba.

.. math:: T'_i = T_i + Fo\,\big((T_{i-1} - T_i) + (T_{i+1} - T_i)\big)

with a ghost beyond each end, T_ghost = slope T + shift (grid.engine.methods.homogeneous). Columns of equal steps run in
blocks of `LANES`, the columns along the last axis, so that one vector instruction serves eight of them
(grid.engine.batch_lanes); one column alone is vectorised along its cells. Either way a column sees the same operations
in the same order, and nothing is contracted, so it gives the same bytes in any company.
"""

from typing import Any

import numpy as np
from numba import njit

from grid.engine.batch_lanes import LANES, make_advance, make_note

Array = Any  # Numba sees the real types; mypy has no stubs for compiled functions
CAPACITY, CONDUCTANCE, LOW_SLOPE, LOW_SHIFT, HIGH_SLOPE, HIGH_SHIFT = range(6)  # rows of `law`
IN, OUT, STORED, CONTENT, ERROR = range(5)  # rows of `totals`

advance_many, note_many = make_advance(), make_note()


@njit(cache=True, nogil=True)
def step_cells(out: Array, left: Array, here: Array, right: Array, number: float) -> None:
    for i in range(out.shape[0]):
        out[i] = here[i] + number * ((left[i] - here[i]) + (right[i] - here[i]))


@njit(cache=True, nogil=True)
def advance_one(work: Array, law: Array, number: float, heat: Array, source: int, target: int, cells: int) -> None:
    """One step of one column: from level `source` of `work`, shape (levels, cells + 2), to `target`, ghosts first.

    Adds to `heat` the sums of what the ghosts are above and below the cells beside them [K].
    """
    a, b = work[source], work[target]
    a[0] = law[LOW_SLOPE] * a[1] + law[LOW_SHIFT]
    a[cells + 1] = law[HIGH_SLOPE] * a[cells] + law[HIGH_SHIFT]
    low, high = a[0] - a[1], a[cells + 1] - a[cells]
    heat[0] += max(low, 0.0)
    heat[0] += max(high, 0.0)
    heat[1] -= min(low, 0.0)
    heat[1] -= min(high, 0.0)
    step_cells(b[1 : cells + 1], a[:cells], a[1 : cells + 1], a[2 : cells + 2], number)


@njit(cache=True, nogil=True)
def note_one(work: Array, source: int, cells: int, row: Array) -> None:
    """Lowest, sum and highest of a level of one column into `row`, shape (3, 1)."""
    level = work[source]
    low, total, high = level[1], level[1], level[1]
    for i in range(2, cells + 1):
        value = level[i]
        low = min(low, value)
        high = max(high, value)
        total += value
    row[0, 0], row[1, 0], row[2, 0] = low, total, high


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
    """Heat moved and stored, the content that rounding is judged by, and the largest time error."""
    kept, cells = fields.shape[1], fields.shape[2]
    for k in range(law.shape[1]):
        totals[IN, k] = law[CONDUCTANCE, k] * sums[0, k]
        totals[OUT, k] = law[CONDUCTANCE, k] * sums[1, k]
        stored, content, error = 0.0, 0.0, 0.0
        for i in range(cells):
            first, last = fields[k, 0, i], fields[k, kept - 1, i]
            stored += law[CAPACITY, k] * (last - first)
            content += law[CAPACITY, k] * max(abs(first), abs(last))
            error = max(error, worst[i + 1, k])
        totals[STORED, k], totals[CONTENT, k], totals[ERROR, k] = stored, content, error


@njit(cache=True, nogil=True)
def advance(work: Array, law: Array, numbers: Array, heat: Array, source: int, target: int, count: int) -> None:
    """Take `count` steps of a block, or of one column, to and fro between two levels."""
    cells = work.shape[1] - 2
    one, law_one, heat_one = work.reshape((3, -1)), law.reshape(-1), heat.reshape(-1)
    for _ in range(count):
        if work.shape[2] == LANES:
            advance_many(work, law, numbers, heat, source, target, cells)
        else:
            advance_one(one, law_one, numbers[0], heat_one, source, target, cells)
        source, target = target, source


@njit(cache=True, nogil=True)
def note(work: Array, source: int, row: Array) -> None:
    """Lowest, sum and highest of a level of a block, or of one column."""
    cells = work.shape[1] - 2
    if work.shape[2] == LANES:
        note_many(work, source, cells, row)
    else:
        note_one(work.reshape((3, -1)), source, cells, row)


@njit(cache=True, nogil=True)
def keep(work: Array, source: int, fields: Array, entry: int) -> None:
    """Copy a level to an entry of the kept fields."""
    for k in range(fields.shape[0]):
        for i in range(fields.shape[2]):
            fields[k, entry, i] = work[source, i + 1, k]


@njit(cache=True, nogil=True)
def watch(work: Array, law: Array, numbers: Array, source: int, target: int, factor: float, worst: Array) -> None:
    """Two more steps, to compare rates; level `target` and level 2 are overwritten."""
    lanes, ignored = work.shape[2], np.zeros((2, work.shape[2]))
    advance(work, law, numbers, ignored, source, target, 1)
    advance(work, law, numbers, ignored, target, 2, 1)
    flat, inside = work.reshape((3, -1)), slice(lanes, (work.shape[1] - 1) * lanes)
    compare(flat[source, inside], flat[target, inside], flat[2, inside], factor, worst.reshape(-1)[inside])


@njit(cache=True, nogil=True)
def run_block(
    law: Array, landings: Array, asked: Array, counts: Array, chunk: int, fields: Array, rows: Array, totals: Array
) -> None:
    """A block of `LANES` columns of equal steps, or one column, from `fields[:, 0]` on.

    Args:
        law: See `CAPACITY`, shape (6, lanes).
        landings: Times on which a step ends [s].
        asked: Whether the field is kept there.
        counts: Equal steps between landings.
        chunk: Steps between two rows of the history.
        fields: Kept fields, shape (lanes, 1 + asked, cells).
        rows: Lowest, mean and highest temperature at the start, each `chunk` steps and the end, shape (rows, 3, lanes).
        totals: See `IN`, shape (5, lanes).
    """
    lanes, cells = law.shape[1], fields.shape[2]
    work, heat, sums = np.empty((3, cells + 2, lanes)), np.zeros((2, lanes)), np.zeros((2, lanes))
    worst, numbers = np.zeros((cells + 2, lanes)), np.zeros(lanes)
    a, kept, noted, since, start = 0, 1, 1, 0, 0.0
    for k in range(lanes):
        for i in range(cells):
            work[0, i + 1, k] = fields[k, 0, i]
    note(work, a, rows[0])
    for s in range(landings.shape[0]):
        length = (landings[s] - start) / counts[s]
        for k in range(lanes):
            numbers[k] = length * law[CONDUCTANCE, k] / law[CAPACITY, k]
            heat[0, k], heat[1, k] = 0.0, 0.0
        done = 0
        while done < counts[s]:
            if since == chunk:
                note(work, a, rows[noted])
                noted, since = noted + 1, 0
            count = min(chunk - since, counts[s] - done)
            advance(work, law, numbers, heat, a, 1 - a, count)
            a, done, since = (a + count) % 2, done + count, since + count
        for k in range(lanes):
            sums[0, k] += length * heat[0, k]
            sums[1, k] += length * heat[1, k]
        start = landings[s]
        if asked[s]:
            keep(work, a, fields, kept)
            kept += 1
            if kept == fields.shape[1]:
                note(work, a, rows[noted])
            watch(work, law, numbers, a, 1 - a, 0.5 * start / length, worst)
    for n in range(rows.shape[0]):
        for k in range(lanes):
            rows[n, 1, k] /= cells
    sum_up(fields, law, sums, worst, totals)


@njit(cache=True, nogil=True)
def run_blocks(
    law: Array, landings: Array, asked: Array, counts: Array, chunk: int, fields: Array, rows: Array, totals: Array,
    begin: int, end: int,
) -> None:  # fmt: skip
    """Blocks begin <= b < end, each by `run_block`; the first axis of every array with lanes is that of the blocks."""
    for b in range(begin, end):
        run_block(law[b], landings, asked, counts, chunk, fields[b], rows[b], totals[b])
