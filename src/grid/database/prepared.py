"""Statements compiled once and run by the driver alone: SQLAlchemy writes their text, and converts their values.

Whatever SQLAlchemy does for each execution beside that (a key of its cache, a context, a result) takes several times as
long as a small statement itself, and a no-op job has some twenty of them.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ParamSpec, TypeVar, cast

from sqlalchemy import Connection, Dialect, Executable, Table, UpdateBase
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement

Row = tuple[Any, ...]
Convert = Callable[[Any], Any]
_PARAMETER = re.compile(r"%\((\w+)\)s")
P = ParamSpec("P")
T = TypeVar("T")


class Prepared:
    """A statement whose text is made once for each kind of database. All values that vary are `bindparam`s by name.

    Args:
        statement: Of SQLAlchemy's Core.
        columns: Of an `INSERT` of one row: the columns that it fills, which are the names of its values.
    """

    def __init__(self, statement: Executable, *, columns: Sequence[str] | None = None) -> None:
        self._statement, self._columns = statement, columns
        self._texts: dict[str, StatementText] = {}

    def text_for(self, dialect: Dialect) -> "StatementText":
        """Return the statement in the language of a database."""
        text = self._texts.get(dialect.name)
        if text is None:
            text = self._texts[dialect.name] = StatementText(self._statement, dialect, self._columns)
        return text


def prepared(make: Callable[P, Executable]) -> Callable[P, Prepared]:
    """Decorate a function that returns a statement: it is made once for equal arguments."""

    def prepare(*given: Any) -> Prepared:
        return Prepared(make(*given))  # type: ignore[call-arg]

    return cache(prepare)  # type: ignore[return-value]


def prepared_with_rows(make: Callable[P, tuple[Executable, T]]) -> Callable[P, tuple[Prepared, T]]:
    """Decorate a function that returns a statement and the rows that it takes, as `prepared` does."""

    def prepare(*given: Any) -> tuple[Prepared, T]:
        statement, rows = make(*given)  # type: ignore[call-arg]
        return Prepared(statement), rows

    return cache(prepare)  # type: ignore[return-value]


class StatementText:
    """The text of a statement in one language, with the conversions of its values and of the rows it returns."""

    def __init__(self, statement: Executable, dialect: Dialect, columns: Sequence[str] | None) -> None:
        compiled: Any = cast("ClauseElement", statement).compile(dialect=dialect, column_keys=columns)
        if compiled.post_compile_params:
            raise ValueError("a list of values in a prepared statement has a parameter for each")
        self.sql: str = compiled.string
        changed = statement.table if isinstance(statement, UpdateBase) else None
        self.table: str | None = changed.name if isinstance(changed, Table) else None
        binds = {name: bind for bind, name in compiled.bind_names.items()}
        self._is_positional: bool = compiled.positional
        names: Sequence[str] = compiled.positiontup if self._is_positional else tuple(binds)
        constants = compiled.construct_params(_check=False)
        self._binds: list[tuple[str, Convert | None, Any]] = []
        for name in names:
            convert = binds[name].type.dialect_impl(dialect).bind_processor(dialect)
            constant = constants[name] if not binds[name].required else None
            self._binds.append((name, convert, convert(constant) if convert is not None else constant))
        self._varying = frozenset(name for name in names if binds[name].required)
        self._types = [column.type for column in getattr(statement, "exported_columns", ())]
        self._dialect = dialect
        self._converts: list[Convert | None] | None = None

    def bind(self, values: Mapping[str, Any]) -> Any:
        """Return the parameters of one execution, as the driver takes them."""
        varying = self._varying
        bound = [
            (name, (values[name] if convert is None else convert(values[name])) if name in varying else constant)
            for name, convert, constant in self._binds
        ]
        return [value for _, value in bound] if self._is_positional else dict(bound)

    def read(self, cursor: Any) -> list[Row]:
        """Return the rows of a statement that was executed; none where it returns none."""
        if cursor.description is None:
            return []
        rows: list[Row] = cursor.fetchall()
        if self._converts is None:
            self._converts = self._find_converts(cursor.description)
        places = [(place, convert) for place, convert in enumerate(self._converts) if convert is not None]
        if not places or not rows:
            return rows
        columns: list[Iterable[Any]] = list(zip(*rows, strict=True))
        for place, convert in places:
            columns[place] = map(convert, columns[place])
        return list(zip(*columns, strict=True))

    def _find_converts(self, description: Sequence[Any]) -> list[Convert | None]:
        if not self._types:  # a text, whose values come as they are
            return [None] * len(description)
        return [
            kind.dialect_impl(self._dialect).result_processor(self._dialect, column[1])
            for kind, column in zip(self._types, description, strict=True)
        ]


Change = tuple[StatementText, Any]  # a statement that changes rows and returns none, and its parameters by name


@dataclass(frozen=True)
class JoinedText:
    """Several changes in one statement of PostgreSQL."""

    sql: str


def join_changes(changes: Sequence[Change]) -> Iterator[tuple[StatementText | JoinedText, Any]]:
    """Return changes as fewer statements of PostgreSQL: those in a row that touch different tables become one.

    All of one statement see the tables as they were before it, and run in no order that anybody could rely on.
    """
    part: list[Change] = []
    for change in changes:
        tables = {text.table for text, _ in part}
        if part and (change[0].table in tables or None in {change[0].table, *tables}):
            yield _join(part)
            part = []
        part.append(change)
    if part:
        yield _join(part)


def _join(changes: Sequence[Change]) -> tuple[StatementText | JoinedText, Any]:
    if len(changes) == 1:
        return changes[0]
    parameters = {
        f"p{place}_{name}": value for place, (_, bound) in enumerate(changes) for name, value in bound.items()
    }
    return _join_texts(tuple(text for text, _ in changes)), parameters


@cache
def _join_texts(texts: tuple[StatementText, ...]) -> JoinedText:
    parts = [_PARAMETER.sub(rf"%(p{place}_\1)s", text.sql) for place, text in enumerate(texts)]
    before = ", ".join(f"change_{place} AS ({part})" for place, part in enumerate(parts[:-1]))
    return JoinedText(f"WITH {before} {parts[-1]}")


def execute_on_driver(driver: Any, sql: str, parameters: Any, *, many: bool = False) -> Any:
    """Execute on a new cursor of the driver's connection, and return the cursor."""
    if not many:
        return driver.execute(sql, parameters)
    cursor = driver.cursor()
    cursor.executemany(sql, parameters)
    return cursor


def wrap_error(connection: Connection, error: Exception, sql: str) -> Exception:
    """Return a driver's error as SQLAlchemy would raise it; a connection that is gone is not used again."""
    dialect = connection.dialect
    driver: Any = connection.connection.driver_connection
    is_gone = dialect.is_disconnect(error, driver, None)  # type: ignore[arg-type]
    if is_gone:
        connection.invalidate(error)
    base = dialect.loaded_dbapi.Error
    return DBAPIError.instance(sql, None, error, base, connection_invalidated=is_gone, dialect=dialect)
