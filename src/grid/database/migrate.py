"""The schema of a database: brought up to date, checked, backed up."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from grid.core.errors import ConfigurationError, StorageFullError, UnavailableError
from grid.database.engine import Database, create_database, parse_url, sqlite_path
from grid.database.errors import DAMAGED, FULL, translated

MIGRATION_LOCK: Final = 0x67726965  # "grie": the key of PostgreSQL's advisory lock around migrations
BACKUPS: Final = "backups"
PAGES_AT_ONCE: Final = 1024  # pages copied between two chances for writers: 4 MiB


def upgrade(url: str) -> None:
    """Bring the database to this version's schema; a file that is not there is made.

    An SQLite file with something to lose is copied to `backups/` beside it first, and the copy is verified. The whole
    change is one transaction: it is made or it is not.

    Raises:
        ConfigurationError: The URL is not usable, or the schema is newer than this version of Grid.
        UnavailableError: The database cannot be reached, or is damaged.
        StorageFullError: The disk is full.
    """
    if parse_url(url).get_backend_name() == "sqlite":
        path = sqlite_path(parse_url(url))
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        revision = _file_revision(path, url)
        if revision is not None and revision != head_revision():
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
            backup(url, path.parent / BACKUPS / f"{path.stem}-{revision}-{stamp}.db")
    move(url, "head")


def move(url: str, revision: str) -> None:
    """Go to a revision by its name, up or down: `head` is the newest, `base` an empty database."""
    with _open(url) as database, translated(), database.engine.begin() as connection:
        if database.kind == "postgresql":  # SQLite's writer is alone already
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL lock_timeout = '60s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        _require_known(_revision(connection))
        config = _config()
        config.attributes["connection"] = connection
        (command.downgrade if revision == "base" else command.upgrade)(config, revision)


def is_current(url: str) -> bool:
    """Tell whether the database has this version's schema; False also where there is no database yet."""
    target = parse_url(url)
    if target.get_backend_name() == "sqlite" and not sqlite_path(target).exists():
        return False
    with _open(url) as database, translated(), database.engine.connect() as connection:
        return _revision(connection) == head_revision()


def check(url: str) -> list[str]:
    """Look for damage; return one sentence for each problem, none where the database is sound.

    SQLite: integrity of the file, foreign keys and schema version. PostgreSQL: that it answers, and schema version.
    """
    target = parse_url(url)
    if target.get_backend_name() == "sqlite" and not sqlite_path(target).exists():
        return [f"There is no database at {sqlite_path(target)}; run `grid db upgrade`."]
    try:
        with _open(url) as database, translated(), database.engine.connect() as connection:
            problems = _sqlite_problems(connection) if database.kind == "sqlite" else []
            found, wanted = _revision(connection), head_revision()
    except UnavailableError as error:
        return [str(error)]
    if found != wanted:
        problems.append(f"The schema is at {found or 'nothing'}, this version needs {wanted}; run `grid db upgrade`.")
    return problems


def backup(url: str, destination: Path) -> None:
    """Write a verified copy of an SQLite database, while it is in use.

    Raises:
        ConfigurationError: The database is PostgreSQL, which has a tool for this, or `destination` exists.
        UnavailableError: The database, or the copy, is damaged; no copy is left.
        StorageFullError: The disk is full; no copy is left.
    """
    target = parse_url(url)
    if target.get_backend_name() != "sqlite":
        raise ConfigurationError(
            f"PostgreSQL is backed up with its own tool: pg_dump --format=custom --file={destination} DATABASE_URL"
        )
    if destination.exists():
        raise ConfigurationError(f"{destination} exists; name a new file.")
    destination.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        destination.touch(mode=0o600, exist_ok=False)
        _copy(sqlite_path(target), destination)
    except sqlite3.Error as error:
        destination.unlink(missing_ok=True)
        is_full = "full" in str(error)
        raise (StorageFullError(FULL) if is_full else UnavailableError(f"{DAMAGED} ({error})")) from error
    except BaseException:
        destination.unlink(missing_ok=True)
        raise


def head_revision() -> str:
    """Return the newest revision that this version of Grid knows."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise ConfigurationError("This installation holds no migrations; install Grid again.")
    return head


def known_revisions() -> set[str]:
    """Return every revision that this version of Grid knows."""
    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


def _copy(source: Path, destination: Path) -> None:
    with closing(sqlite3.connect(source)) as origin, closing(sqlite3.connect(destination)) as copy:
        origin.execute("PRAGMA query_only = ON")
        origin.backup(copy, pages=PAGES_AT_ONCE, sleep=0.01)
        found = copy.execute("PRAGMA integrity_check").fetchone()[0]
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
    if found != "ok":
        raise UnavailableError(f"{DAMAGED} ({found})")


def _sqlite_problems(connection: Connection) -> list[str]:
    found = [str(row[0]) for row in connection.execute(text("PRAGMA integrity_check(20)"))]
    problems = [f"The database file is damaged: {line}." for line in found if line != "ok"]
    orphans = connection.execute(text("PRAGMA foreign_key_check")).all()
    problems.extend(f"A row of {row[0]} refers to a missing row of {row[2]}." for row in orphans[:20])
    return problems


def _file_revision(path: Path, url: str) -> str | None:
    """Return the revision of a file that holds a database; None where there is nothing to lose."""
    if not path.exists() or path.stat().st_size == 0:
        return None
    with _open(url) as database, translated(), database.engine.connect() as connection:
        tables = set(inspect(connection).get_table_names()) - {"alembic_version"}
        return _revision(connection) or ("unversioned" if tables else None)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _require_known(revision: str | None) -> None:
    if revision is not None and revision not in known_revisions():
        raise ConfigurationError(
            f"The database is at {revision}, which is newer than this version of Grid; upgrade Grid."
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "grid.database:migrations")
    config.set_main_option("path_separator", "os")
    return config


@contextmanager
def _open(url: str) -> Iterator[Database]:
    database = create_database(url, application="migration")
    try:
        yield database
    finally:
        database.close()
