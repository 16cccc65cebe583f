"""Plans of long lists: a filter that leaves nearly all rows out has an index, so that no page reads the whole table."""

from uuid import UUID

import pytest
from sqlalchemy import event, text
from tests.support.ledgers import MANIFEST, add_owner, claim, submit

from grid.core.ids import new_id
from grid.database import job_queries
from grid.database.job_queries import JobFilter
from grid.database.windows import Window
from grid.schemas.jobs import JobStatus, Reason
from grid.services import ledger
from grid.services.audit import list_entries
from grid.services.ledger import Failed, Succeeded


def read_plan(database, statement: str, parameters: object) -> str:
    """Return what the planner says it would do; PostgreSQL sorts nothing where it may choose not to."""
    with database.engine.begin() as connection:
        if database.kind == "postgresql":
            connection.execute(text("SET LOCAL enable_sort = off"))
        explain = "EXPLAIN QUERY PLAN" if database.kind == "sqlite" else "EXPLAIN"
        rows = connection.exec_driver_sql(f"{explain} {statement}", parameters).all()
    return "\n".join(str(row[-1]) for row in rows)


def record_last(database, call) -> tuple[str, object]:
    """Return the last statement that a call runs, with its parameters."""
    seen = []

    def note(_connection, _cursor, statement, parameters, *_):
        seen.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        call()
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
    return seen[-1]


def plan_of(database, uow, wanted: JobFilter, after: UUID | None = None) -> str:
    with uow.read() as tx:
        last = record_last(database, lambda: job_queries.read_window(tx, wanted, Window(50, None, after)))
    return read_plan(database, *last)


@pytest.mark.parametrize(
    ("conditions", "index"),
    [
        ({"is_point": False}, "ix_jobs_lone"),
        ({"statuses": [JobStatus.FAILED]}, "ix_jobs_unsuccessful"),
        ({"statuses": [JobStatus.EXPIRED, JobStatus.TIMED_OUT]}, "ix_jobs_unsuccessful"),
    ],
    ids=str,
)
def test_a_filter_that_leaves_most_jobs_out_has_an_index(database, uow, conditions, index):
    owner = add_owner(uow)

    assert index in plan_of(database, uow, JobFilter(owner, **conditions))


@pytest.mark.parametrize(
    ("state", "index"), [(JobStatus.RUNNING, "ix_jobs_lease"), (JobStatus.QUEUED, "ix_jobs_expiry")]
)
def test_jobs_that_have_not_ended_are_found_among_their_like(sqlite_database, sqlite_uow, state, index):
    """PostgreSQL decides by its statistics, which an empty table has none of."""
    wanted = JobFilter(add_owner(sqlite_uow), statuses=[state])

    for after in (None, new_id()):
        plan = plan_of(sqlite_database, sqlite_uow, wanted, after)
        assert index in plan
        assert "ix_jobs_owner (owner_id=?)" not in plan
        assert "id<?" not in plan


@pytest.mark.parametrize("filters", [{"subject": "user:bob"}, {"action": "user.change"}, {"actor": "ada"}], ids=str)
def test_a_page_of_the_audit_log_is_read_in_order_and_not_sorted(database, uow, filters):
    add_owner(uow)

    plan = read_plan(database, *record_last(database, lambda: list_entries(uow, limit=50, **filters)))

    assert f"ix_audit_entries_{next(iter(filters))}" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan


def test_every_state_is_found_alone_and_with_any_other(uow):
    owner, other = add_owner(uow), add_owner(uow, "bob")
    ids = submit(uow, owner, 3, batch_key="a")
    submit(uow, other, 1, batch_key="b")
    held = []
    while (batch := claim(uow)) is not None:
        held += [job.claim for job in batch.jobs if job.id in ids]
    ledger.conclude(uow, [Failed(held[0], JobStatus.FAILED, Reason.DIVERGED)], begun=held[:2])
    ledger.conclude(uow, [Succeeded(held[1], MANIFEST)])
    (queued,) = submit(uow, owner, 1, batch_key="c")
    by_state = {
        JobStatus.FAILED: held[0].job_id,
        JobStatus.SUCCESS: held[1].job_id,
        JobStatus.STARTING: held[2].job_id,
        JobStatus.QUEUED: queued,
    }

    for first in JobStatus:
        for second in JobStatus:
            states = [first, second]
            wanted = {by_state[state] for state in states if state in by_state}
            for owner_id in (owner, None):
                conditions = JobFilter(owner_id, statuses=states)
                with uow.read() as tx:
                    found, _ = job_queries.read_window(tx, conditions, Window(50, None))
                    number, _ = job_queries.count(tx, conditions)
                mine = {job.id for job in found if job.owner_id == owner}
                assert mine == wanted, states
                assert number == len(found)
