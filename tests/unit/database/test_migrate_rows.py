"""Migrations of a database that holds rows: they keep them, and what holds of tables holds afterwards."""

import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy.exc import IntegrityError
from tests.support import live_runs as words
from tests.support.ledgers import add_owner, submit

from grid.database import migrate
from grid.database.engine import create_database
from grid.database.uow import UnitOfWork
from grid.services import live


def test_live_runs_of_an_older_database_are_kept_and_go_on_afterwards(database_url):
    database = create_database(database_url)
    uow = UnitOfWork(database)
    owner = add_owner(uow)
    run = words.submit(uow, owner)
    claim = words.start(uow, owner)
    with uow.read() as tx:
        events = len(tx.live_events.read(run.id))
    with database.engine.begin() as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0002")
    database.close()
    assert not migrate.is_current(database_url)

    migrate.upgrade(database_url)

    database = create_database(database_url)
    try:
        uow = UnitOfWork(database)
        with uow.read() as tx:
            kept = tx.live_runs.find(run.id)
            assert kept is not None
            assert kept.body is None  # runs of before have none
            assert len(tx.live_events.read(run.id)) == events
        assert live.pause_run(uow, claim)
        with pytest.raises(IntegrityError), uow.begin() as tx:
            tx.connection.execute(sa.text("UPDATE live_runs SET body = '{}'"))
    finally:
        database.close()


def test_images_of_the_former_setting_are_listed_once_and_containers_get_a_kind_of_slot(database_url, monkeypatch):
    migrate_to(database_url, "0008")
    monkeypatch.setenv("GRID_IMAGES", " sim:local, solver:1 ,, sim:local,")
    migrate.upgrade(database_url)

    database = create_database(database_url)
    try:
        uow = UnitOfWork(database)
        with uow.read() as tx:
            assert [(one.name, one.pin.content) for one in tx.images.list_all()] == [
                ("sim:local", None), ("solver:1", None),
            ]  # fmt: skip
        owner = add_owner(uow)
        (job,) = submit(uow, owner, 1, simulation=None, slot="docker", batch_key="a")
        with pytest.raises(IntegrityError):
            submit(uow, owner, 1, simulation=None, slot="podman", batch_key="a")  # type: ignore[arg-type]
        migrate_to(database_url, "0008", database)
        with pytest.raises(IntegrityError):
            submit(uow, owner, 1, simulation=None, slot="docker", batch_key="b")
        with uow.read() as tx:
            assert tx.jobs.find(job) is not None  # what ran in a container stays
    finally:
        database.close()


def migrate_to(url, revision, database=None):
    opened = database or create_database(url)
    with opened.engine.begin() as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
    if database is None:
        opened.close()
