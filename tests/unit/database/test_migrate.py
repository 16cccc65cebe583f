from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from grid.core.errors import ConfigurationError, UnavailableError
from grid.database import migrate
from grid.database.engine import create_database
from grid.database.schema import metadata


def tables_of(url: str) -> set[str]:
    database = create_database(url)
    try:
        return set(sa.inspect(database.engine).get_table_names()) - {"alembic_version"}
    finally:
        database.close()


def test_every_migration_goes_up_down_and_up_again(database_url):
    assert tables_of(database_url) == set(metadata.tables)

    migrate.move(database_url, "base")
    assert tables_of(database_url) == set()
    assert not migrate.is_current(database_url)

    migrate.upgrade(database_url)
    assert tables_of(database_url) == set(metadata.tables)
    assert migrate.is_current(database_url)


def test_the_migrations_make_exactly_the_tables_of_the_code(database):
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_second_upgrade_changes_nothing(database_url):
    migrate.upgrade(database_url)

    assert migrate.check(database_url) == []


def test_a_database_of_a_newer_version_is_refused(database):
    url = database.engine.url.render_as_string(hide_password=False)
    with database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(ConfigurationError, match="newer than this version"):
        migrate.upgrade(url)
    needed = f"this version needs {migrate.head_revision()}"
    assert migrate.check(url) == [f"The schema is at 9999, {needed}; run `grid db upgrade`."]


def test_a_file_with_something_in_it_is_copied_before_it_is_migrated(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'old.db'}"
    database = create_database(url)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE keepsake (word TEXT)")
        connection.exec_driver_sql("INSERT INTO keepsake VALUES ('kept')")
    database.close()

    migrate.upgrade(url)

    (copy,) = (tmp_path / "backups").iterdir()
    saved = create_database(f"sqlite:///{copy}")
    with saved.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT word FROM keepsake").scalar() == "kept"
    saved.close()
    assert copy.stat().st_mode & 0o777 == 0o600


def test_a_new_file_needs_no_backup(tmp_path: Path):
    migrate.upgrade(f"sqlite:///{tmp_path / 'deeper' / 'new.db'}")

    assert not (tmp_path / "deeper" / "backups").exists()


def test_check_names_a_missing_database_and_makes_none(tmp_path: Path):
    path = tmp_path / "none.db"

    assert migrate.check(f"sqlite:///{path}") == [f"There is no database at {path}; run `grid db upgrade`."]
    assert not migrate.is_current(f"sqlite:///{path}")
    assert not path.exists()


def test_check_finds_a_row_that_refers_to_nothing(sqlite_database):
    url = sqlite_database.engine.url.render_as_string(hide_password=False)
    with sqlite_database.engine.connect() as connection:
        raw = connection.connection.driver_connection
        raw.execute("PRAGMA foreign_keys = OFF")
        raw.execute("INSERT INTO owner_queues (owner_id, queued, active) VALUES (hex(randomblob(16)), 0, 0)")

    assert migrate.check(url) == ["A row of owner_queues refers to a missing row of users."]


def test_a_damaged_file_is_one_sentence_and_not_an_exception(tmp_path: Path):
    path = tmp_path / "damaged.db"
    path.write_bytes(b"this is no database, however long it may be" * 200)

    (problem,) = migrate.check(f"sqlite:///{path}")
    assert "damaged" in problem
    with pytest.raises(UnavailableError, match="damaged"):
        migrate.upgrade(f"sqlite:///{path}")


def test_a_backup_is_whole_while_the_database_is_in_use(sqlite_uow, sqlite_database, tmp_path: Path):
    from tests.support.ledgers import add_owner, submit

    submit(sqlite_uow, add_owner(sqlite_uow), 5)
    url = sqlite_database.engine.url.render_as_string(hide_password=False)
    destination = tmp_path / "copies" / "copy.db"

    migrate.backup(url, destination)

    assert migrate.check(f"sqlite:///{destination}") == []
    copy = create_database(f"sqlite:///{destination}")
    with copy.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM jobs").scalar() == 5
    copy.close()
    with pytest.raises(ConfigurationError, match="exists"):
        migrate.backup(url, destination)


def test_postgresql_is_backed_up_by_its_own_tool(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="pg_dump"):
        migrate.backup("postgresql+psycopg://localhost/grid", tmp_path / "copy")


@pytest.mark.postgres
def test_a_server_that_is_not_there_is_unavailable():
    url = "postgresql+psycopg://127.0.0.1:1/grid"

    with pytest.raises(UnavailableError):
        migrate.upgrade(url)
    assert migrate.check(url) == ["The database does not answer; nothing was lost, try again."]
