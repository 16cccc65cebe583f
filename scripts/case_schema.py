"""Write the boundary laws of the engine into the JSON Schema of the case format.

    .venv/bin/python scripts/case_schema.py          # after a law was added or changed

The other parts of the schema are written by hand; a test compares this one with the laws.
"""

import json
from pathlib import Path
from typing import Any

from grid.engine.limits import Limit
from grid.engine.problem.boundaries import BOUNDARY_TYPES, Boundary

SCHEMA = Path(__file__).parent.parent / "src/grid/engine/problem/case.schema.json"
VALUE = {"$ref": "#/$defs/value"}


def main() -> None:
    """Replace the definition `boundary`."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    schema["$defs"]["boundary"] = make_boundary_schema()
    SCHEMA.write_text(json.dumps(schema, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def make_boundary_schema() -> dict[str, Any]:
    """The definition of a boundary condition: one branch for each type."""
    return {
        "type": "object",
        "required": ["type"],
        "allOf": [_make_branch(law) for law in BOUNDARY_TYPES.values()],
        "properties": {"type": {"enum": list(BOUNDARY_TYPES)}},
    }


def _make_branch(law: type[Boundary]) -> dict[str, Any]:
    required = [name for name in law.limits if name not in law.optional]
    fields = {name: _make_field(limit) for name, limit in law.limits.items()}
    return {
        "if": {"properties": {"type": {"const": law.type}}},
        "then": {
            "type": "object",
            "required": ["type", *required],
            "properties": {"type": {"const": law.type}, **fields},
            "additionalProperties": False,
        },
    }


def _make_field(limit: Limit) -> dict[str, Any]:
    """A value; one that is a share or always positive has its bounds where it is a number."""
    if limit.minimum == 0.0 and limit.maximum == 1.0:
        bounds: dict[str, Any] = {"minimum": 0, "maximum": 1}
    elif limit.minimum > 0.0:
        bounds = {"exclusiveMinimum": 0}
    else:
        return VALUE
    number = {"type": "number", **bounds}
    return {"anyOf": [number, {"$ref": "#/$defs/expression"}, {"$ref": "#/$defs/table"}]}


if __name__ == "__main__":
    main()
