"""The field in the record of a point of `live`: the temperature at the end."""

import json
import zlib

from grid.engine.live.scene import Scene
from grid.plugins.builtin.cell_fields import make_temperature
from grid.schemas.fields import FieldPart, RecordField, StoredRecord


def describe_fields(record: StoredRecord) -> list[RecordField]:
    """Return the temperature, on the box of the scene that the record's own log has."""
    document = json.loads(zlib.decompress(record.read("document").tobytes()))
    problem = Scene.from_json(document["log"]["header"]["scene"]).problem
    end = FieldPart(document["events"][-1]["time_s"], "final")  # the last event of every run
    return [make_temperature(problem.domain, document["unit"], (end,), is_complete=False)]
