"""Copy of a whole database into an empty one of PostgreSQL: every row of one moment, verified by number and hash.

Each table is one transaction with a row of its own in a table of progress, so that a copy that was interrupted goes on
with the table it was at. The hash of a table does not depend on the order of rows: databases order text differently.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    MetaData,
    String,
    Table,
    delete,
    func,
    insert,
    inspect,
    select,
    text,
)

from grid.core.errors import ConfigurationError, ConflictError, GridError
from grid.database import migrate
from grid.database.engine import Database, create_database, parse_url
from grid.database.errors import translated
from grid.database.schema import metadata

COPY_LOCK: Final = 0x67726963  # "gric": the key of PostgreSQL's advisory lock around a copy
ROWS_AT_ONCE: Final = 1000
EXACT: Final = 1 << 53  # up to which a whole number is the same as JSON and as a float
SEEDED: Final = frozenset({"images"})  # tables into which a migration puts rows; the source's take their place
MOST_NAMED: Final = 5  # tables in one sentence
PROGRESS: Final = Table(
    "grid_copy_progress",
    MetaData(),
    Column("table_name", String(63), primary_key=True),  # empty: of the whole copy, its digest tells the source
    Column("rows", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
)


class ForeignTargetError(ConflictError):
    """The target of a copy holds something that is not a part of this copy."""

    code, title = "foreign-target", "The target of the copy is in use"

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"The target is not empty: {self.what}. Name an empty one; nothing was changed."


class CopyMismatchError(GridError):
    """What was written is not what was read."""

    code, title = "copy-mismatch", "The copy does not match its source"

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(name, detail)
        self.name, self.detail = name, detail

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}"


@dataclass(frozen=True)
class TableCopy:
    """One table of a copy.

    Args:
        name: Of the table.
        rows: In both databases.
        digest: Of its rows, in both (hex).
        was_there: It was copied by an earlier try.
    """

    name: str
    rows: int
    digest: str
    was_there: bool


def copy_database(
    source_url: str, target_url: str, *, on_table: Callable[[TableCopy], None] = lambda _: None
) -> list[TableCopy]:
    """Copy every row of a database as it is now; return the tables, each verified.

    Args:
        source_url: SQLite or PostgreSQL, of this version's schema.
        target_url: PostgreSQL, empty; or with what an earlier try for the same source has left.
        on_table: Called after each table.

    Raises:
        ConfigurationError: The target is no PostgreSQL, or the source has another schema.
        ForeignTargetError: The target holds something else, or a copy of another source; it is named.
        CopyMismatchError: A table does not match; it is not in the target.
        UnavailableError: A database does not answer.
    """
    if parse_url(target_url).get_backend_name() != "postgresql":
        raise ConfigurationError("--to: it is no URL of PostgreSQL; a copy of SQLite's file is `grid db backup`.")
    if not migrate.is_current(source_url):
        raise ConfigurationError("The database is not at this version of Grid; run `grid db upgrade` first.")
    with _opened(source_url) as source, _opened(target_url) as target, translated():
        with _reading(source) as reading, _locked(target):
            done = _prepare(target, target_url, _find_identity(reading))
            copies = []
            for table in metadata.sorted_tables:
                copies.append(_copy_table(reading, target, table, done.get(table.name)))
                on_table(copies[-1])
        with target.engine.begin() as writing:
            PROGRESS.drop(writing)
            writing.execute(text("SET LOCAL statement_timeout = 0"))  # a large copy takes longer than a request may
            writing.execute(text("ANALYZE"))  # else the planner believes tables to be empty for a while
    return copies


def digest_table(connection: Connection, table: Table) -> tuple[int, str]:
    """Return number and digest (hex) of the rows of a table, whatever their order."""
    digest = RowsDigest()
    for rows in _partitions(connection, table):
        digest.update(rows)
    return digest.rows, digest.hexdigest()


class RowsDigest:
    """The sum of the hashes of rows: the same in any order, and of either database."""

    def __init__(self) -> None:
        self.rows, self._sum = 0, 0

    def update(self, rows: list[dict[str, Any]]) -> None:
        """Take rows in."""
        for row in rows:
            words = json.dumps({name: _plain(value) for name, value in row.items()}, sort_keys=True)
            self._sum += int.from_bytes(hashlib.sha256(words.encode("utf-8", "surrogatepass")).digest(), "big")
        self.rows += len(rows)

    def hexdigest(self) -> str:
        """Return 64 hexadecimal digits."""
        return f"{self._sum % (1 << 256):064x}"


def _plain(value: Any) -> Any:
    """Return a value as JSON, the same for what both databases give back for it."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return _plain_number(value)
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return bytes(value).hex()


def _plain_number(value: float) -> int | str:
    """Return a whole number as such: JSONB gives back `1e3` and `1000.0` as it likes."""
    if isinstance(value, int) and abs(value) <= EXACT:
        return value
    number = float(value)
    return int(number) if number.is_integer() and abs(number) <= EXACT else repr(number)


def _copy_table(reading: Connection, target: Database, table: Table, before: tuple[int, str] | None) -> TableCopy:
    if before is not None:
        if digest_table(reading, table) != before:
            raise CopyMismatchError(table.name, "it has changed since the copy began; empty the target and begin again")
        return TableCopy(table.name, *before, was_there=True)
    digest = RowsDigest()
    with target.engine.begin() as writing:
        writing.execute(text("SET LOCAL statement_timeout = 0"))
        if table.name in SEEDED:
            writing.execute(delete(table))
        for rows in _partitions(reading, table):
            digest.update(rows)
            writing.execute(insert(table), rows)
        found = digest_table(writing, table)
        if found != (digest.rows, digest.hexdigest()):
            raise CopyMismatchError(table.name, f"{digest.rows} rows were read, and other {found[0]} were found")
        _set_sequences(writing, table)
        writing.execute(insert(PROGRESS), {"table_name": table.name, "rows": found[0], "digest": found[1]})
    return TableCopy(table.name, *found, was_there=False)


def _partitions(connection: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows by their key: a row that refers to another of its table comes after it, ids being in order."""
    statement = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=ROWS_AT_ONCE)
    with connection.execute(statement) as result:
        for part in result.mappings().partitions():
            yield [dict(row) for row in part]


def _set_sequences(writing: Connection, table: Table) -> None:
    """Let the next row that the database numbers itself come after those that were copied."""
    for column in table.primary_key.columns:
        words = {"table": table.name, "column": column.name}
        sequence = writing.scalar(text("SELECT pg_get_serial_sequence(:table, :column)"), words)
        largest = writing.scalar(select(func.max(column))) if sequence is not None else None
        if largest is not None:
            writing.execute(text("SELECT setval(:sequence, :largest)"), {"sequence": sequence, "largest": largest})


def _prepare(target: Database, target_url: str, source: str) -> dict[str, tuple[int, str]]:
    """Make the schema of an empty target; return what an earlier try has copied, by table."""
    with target.engine.connect() as connection:
        tables = set(inspect(connection).get_table_names())
        if PROGRESS.name in tables:
            done = {row.table_name: (row.rows, row.digest) for row in connection.execute(select(PROGRESS))}
            if done.pop("", (0, ""))[1] != source:
                raise ForeignTargetError("it holds an unfinished copy of another installation")
            return done
        _require_empty(connection, tables)
    migrate.upgrade(target_url)
    with target.engine.begin() as writing:
        PROGRESS.create(writing)
        writing.execute(insert(PROGRESS), {"table_name": "", "rows": 0, "digest": source})
    return {}


def _require_empty(connection: Connection, tables: set[str]) -> None:
    foreign = sorted(tables - set(metadata.tables) - {"alembic_version"})
    if foreign:
        raise ForeignTargetError(f"it has tables that are not of Grid ({_name_some(foreign)})")
    held = []
    for name in sorted((tables & set(metadata.tables)) - SEEDED):
        rows = connection.scalar(select(func.count()).select_from(metadata.tables[name]))
        if rows:
            held.append(f"{name}: {rows}")
    if held:
        raise ForeignTargetError(f"it has rows of another installation ({_name_some(held)})")


def _name_some(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _find_identity(reading: Connection) -> str:
    """Return what tells one installation from another: its first user, whom nobody removes."""
    users = metadata.tables["users"]
    first = reading.execute(select(users.c.id, users.c.created_at).order_by(users.c.id).limit(1)).first()
    return hashlib.sha256(json.dumps([_plain(value) for value in first or ()]).encode()).hexdigest()


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    database = create_database(url, application="copy")
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _reading(source: Database) -> Iterator[Connection]:
    """Open one transaction that sees one moment."""
    options: dict[str, Any] = (
        {"grid_read": True}
        if source.kind == "sqlite"
        else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    )
    with source.engine.connect().execution_options(**options) as connection, connection.begin():
        if source.kind == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        yield connection


@contextmanager
def _locked(target: Database) -> Iterator[None]:
    """Hold the target alone: two copies at once would both find it empty."""
    with target.engine.connect() as connection, connection.begin():
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        if not connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": COPY_LOCK}):
            raise ForeignTargetError("another copy into it is under way")
        yield
