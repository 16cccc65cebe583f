"""Labels of jobs and sweeps (`metadata`), found by what was typed and by what is shown, on both databases alike."""

import json
import math
import re
from typing import Any

from sqlalchemy import REAL, ColumnElement, Text, and_, bindparam, cast, exists, func, or_, select
from sqlalchemy.dialects.postgresql import JSONB

from grid.database.base import DatabaseKind, dump_json

_NUMBER = re.compile(r"-?(0|[1-9]\d{0,399})(\.\d{1,400})?([eE][+-]?\d{1,4})?", re.ASCII)  # as JSON writes it


def has_label(kind: DatabaseKind, column: ColumnElement[Any], key: str, text: str) -> ColumnElement[bool]:
    """Return the condition that the JSON object `column` has the label `key` with the value that `text` writes.

    A string is compared as text, to the character; a number as a double (`1000`, `1e3` and `1000.0` are one); a boolean
    as `true` or `false`. So `3` finds the string and the number.
    """
    if kind == "postgresql":  # JSONB compares numbers as numbers
        return or_(*(column.cast(JSONB).contains({key: value}) for value in (text, *_values(text))))
    member = func.json_each(column).table_valued("key", "type", "atom")
    return exists(select(1).select_from(member).where(member.c.key == key, _is_any(member, text)))


def has_label_value(kind: DatabaseKind, column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """Return the condition that any label of the JSON object `column` has the value that `text` writes."""
    if kind == "postgresql":
        member = func.jsonb_each(column.cast(JSONB)).table_valued("key", "value", name="member")
        equal = [member.c.value == bindparam(None, value, type_=JSONB()) for value in (text, *_values(text))]
        return exists(select(1).select_from(member).where(or_(*equal)))
    member = func.json_each(column).table_valued("key", "type", "atom")
    return exists(select(1).select_from(member).where(_is_any(member, text)))


def _is_any(member: Any, text: str) -> ColumnElement[bool]:
    """Return the condition that a member of SQLite's `json_each` is what `text` writes."""
    alike = [and_(member.c.type == "text", member.c.atom == bindparam(None, text, type_=Text()))]
    return or_(*alike, *(_is_equal(member, value) for value in _values(text)))


def _values(text: str) -> list[float | bool]:
    """Return the boolean or finite number that `text` writes beside itself."""
    if text in {"true", "false"}:
        return [text == "true"]
    number = float(text) if _NUMBER.fullmatch(text) else math.nan
    return [number] if math.isfinite(number) else []


def _is_equal(member: Any, value: float | bool) -> ColumnElement[bool]:
    if isinstance(value, bool):
        return member.c.type == json.dumps(value)  # type: ignore[no-any-return]
    # As text, so that SQLite reads it by the same routine as the label, whose last bit may differ from Python's.
    number = cast(bindparam(None, dump_json(value), type_=Text()), REAL)
    return and_(member.c.type.in_(("integer", "real")), member.c.atom == number)
