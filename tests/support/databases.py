"""Fresh databases for tests, made by the real migrations: once each, then copied."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.leaving_out import leave_out
from tests.support.postgres import PostgresMissingError, PostgresServer, start_postgres

from grid.database import migrate
from grid.database.engine import Database, create_database

DatabaseClock = Callable[[], datetime]


class HandClock:
    """A clock that stands still until a test turns its hands."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self.time = start

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class SqliteMaker:
    """Copies one migrated file."""

    kind = "sqlite"

    def __init__(self, template: Path) -> None:
        self._template = template
        migrate.upgrade(f"sqlite:///{template}")

    @contextmanager
    def url(self, folder: Path) -> Iterator[str]:
        """Lend the URL of a fresh database in `folder`."""
        path = folder / "grid.db"
        shutil.copyfile(self._template, path)
        try:
            yield f"sqlite:///{path}"
        finally:
            for leftover in (path, path.with_name("grid.db-wal"), path.with_name("grid.db-shm")):
                leftover.unlink(missing_ok=True)


class PostgresMaker:
    """Makes databases from one migrated template."""

    kind = "postgresql"

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._template = server.create()
        migrate.upgrade(server.url(self._template))

    @contextmanager
    def url(self, folder: Path) -> Iterator[str]:
        """Lend the URL of a fresh database; `folder` is not used."""
        name = self._server.create(self._template)
        try:
            yield self._server.url(name)
        finally:
            self._server.drop(name)


Maker = SqliteMaker | PostgresMaker


@contextmanager
def opened(maker: Maker, folder: Path, clock: DatabaseClock | None = None) -> Iterator[Database]:
    """Lend a fresh database, open, and close it behind the test."""
    with maker.url(folder) as url:
        database = create_database(url, clock=clock)
        try:
            yield database
        finally:
            database.close()


def start_or_leave_out() -> PostgresServer:
    """Start PostgreSQL; where that cannot be, skip with a plain sentence, and fail in CI, where nothing is left out."""
    try:
        return start_postgres()
    except PostgresMissingError as error:
        leave_out(f"PostgreSQL is not available here ({error})")
