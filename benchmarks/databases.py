"""Databases for a benchmark, all of one kind and in one place: files of one folder, or of one PostgreSQL with fsync."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.postgres import start_postgres

from grid.database import migrate

KINDS = ("sqlite", "postgresql")


@dataclass(frozen=True)
class Databases:
    """Makes fresh databases: on one disk, or in one server. Every commit is on the disk before it is counted."""

    kind: str
    make: Callable[[], str]  # returns the SQLAlchemy URL of a new, empty database

    def make_migrated(self) -> str:
        """Return the URL of a new database with Grid's tables."""
        url = self.make()
        migrate.upgrade(url)
        return url


@contextmanager
def open_databases(kind: str) -> Iterator[Databases]:
    """Provide databases of one kind until the end of the block.

    Raises:
        PostgresMissingError: There is no PostgreSQL, or it does not start.
    """
    if kind == "sqlite":
        with tempfile.TemporaryDirectory(prefix="grid-bench-") as folder:
            yield Databases(kind, lambda: f"sqlite:///{Path(tempfile.mkdtemp(dir=folder)) / 'grid.db'}")
        return
    server = start_postgres(durable=True)
    try:
        yield Databases(kind, lambda: server.url(server.create()))
    finally:
        server.stop()
