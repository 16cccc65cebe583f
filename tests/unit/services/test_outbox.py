from datetime import timedelta
from uuid import UUID

from tests.support.ledgers import MANIFEST, add_owner, claim, get_job, submit

from grid.database.outbox import Event, OutboxMessage
from grid.database.uow import UnitOfWork
from grid.schemas.jobs import JobStatus, Reason
from grid.services import ledger
from grid.services.ledger import Succeeded
from grid.services.outbox import relay


def relayed(uow: UnitOfWork) -> list[OutboxMessage]:
    """Relay, and read what has come to the stream by that."""
    numbers = relay(uow)
    with uow.read() as tx:
        return [message for message in tx.outbox.stream(after=0) if message.stream_seq in numbers]


def test_events_of_a_job_come_once_in_the_order_of_its_versions(uow):
    (job_id,) = submit(uow, add_owner(uow))
    (job,) = claim(uow).jobs
    ledger.conclude(uow, (), begun=[job.claim])
    ledger.conclude(uow, [Succeeded(job.claim, MANIFEST)])

    messages = relayed(uow)

    assert [(one.aggregate, one.version, one.kind) for one in messages] == [
        (f"job:{job_id}", 2, "job.starting"),
        (f"job:{job_id}", 3, "job.running"),
        (f"job:{job_id}", 4, "job.success"),
    ]
    assert [one.stream_seq for one in messages] == [1, 2, 3]
    assert messages[-1].payload == {"id": str(job_id), "version": 4, "status": "success", "reason": "ok"}
    assert not relay(uow)
    with uow.read() as tx:
        assert tx.outbox.backlog() == 0
        assert tx.outbox.stream(after=0) == messages


def test_a_refused_transition_says_nothing(uow):
    submit(uow, add_owner(uow))
    (job,) = claim(uow).jobs
    relay(uow)

    assert ledger.conclude(uow, [Succeeded(job.claim._replace(epoch=9), MANIFEST)]) == frozenset()
    assert not relay(uow)


def test_a_statement_over_a_sweep_makes_one_event_however_many_jobs_it_moves(uow):
    ids = submit(uow, add_owner(uow), 150, is_sweep=True)
    sweep_id = get_job(uow, ids[0]).sweep_id

    claim(uow, max_jobs=150)

    (message,) = relayed(uow)
    assert (message.aggregate, message.kind) == (f"sweep:{sweep_id}", "sweep.starting")
    assert message.payload["counts"] == {"starting": 150}
    assert "jobs" not in message.payload  # too many to name: readers look into the table


def test_few_points_of_a_sweep_are_named(uow):
    owner = add_owner(uow)
    ids = submit(uow, owner, 5, is_sweep=True)
    claim(uow, max_jobs=2)
    relay(uow)

    ledger.cancel_sweep(uow, owner_id=owner, sweep_id=get_job(uow, ids[0]).sweep_id, by=Reason.CANCELLED_BY_SWEEP)

    named = {UUID(job["id"]): job["status"] for message in relayed(uow) for job in message.payload["jobs"]}
    assert named == {job: JobStatus.CANCELLING if place < 2 else JobStatus.CANCELLED for place, job in enumerate(ids)}


def test_the_numbers_go_on_after_old_events_were_removed(uow):
    with uow.begin() as tx:
        tx.outbox.add([Event("job:a", version, "job.queued", {}) for version in (1, 2, 3)])
    assert list(relay(uow, limit=2)) == [1, 2]
    assert list(relay(uow)) == [3]

    with uow.begin() as tx:
        assert tx.outbox.purge(older_than=timedelta(seconds=-60)) == 2  # all but the newest, which carries the count
        tx.outbox.add([Event("job:a", 4, "job.queued", {})])

    assert list(relay(uow)) == [4]
    with uow.read() as tx:
        assert tx.outbox.last_seq() == 4
        assert [one.version for one in tx.outbox.stream(after=3, aggregates=["job:a"])] == [4]
        assert tx.outbox.stream(after=0, aggregates=["job:b"]) == []


def test_an_event_of_a_transaction_that_is_undone_never_leaves(uow):
    def fail():
        with uow.begin() as tx:
            tx.outbox.add([Event("job:a", 1, "job.queued", {})])
            raise LookupError

    try:
        fail()
    except LookupError:
        assert not relay(uow)
