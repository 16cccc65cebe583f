"""Statements by the driver alone: they take and return what SQLAlchemy's own way does, in the order of the calls."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import bindparam, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from tests.support.databases import opened
from tests.support.ledgers import add_owner, submit
from tests.support.workers import wait_until

from grid.database import prepared
from grid.database.jobs import jobs
from grid.database.outbox import outbox
from grid.database.prepared import Prepared
from grid.database.queues import Delta, owner_queues
from grid.database.row_insert import RowInsert
from grid.database.uow import UnitOfWork

EVENT = ("aggregate", "version", "kind", "payload", "created_at")
INSERT = RowInsert(outbox, EVENT)
ADD = Prepared(insert(outbox).inline(), columns=EVENT)
COUNT = Prepared(text("SELECT count(*) FROM outbox"))


def make_event(tx, version=1, aggregate="job:1"):
    """Return the values of a row of the outbox: text, number, JSON, time."""
    return dict(
        zip(EVENT, (aggregate, version, "job.queued", {"name": "Grün", "at": [1, None]}, tx.now()), strict=True)
    )


def test_values_and_rows_are_converted_as_by_sqlalchemy(uow):
    """Ids, times, JSON, numbers, words of a closed list, and NULL, in both directions."""
    submit(uow, add_owner(uow))
    query = select(*jobs.c).where(jobs.c.owner_id == bindparam("owner"), jobs.c.created_at <= bindparam("now"))
    with uow.read() as tx:
        (owner,) = tx.connection.execute(select(jobs.c.owner_id)).scalars()
        values = {"owner": owner, "now": tx.now()}
        (row,) = tx.run(Prepared(query), values)
        assert row == tuple(tx.connection.execute(query, values).one())
        assert tx.run(Prepared(query), {**values, "now": tx.now() - timedelta(days=1)}) == []


def test_rows_written_one_by_one_and_many_at_once_are_read_back(uow):
    with uow.begin() as tx:
        rows = [make_event(tx, version) for version in (1, 2, 3)]
        tx.insert_later(INSERT, rows[:1])
        tx.insert_later(INSERT, rows[1:])
        tx.insert_later(INSERT, [])

    with uow.read() as tx:
        found = tx.connection.execute(select(*(outbox.c[name] for name in EVENT)).order_by(outbox.c.id))
        assert [dict(row._mapping) for row in found] == rows


def test_statements_run_in_the_order_of_their_calls(uow):
    """Whatever was to be run later has been run when anything is read, by either way."""
    with uow.begin() as tx:
        tx.run_later(ADD, make_event(tx, 1))
        assert tx.run(COUNT, {}) == [(1,)]
        tx.run_later(ADD, make_event(tx, 2))
        assert tx.connection.execute(text("SELECT count(*) FROM outbox")).scalar_one() == 2
        tx.run_later(ADD, make_event(tx, 3))
        tx.run_ahead([(COUNT, {})])
        assert tx.run(COUNT, {}) == [(3,)]


def test_what_was_asked_ahead_is_answered_once(uow):
    with uow.begin() as tx:
        tx.run_ahead([(COUNT, {})])
        assert tx.run(COUNT, {}) == [(0,)]
        tx.run_later(ADD, make_event(tx))
        assert tx.run(COUNT, {}) == [(1,)]


def test_a_statement_that_fails_undoes_the_whole_transaction(uow):
    """Also one that PostgreSQL gets together with the commit."""

    def write():
        with uow.begin() as tx:
            for aggregate in ("job:2", "job:1", "job:1", "job:3"):  # one version twice
                tx.run_later(ADD, make_event(tx, 1, aggregate=aggregate))

    with pytest.raises(IntegrityError):
        write()
    with uow.read() as tx:
        assert tx.run(COUNT, {}) == [(0,)]


def test_a_block_that_raises_never_runs_what_was_to_be_run_later(uow):
    def fail():
        with uow.begin() as tx:
            tx.run_later(ADD, make_event(tx))
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    with uow.read() as tx:
        assert tx.run(COUNT, {}) == [(0,)]


def test_a_driver_s_error_is_that_of_sqlalchemy(uow):
    owner = Prepared(
        update(owner_queues).where(owner_queues.c.owner_id == bindparam("of")).values(queued=bindparam("to"))
    )
    known = add_owner(uow)
    with uow.begin() as tx:
        tx.queues.lock(known)
    with pytest.raises(IntegrityError, match="counts_not_negative"), uow.begin() as tx:
        tx.run(owner, {"of": known, "to": -1})


def test_a_list_of_values_is_refused_when_it_is_prepared(uow):
    """Its text would depend on how many there are."""
    statement = Prepared(select(jobs.c.id).where(jobs.c.id.in_([uuid4()])))

    with uow.read() as tx, pytest.raises(ValueError, match="parameter for each"):
        tx.run(statement, {})


@pytest.mark.postgres
def test_postgresql_gets_changes_of_tables_as_one_statement_with_the_commit(postgres_maker, tmp_path, monkeypatch):
    """No statement waits for the answer to the one before it; a table is changed in the order of the calls."""
    with opened(postgres_maker, tmp_path) as database:
        uow = UnitOfWork(database)
        owner, handed = add_owner(uow), []
        with uow.begin() as tx:
            tx.queues.lock(owner)
        execute = prepared.execute_on_driver

        def record(driver, sql, parameters, *, many=False):
            handed.append((driver.info.pipeline_status.name, [sql.count(name) for name in ("INSERT", "UPDATE")]))
            return execute(driver, sql, parameters, many=many)

        with uow.begin() as tx:
            rows = [make_event(tx, version) for version in (1, 2)]
            monkeypatch.setattr(prepared, "execute_on_driver", record)
            tx.run_later(ADD, rows[0])
            tx.queues.change({owner: Delta(queued=2)})
            tx.queues.change({owner: Delta(queued=3)})
            tx.run_later(ADD, rows[1])
            assert handed == []

        assert handed == [("ON", [1, 1]), ("ON", [1, 1])]
        monkeypatch.undo()
        with uow.read() as tx:
            assert tx.connection.execute(select(outbox.c.version).order_by(outbox.c.id)).scalars().all() == [1, 2]
            assert tx.queues.find(owner).queued == 5


@pytest.mark.postgres
def test_a_transaction_that_waits_for_a_row_keeps_no_other_from_its_time(postgres_maker, tmp_path):
    """The one that waits asks for the lock and the time in one message; the other one holds the row meanwhile."""
    with opened(postgres_maker, tmp_path) as database, ThreadPoolExecutor(1) as pool:
        uow = UnitOfWork(database)
        owner = add_owner(uow)
        with uow.begin() as tx:
            tx.queues.lock(owner)  # makes the row
        waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")

        def is_waiting():
            with database.engine.connect() as connection:
                return connection.execute(waiting).scalar_one() == 1

        def wait():
            with uow.begin() as tx:
                tx.run_later(Prepared(select(owner_queues.c.queued).with_for_update()), {})
                return tx.now()

        with uow.begin() as tx:
            tx.queues.lock(owner)
            other = pool.submit(wait)
            wait_until(is_waiting, "the other transaction waits")
            assert not other.done()
            known = tx.now()
        assert other.result(10) > known
