"""Statements that tables with one frozen record a row have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Table, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from grid.database.transaction import DatabaseTransaction

Record = TypeVar("Record")


class RecordTable(Generic[Record]):
    """Adds, reads and changes rows of one table.

    Args:
        tx: The transaction.
        table: The table.
        record: A dataclass whose fields are the columns that are read.
    """

    def __init__(self, tx: DatabaseTransaction, table: Table, record: type[Record]) -> None:
        self._tx, self._table, self._record = tx, table, record
        self._columns = tuple(table.c[field.name] for field in fields(record))  # type: ignore[arg-type]

    def add(self, rows: Sequence[Mapping[str, Any]], *, ignores_known: bool = False) -> int:
        """Insert rows and return how many are new; a row that breaks a unique index is left out where allowed."""
        if not rows:
            return 0
        dialect = postgresql if self._tx.kind == "postgresql" else sqlite
        statement: Any = dialect.insert(self._table)
        if ignores_known:
            statement = statement.on_conflict_do_nothing()
        statement = statement.returning(*self._table.primary_key.columns)
        return sum(len(self._tx.connection.execute(statement.values(**row)).all()) for row in rows)

    def find(self, *conditions: ColumnElement[bool], is_held: bool = False) -> Record | None:
        """Read the one row that meets the conditions; where held, nobody else changes it until the transaction ends."""
        query = select(*self._columns).where(*conditions)
        row = self._tx.connection.execute(query.with_for_update() if is_held else query).one_or_none()
        return self._record(*row) if row is not None else None

    def read(
        self, *conditions: ColumnElement[bool], order: Sequence[Any] = (), limit: int | None = None
    ) -> list[Record]:
        """Read the rows that meet the conditions."""
        query = select(*self._columns).where(*conditions).order_by(*order).limit(limit)
        return [self._record(*row) for row in self._tx.connection.execute(query)]

    def change(self, *conditions: ColumnElement[bool], **values: Any) -> int:
        """Change the rows that meet the conditions; return how many."""
        return self._tx.connection.execute(update(self._table).where(*conditions).values(**values)).rowcount

    def remove(self, *conditions: ColumnElement[bool]) -> int:
        """Remove the rows that meet the conditions; return how many."""
        return self._tx.connection.execute(delete(self._table).where(*conditions)).rowcount

    def count(self, *conditions: ColumnElement[bool]) -> int:
        """Count the rows that meet the conditions."""
        query = select(func.count()).select_from(self._table).where(*conditions)
        return int(self._tx.connection.execute(query).scalar_one())
