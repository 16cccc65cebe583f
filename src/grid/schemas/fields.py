"""Fields in the stored record of a finished job: what a simulation says of them, and where their values are.

A simulation that keeps fields in its records has the optional method of `DescribesFields`; of one without it nothing is
guessed. It is called in the server: it may load NumPy, never Numba or SciPy.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel

from grid.core.errors import FieldError
from grid.schemas.frame_requests import CODE_BITS, FRAME_CODECS, MOST_CELL, FrameCodec

if TYPE_CHECKING:
    import numpy as np

MOST_AXES = 3
MOST_CELLS = 1 << 22  # of one frame: 8 MiB of codes
DEFAULT_CELLS = 1 << 18
MOST_CELLS_IN_ALL = 1 << 24  # of all frames of one answer
AxisPlace = Literal["cell", "node"]
AxisName = Literal["x", "y", "z"]


@dataclass(frozen=True)
class FieldAxis:
    """One axis of a field.

    Args:
        name: x, y or z, in this order.
        unit: Of positions.
        at: `cell`: value i is at origin + (i + 1/2) spacing; `node`: at origin + i spacing.
        count: Number of values.
        origin: Low end of the axis.
        spacing: Between two values.
        values: Positions, where they are not equally spaced; origin and spacing are None then.
    """

    name: AxisName
    unit: str
    at: AxisPlace
    count: int
    origin: float | None
    spacing: float | None
    values: tuple[float, ...] | None = None


@dataclass(frozen=True)
class FieldPart:
    """Values at one output time: a whole member of the record, or an entry along its first axis.

    Args:
        time_s: Simulated time [s].
        member: Name in the record's dtype, floats.
        entry: Place along its first axis; None for all of it.
    """

    time_s: float
    member: str
    entry: int | None = None


@dataclass(frozen=True)
class RecordField:
    """A field that a record holds.

    Args:
        name, title, unit: For lists; the name is lower-case letters, digits, `-` and `_`.
        map: Colour map that suits it.
        axes: One to three, in the order of the array's.
        parts: Values at each output time that is kept, in the order of time.
        is_complete: Whether these are all output times of the simulation.
        body: Mask of rows `first` to `stop` (not included) along the first axis, true in cells that have a value; None
            where all have one.
    """

    name: str
    title: str
    unit: str
    map: str
    axes: tuple[FieldAxis, ...]
    parts: tuple[FieldPart, ...]
    is_complete: bool
    body: "Callable[[int, int], np.ndarray[Any, np.dtype[np.bool_]]] | None" = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values along each axis."""
        return tuple(axis.count for axis in self.axes)


class StoredRecord(Protocol):
    """A record whose members are read one by one; what is never asked for is never in memory."""

    def shape(self, member: str) -> tuple[int, ...]:
        """Return the shape of a member.

        Raises:
            GoneError: The record has none of that name: another version wrote it.
        """
        ...

    def read(self, member: str) -> "np.ndarray[Any, Any]":
        """Read a small member as a whole.

        Raises:
            GoneError: As for `shape`, or it is no small one.
        """
        ...


@runtime_checkable
class DescribesFields(Protocol):
    """A simulation that keeps fields in its records."""

    def describe_fields(self, params: BaseModel, record: StoredRecord) -> Sequence[RecordField]:
        """Return the fields of one solved point, without solving and without reading their values."""
        ...


@dataclass(frozen=True)
class FieldRequest:
    """Wanted frames of a field.

    Args:
        time: `last`, `all`, or a place in the list of times.
        axis: Axis that a plane is normal to; None for the whole field.
        index: Place of the plane along it; None for the middle.
        max_cells: Cells of one frame, to which the field is reduced by means.
        bits: Of a code: 8, 12 or 16.
        codec: `none`, `deflate` (raw) or `zstd`.

    Raises:
        FieldError: An argument is outside its limits.
    """

    time: Literal["last", "all"] | int = "last"
    axis: AxisName | None = None
    index: int | None = None
    max_cells: int = DEFAULT_CELLS
    bits: int = 16
    codec: FrameCodec = "deflate"

    def __post_init__(self) -> None:
        if self.time not in ("last", "all") and not (isinstance(self.time, int) and self.time >= 0):
            raise FieldError("time", "last, all, or a place in the list of times")
        if self.index is not None and self.axis is None:
            raise FieldError("axis", "required with index")
        if self.index is not None and not 0 <= self.index <= MOST_CELL:
            raise FieldError("index", f"0 to {MOST_CELL}")
        if not 1 <= self.max_cells <= MOST_CELLS:
            raise FieldError("max_cells", f"1 to {MOST_CELLS}")
        if self.bits not in CODE_BITS:
            raise FieldError("bits", f"one of {', '.join(map(str, CODE_BITS))}")
        if self.codec not in FRAME_CODECS:
            raise FieldError("codec", f"one of {', '.join(FRAME_CODECS)}")


def read_time(text: str) -> Literal["last", "all"] | int:
    """Read the time of a request: `last`, `all`, or the digits of a place.

    Raises:
        FieldError: It is something else.
    """
    match text:
        case "last" | "all" as word:
            return word
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MOST_CELL))):
        raise FieldError("time", "last, all, or a place in the list of times")
    return int(text)
