"""Validation errors in words of our own: which field, which limit, in which unit. The value sent is never among them.

Pydantic's messages repeat parts of the input (a character of a bad UUID, for one), so none of them is passed on.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from grid.core.errors import FieldError

# Validators of Grid's own raise ValueError with a sentence that holds no input; pydantic puts this before it.
_OWN_SENTENCE = "value_error"
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,63}")
_UNITS = {"s": "s", "mb": "MB", "m": "m", "k": "K", "pa": "Pa", "bytes": "bytes"}  # of names like `timeout_s`

LIMITS: Mapping[str, str] = {
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "finite_number": "must be a finite number",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "has a form that is not allowed",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "literal_error": "must be one of {expected}",
    "enum": "must be one of {expected}",
    "json_invalid": "is not valid JSON",
    "none_required": "must be null",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a whole number of ordinary size",
    "model_attributes_type": "must be an object",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "string_type": "must be a string",
    "string_unicode": "must be text in UTF-8",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "uuid_type": "must be a UUID",
    "uuid_parsing": "must be a UUID",
    "uuid_version": "must be a UUID of another version",
    "datetime_type": "must be a time in ISO 8601",
    "datetime_parsing": "must be a time in ISO 8601",
    "datetime_from_date_parsing": "must be a time in ISO 8601",
    "timezone_aware": "must have a time zone",
}
UNKNOWN_LIMIT = "is not valid"


def describe(error: Mapping[str, Any]) -> FieldError:
    """Turn one of pydantic's errors (`loc`, `type`, `ctx`) into a field and its limit."""
    return FieldError(name_of(error.get("loc", ())), limit_of(error))


def limit_of(error: Mapping[str, Any]) -> str:
    """Say what the field must be."""
    kind, context = str(error.get("type", "")), error.get("ctx") or {}
    if kind == _OWN_SENTENCE and isinstance(context.get("error"), ValueError):
        return str(context["error"]) or UNKNOWN_LIMIT
    try:
        return LIMITS.get(kind, UNKNOWN_LIMIT).format_map(context)
    except (KeyError, IndexError):
        return UNKNOWN_LIMIT


def name_of(location: Sequence[object]) -> str:
    """Name the field as a path, as in `params.length` or `sweep[17].diffusivity`.

    A part that is not an ordinary name came from the caller and is not repeated.
    """
    name = ""
    parts = location[1:] if location and location[0] in {"body", "query", "path", "header", "cookie"} else location
    for part in parts:
        if isinstance(part, int):
            name += f"[{part}]"
        else:
            plain = str(part) if _PLAIN_NAME.fullmatch(str(part)) else "(unusual name)"
            name += f".{plain}" if name else plain
    return name or str(location[0] if location else "body")


def unit_of(field: str) -> str | None:
    """Return the unit that a field's name ends with, if it does."""
    return _UNITS.get(field.rpartition("_")[2].lower()) if "_" in field else None
