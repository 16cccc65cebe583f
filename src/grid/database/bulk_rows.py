"""Rows bound to a statement, on both databases: one `unnest` on PostgreSQL, one `json_each` on SQLite.

A statement that joins bound rows changes thousands of jobs at once, and is compiled once.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Float, FromClause, bindparam, column, func, literal_column, select, type_coerce
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import TypeEngine

from grid.database.base import DatabaseKind, UTCDateTime

PARAMETER = "bulk"


class BulkRows:
    """Rows of named, typed columns that are parameters of a call.

    `rows` is what a statement joins, with `rows.c` its columns; `bind` makes the parameters of one call.
    """

    def __init__(self, kind: DatabaseKind, /, **columns: TypeEngine[Any]) -> None:
        self._kind = kind
        self._names = tuple(columns)
        self.rows: FromClause = _unnest(columns) if kind == "postgresql" else _json_each(columns)

    @property
    def c(self) -> Any:
        """The columns."""
        return self.rows.c

    def bind(self, rows: Iterable[Sequence[Any]]) -> dict[str, Any]:
        """Return the parameters that carry `rows`, each with one value for every column, in order."""
        if self._kind == "sqlite":
            return {PARAMETER: _dump(list(rows))}
        lists = [list(values) for values in zip(*rows, strict=True)] or [[] for _ in self._names]
        return {f"{PARAMETER}_{name}": values for name, values in zip(self._names, lists, strict=True)}


def _unnest(columns: dict[str, TypeEngine[Any]]) -> FromClause:
    lists = [bindparam(f"{PARAMETER}_{name}", type_=ARRAY(kind)) for name, kind in columns.items()]
    named = [column(name, kind) for name, kind in columns.items()]
    return func.unnest(*lists).table_valued(*named).render_derived(name=PARAMETER)


def _json_each(columns: dict[str, TypeEngine[Any]]) -> FromClause:
    each = func.json_each(bindparam(PARAMETER)).table_valued("value", name="element")
    taken = [
        func.json_extract(each.c.value, literal_column(f"'$[{place}]'"), type_=kind).label(name)
        for place, (name, kind) in enumerate(columns.items())
    ]
    return select(*taken).subquery(PARAMETER)


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime):
        return value.timestamp()
    raise TypeError(f"{type(value).__name__} cannot be bound to a statement")


_dump: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=_plain).encode


def seconds_after(kind: DatabaseKind, moment: ColumnElement[datetime], seconds: Any) -> ColumnElement[datetime]:
    """Return the time that is `seconds` (a number or a column) after `moment`."""
    if kind == "sqlite":
        return type_coerce(type_coerce(moment, Float) + seconds, UTCDateTime)
    later: ColumnElement[datetime] = moment + seconds * literal_column("interval '1 second'")
    return later
