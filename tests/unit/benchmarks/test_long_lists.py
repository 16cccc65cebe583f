"""Long lists: copies that fill a database are jobs and entries as the service lists them; pages are read in pairs."""

from contextlib import closing

import pytest
from benchmarks.long_lists import fill_audit, fill_jobs, make_id, make_questions, measure
from sqlalchemy import func, select

from grid.core.ids import find_creation
from grid.database.audit import AuditEntry
from grid.database.engine import create_database
from grid.database.jobs import jobs
from grid.database.uow import UnitOfWork
from grid.schemas.jobs import JobStatus

COUNT = 10_200  # copies; each kind is among them


@pytest.fixture
def filled(databases):
    with closing(create_database(databases.make())) as database:
        owners = fill_jobs(database, COUNT)
        fill_audit(database, COUNT, owners[0])
        yield database, make_questions(*owners)


def test_copies_are_what_their_numbers_say_under_ids_in_order(filled):
    database, questions = filled
    uow = UnitOfWork(database)
    newest = make_id(COUNT)  # of no copy: all are behind it

    assert find_creation(make_id(5)) < find_creation(make_id(6)) < find_creation(newest)
    failed = questions["failed, 1 %"](uow, newest)
    assert [job.id for job in failed.items] == [make_id(number) for number in range(COUNT - 100, COUNT - 5001, -100)]
    assert {job.state for job in failed.items} == {JobStatus.FAILED}
    (late,) = questions["timed out, 0.01 %"](uow, make_id(10_000)).items
    assert late.id == make_id(77)
    assert questions["running, none"](uow, None).items == []
    assert {job.meta["project"] for job in questions["by label, 1 %"](uow, None).items} == {"bridge"}
    assert {job.simulation for job in questions["by simulation, 1 %"](uow, newest).items} == {"noop"}
    assert {job.sweep_id for job in questions["no points of sweeps, 4 %"](uow, None).items} == {None}
    entries, last = questions["audit by subject, 0.1 %"](uow, None)
    assert [one.entry.id for one in entries] == [make_id(number) for number in range(10_007, 6, -1000)]
    assert last is None
    with database.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(jobs)) == COUNT + 6  # and the originals
        assert connection.scalar(select(func.count()).select_from(AuditEntry)) >= COUNT


def test_pages_behind_a_cursor_stand_beside_first_ones(filled):
    database, questions = filled
    asked = []

    def ask(uow, after):
        asked.append(after)
        return questions["everybody's jobs"](uow, after)

    median, high = measure(database, {"jobs": ask}, COUNT, 3)

    assert asked[::2] == [None] * 4  # the first pair is not counted
    assert all(make_id(COUNT // 20) <= after < make_id(COUNT) for after in asked[1::2])
    assert (median.bar, str(high.bar), high.database) == (None, "at most 1.5", database.kind)
    assert min(*median.grid, *median.beside, *high.grid, *high.beside) > 0
