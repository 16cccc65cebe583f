"""Connections: the size of pools, the settings of sessions, and poolers between Grid and PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.support.databases import PostgresMaker

from grid.database import migrate
from grid.database.engine import POOLS, POSTGRESQL_TIMES, Database, create_database
from grid.database.identity import read_identity
from grid.database.uow import UnitOfWork

PG = "postgresql+psycopg://grid@127.0.0.1:1/x"
SETTINGS = {name: value for name, value in POSTGRESQL_TIMES.items() if name != "timezone"}


def arguments(url: str, application: str = "server") -> dict:
    """Return what the driver is given, without connecting."""
    engine = create_database(url, application=application).engine
    given: dict = {}
    engine.dialect.connect = lambda *_, **words: given.update(words)  # type: ignore[method-assign,assignment]
    engine.pool._creator()  # type: ignore[call-arg,attr-defined]
    return given


@pytest.mark.parametrize("application", ["server", "worker", "doctor"])
def test_a_pool_is_as_large_as_its_process_needs_or_as_it_is_asked_for(application: str, tmp_path: Path):
    kept, more = POOLS.get(application, POOLS["server"])
    for url in (PG, f"sqlite:///{tmp_path / 'grid.db'}"):
        plain, asked = (create_database(f"{url}{query}", application=application) for query in ("", "?grid_pool=20"))
        assert (plain.engine.pool.size(), plain.engine.pool._max_overflow) == (kept, more)
        assert (asked.engine.pool.size(), asked.engine.pool._max_overflow) == (20, max(more, 40))
        assert "grid_pool" not in str(asked.engine.url)


def test_a_connection_is_made_to_a_writer_and_given_up_when_it_is_dead():
    given = arguments(PG)

    assert (given["target_session_attrs"], given["connect_timeout"], given["tcp_user_timeout"]) == (
        "read-write", 3, 10_000,
    )  # fmt: skip
    assert "statement_timeout=10s" in given["options"]


def test_what_the_address_says_of_the_connection_is_passed_on_and_outranks():
    query = (
        "sslmode=verify-full&sslrootcert=/ca.pem&target_session_attrs=any&connect_timeout=9&options=-c%20work_mem%3D8MB"
    )
    given = arguments(f"{PG}?{query}")

    assert (given["sslmode"], given["sslrootcert"]) == ("verify-full", "/ca.pem")
    assert (given["target_session_attrs"], given["connect_timeout"]) == ("any", "9")
    assert given["options"].startswith("-c work_mem=8MB -c statement_timeout=10s")


def test_a_pooler_of_transactions_gets_nothing_that_belongs_to_a_session():
    given = arguments(f"{PG}?grid_pooler=transaction")

    assert given["prepare_threshold"] is None
    assert "options" not in given
    assert "grid_pooler" not in given


@pytest.fixture(params=["", "?grid_pooler=transaction"], ids=["direct", "pooled"])
def postgresql(request: pytest.FixtureRequest, postgres_maker: PostgresMaker, tmp_path: Path) -> Iterator[Database]:
    with postgres_maker.url(tmp_path) as url:
        database = create_database(f"{url}{request.param}")
        yield database
        database.close()


@pytest.mark.postgres
def test_every_transaction_has_its_time_limits_whatever_is_between(postgresql: Database):
    uow = UnitOfWork(postgresql)
    for _ in range(8):  # a driver prepares what it runs five times
        with uow.begin() as tx:
            found = {name: tx.connection.execute(text(f"SHOW {name}")).scalar_one() for name in SETTINGS}
        assert found == SETTINGS
        with uow.read() as tx:
            assert tx.connection.execute(text("SHOW enable_seqscan")).scalar_one() == "off"
            tx.now()


@pytest.mark.postgres
def test_a_pooled_connection_leaves_neither_settings_nor_statements_behind(
    postgres_maker: PostgresMaker, tmp_path: Path
):
    with postgres_maker.url(tmp_path) as url:
        migrate.upgrade(f"{url}?grid_pooler=transaction")  # a server's start
        database = create_database(f"{url}?grid_pooler=transaction&grid_pool=1")
        uow = UnitOfWork(database)
        for _ in range(10):
            with uow.begin() as tx:
                tx.outbox.relay(limit=5)
                tx.workers.beat("w", host="h", pid=1, details={})
        with database.engine.connect() as connection:
            driver = connection.connection.driver_connection
            driver.rollback()
            left = driver.execute("SELECT count(*), current_setting('statement_timeout') FROM pg_prepared_statements")
            assert left.fetchone() == (0, "0")
        database.close()


def test_an_installation_is_known_by_its_database(database_url: str, tmp_path: Path, database_maker):
    first, again = (UnitOfWork(create_database(database_url)) for _ in range(2))
    (tmp_path / "other").mkdir()
    with database_maker.url(tmp_path / "other") as other_url:
        other = UnitOfWork(create_database(other_url))
        found = [read_identity(uow) for uow in (first, again, other)]
        other.database.close()

    assert found[0] == found[1] != found[2]
    assert all(len(each) == 16 for each in found)
    for uow in (first, again):
        uow.database.close()


@pytest.mark.postgres
def test_an_owner_without_rights_to_the_cluster_still_has_an_identity(postgres_server, postgres_maker, tmp_path: Path):
    with postgres_maker.url(tmp_path) as url:
        postgres_server.execute("CREATE ROLE plain LOGIN")
        owner = UnitOfWork(create_database(url))
        with owner.begin() as tx:
            tx.connection.execute(text("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC"))
        plain = UnitOfWork(create_database(url.replace("grid@", "plain@")))

        assert len(read_identity(plain)) == 16
        plain.database.close()
        owner.database.close()
    postgres_server.execute("DROP ROLE plain")
