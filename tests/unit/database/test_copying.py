"""A whole installation moved into PostgreSQL: the same rows by number and hash, resumed, and never into another's."""

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.support import live_runs
from tests.support.databases import PostgresMaker, SqliteMaker
from tests.support.ledgers import MANIFEST, add_owner, claim, submit
from tests.support.postgres import PostgresServer

from grid.core.errors import ConfigurationError
from grid.database import copying, migrate
from grid.database.copying import CopyMismatchError, ForeignTargetError, RowsDigest, copy_database, digest_table
from grid.database.engine import create_database
from grid.database.outbox import Event
from grid.database.schema import metadata
from grid.database.uow import UnitOfWork
from grid.schemas.live import RunState
from grid.services import audit, ledger
from grid.services.ledger import LogChunk, Succeeded

# Values that one of the databases gives back otherwise: a whole float, a huge one, a zero with a sign, a line end.
ODD = {"whole": 1000.0, "huge": 1e22, "tiny": 5e-324, "zero": -0.0, "text": "ä\u2028\n"}


@pytest.fixture(scope="module")
def filled(sqlite_maker: SqliteMaker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with sqlite_maker.url(tmp_path_factory.mktemp("filled")) as url:
        fill(url)
        yield url


@pytest.fixture
def source(filled: str, tmp_path: Path) -> str:
    """An installation with jobs, a sweep, live runs, logs, events and an audit log."""
    migrate.backup(filled, tmp_path / "source.db")
    return f"sqlite:///{tmp_path / 'source.db'}"


@pytest.fixture
def target(postgres_maker: PostgresMaker, tmp_path: Path) -> Iterator[str]:
    """A PostgreSQL that was only migrated, which takes its time."""
    with postgres_maker.url(tmp_path) as url:
        yield url


@pytest.fixture
def empty(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty PostgreSQL."""
    name = postgres_server.create()
    yield postgres_server.url(name)
    postgres_server.drop(name)


def fill(url: str, *, name: str = "ada") -> None:
    database = create_database(url)
    uow = UnitOfWork(database)
    owner = add_owner(uow, name)
    submit(uow, owner, 5, is_sweep=True)
    batch = claim(uow, max_jobs=3)
    assert batch is not None
    claims = [job.claim for job in batch.jobs]
    manifest = {**MANIFEST, "metrics": ODD}
    logs = [LogChunk(claims[0], 1, "one line\n")]
    ledger.conclude(uow, [Succeeded(one, manifest, {"max_rss_bytes": 7}) for one in claims[:2]], logs, claims)
    with uow.begin() as tx:
        tx.outbox.add([Event("job:1", 1, "job.changed", {"deep": [{"b": ODD, "a": None}]})])
        audit.record(tx, actor_id=owner, action="job.submit", subject="job:1", details={"text": "ä"})
    for state in (RunState.RUNNING, RunState.STOPPED, RunState.QUEUED):
        held = live_runs.into(uow, owner, state)
        if state is RunState.RUNNING:
            live_runs.snapshot(uow, held, 3)
            live_runs.send(uow, held.run_id)
    database.close()


def digests(url: str) -> dict[str, tuple[int, str]]:
    database = create_database(url)
    try:
        with database.engine.connect() as connection:
            return {table.name: digest_table(connection, table) for table in metadata.sorted_tables}
    finally:
        database.close()


pytestmark = pytest.mark.postgres


def test_every_row_arrives_and_the_service_goes_on_with_them(source, empty):
    target, said = empty, []
    copies = copy_database(source, target, on_table=said.append)

    assert said == copies
    assert [copied.name for copied in copies] == [table.name for table in metadata.sorted_tables]
    assert {one.name: (one.rows, one.digest) for one in copies} == digests(source) == digests(target)
    assert sum(one.rows > 0 for one in copies) >= 13
    assert migrate.check(target) == []
    database = create_database(target)
    uow = UnitOfWork(database)
    ids = all_jobs(source)
    with uow.read() as tx:
        jobs = [job for job in tx.jobs.find_many(ids) if job.result_manifest]
    assert [job.result_manifest["metrics"] for job in jobs] == [ODD, ODD]
    assert audit.verify(uow).is_intact
    with uow.begin() as tx:  # rows that the database numbers itself come after those that were copied
        tx.outbox.add([Event("job:2", 1, "job.changed", {})])
        audit.record(tx, actor_id=None, action="job.submit", subject="job:2")
    assert claim(uow) is not None
    with database.engine.connect() as connection:  # the planner knows of the rows at once
        rows = connection.execute(sa.text("SELECT reltuples FROM pg_class WHERE relname = 'jobs'")).scalar_one()
        seen = connection.execute(sa.text("SELECT count(*) FROM pg_stats WHERE tablename = 'jobs'")).scalar_one()
    assert rows == len(ids)
    assert seen > 0
    database.close()
    assert "grid_copy_progress" not in tables_of(target)


def all_jobs(url: str) -> list[UUID]:
    database = create_database(url)
    with database.engine.connect() as connection:
        found = list(connection.execute(sa.select(metadata.tables["jobs"].c.id)).scalars())
    database.close()
    return found


def tables_of(url: str) -> set[str]:
    database = create_database(url)
    found = set(sa.inspect(database.engine).get_table_names())
    database.close()
    return found


def test_a_copy_that_was_interrupted_goes_on_with_the_table_it_was_at(source, target, monkeypatch):
    real, seen = copying._copy_table, []

    def until_jobs(reading, database, table, before):
        if table.name == "jobs":
            raise KeyboardInterrupt
        return real(reading, database, table, before)

    monkeypatch.setattr(copying, "_copy_table", until_jobs)
    with pytest.raises(KeyboardInterrupt):
        copy_database(source, target)
    monkeypatch.setattr(copying, "_copy_table", real)

    copy_database(source, target, on_table=seen.append)  # a target that was only migrated is empty
    assert digests(source)["images"][0] > 0
    names = [table.name for table in metadata.sorted_tables]
    assert [one.was_there for one in seen] == [name in names[: names.index("jobs")] for name in names]
    assert digests(source) == digests(target)


def test_a_source_that_has_changed_since_the_copy_began_is_not_mixed_with_itself(source, target, monkeypatch):
    interrupt(source, target, monkeypatch)
    database = create_database(source)
    add_owner(UnitOfWork(database), "grace")
    database.close()
    with pytest.raises(CopyMismatchError, match="users"):
        copy_database(source, target)


def interrupt(source: str, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(copy):
        if copy.name == "users":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_database(source, target, on_table=stop)


def test_rows_that_do_not_match_are_not_left_in_the_target(source, target, monkeypatch):
    real = copying.digest_table

    def other(connection, table):
        rows, digest = real(connection, table)
        return (rows, digest) if table.name != "users" else (rows, "0" * 64)

    monkeypatch.setattr(copying, "digest_table", other)
    with pytest.raises(CopyMismatchError, match="users"):
        copy_database(source, target)
    assert digests(target)["users"][0] == 0


def test_a_target_that_is_in_use_is_refused_by_the_name_of_what_it_holds(source, target, tmp_path, sqlite_maker):
    fill(target, name="grace")
    before = digests(target)
    with pytest.raises(ForeignTargetError, match=r"rows of another installation \(audit_entries: 6, .*more"):
        copy_database(source, target)
    assert digests(target) == before


def test_a_target_with_other_tables_or_with_another_copy_is_refused(source, target, monkeypatch, tmp_path):
    run(target, "CREATE TABLE shop_orders (id int)")
    with pytest.raises(ForeignTargetError, match="shop_orders"):
        copy_database(source, target)
    run(target, "DROP TABLE shop_orders")

    interrupt(source, target, monkeypatch)
    other = f"sqlite:///{tmp_path / 'other.db'}"
    migrate.upgrade(other)
    fill(other)
    with pytest.raises(ForeignTargetError, match="another installation"):
        copy_database(other, target)
    copy_database(source, target)


def run(url: str, statement: str) -> None:
    database = create_database(url)
    with database.engine.begin() as connection:
        connection.execute(sa.text(statement))
    database.close()


def test_two_copies_at_once_are_not_made(source, target):
    database = create_database(target)
    with database.engine.begin() as connection:
        connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({copying.COPY_LOCK})"))
        with pytest.raises(ForeignTargetError, match="under way"):
            copy_database(source, target)
    database.close()


def test_a_target_of_another_kind_and_a_source_of_another_version_are_refused(source, target, tmp_path):
    with pytest.raises(ConfigurationError, match="--to"):
        copy_database(source, f"sqlite:///{tmp_path / 'copy.db'}")
    run(source, "UPDATE alembic_version SET version_num = '0001'")
    with pytest.raises(ConfigurationError, match="grid db upgrade"):
        copy_database(source, target)


def test_the_digest_is_of_the_values_and_not_of_their_order_or_spelling():
    at = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    rows = [{"a": 1, "b": {"x": 1000.0, "y": [1e22]}, "c": at}, {"a": 2, "b": None, "c": None}]
    same = [{"c": None, "b": None, "a": 2.0}, {"a": 1, "b": {"y": [10**22], "x": 1000}, "c": at}]

    def digest(given):
        found = RowsDigest()
        found.update(given)
        return found.rows, found.hexdigest()

    assert digest(rows) == digest(same)
    for place, name, value in ((0, "a", 3), (0, "b", {"x": 1000.5, "y": [1e22]}), (1, "b", "None"), (1, "c", at)):
        changed = [dict(row) for row in rows]
        changed[place][name] = value
        assert digest(changed) != digest(rows)
    assert digest([rows[0], rows[0]])[1] != digest([rows[1], rows[1]])[1]
    assert dataclasses.is_dataclass(copying.TableCopy)
