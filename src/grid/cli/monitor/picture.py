"""A frame as a picture of characters: reduced to the terminal, coded in 32 steps, with marks. NumPy alone.

A character is a half block: two places of the picture, one above the other. Each character is one number, its key,
    key = mark 33^2 + upper 33 + lower,
so that lines are compared, and neighbours of one look found, by numbers. The first axis of the body runs to the right,
the second upwards, as in the pictures of results.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grid.cli.monitor.palette import OUTSIDE, STEPS
from grid.client.frames import Frame
from grid.schemas.frames import FIELDS

Values = NDArray[np.float64]
Keys = NDArray[np.int32]
BASE: Final = STEPS + 1
NO_MARK, ISO, WORST, CURSOR = range(4)
MARKS: Final = ("▀", "•", "\u2573", "┼")  # a half block, a dot, a diagonal cross, a cross
MOST_STRETCH: Final = 5.0  # ratio of sides up to which a picture keeps its shape; longer bodies fill the place
EVEN: Final = 1e-6  # of the largest magnitude: a field that spans less is even, and its range means nothing
SPREAD: Final = {"stress": "magnitude", "utilisation": "largest", "damage": "largest", "state": "largest"}


class Key(NamedTuple):
    """One character: its mark, and the codes of its halves."""

    mark: int
    upper: int
    lower: int

    @classmethod
    def of(cls, number: int) -> "Key":
        """The parts of a key."""
        mark, rest = divmod(number, BASE * BASE)
        return cls(mark, *divmod(rest, BASE))


@dataclass(frozen=True)
class View:
    """What of a field is shown, and where.

    Args:
        width, height: Of the place, in characters.
        size: Of the body along the frame's axes [m]; empty: cells are cubes.
        origin: Of the body [m]; empty: 0.
        threshold: Value whose iso-line is drawn; None for none.
        cursor: Place of the cursor in shares of the picture, from the left and from below; None for none.
    """

    width: int
    height: int
    size: tuple[float, ...] = ()
    origin: tuple[float, ...] = ()
    threshold: float | None = None
    cursor: tuple[float, float] | None = None


@dataclass(frozen=True)
class Picture:
    """A frame as characters.

    Args:
        keys: Of the characters, shape (height, width).
        field: Name of the field.
        low, high: Values of the first and the last colour.
        is_even: True where the field is the same everywhere.
        worst: The value of the worst cell, and its place along the body's axes [m]; None without any value.
        probed: The value at the cursor, and its place [m]; None without one.
        note: The plane that is shown of a body with three axes; else empty.
        tick, time_s: Of the frame.
        computed_ms: Of the frame.
        flags: Of the frame.
    """

    keys: Keys
    field: str
    low: float
    high: float
    is_even: bool
    worst: tuple[float, tuple[float, ...]] | None
    probed: tuple[float, tuple[float, ...]] | None
    note: str
    tick: int
    time_s: float
    computed_ms: int
    flags: int


def draw(frame: Frame, view: View) -> Picture:
    """Draw a frame into a place of the terminal."""
    header, values = frame.header, frame.values
    field = FIELDS[header.field]
    place = _find_worst(values, field)
    plane, axes, note = _find_plane(values, place)
    low, high, is_even = find_range(frame)
    columns, rows = fit(plane.shape, _sizes(view, axes, header.shape), view.width, 2 * view.height)
    shown = resample(plane, columns, rows, SPREAD.get(field, "mean"))
    picture = np.ascontiguousarray(shown.T[::-1])  # rows from above, columns from the left
    codes = code(picture, low, high, is_even=is_even)
    marks = np.zeros(((rows + 1) // 2, columns), np.int32)
    if view.threshold is not None:
        marks[_find_line(picture, view.threshold)] = ISO
    probed = None
    if view.cursor is not None:
        cell = _cell_at(view.cursor, plane.shape)
        marks[_character(cell, plane.shape, columns, rows)] = CURSOR
        probed = float(plane[cell]), _position(_whole(cell, axes, place), view, header.shape)
    worst = None
    if place is not None:
        marks[_character(tuple(place[axis] for axis in axes), plane.shape, columns, rows)] = WORST
        worst = float(values[place]), _position(place, view, header.shape)
    keys = _centre(join(codes, marks), view.width, view.height)
    return Picture(
        keys, field, low, high, is_even, worst, probed, note, header.tick, header.time_s, header.computed_ms,
        header.flags,
    )  # fmt: skip


def find_range(frame: Frame) -> tuple[float, float, bool]:
    """Values of the first and the last colour, and whether the field is the same everywhere.

    The range is the frame's own, which is held over many frames, so that colours stay.
    """
    header = frame.header
    low, high = header.offset, header.offset + header.scale * (header.missing - 1)
    if FIELDS[header.field] == "state":
        return 0.0, 2.0, False
    return low, high, high - low <= EVEN * max(abs(low), abs(high), 1e-30)


def fit(shape: tuple[int, ...], size: tuple[float, float], columns: int, rows: int) -> tuple[int, int]:
    """Columns and rows of half blocks for a body, which keeps its shape unless it is long and thin."""
    if len(shape) == 1:
        return columns, rows
    ratio = size[0] / size[1]
    if not 1.0 / MOST_STRETCH <= ratio <= MOST_STRETCH:
        return columns, rows
    width = min(columns, max(2, round(rows * ratio)))
    height = min(rows, max(2, round(width / ratio)))
    return width, height + height % 2 if height < rows else height


def resample(plane: Values, columns: int, rows: int, how: str) -> Values:
    """Reduce or repeat the cells of a plane to so many columns and rows; NaN has no value and counts for nothing.

    Args:
        plane: One or two axes.
        columns, rows: Of the picture, along the first and the second axis.
        how: `mean`, `largest`, or `magnitude` for the value of largest magnitude.
    """
    wide = plane[:, None] if plane.ndim == 1 else plane
    if how == "mean":
        known = ~np.isnan(wide)
        if known.all():
            return _along(_along(wide, 0, columns, "mean"), 1, rows, "mean")
        sums, counts = (
            _along(_along(part, 0, columns, "sum"), 1, rows, "sum")
            for part in (np.where(known, wide, 0.0), known.astype(np.float64))
        )
        found: Values = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0.0)
        return found
    high = _along(_along(np.where(np.isnan(wide), -np.inf, wide), 0, columns, "largest"), 1, rows, "largest")
    if how == "magnitude":
        negative = np.where(np.isnan(wide), -np.inf, -wide)
        low = -_along(_along(negative, 0, columns, "largest"), 1, rows, "largest")
        high = np.where(-low > high, low, high)
    return np.where(np.isinf(high), np.nan, high)


def code(picture: Values, low: float, high: float, *, is_even: bool = False) -> Keys:
    """Codes of values: 0 to 31 from low to high, and `OUTSIDE` without a value."""
    missing = np.isnan(picture)
    if is_even:
        found = np.full(picture.shape, STEPS // 2, np.int32)
    else:
        scaled = (np.where(missing, low, picture) - low) * (STEPS / (high - low))
        found = np.clip(scaled, 0, STEPS - 1).astype(np.int32)
    found[missing] = OUTSIDE
    return found


def join(codes: Keys, marks: Keys) -> Keys:
    """Keys of characters from the codes of rows in pairs, and marks of characters."""
    if codes.shape[0] % 2:
        codes = np.vstack([codes, np.full((1, codes.shape[1]), OUTSIDE, np.int32)])
    keys: Keys = (marks * BASE + codes[0::2]) * BASE + codes[1::2]
    return keys


def find_runs(line: Keys) -> list[tuple[int, int]]:
    """Keys of a line with their lengths: neighbours of one look are one run."""
    edges = np.flatnonzero(np.diff(line)) + 1
    starts = [0, *edges.tolist()]
    ends = [*edges.tolist(), line.size]
    return [(int(line[start]), end - start) for start, end in zip(starts, ends, strict=True)] if line.size else []


@lru_cache(maxsize=64)
def _edges(cells: int, places: int) -> NDArray[np.intp]:
    """First cell of each place."""
    return (np.arange(places) * cells // places).astype(np.intp)


def _along(values: Values, axis: int, places: int, how: str) -> Values:
    cells = values.shape[axis]
    edges = _edges(cells, places)
    if cells <= places:  # each place shows one cell; none is left out
        return np.take(values, edges, axis=axis)
    if how == "largest":
        return np.maximum.reduceat(values, edges, axis=axis)
    sums: Values = np.add.reduceat(values, edges, axis=axis)
    if how == "sum":
        return sums
    counts = np.diff(np.append(edges, cells)).astype(np.float64)
    return sums / (counts[:, None] if axis == 0 else counts)


def _find_worst(values: Values, field: str) -> tuple[int, ...] | None:
    """The cell of the largest value, or of the largest magnitude for stress; None without any."""
    weighed = np.abs(values) if field == "stress" else values
    if np.isnan(weighed).all():
        return None
    return tuple(int(part) for part in np.unravel_index(int(np.nanargmax(weighed)), values.shape))


def _find_plane(values: Values, place: tuple[int, ...] | None) -> tuple[Values, tuple[int, ...], str]:
    """The plane that is shown, its axes in the frame, and its name: through the worst cell, across the last axis."""
    axes = [axis for axis, cells in enumerate(values.shape) if cells > 1] or [0]
    index: list[int | slice] = [slice(None) if axis in axes else 0 for axis in range(values.ndim)]
    note = ""
    if len(axes) == 3:
        at = values.shape[2] // 2 if place is None else place[2]
        index[2], note, axes = at, f"plane z {at + 1} of {values.shape[2]}", axes[:2]
    return values[tuple(index)], tuple(axes), note


def _sizes(view: View, axes: tuple[int, ...], shape: tuple[int, ...]) -> tuple[float, float]:
    """Sides of the plane."""
    sides = [view.size[axis] if axis < len(view.size) else float(shape[axis]) for axis in axes]
    return sides[0], sides[1] if len(sides) > 1 else sides[0]


def _find_line(picture: Values, threshold: float) -> NDArray[np.bool_]:
    """Characters on the inner side of the line at a threshold."""
    odd = np.full((picture.shape[0] % 2, picture.shape[1]), np.nan)
    rows = np.vstack([picture, odd])
    inside = np.fmax(rows[0::2], rows[1::2]) >= threshold  # False without a value
    framed = np.pad(inside, 1, mode="edge")
    whole = framed[:-2, 1:-1] & framed[2:, 1:-1] & framed[1:-1, :-2] & framed[1:-1, 2:]
    found: NDArray[np.bool_] = inside & ~whole
    return found


def _cell_at(cursor: tuple[float, float], shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(min(cells - 1, int(share * cells)) for share, cells in zip(cursor, shape, strict=False))


def _character(cell: tuple[int, ...], shape: tuple[int, ...], columns: int, rows: int) -> tuple[int, int]:
    """Row and column of the character that shows a cell of the plane."""
    column = min(columns - 1, int((cell[0] + 0.5) * columns / shape[0]))
    above = 0.5 if len(shape) == 1 else 1.0 - (cell[1] + 0.5) / shape[1]
    return min(rows - 1, int(above * rows)) // 2, column


def _whole(cell: tuple[int, ...], axes: tuple[int, ...], place: tuple[int, ...] | None) -> tuple[int, ...]:
    """A cell of the frame from one of the plane."""
    known = dict(zip(axes, cell, strict=True))
    found = place or (0, 0, 0)
    return tuple(known.get(axis, found[axis] if axis < len(found) else 0) for axis in range(max(len(found), len(axes))))


def _position(cell: tuple[int, ...], view: View, shape: tuple[int, ...]) -> tuple[float, ...]:
    """Centre of a cell [m], or in cells where the size of the body is not known."""
    sizes = view.size if len(view.size) >= len(shape) else tuple(map(float, shape))
    starts = view.origin if len(view.origin) >= len(shape) else (0.0,) * len(shape)
    return tuple(
        start + (at + 0.5) * size / cells for at, cells, size, start in zip(cell, shape, sizes, starts, strict=False)
    )


def _centre(keys: Keys, width: int, height: int) -> Keys:
    """The characters in the middle of the place."""
    nothing = OUTSIDE * BASE + OUTSIDE
    whole = np.full((height, width), nothing, np.int32)
    top, left = (height - keys.shape[0]) // 2, (width - keys.shape[1]) // 2
    whole[top : top + keys.shape[0], left : left + keys.shape[1]] = keys
    return whole
