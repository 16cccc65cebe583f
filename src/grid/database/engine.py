"""The database of a process: one engine, one lock around writers, and groups of small writes."""

import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

from grid.core.errors import ConfigurationError
from grid.database.base import DatabaseKind, dump_json
from grid.database.writer import Writer
from grid.utils.filesystems import find_network_file_system

BUSY_S = 5.0  # that a connection waits for a lock
LOOK_S = 0.0005
# [s] A connection of PostgreSQL that rested longer is asked whether it lives, which is a round trip; within that time a
# lost one is an `UnavailableError` to whoever gets it, as it always is to those that are at work.
RESTED_S = 0.5
SQLITE_BUSY = f"PRAGMA busy_timeout = {1000 * BUSY_S:.0f}"
SQLITE_PRAGMAS = (
    SQLITE_BUSY,
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # a 2xx answer means that the change is on the disk
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -512",  # KiB of each of 40 connections; the system's cache holds the rest, once for all
    "PRAGMA cache_spill = OFF",  # a write transaction may take more than that until it commits
    "PRAGMA journal_size_limit = 67108864",  # bytes; a long reader must not leave a giant file behind
)
# Every query here has an index. Without fresh statistics (the first sweep of a new database) a planner that believes a
# table to be empty scans it once for each given row: 12 s instead of 1 s to conclude 10,000 jobs.
POSTGRESQL_PLANNER = "-c enable_seqscan=off -c jit=off"
POSTGRESQL_TIMES = {
    "statement_timeout": "10s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "30s",
    "synchronous_commit": "on",
    "timezone": "UTC",
}
POSTGRESQL_SESSION = " ".join(f"-c {name}={value}" for name, value in POSTGRESQL_TIMES.items())
POSTGRESQL_SESSION += f" {POSTGRESQL_PLANNER}"
# Behind a pooler that gives out a connection for a transaction only, a session's settings would be somebody else's.
POSTGRESQL_LOCALS = "; ".join(
    f"SET LOCAL {name} = '{value}'"
    for name, value in {**POSTGRESQL_TIMES, "enable_seqscan": "off", "jit": "off"}.items()
)
POOLER = "grid_pooler"  # in the query of a URL: `transaction` where such a pooler is between
POOL = "grid_pool"  # in the query of a URL: connections that are kept
RECYCLE_S = 1800  # [s] life of a connection: a failover or a new address is followed within half an hour at most
POSTGRESQL_CONNECT: dict[str, str | int] = {
    "connect_timeout": 3,
    "target_session_attrs": "read-write",  # a failover may leave a replica under the old address for seconds
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds
}
# Connections kept, and connections more at most: a worker has few threads, the server some forty.
POOLS = {"worker": (2, 6), "server": (10, 30), "watcher": (1, 1)}

# Readers and writers of one file share a lock, however many `Database` objects a process makes of it.
_writer_locks: dict[str, threading.Lock] = {}
_writer_locks_guard = threading.Lock()


class Database:
    """One database, open for this process. `close()` waits for writes and closes every connection."""

    def __init__(self, engine: Engine, kind: DatabaseKind, clock: Callable[[], datetime] | None = None) -> None:
        self.engine = engine
        self.kind: DatabaseKind = kind
        self.clock = clock  # only tests set one; else the database's own clock decides
        self.writer_lock = _writer_lock(engine.url) if kind == "sqlite" else None
        self.writer = Writer()

    def close(self) -> None:
        """Let submitted writes finish, then close all connections. Harmless when repeated."""
        self.writer.close()
        self.engine.dispose()


def parse_url(url: str) -> URL:
    """Read an SQLAlchemy URL.

    Raises:
        ConfigurationError: It is none. Its text is not repeated: it may hold a password.
    """
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as error:  # ValueError: of a port that is no number
        example = "postgresql://user:password@host:5432/name"
        raise ConfigurationError(f"DATABASE_URL: it is not a URL of a database, as {example} is.") from error


def create_database(url: str, *, application: str = "server", clock: Callable[[], datetime] | None = None) -> Database:
    """Open the database at an SQLAlchemy URL; connections are made when first needed.

    Args:
        url: `sqlite:///path` or `postgresql+psycopg://...`; what its query says of the connection outranks Grid's own
            settings. `grid_pool` and `grid_pooler` in it are Grid's.
        application: `server` or `worker`: the size of the pool, and the name that PostgreSQL shows.
        clock: Replaces the database's clock, so that a test can turn the hands.

    Raises:
        ConfigurationError: The URL names no file, another kind of database, or a network file system.
    """
    target = parse_url(url)
    if target.get_backend_name() == "sqlite":
        return Database(_sqlite_engine(target, application), "sqlite", clock)
    if target.get_backend_name() == "postgresql":
        return Database(_postgresql_engine(target, application), "postgresql", clock)
    raise ConfigurationError(f"DATABASE_URL: {target.get_backend_name()} is not supported; use SQLite or PostgreSQL.")


def _sqlite_engine(url: URL, application: str) -> Engine:
    path = sqlite_path(url)
    network = find_network_file_system(path.parent)
    if network:
        raise ConfigurationError(
            f"The database file lies on {network}, where SQLite's locks do not hold; use a local disk or PostgreSQL."
        )
    url, size, overflow = _take_pool(url, application)
    engine = create_engine(
        url,
        json_serializer=dump_json,
        pool_size=size,
        max_overflow=overflow,
        pool_timeout=5,
        pool_use_lifo=True,  # the one used last has its pages and its prepared statements at hand
        connect_args={"timeout": 5, "check_same_thread": False, "cached_statements": 256},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _take_pool(url: URL, application: str) -> tuple[URL, int, int]:
    """Return the URL without the size of a pool, the connections to keep, and how many more there may be."""
    kept, more = POOLS.get(application, POOLS["server"])
    asked = url.query.get(POOL)
    if isinstance(asked, str) and asked.isdigit() and int(asked) > 0:
        kept, more = int(asked), max(more, 2 * int(asked))
    return url.difference_update_query([POOL]), kept, more


def _postgresql_engine(url: URL, application: str) -> Engine:
    url, size, overflow = _take_pool(url, application)
    is_pooled = url.query.get(POOLER) == "transaction"
    connect = {name: value for name, value in POSTGRESQL_CONNECT.items() if name not in url.query}
    if is_pooled:
        connect["prepare_threshold"] = None  # type: ignore[assignment]  # never: the next one may lack the statement
    else:
        given = url.query.get("options", "")
        connect["options"] = (f"{given} {POSTGRESQL_SESSION}" if isinstance(given, str) else POSTGRESQL_SESSION).strip()
        url = url.difference_update_query(["options"])
    engine = create_engine(
        url.difference_update_query([POOLER]),
        json_serializer=dump_json,
        pool_size=size,
        max_overflow=overflow,
        pool_timeout=5,
        pool_recycle=RECYCLE_S,
        pool_use_lifo=True,  # the one used last has its pages and its prepared statements at hand
        connect_args={**connect, "application_name": f"grid-{application}"},
    )
    event.listen(engine, "connect", _note_use)
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", partial(_require_alive, engine))
    if is_pooled:
        event.listen(engine, "begin", _set_locally)
    return engine


def _set_locally(connection: Connection) -> None:
    """Give the transaction its time limits; a session's own are lost between two of them."""
    connection.exec_driver_sql(POSTGRESQL_LOCALS)


def _note_use(_driver: Any, record: ConnectionPoolEntry) -> None:
    record.info["used_at"] = time.monotonic()


def _require_alive(engine: Engine, driver: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
    """Ask a connection that has rested whether it lives; where it does not, all are made anew."""
    if time.monotonic() - record.info["used_at"] < RESTED_S:
        return
    try:
        engine.dialect.do_ping(driver)
    except engine.dialect.loaded_dbapi.Error as error:
        raise InvalidatePoolError from error


def sqlite_path(url: URL) -> Path:
    """Return the file of an SQLite URL.

    Raises:
        ConfigurationError: It names none (a database in memory cannot be shared by server and worker).
    """
    if not url.database or url.database == ":memory:":
        raise ConfigurationError("DATABASE_URL: name a file, as in sqlite:////data/grid.db")
    return Path(url.database).absolute()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver would else begin by itself, and not IMMEDIATE
    cursor = connection.cursor()
    try:
        for pragma in SQLITE_PRAGMAS:
            cursor.execute(pragma)
    finally:
        cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get("grid_read", False):
        connection.exec_driver_sql("BEGIN")
        return
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        deadline = time.monotonic() + BUSY_S
        while not _try_to_write(driver) and time.monotonic() < deadline:
            time.sleep(LOOK_S)
    finally:
        driver.execute(SQLITE_BUSY)
    if not driver.in_transaction:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # raises, as SQLAlchemy's callers know it


def _try_to_write(driver: sqlite3.Connection) -> bool:
    """Begin a transaction that writes; False where another process is writing.

    SQLite's own way to wait looks again after 1, 2, 5, 10, 15, 20, 25, ... ms, so that of two processes that write all
    the time one may find the lock taken again and again.
    """
    try:
        driver.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY  # any other: the next try says what it is
    return True


def _writer_lock(url: URL) -> threading.Lock:
    with _writer_locks_guard:
        return _writer_locks.setdefault(str(sqlite_path(url).resolve()), threading.Lock())
