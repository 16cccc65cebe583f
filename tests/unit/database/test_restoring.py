"""Restoring SQLite from a backup: all of it, or as it was; damage and other versions are refused by name."""

import sqlite3
from pathlib import Path

import pytest
from tests.support.databases import SqliteMaker
from tests.support.ledgers import add_owner

from grid.core.errors import ConfigurationError, NotFoundError, UnavailableError
from grid.database import migrate
from grid.database.engine import create_database
from grid.database.restoring import restore
from grid.database.uow import UnitOfWork


@pytest.fixture
def url(sqlite_maker: SqliteMaker, tmp_path: Path):
    with sqlite_maker.url(tmp_path) as url:
        yield url


def users(url: str) -> list[str]:
    database = create_database(url)
    with database.engine.connect() as connection:
        found = list(connection.exec_driver_sql("SELECT username FROM users ORDER BY username").scalars())
    database.close()
    return found


def add(url: str, name: str) -> None:
    database = create_database(url)
    add_owner(UnitOfWork(database), name)
    database.close()


def test_what_was_backed_up_is_back_and_what_was_there_is_kept(url, tmp_path):
    add(url, "ada")
    migrate.backup(url, tmp_path / "kept.db")
    add(url, "grace")

    saved = restore(url, tmp_path / "kept.db")

    assert users(url) == ["ada"]
    assert saved is not None
    assert saved.parent == tmp_path / "backups"
    assert users(f"sqlite:///{saved}") == ["ada", "grace"]
    assert migrate.check(url) == []


def test_a_lost_database_is_made_from_the_backup(url, tmp_path):
    add(url, "ada")
    migrate.backup(url, tmp_path / "kept.db")
    new = f"sqlite:///{tmp_path / 'new' / 'grid.db'}"
    assert restore(new, tmp_path / "kept.db") is None
    assert users(new) == ["ada"]
    assert (tmp_path / "new" / "grid.db").stat().st_mode & 0o777 == 0o600


def test_a_damaged_database_is_put_aside_as_it_is(url, tmp_path):
    add(url, "ada")
    migrate.backup(url, tmp_path / "kept.db")
    damaged = b"not a database at all" * 100
    (tmp_path / "grid.db").write_bytes(damaged)

    saved = restore(url, tmp_path / "kept.db")
    assert users(url) == ["ada"]
    assert saved.read_bytes() == damaged


@pytest.mark.parametrize("what", ["missing", "text", "cut", "empty", "newer", "itself"])
def test_what_is_no_backup_is_refused_and_changes_nothing(url, tmp_path, what):
    add(url, "ada")
    kept = tmp_path / "kept.db"
    migrate.backup(url, kept)
    if what == "missing":
        kept.unlink()
    elif what == "text":
        kept.write_text("not a database")
    elif what == "cut":
        kept.write_bytes(kept.read_bytes()[: kept.stat().st_size // 2])
    elif what == "empty":
        kept.unlink()
        sqlite3.connect(kept).close()
    elif what == "newer":
        with sqlite3.connect(kept) as changed:
            changed.execute("UPDATE alembic_version SET version_num = '9999'")
        changed.close()
    else:
        kept = tmp_path / "grid.db"

    with pytest.raises((NotFoundError, UnavailableError, ConfigurationError)) as refusal:
        restore(url, kept)
    assert str(kept.name) in str(refusal.value) or what == "missing"
    assert users(url) == ["ada"]
    assert not (tmp_path / "backups").exists()


def test_a_database_that_is_being_written_is_not_replaced(url, tmp_path, monkeypatch):
    add(url, "ada")
    migrate.backup(url, tmp_path / "kept.db")
    monkeypatch.setattr("grid.database.restoring.BUSY_S", 0.1)
    writer = sqlite3.connect(tmp_path / "grid.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    with pytest.raises(UnavailableError, match="busy"):
        restore(url, tmp_path / "kept.db")
    writer.close()
    assert users(url) == ["ada"]


def test_a_backup_of_an_older_version_is_upgraded(tmp_path):
    old = f"sqlite:///{tmp_path / 'old.db'}"
    migrate.move(old, "0003")
    new = f"sqlite:///{tmp_path / 'grid.db'}"
    restore(new, tmp_path / "old.db")
    assert migrate.is_current(new)


def test_postgresql_has_a_tool_of_its_own_for_this(tmp_path):
    with pytest.raises(ConfigurationError, match="pg_restore"):
        restore("postgresql+psycopg://grid@127.0.0.1/grid", tmp_path / "kept.db")
