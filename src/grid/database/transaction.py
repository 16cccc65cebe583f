"""One open transaction as a repository sees it: a connection, the kind of the database, and one time."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, text

from grid.database import prepared
from grid.database.base import DatabaseKind
from grid.database.prepared import Prepared, Row, StatementText
from grid.database.row_insert import RowInsert

# SQLite 3.40 has no sub-second unixepoch; julianday counts days from noon, 4714 BC.
_CLOCK = {
    "sqlite": Prepared(text("SELECT (julianday('now') - 2440587.5) * 86400.0")),
    "postgresql": Prepared(text("SELECT clock_timestamp()")),
}
Call = tuple[Prepared, Mapping[str, Any]]


class DatabaseTransaction:
    """One open transaction, without repositories: every repository is made with it alone, as in `UserRepository(tx)`.

    Statements that are run often are `Prepared` and go by `run`; those whose answer nobody needs by `run_later`, which
    PostgreSQL gets together, with the commit, in one message. The order of all statements is that of the calls.

    Args:
        connection: Open, inside its transaction.
        kind: Kind of the database, where its two languages differ.
        clock: Replaces the database's clock, so that a test can set the time; None: the database's own.
    """

    def __init__(self, connection: Connection, kind: DatabaseKind, clock: Callable[[], datetime] | None = None) -> None:
        self._connection = connection
        self._driver: Any = connection.connection.driver_connection
        self._later: list[tuple[StatementText, Any]] = []
        self._ahead: list[tuple[Call, list[Row]]] = []
        self.kind: DatabaseKind = kind
        self._clock = clock
        self._now: datetime | None = None

    @property
    def connection(self) -> Connection:
        """The connection, for statements of SQLAlchemy; what was to be run later has been run."""
        if self._later:
            self._send()
        return self._connection

    def run(self, statement: Prepared, values: Mapping[str, Any]) -> list[Row]:
        """Run a statement and return its rows."""
        for place, (known, rows) in enumerate(self._ahead):
            if known == (statement, values):
                del self._ahead[place]
                return rows
        if self.kind == "sqlite":
            text = statement.text_for(self._connection.dialect)
            return text.read(self._execute(text, text.bind(values)))
        return self._send([(statement, values)])[0]

    def run_later(self, statement: Prepared, values: Mapping[str, Any]) -> None:
        """Run a statement that returns nothing, at the latest before the commit."""
        text = statement.text_for(self._connection.dialect)
        if self.kind == "sqlite":
            self._execute(text, text.bind(values))
        else:
            self._later.append((text, text.bind(values)))

    def insert_later(self, into: RowInsert, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows, at the latest before the commit."""
        if self.kind == "postgresql" and len(rows) > 1:
            statement, bulk = into.many
            self.run_later(statement, bulk.bind(into.as_bulk(rows)))
        elif len(rows) == 1:
            self.run_later(into.one[self.kind], rows[0])
        elif rows:
            text = into.one[self.kind].text_for(self._connection.dialect)
            self._execute(text, [text.bind(row) for row in rows], many=True)

    def run_ahead(self, calls: Sequence[Call]) -> None:
        """Run statements that do not need each other's answers, in order, for the calls of `run` that follow.

        PostgreSQL gets them and the question for the time in one message. SQLite needs no message, and gets each when
        its answer is needed.
        """
        if self.kind == "sqlite":
            return
        asks_time = self._now is None and self._clock is None
        answers = self._send([*calls, (_CLOCK[self.kind], {})] if asks_time else calls)
        if asks_time:
            self._now = _read_clock(self.kind, answers.pop())
        self._ahead += zip(calls, answers, strict=True)

    def finish(self) -> None:
        """Run what was to be run later and, where there is any, commit with it."""
        if self._later:
            self._send(commits=True)

    def _send(self, calls: Sequence[Call] = (), *, commits: bool = False) -> list[list[Row]]:
        """Run on PostgreSQL what was to be run later, then these; return the rows of these."""
        later, self._later = self._later, []
        dialect = self._connection.dialect
        texts = [(statement.text_for(dialect), values) for statement, values in calls]
        if len(texts) == 1 and not later:
            return [text.read(self._execute(text, text.bind(values))) for text, values in texts]
        work = [(text.sql, parameters) for text, parameters in prepared.join_changes(later)]
        work += [(text.sql, text.bind(values)) for text, values in texts]
        try:
            with self._driver.pipeline():
                cursors = [prepared.execute_on_driver(self._driver, sql, parameters) for sql, parameters in work]
                if commits:
                    self._driver.commit()  # SQLAlchemy's own, which follows, then finds nothing to do
            return [text.read(cursor) for (text, _), cursor in zip(texts[::-1], cursors[::-1], strict=False)][::-1]
        except dialect.loaded_dbapi.Error as error:
            raise prepared.wrap_error(self._connection, error, "; ".join(sql for sql, _ in work)) from error

    def _execute(self, text: StatementText, parameters: Any, *, many: bool = False) -> Any:
        try:
            return prepared.execute_on_driver(self._driver, text.sql, parameters, many=many)
        except self._connection.dialect.loaded_dbapi.Error as error:
            raise prepared.wrap_error(self._connection, error, text.sql) from error

    def now(self) -> datetime:
        """Return the time by the database's clock, the same all through the transaction."""
        # No `cached_property`: in Python 3.11 it has one lock for all transactions, held while one asks, and one that
        # asks may wait for rows of another, which cannot go on before it knows its own time.
        if self._now is None:
            ask = self._clock or (lambda: _read_clock(self.kind, self.run(_CLOCK[self.kind], {})))
            self._now = ask()
        return self._now


def _read_clock(kind: DatabaseKind, rows: Sequence[Row]) -> datetime:
    ((value,),) = rows
    if kind == "sqlite":
        return datetime.fromtimestamp(value, UTC)
    now: datetime = value.astimezone(UTC)
    return now
