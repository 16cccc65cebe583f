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
    written = _values(text)
    if kind == "postgresql":  # JSONB compares numbers as numbers
        return or_(*(column.cast(JSONB).contains({key: value}) for value in (text, *written)))
    member = func.json_each(column).table_valued("key", "type", "atom")
    alike = [and_(member.c.type == "text", member.c.atom == bindparam(None, text, type_=Text()))]
    alike += [_is_equal(member, value) for value in written]
    return exists(select(1).select_from(member).where(member.c.key == key, or_(*alike)))


def _values(text: str) -> list[float | bool]:
    """Return what `text` writes beside itself: a boolean or a finite number."""
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
