"""`grid jobs fields`: what fields the result of a job holds, and one of them as an array."""

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from grid.cli.output import show, table

if TYPE_CHECKING:
    from rich.table import Table

    from grid.client.client import GridClient
    from grid.client.fields import FieldArray, FrameQuery
    from grid.schemas.jobs import JsonObject
    from grid.schemas.wire import FieldOut


def list_fields(client: "GridClient", job_id: UUID, *, as_json: bool) -> None:
    """Print the fields of a job."""
    found = client.fields.list(job_id)

    def view() -> "Table | str":
        if not found.items:
            return "The simulation of this job names no fields; its files are in `grid jobs result`."
        return table(
            "name", "unit", "shape", "times", "kept", "last, s", "least", "largest", rows=map(_row, found.items)
        )

    show(found.model_dump(mode="json"), as_json=as_json, view=view)


def read_field(
    client: "GridClient", job_id: UUID, name: str, query: "FrameQuery", out: Path | None, *, as_json: bool
) -> None:
    """Print what a field is at one time or at all, and write it as an NPY file where that is wanted.

    The array has the axes of the field; with `time=all`, the time before them.
    """
    arrays = client.fields.read(job_id, name, **query)
    if out is not None:
        import numpy as np

        values = [array.values for array in arrays]
        with out.open("wb") as stream:
            np.save(stream, np.stack(values) if query.get("time") == "all" else values[0], allow_pickle=False)
    items = [_describe(array) for array in arrays]
    unit, file = arrays[0].field.unit, None if out is None else str(out)
    title = f"{name}, {unit}" + ("" if file is None else f", in {file}")

    def view() -> "Table":
        return table("time, s", "shape", "least", "largest", "error", rows=map(_array_row, items), title=title)

    show({"id": str(job_id), "name": name, "unit": unit, "file": file, "items": items}, as_json=as_json, view=view)


def _row(field: "FieldOut") -> tuple[object, ...]:
    shape = " x ".join(str(axis.count) for axis in field.axes)
    return field.name, field.unit, shape, len(field.times), field.kept, field.times[-1], field.min, field.max


def _describe(array: "FieldArray") -> "JsonObject":
    import numpy as np

    known = array.values[~np.isnan(array.values)]
    ends = (float(known.min()), float(known.max())) if known.size else (None, None)
    return {
        "tick": array.tick, "time_s": array.time_s, "shape": list(array.values.shape), "min": ends[0], "max": ends[1],
        "error": array.error,
    }  # fmt: skip


def _array_row(one: "JsonObject") -> tuple[object, ...]:
    return one["time_s"], " x ".join(map(str, one["shape"])), one["min"], one["max"], one["error"]
