"""Translation of a database driver's errors into Grid's own; everything unknown passes through as it is."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from grid.core.errors import GridError, StorageFullError, UnavailableError

FULL = "The database has no room left; free some disk space and try again."
BUSY = "The database is busy; nothing was stored, try again."
DAMAGED = "The database file is damaged; run `grid db check`."
UNREACHABLE = "The database does not answer; nothing was lost, try again."

# Parts of SQLite's messages: its driver gives no other key before Python 3.11, and the words are stable.
_SQLITE_SIGNS = (
    ("is full", StorageFullError, FULL),
    ("is locked", UnavailableError, BUSY),
    ("busy", UnavailableError, BUSY),
    ("malformed", UnavailableError, DAMAGED),
    ("not a database", UnavailableError, DAMAGED),
    ("unable to open", UnavailableError, UNREACHABLE),
    ("disk I/O error", UnavailableError, UNREACHABLE),
    ("readonly database", UnavailableError, UNREACHABLE),
)

# Classes and codes of PostgreSQL's appendix A: lock and statement timeouts, deadlocks, shutdowns, no connection.
_POSTGRESQL_BUSY = ("55P03", "57014", "40P01", "40001", "25P03", "25P04")
_POSTGRESQL_AWAY = ("08", "53", "57P", "58")


def translate(error: Exception) -> GridError | None:
    """Return what a driver's error means to Grid; None where it is a fault of the program, not of the database."""
    if isinstance(error, PoolTimeoutError):
        return UnavailableError(BUSY)
    if not isinstance(error, DBAPIError) or isinstance(error, IntegrityError):
        return None
    original = error.orig
    if type(original).__module__.startswith("sqlite3"):
        message = str(original)
        return next((kind(text) for sign, kind, text in _SQLITE_SIGNS if sign in message), None)
    state = getattr(original, "sqlstate", None)
    if state == "53100":
        return StorageFullError(FULL)
    if state in _POSTGRESQL_BUSY:
        return UnavailableError(BUSY)
    if error.connection_invalidated or (state or "").startswith(_POSTGRESQL_AWAY):
        return UnavailableError(UNREACHABLE)
    if state is None and type(original).__name__ in {"OperationalError", "ConnectionTimeout"}:
        return UnavailableError(UNREACHABLE)
    return None


@contextmanager
def translated() -> Iterator[None]:
    """Raise Grid's errors in place of the driver's.

    Raises:
        UnavailableError: The database is locked, timed out or cannot be reached.
        StorageFullError: The disk is full.
    """
    try:
        yield
    except (DBAPIError, PoolTimeoutError) as error:
        known = translate(error)
        if known is None:
            raise
        raise known from error
