"""The audit log: one entry for each change, in its transaction, and no way to touch it unnoticed."""

import json
import threading
from contextlib import suppress
from uuid import uuid4

import pytest
from sqlalchemy.exc import DatabaseError

from grid.database.audit import AuditEntry, AuditHead
from grid.database.base import Base
from grid.database.engine import create_database
from grid.database.uow import UnitOfWork
from grid.services import audit

ACTOR = uuid4()


@pytest.fixture
def uow(tmp_path):
    database = create_database(f"sqlite:///{tmp_path / 'grid.db'}")
    Base.metadata.create_all(database.engine, tables=[AuditEntry.__table__, AuditHead.__table__])
    yield UnitOfWork(database)
    database.close()


def write(uow, count=5, **details):
    for number in range(count):
        with uow.begin() as tx:
            audit.record(tx, actor_id=ACTOR, action="job.submit", subject=f"job:{number}", details=details)


def tamper(uow, statement):
    """Do what somebody with the database file and without scruples can do."""
    with uow.begin() as tx:
        for trigger in ("audit_entries_no_update", "audit_entries_no_delete"):
            tx.connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {trigger}")
        assert tx.connection.exec_driver_sql(statement).rowcount >= 1


def test_an_untouched_log_is_intact(uow):
    write(uow, 12)
    report = audit.verify(uow)

    assert report.is_intact
    assert report.entries == 12
    assert report.heads[0][0] == 12


def test_an_empty_log_is_intact(uow):
    assert audit.verify(uow) == audit.AuditReport(0, {}, ())


def test_an_entry_is_undone_with_the_change_it_speaks_of(uow):
    write(uow, 2)
    with suppress(RuntimeError), uow.begin() as tx:
        audit.record(tx, actor_id=ACTOR, action="job.submit", subject="job:x")
        raise RuntimeError("the change failed")
    write(uow, 2)

    assert audit.verify(uow).is_intact
    assert audit.verify(uow).entries == 4


def test_an_entry_is_undone_with_its_savepoint_alone(uow):
    with uow.begin() as tx:
        audit.record(tx, actor_id=ACTOR, action="job.submit", subject="job:1")
        savepoint = tx.connection.begin_nested()
        audit.record(tx, actor_id=ACTOR, action="job.submit", subject="job:2")
        savepoint.rollback()
        audit.record(tx, actor_id=ACTOR, action="job.submit", subject="job:3")

    assert [entry["subject"] for entry in audit.export(uow)] == ["job:1", "job:3"]
    assert audit.verify(uow).is_intact


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_entries SET action = 'x'", "DELETE FROM audit_entries", "DELETE FROM audit_entries WHERE seq = 5"],
)
def test_the_database_itself_refuses_to_change_or_remove_an_entry(uow, statement):
    write(uow)
    with pytest.raises(DatabaseError, match="append-only"), uow.begin() as tx:
        tx.connection.exec_driver_sql(statement)

    assert audit.verify(uow).is_intact


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET action = 'job.cancel' WHERE seq = 3",
        "UPDATE audit_entries SET subject = 'job:9' WHERE seq = 1",
        "UPDATE audit_entries SET details = '{\"a\":2}' WHERE seq = 5",
        "UPDATE audit_entries SET actor_id = NULL WHERE seq = 2",
        "UPDATE audit_entries SET at = at + 1 WHERE seq = 4",
        "UPDATE audit_entries SET hash = previous WHERE seq = 4",
        "UPDATE audit_entries SET previous = hash WHERE seq = 4",
        "UPDATE audit_entries SET id = '00000000000070008000000000000000' WHERE seq = 1",
        "UPDATE audit_entries SET seq = 6 WHERE seq = 5",
        "UPDATE audit_entries SET chain = 1 WHERE seq = 5",
        "DELETE FROM audit_entries WHERE seq = 1",
        "DELETE FROM audit_entries WHERE seq = 3",
        "DELETE FROM audit_entries WHERE seq = 5",
        "DELETE FROM audit_entries WHERE seq >= 2",
        "DELETE FROM audit_entries",
        "DELETE FROM audit_heads",
        "UPDATE audit_heads SET seq = 4",
        "UPDATE audit_heads SET hash = 'x'",
    ],
)
def test_tampering_with_any_entry_is_found(uow, statement):
    write(uow)
    tamper(uow, statement)

    assert not audit.verify(uow).is_intact


def test_a_log_rewritten_from_the_middle_on_is_found_by_a_head_kept_elsewhere(uow):
    write(uow, 3)
    kept = audit.verify(uow).heads
    tamper(uow, "DELETE FROM audit_entries WHERE seq = 3")
    with uow.begin() as tx:
        previous = tx.connection.exec_driver_sql("SELECT hash FROM audit_entries WHERE seq = 2").scalar_one()
        tx.connection.exec_driver_sql(f"UPDATE audit_heads SET seq = 2, hash = '{previous}'")
    assert audit.verify(uow).is_intact  # in itself
    assert not audit.verify(uow, known_heads=kept).is_intact

    write(uow, 2)

    assert audit.verify(uow).is_intact
    assert not audit.verify(uow, known_heads=kept).is_intact


def test_a_head_kept_elsewhere_holds_for_a_log_that_grew(uow):
    write(uow, 3)
    kept = audit.verify(uow).heads
    write(uow, 3)

    assert audit.verify(uow, known_heads=kept).is_intact


def test_threads_that_write_at_the_same_time_make_one_whole_log(uow):
    threads = [threading.Thread(target=write, args=(uow, 10)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert audit.verify(uow).entries == 60
    assert audit.verify(uow).is_intact


def test_an_export_has_all_that_is_needed_to_compute_the_hashes(uow):
    write(uow, 3, width="1 \N{GREEK SMALL LETTER MU}m", nested={"b": [1, 2.5, None], "a": "\x00\n"})
    lines = [json.dumps(entry) for entry in audit.export(uow)]
    entries = [json.loads(line) for line in lines]

    assert [entry["previous"] for entry in entries[1:]] == [entry["hash"] for entry in entries[:-1]]
    assert {entry["actor_id"] for entry in entries} == {str(ACTOR)}
    assert json.loads(entries[0]["details"])["nested"] == {"a": "\x00\n", "b": [1, 2.5, None]}


def test_what_json_cannot_hold_is_refused(uow):
    with pytest.raises(ValueError, match="JSON"):
        write(uow, 1, value=float("nan"))

    assert audit.verify(uow).entries == 0
