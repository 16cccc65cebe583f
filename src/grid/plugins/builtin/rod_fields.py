"""The field in the record of a rod: the temperature of its nodes at the results that the record keeps."""

from grid.plugins.builtin.rod_params import RodParams
from grid.schemas.fields import FieldAxis, FieldPart, RecordField, StoredRecord


def describe_fields(params: RodParams, record: StoredRecord) -> list[RecordField]:
    """Return the temperature; the last result is the stored final profile, the others are snapshots."""
    rows = record.read("snapshot_index").tolist()
    last = params.time_steps
    entries = {row: entry for entry, row in enumerate(rows)}  # rods with few results repeat them
    parts = [
        FieldPart(params.end_time * row / last, "snapshots", entry)
        for row, entry in sorted(entries.items())
        if row < last
    ]
    nodes = params.spatial_steps
    axis = FieldAxis("x", "m", "node", nodes, 0.0, params.length / (nodes - 1))
    return [
        RecordField(
            "temperature", "Temperature", "degC", "cividis", (axis,), (*parts, FieldPart(params.end_time, "final")),
            is_complete=len(parts) == last,
        )
    ]  # fmt: skip
