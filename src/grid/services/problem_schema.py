"""The schema of heat problems: that of the case format, heat in front, without requiring what is prose of a case."""

import hashlib
import json
import re
from functools import cache
from importlib import resources
from typing import NamedTuple

from grid.schemas.jobs import JsonObject

# Read from beside the engine, which need not be imported for it.
_CASES = resources.files("grid").joinpath("engine", "problem", "case.schema.json")
_REFERENCE = re.compile(r'"#/\$defs/(\w+)"')
_OF_A_CASE = frozenset({"id", "title", "kind", "level", "features", "source", "checked", "expected"})


class SchemaDocument(NamedTuple):
    """A schema as it is sent, and what identifies it."""

    data: bytes
    tag: str


@cache
def problem_schema() -> SchemaDocument:
    """Return the schema of the problems that `heat` takes."""
    cases = json.loads(_CASES.read_text(encoding="utf-8"))
    definitions: JsonObject = cases["$defs"]
    heat = definitions["heat_case"]
    problem = {**heat, "required": [name for name in heat["required"] if name not in _OF_A_CASE]}
    own = _collect(definitions, problem)
    others = {name: schema for name, schema in definitions.items() if name not in own}
    document = {
        "$schema": cases["$schema"],
        "title": "Problem of the simulation heat",
        "description": "The fields of a case that are prose or expected answers may stand in it, and are ignored.",
        "$ref": "#/$defs/problem",
        "$defs": {"problem": problem, **{name: definitions[name] for name in own}, **others},
    }
    data = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    return SchemaDocument(data, hashlib.sha256(data).hexdigest())


def _collect(definitions: JsonObject, schema: JsonObject) -> list[str]:
    """Name the definitions that a schema refers to, and those that they refer to, in that order."""
    found: list[str] = []
    waiting = _REFERENCE.findall(json.dumps(schema))
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found.append(name)
            waiting += _REFERENCE.findall(json.dumps(definitions[name]))
    return found
