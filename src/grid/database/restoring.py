"""Restoring a database of SQLite from a backup: the file as a whole, or as it was before."""

import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from grid.core.errors import ConfigurationError, NotFoundError, StorageFullError, UnavailableError
from grid.database import migrate
from grid.database.engine import parse_url, sqlite_path
from grid.database.errors import BUSY, DAMAGED, FULL

BUSY_S: Final = 5.0  # [s] that others may hold the database


def restore(url: str, source: Path) -> Path | None:
    """Replace the database by a backup; return the copy that was made of what was there, or None.

    The backup is verified first, and what is there is copied to `backups/` beside it. The change is one transaction of
    SQLite. A backup of an older version is upgraded.

    Raises:
        ConfigurationError: The database is PostgreSQL, which has a tool for this; or the backup is of a newer version.
        NotFoundError: There is no such backup.
        UnavailableError: The backup is damaged, or no database of Grid; or the database is in use.
        StorageFullError: The disk is full.
    """
    target = parse_url(url)
    if target.get_backend_name() != "sqlite":
        raise ConfigurationError(
            f"PostgreSQL is restored with its own tool: pg_restore --clean --if-exists --dbname=DATABASE_URL {source}"
        )
    path = sqlite_path(target)
    require_backup(source)
    if path.exists() and path.samefile(source):
        raise ConfigurationError(f"{source} is the database itself; name a backup of it.")
    saved = _save(url, path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        path.touch(mode=0o600)
    _copy(source, path)
    migrate.upgrade(url)
    return saved


def require_backup(source: Path) -> None:
    """Refuse a file that is no sound database of Grid, or one of a newer version.

    Raises:
        NotFoundError: There is no such file.
        UnavailableError: It is damaged, or something else.
        ConfigurationError: It is of a newer version of Grid.
    """
    if not source.is_file():
        raise NotFoundError("backup")
    try:
        with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as backup:
            found = backup.execute("PRAGMA integrity_check").fetchone()[0]
            orphans = backup.execute("PRAGMA foreign_key_check").fetchone()
            revision = backup.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        raise UnavailableError(f"{source} is no sound database of Grid ({error}).") from error
    if found != "ok" or orphans is not None:
        raise UnavailableError(f"{source} is damaged ({found if found != 'ok' else 'rows refer to missing ones'}).")
    if revision is None or revision[0] not in migrate.known_revisions():
        raise ConfigurationError(f"{source} is of another version of Grid; upgrade Grid.")


def _save(url: str, path: Path) -> Path | None:
    """Copy what is there, unless there is nothing to lose; a damaged file is put aside as it is."""
    if not path.exists() or path.stat().st_size == 0:
        return None
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    saved = path.parent / migrate.BACKUPS / f"{path.stem}-before-restore-{stamp}.db"
    try:
        migrate.backup(url, saved)
    except UnavailableError:
        for end in ("", "-wal", "-shm"):
            part = path.with_name(path.name + end)
            if part.exists():
                part.rename(saved.with_name(saved.name + end))
    return saved


def _copy(source: Path, path: Path) -> None:
    deadline = time.monotonic() + BUSY_S

    def look(status: int, _left: int, _total: int) -> None:
        if status in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED} and time.monotonic() > deadline:
            raise UnavailableError(BUSY)  # the driver would try for ever

    try:
        with closing(sqlite3.connect(source)) as origin, closing(sqlite3.connect(path, timeout=BUSY_S)) as target:
            origin.execute("PRAGMA query_only = ON")
            origin.backup(target, progress=look, sleep=0.05)
    except sqlite3.Error as error:
        words = str(error)
        if "full" in words:
            raise StorageFullError(FULL) from error
        raise UnavailableError(BUSY if "locked" in words or "busy" in words else f"{DAMAGED} ({words})") from error
