"""Insertion of rows into one table: each by itself on SQLite, all by one statement on PostgreSQL."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import JSON, Table, Text, select
from sqlalchemy.dialects import postgresql, sqlite

from grid.database.base import DatabaseKind, dump_json
from grid.database.bulk_rows import BulkRows
from grid.database.prepared import Prepared


class RowInsert:
    """An `INSERT`, prepared for one row and for many.

    Args:
        table: Where the rows go.
        columns: Those that are filled.
        keeps_known: A row that is there already stays as it is; else it is an error.
    """

    def __init__(self, table: Table, columns: Sequence[str], *, keeps_known: bool = False) -> None:
        self._columns = columns
        on_sqlite, on_postgresql = sqlite.insert(table).inline(), postgresql.insert(table).inline()
        is_json = {name: isinstance(table.c[name].type, JSON) for name in columns}
        self._json = frozenset(name for name in columns if is_json[name])
        bulk = BulkRows("postgresql", **{name: Text() if is_json[name] else table.c[name].type for name in columns})
        source = select(*(bulk.c[name].cast(table.c[name].type) if is_json[name] else bulk.c[name] for name in columns))
        many = on_postgresql.from_select(list(columns), source)
        if keeps_known:
            on_sqlite, on_postgresql = on_sqlite.on_conflict_do_nothing(), on_postgresql.on_conflict_do_nothing()
            many = many.on_conflict_do_nothing()
        self.one: Mapping[DatabaseKind, Prepared] = {
            "sqlite": Prepared(on_sqlite, columns=columns),
            "postgresql": Prepared(on_postgresql, columns=columns),
        }
        self.many = Prepared(many), bulk

    def as_bulk(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[Any]]:
        """Return rows as `many` takes them, JSON as text."""
        for row in rows:
            yield [dump_json(row[name]) if name in self._json else row[name] for name in self._columns]
