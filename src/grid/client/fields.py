"""Verbs for the fields of finished jobs: `client.fields.list(job)`, `client.fields.read(job, "temperature")`.

`AsyncFields` is the same, to await. NumPy is loaded with the first array.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import httpx

from grid.client.async_engine import AsyncSender
from grid.client.calls import API, Call, Id, model
from grid.client.sender import LONG, Sender
from grid.schemas.wire import FieldAxisOut, FieldList, FieldOut

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from grid.client.frames import Frame


class FrameQuery(TypedDict, total=False):
    """Wanted frames; what is left out or None is the server's default."""

    time: str | int | None  # last, all, or a place in the list of times
    axis: str | None  # only the plane normal to this axis
    index: int | None  # place of the plane along it
    max_cells: int | None  # of a frame; a larger field is reduced by means
    bits: int | None  # of a value's code: 8, 12 or 16
    codec: str | None  # none, deflate or zstd


@dataclass(frozen=True)
class FieldArray:
    """A field at one output time.

    Args:
        field: What it is of.
        tick: Place of the time in `field.times`.
        time_s: Simulated [s].
        values: One axis for each of the field's, in its unit, NaN where there is no value; a plane has one value along
            the axis that it is normal to.
        axes: Positions of the values along each axis, by its name; those of a reduced field are the means of the
            positions that each value is the mean of.
        error: Largest error of a value by its code.
    """

    field: FieldOut
    tick: int
    time_s: float
    values: "NDArray[np.float64]"
    axes: "dict[str, NDArray[np.float64]]"
    error: float


def list_fields(job_id: Id) -> Call[FieldList]:
    """List the fields that the result of a job holds."""
    return Call("GET", f"{API}/jobs/{job_id}/fields", model(FieldList))


def get_frames(job_id: Id, name: str, **query: Unpack[FrameQuery]) -> Call[bytes]:
    """Return frames of a field as bytes; `grid.client.frames.decode_frames` reads them."""
    return Call("GET", f"{API}/jobs/{job_id}/fields/{name}", _content, query=query)


def read_arrays(field: FieldOut, data: bytes, plane: str | None = None) -> tuple[FieldArray, ...]:
    """Decode frames of a field, and place their values.

    Args:
        field: What they are of.
        data: Frames behind each other.
        plane: Axis that they are planes normal to; None where they show the whole field.

    Raises:
        FrameError: Some bytes are no frame.
    """
    from grid.client.frames import decode_frames

    return tuple(_make_array(field, frame, plane) for frame in decode_frames(data))


class Fields:
    """Fields of the finished jobs of one server.

    Args:
        sender: Sends the calls.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def list(self, job_id: Id) -> FieldList:
        """List the fields that the result of a job holds: units, axes, times, extremes."""
        return self._sender.send(list_fields(job_id), timeout=LONG)

    def read(self, job_id: Id, name: str, **query: Unpack[FrameQuery]) -> tuple[FieldArray, ...]:
        """Return a field as arrays with axes: of the last time, of `time`, or of all (`time="all"`).

        Raises:
            ProblemError: The server refused: there is no such job, field, time or plane.
            FrameError: The answer cannot be decoded.
        """
        data = self._sender.send(get_frames(job_id, name, **query), timeout=LONG)
        return read_arrays(_find(self.list(job_id), name), data, query.get("axis"))


class AsyncFields:
    """The same as `Fields`, to await."""

    def __init__(self, sender: AsyncSender) -> None:
        self._sender = sender

    async def list(self, job_id: Id) -> FieldList:
        """List the fields that the result of a job holds; see `Fields.list`."""
        return await self._sender.send(list_fields(job_id), timeout=LONG)

    async def read(self, job_id: Id, name: str, **query: Unpack[FrameQuery]) -> tuple[FieldArray, ...]:
        """Return a field as arrays with axes; see `Fields.read`."""
        data = await self._sender.send(get_frames(job_id, name, **query), timeout=LONG)
        return read_arrays(_find(await self.list(job_id), name), data, query.get("axis"))


def _content(response: httpx.Response) -> bytes:
    return response.content


def _find(found: FieldList, name: str) -> FieldOut:
    return next(field for field in found.items if field.name == name)


def _make_array(field: FieldOut, frame: "Frame", plane: str | None) -> FieldArray:
    header, factor = frame.header, 1 << frame.header.level
    sizes = header.size[: len(field.axes)]
    axes: dict[str, Any] = {}
    for axis, first in zip(field.axes, header.origin, strict=False):
        is_across = axis.name == plane
        axes[axis.name] = _place_all(axis)[first : first + 1] if is_across else _reduce(_place_all(axis), factor)
    return FieldArray(field, header.tick, header.time_s, frame.values.reshape(sizes), axes, header.error)


def _place_all(axis: FieldAxisOut) -> "NDArray[np.float64]":
    """Positions of all values along an axis."""
    import numpy as np

    if axis.values is not None:
        return np.asarray(axis.values, dtype=np.float64)
    shift = 0.5 if axis.at == "cell" else 0.0
    places = np.arange(axis.count, dtype=np.float64) + shift
    return np.asarray((axis.origin or 0.0) + places * (axis.spacing or 0.0), dtype=np.float64)


def _reduce(positions: "NDArray[np.float64]", factor: int) -> "NDArray[np.float64]":
    """Mean position of each block of values."""
    import numpy as np

    starts = np.arange(0, len(positions), factor)
    means: NDArray[np.float64] = np.add.reduceat(positions, starts)
    means /= np.diff(np.append(starts, len(positions)))
    return means
