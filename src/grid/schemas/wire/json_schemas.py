"""JSON Schemas of parameters as they are sent: plain objects, whose members the API's document names for clients."""

from typing import Annotated, Any

from pydantic import JsonValue, WithJsonSchema

_NUMBER, _TEXT = {"type": "number"}, {"type": "string"}
_PARAMETER: dict[str, Any] = {
    "type": "object",
    "description": "Schema of one parameter; further members are those of JSON Schema",
    "properties": {
        **dict.fromkeys(("title", "description", "type", "unit", "format", "pattern"), _TEXT),
        "scale": {"enum": ["linear", "log"], "description": "How an axis is divided along which it is varied"},
        "schema": {"type": "string", "description": "Where its own schema is"},
        **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _NUMBER),
        "enum": {"type": "array", "items": {}},
        "anyOf": {"type": "array", "items": {"type": "object", "additionalProperties": True}},
        "default": {},
    },
    "additionalProperties": True,
}
_PARAMETERS = {
    "type": "object",
    "properties": {
        "type": {"const": "object"},
        "properties": {"type": "object", "additionalProperties": _PARAMETER},
        "required": {"type": "array", "items": _TEXT},
        "additionalProperties": {"type": "boolean"},
        "$defs": {"type": "object", "additionalProperties": True},
    },
    "required": ["type", "properties"],
    "additionalProperties": True,
}

ParametersSchema = Annotated[dict[str, JsonValue], WithJsonSchema(_PARAMETERS)]
