import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from tests.support.ledgers import add_owner, claim, get_job, submit

from grid.database import job_queries
from grid.database.job_queries import JobFilter
from grid.database.jobs import jobs
from grid.database.windows import Window
from grid.schemas.jobs import JobStatus, Reason
from grid.services import ledger


@pytest.fixture
def owner(uow):
    return add_owner(uow)


def read(tx, owner, window, **filters):
    items, following = job_queries.read_window(tx, JobFilter(owner, **filters), window)
    return [job.id for job in items], following


def test_pages_are_newest_first_and_count_all_that_match(uow, owner):
    ids = submit(uow, owner, 7)
    submit(uow, add_owner(uow, "bob"), 3)

    with uow.read() as tx:
        first, following = read(tx, owner, Window(5, 1))
        second, end = read(tx, owner, Window(5, 2))

        assert first + second == ids[::-1]
        assert (following, end) == (first[-1], None)
        assert job_queries.count(tx, JobFilter(owner)) == (7, True)


def test_a_list_by_cursor_reads_each_job_once_while_others_come_and_go(uow, owner):
    """Jobs are added and removed between the parts, among them the one that the cursor names."""
    ids = submit(uow, owner, 12)
    for job_id in ids:
        ledger.cancel(uow, owner_id=owner, job_id=job_id, by=Reason.CANCELLED_BY_USER)
    seen, removed, after = [], [], None
    while True:
        with uow.read() as tx:
            part, after = read(tx, owner, Window(3, None, after))
        seen += part
        if after is None:
            break
        submit(uow, owner, 4)
        removed.append(after)
        with uow.begin() as tx:
            assert job_queries.remove(tx, after)

    assert seen == ids[::-1]
    assert len(removed) == 3


def test_filters_narrow_a_page(uow, owner):
    plain, other = submit(uow, owner, 2), submit(uow, owner, 1, is_sweep=True, simulation="heat")
    ledger.cancel(uow, owner_id=owner, job_id=plain[0], by=Reason.CANCELLED_BY_USER)
    sweep_id = get_job(uow, other[0]).sweep_id

    with uow.read() as tx:
        found = [
            set(read(tx, owner, Window(), **filters)[0])
            for filters in (
                {"statuses": [JobStatus.CANCELLED]},
                {"simulation": "heat"},
                {"sweep_id": sweep_id},
                {"labels": {"team": "nobody"}},
            )
        ]
        assert [job.sweep_index for job in tx.jobs.points(sweep_id)] == [0]
        assert tx.jobs.points(sweep_id, after=0) == []

    assert found == [{plain[0]}, set(other), set(other), set()]


def test_counts_are_by_state_and_owner(uow, owner):
    submit(uow, owner, 3)
    submit(uow, add_owner(uow, "bob"), 2, batch_key="b")
    claim(uow, max_jobs=1)

    with uow.read() as tx:
        assert tx.jobs.counts() == {JobStatus.QUEUED: 4, JobStatus.STARTING: 1}
        assert sum(tx.jobs.counts(owner).values()) == 3
        assert tx.queues.total_queued() == 4


@pytest.mark.parametrize(
    "values",
    [
        {"state": JobStatus.RUNNING},  # without a lease
        {"lease_owner": "worker-1"},  # without being held
        {"winning_epoch": 1},  # without success
        {"state": JobStatus.SUCCESS},  # without a result
        {"state": JobStatus.FAILED, "reason": Reason.INFRA},  # without an end
        {"reason": Reason.OK},  # without an end
        {"progress": 1.5},
        {"worker_losses": 4},
    ],
)
def test_the_database_refuses_a_row_that_contradicts_itself(uow, owner, values):
    (job_id,) = submit(uow, owner)

    with pytest.raises(IntegrityError), uow.begin() as tx:
        tx.connection.execute(update(jobs).where(jobs.c.id == job_id).values(version=2, **values))


@pytest.mark.parametrize("change", [{"version": 1}, {"epoch": -1, "version": 2}])
def test_versions_and_epochs_only_grow(uow, owner, change):
    (job_id,) = submit(uow, owner)

    with pytest.raises(IntegrityError), uow.begin() as tx:
        tx.connection.execute(update(jobs).where(jobs.c.id == job_id).values(**change))


def test_versions_tell_a_follower_what_changed(uow, owner):
    first, second = submit(uow, owner, 2)
    claim(uow, max_jobs=1)

    with uow.read() as tx:
        assert tx.jobs.versions([first, second]) == {first: (JobStatus.STARTING, 2), second: (JobStatus.QUEUED, 1)}
        assert [job.id for job in tx.jobs.find_many([second, first])] == [first, second]
