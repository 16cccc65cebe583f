"""One open transaction as a repository sees it: a connection, the kind of the database, and one time."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, text

from grid.database.base import DatabaseKind

# SQLite 3.40 has no sub-second unixepoch; julianday counts days from noon, 4714 BC.
_CLOCK = {
    "sqlite": text("SELECT (julianday('now') - 2440587.5) * 86400.0"),
    "postgresql": text("SELECT clock_timestamp()"),
}


class DatabaseTransaction:
    """One open transaction, without repositories: every repository is made with it alone, as in `UserRepository(tx)`.

    Args:
        connection: Open, inside its transaction.
        kind: Kind of the database, where its two languages differ.
        clock: Replaces the database's clock, so that a test can set the time; None: the database's own.
    """

    def __init__(self, connection: Connection, kind: DatabaseKind, clock: Callable[[], datetime] | None = None) -> None:
        self.connection = connection
        self.kind: DatabaseKind = kind
        self._clock = clock

    def now(self) -> datetime:
        """Return the time by the database's clock, the same all through the transaction."""
        return self._now

    @cached_property
    def _now(self) -> datetime:
        if self._clock is not None:
            return self._clock()
        value: Any = self.connection.execute(_CLOCK[self.kind]).scalar_one()
        return datetime.fromtimestamp(value, UTC) if self.kind == "sqlite" else value.astimezone(UTC)
