import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from tests.support.databases import HandClock, opened
from tests.support.ledgers import add_owner

from grid.core.errors import ConfigurationError, StorageFullError, UnavailableError
from grid.database.base import UTCDateTime
from grid.database.engine import create_database
from grid.database.errors import translate, translated
from grid.database.idempotency import StoredAnswer
from grid.database.uow import UnitOfWork


def test_a_block_that_raises_is_undone_as_a_whole(uow):
    def fail():
        with uow.begin() as tx:
            tx.workers.beat("worker-1", host="h", pid=1, details={})
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    with uow.read() as tx:
        assert tx.workers.living(within=timedelta(days=1)) == []


def test_a_read_sees_one_moment_and_writes_nothing(uow):
    with uow.read() as tx:
        before = tx.workers.living(within=timedelta(days=1))
        with uow.begin() as other:
            other.workers.beat("worker-1", host="h", pid=1, details={"slots": ["small"]})
        assert tx.workers.living(within=timedelta(days=1)) == before
    with uow.read() as tx:
        assert [worker.id for worker in tx.workers.living(within=timedelta(days=1))] == ["worker-1"]


def test_the_clock_is_the_database_s_and_stands_still_in_a_transaction(uow):
    with uow.read() as tx:
        now = tx.now()
        assert tx.now() is now
        assert now.tzinfo is UTC or now.utcoffset() == timedelta(0)
        assert abs(now - datetime.now(UTC)) < timedelta(seconds=60)


def test_a_test_can_turn_the_hands(database_maker, tmp_path):
    clock = HandClock()
    with opened(database_maker, tmp_path, clock) as database, UnitOfWork(database).read() as tx:
        assert tx.now() == clock.time


def test_times_come_back_to_the_microsecond_and_in_utc(database_maker, tmp_path):
    clock = HandClock(datetime(2026, 7, 1, 12, 30, 15, 123457, tzinfo=UTC))
    with opened(database_maker, tmp_path, clock) as database:
        uow = UnitOfWork(database)
        owner = add_owner(uow)
        with uow.read() as tx:
            assert tx.users.find(owner).created_at == clock.time


def test_a_time_without_a_zone_is_refused(database):
    with pytest.raises(ValueError, match="zone"):
        UTCDateTime().process_bind_param(datetime(2026, 1, 1), database.engine.dialect)  # noqa: DTZ001


def test_closing_twice_is_harmless(database):
    database.close()
    database.close()


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("database is locked", UnavailableError),
        ("database or disk is full", StorageFullError),
        ("unable to open database file", UnavailableError),
        ("database disk image is malformed", UnavailableError),
        ("disk I/O error", UnavailableError),
    ],
)
def test_what_sqlite_says_becomes_an_error_of_grid(message, kind):
    error = OperationalError("SELECT 1", {}, sqlite3.OperationalError(message))

    assert type(translate(error)) is kind


def test_faults_of_the_program_pass_through(uow):
    with pytest.raises((OperationalError, ProgrammingError)), uow.begin() as tx:
        tx.connection.execute(text("SELECT * FROM nowhere"))
    with pytest.raises(IntegrityError), uow.begin() as tx:
        tx.queues.lock(uuid4())  # of nobody


def test_a_writer_that_waits_too_long_is_told_so(sqlite_uow, sqlite_database, monkeypatch):
    monkeypatch.setattr("grid.database.uow.WRITER_WAIT_S", 0.05)

    with sqlite_database.writer_lock, pytest.raises(UnavailableError, match="busy"), sqlite_uow.begin():
        pass


def test_a_write_follows_that_of_another_process_or_gives_up(sqlite_uow, sqlite_database, monkeypatch):
    """Another connection holds the lock of the file, as another process would."""
    with closing(sqlite3.connect(sqlite_database.engine.url.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr("grid.database.engine.LOOK_S", 0.0)
        tries = iter([None, None, other.rollback])  # the third look finds the lock given up
        monkeypatch.setattr("grid.database.engine.time.sleep", lambda _: (next(tries) or (lambda: None))())
        with sqlite_uow.begin() as tx:
            tx.workers.beat("worker-1", host="h", pid=1, details={})
        assert next(tries, "none left") == "none left"

        other.execute("BEGIN IMMEDIATE")
        monkeypatch.undo()
        monkeypatch.setattr("grid.database.engine.BUSY_S", 0.01)
        monkeypatch.setattr("grid.database.engine.SQLITE_BUSY", "PRAGMA busy_timeout = 10")
        with pytest.raises(UnavailableError, match="busy"), sqlite_uow.begin():
            pass
        other.rollback()
    with sqlite_uow.read() as tx:
        assert [worker.id for worker in tx.workers.living(within=timedelta(days=1))] == ["worker-1"]


def test_a_full_disk_stores_nothing_by_halves(sqlite_uow, sqlite_database):
    """`max_page_count` is SQLite's own way to run out of room."""

    def fill(tx, _items):
        tx.connection.exec_driver_sql("PRAGMA max_page_count = 1")  # clamped to what the file has by now
        for number in range(2000):
            tx.workers.beat(f"worker-{number}", host="h" * 200, pid=1, details={"filler": "x" * 4000})

    with pytest.raises(StorageFullError):
        sqlite_uow.group(fill, "item")

    with sqlite_database.engine.connect() as connection:
        connection.connection.driver_connection.execute("PRAGMA max_page_count = 1073741823")
    with sqlite_uow.read() as tx:
        assert tx.workers.living(within=timedelta(days=1)) == []
        assert tx.connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


@pytest.mark.postgres
def test_a_lock_that_is_not_given_up_is_unavailable_and_not_forever(postgres_maker, tmp_path):
    with opened(postgres_maker, tmp_path) as database:
        uow = UnitOfWork(database)
        owner = add_owner(uow)

        def wait():
            with uow.begin() as other:
                other.connection.execute(text("SET LOCAL lock_timeout = '50ms'"))
                other.queues.lock(owner)

        with uow.begin() as tx:
            tx.queues.lock(owner)
            with pytest.raises(UnavailableError, match="busy"):
                wait()


@pytest.mark.postgres
def test_every_wait_on_postgresql_has_an_end(postgres_maker, tmp_path):
    with opened(postgres_maker, tmp_path) as database, UnitOfWork(database).read() as tx:
        shown = {
            name: tx.connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "TimeZone")
        }
    assert shown == {
        "statement_timeout": "10s",
        "lock_timeout": "2s",
        "idle_in_transaction_session_timeout": "30s",
        "TimeZone": "UTC",
    }


def test_sqlite_is_set_to_keep_what_it_has_accepted(sqlite_uow):
    with sqlite_uow.read() as tx:
        shown = [
            tx.connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert shown == ["wal", 2, 1, 5000]


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://localhost/grid"])
def test_a_database_that_cannot_be_shared_is_refused(url):
    with pytest.raises(ConfigurationError):
        create_database(url)


def test_a_network_file_system_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("grid.database.engine.find_network_file_system", lambda _folder: "nfs4")

    with pytest.raises(ConfigurationError, match="nfs4"):
        create_database(f"sqlite:///{tmp_path / 'grid.db'}")


def test_an_answer_is_kept_for_a_day_and_given_to_its_owner_alone(database_maker, tmp_path):
    clock = HandClock()
    stored = StoredAnswer("ab" * 32, 202, {"jobs": ["1"]})
    with opened(database_maker, tmp_path, clock) as database:
        uow = UnitOfWork(database)
        ada, bob = add_owner(uow, "ada"), add_owner(uow, "bob")
        with uow.begin() as tx:
            assert tx.idempotency.add(ada, "POST /jobs", "k", stored)
            assert not tx.idempotency.add(ada, "POST /jobs", "k", stored)
            assert tx.idempotency.find(ada, "POST /jobs", "k") == stored
            assert tx.idempotency.find(bob, "POST /jobs", "k") is None
            assert tx.idempotency.find(ada, "POST /other", "k") is None
        clock.advance(24 * 3600)
        with uow.begin() as tx:
            assert tx.idempotency.find(ada, "POST /jobs", "k") is None
            assert tx.idempotency.add(ada, "POST /jobs", "k", stored)
        clock.advance(24 * 3600)
        with uow.begin() as tx:
            assert [tx.idempotency.purge(), tx.idempotency.purge()] == [1, 0]


def test_translated_passes_what_it_does_not_know():
    with pytest.raises(LookupError), translated():
        raise LookupError


def test_workers_are_heard_of_until_they_say_goodbye_or_fall_silent(database_maker, tmp_path):
    clock = HandClock()
    with opened(database_maker, tmp_path, clock) as database:
        uow = UnitOfWork(database)
        with uow.begin() as tx:
            for name in ("worker-1", "worker-2", "worker-3"):
                tx.workers.beat(name, host="h", pid=7, details={}, polled=name != "worker-3")
            tx.workers.stop("worker-2")
        clock.advance(10)
        with uow.begin() as tx:
            tx.workers.beat("worker-3", host="h", pid=7, details={})
            within = [[one.id for one in tx.workers.living(within=timedelta(seconds=s))] for s in (5, 20)]
        clock.advance(100)
        with uow.begin() as tx:
            assert tx.workers.purge(older_than=timedelta(seconds=105)) == 2
    assert within == [["worker-3"], ["worker-1", "worker-3"]]


@pytest.mark.postgres
def test_a_lost_connection_that_has_rested_is_replaced_and_one_at_work_is_unavailable(
    postgres_maker, tmp_path, monkeypatch
):
    with opened(postgres_maker, tmp_path) as database:
        uow = UnitOfWork(database)
        end = text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )

        def lose():
            with uow.read() as tx:
                tx.now()
            other = create_database(database.engine.url.render_as_string(hide_password=False))
            with other.engine.connect() as connection:
                connection.execute(end.bindparams())
            other.close()

        lose()
        with pytest.raises(UnavailableError), uow.begin() as tx:
            tx.queues.total_queued()
        with uow.begin() as tx:
            assert tx.queues.total_queued() == 0
        monkeypatch.setattr("grid.database.engine.RESTED_S", 0.0)
        lose()
        with uow.begin() as tx:
            assert tx.queues.total_queued() == 0
