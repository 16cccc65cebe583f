"""The field in the record of a `heat` problem: the temperature of its cells at the times that the record keeps."""

from grid.plugins.builtin.cell_fields import make_temperature
from grid.plugins.builtin.heat_params import HeatParams
from grid.plugins.builtin.heat_problem import read_problem
from grid.schemas.fields import FieldPart, RecordField, StoredRecord


def describe_fields(heat: HeatParams, record: StoredRecord) -> list[RecordField]:
    """Return the temperature; the last time is the stored final field, the others are snapshots."""
    problem = read_problem(heat)
    times = record.read("series")[0].tolist()
    last = len(times) - 1
    kept = record.read("snapshot_index").tolist()
    parts = [FieldPart(times[at], "snapshots", entry) for entry, at in enumerate(kept) if at < last]
    final = FieldPart(times[last], "final")
    is_complete = len(parts) == last
    field = make_temperature(problem.domain, problem.temperature_unit, (*parts, final), is_complete=is_complete)
    return [field]
