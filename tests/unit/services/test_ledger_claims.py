from uuid import uuid4

import pytest
from tests.doubles.bells import MemoryDoorbell
from tests.support.databases import HandClock, opened
from tests.support.ledgers import MANIFEST, add_owner, claim, get_job, submit

from grid.database.uow import UnitOfWork
from grid.schemas.jobs import Claim, JobStatus
from grid.services import ledger, renders
from grid.services.ledger import ClaimedBatch, Returned, Succeeded
from grid.services.renders import ClaimedRender
from grid.tasks.ledger import bind_ledger


def counters(uow, owner):
    with uow.read() as tx:
        queue = tx.queues.find(owner)
    return queue.queued, queue.active


def test_a_claim_issues_an_epoch_a_lease_and_an_attempt(uow):
    owner = add_owner(uow)
    (job_id,) = submit(uow, owner)

    batch = claim(uow, "worker-1", lease_s=30)

    (job,) = batch.jobs
    row = get_job(uow, job_id)
    assert (job.id, job.epoch, job.attempts_used, job.version) == (job_id, 1, 0, 2)
    assert (row.state, row.epoch, row.version, row.lease_owner) == (JobStatus.STARTING, 1, 2, "worker-1")
    assert (row.lease_until - row.heartbeat_at).total_seconds() == pytest.approx(30)
    assert (job.deadline_at - row.heartbeat_at).total_seconds() == pytest.approx(4 * job.wall_limit_s)
    with uow.read() as tx:
        (attempt,) = tx.attempts.of_job(job_id)
    assert (attempt.epoch, attempt.owner, attempt.host, attempt.ended_at) == (1, "worker-1", "host-1", None)
    assert counters(uow, owner) == (0, 1)


def test_nothing_to_claim_is_none(uow):
    add_owner(uow)

    assert claim(uow) is None
    assert ledger.claim(uow, worker_id="w", host="h", slots=(), max_jobs=9, work_budget_s=1, lease_s=30) is None


def test_a_claimed_job_is_not_claimed_again(uow):
    submit(uow, add_owner(uow))

    assert claim(uow) is not None
    assert claim(uow) is None


def test_a_claim_says_when_it_took_all_that_was_queued(uow):
    """Jobs of another owner, of another shape, or not yet to be started are still queued."""
    ada, bob = add_owner(uow), add_owner(uow, "bob")
    submit(uow, ada, 3)
    submit(uow, bob)

    assert [claim(uow).is_last for _ in range(2)] == [False, True]
    (job,) = submit(uow, ada)
    assert claim(uow).is_last
    ledger.conclude(uow, [Returned(Claim(job, 1), "infra")])  # queued again, after a pause
    submit(uow, bob)
    assert not claim(uow).is_last


def test_a_claim_of_jobs_can_let_a_request_for_files_go_first(uow):
    owner = add_owner(uow)
    (done,) = submit(uow, owner)
    (job,) = claim(uow).jobs
    ledger.conclude(uow, [Succeeded(job.claim, MANIFEST)], begun=[job.claim])
    submit(uow, owner)
    renders.request_render(uow, MemoryDoorbell(), done, ["a.csv"])

    bound = bind_ledger(uow, worker_id="worker-1", host="host-1", lease_s=30.0)
    first, second = bound.claim(("any",)), bound.claim(("any",))

    assert isinstance(first, ClaimedRender)
    assert isinstance(second, ClaimedBatch)
    assert bound.claim(("any",)) is None


def test_points_of_one_sweep_come_together_in_their_order(uow):
    owner = add_owner(uow)
    ids = submit(uow, owner, 20, is_sweep=True)

    batch = claim(uow)

    assert [job.id for job in batch.jobs] == ids
    assert batch.sweep_id == get_job(uow, ids[0]).sweep_id


def test_a_claim_stops_where_the_work_fills_the_budget(uow):
    submit(uow, add_owner(uow), 20, is_sweep=True, work_s=0.5)

    assert [len(claim(uow, work_budget_s=2.0).jobs) for _ in range(3)] == [4, 4, 4]


def test_claims_become_smaller_towards_the_end_of_the_queue_but_never_tiny(uow):
    submit(uow, add_owner(uow), 32, is_sweep=True, work_s=0.1)

    sizes = []
    while (batch := claim(uow, work_budget_s=2.0, parts=4)) is not None:
        sizes.append(len(batch.jobs))

    assert sum(sizes) == 32
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] <= 32 / 4 + 1
    assert min(sizes[:-1]) >= 2  # of 0.2 s


def test_a_job_larger_than_the_budget_is_claimed_alone(uow):
    submit(uow, add_owner(uow), 3, is_sweep=True, work_s=100.0)

    assert len(claim(uow, work_budget_s=2.0).jobs) == 1


def test_a_claim_takes_no_more_jobs_than_asked_for(uow):
    submit(uow, add_owner(uow), 20, is_sweep=True)

    assert len(claim(uow, max_jobs=7).jobs) == 7


def test_jobs_of_another_shape_are_left_for_the_next_claim(uow):
    owner = add_owner(uow)
    submit(uow, owner, 2, batch_key="heat-rod:101")
    submit(uow, owner, 3, batch_key="heat-rod:201")

    assert [len(claim(uow).jobs) for _ in range(2)] == [2, 3]


def test_sweeps_are_not_mixed(uow):
    owner = add_owner(uow)
    submit(uow, owner, 2, is_sweep=True)
    submit(uow, owner, 3, is_sweep=True)

    assert [len(claim(uow).jobs) for _ in range(2)] == [2, 3]


def test_programs_are_claimed_one_by_one(uow):
    submit(uow, add_owner(uow), 3, simulation=None, slot="program", batch_key="program")

    batch = claim(uow)

    assert (len(batch.jobs), batch.image, batch.simulation) == (1, "sim:local", None)


def test_a_job_that_lost_a_worker_is_claimed_alone(uow):
    owner = add_owner(uow)
    submit(uow, owner, 3)
    batch = claim(uow)
    ledger.conclude(uow, [Returned(job.claim, "lost") for job in batch.jobs])

    alone = claim(uow)

    assert len(alone.jobs) == 1
    assert alone.jobs[0].worker_losses == 1


def test_only_jobs_for_the_offered_slots_are_claimed(uow):
    submit(uow, add_owner(uow), slot="large")

    assert claim(uow, slots=("small",)) is None
    assert claim(uow, slots=("small", "large")).slot == "large"


def test_the_lower_priority_number_goes_first(uow):
    owner = add_owner(uow)
    submit(uow, owner, priority=5)
    (urgent,) = submit(uow, owner, priority=-5)

    assert claim(uow, max_jobs=1).jobs[0].id == urgent


def test_owners_take_turns_so_that_a_large_sweep_starves_nobody(database_maker, tmp_path):
    clock = HandClock()
    with opened(database_maker, tmp_path, clock) as database:
        uow = UnitOfWork(database)
        ada, bob = add_owner(uow, "ada"), add_owner(uow, "bob")
        submit(uow, ada, 100, is_sweep=True)
        submit(uow, bob, 3)

        owners = []
        for _ in range(6):
            clock.advance(1)
            owners.append(claim(uow, max_jobs=1).owner_id)

    assert owners == [ada, bob] * 3 or owners == [bob, ada] * 3


def test_an_owner_at_the_limit_is_passed_by(uow):
    ada, bob = add_owner(uow, "ada"), add_owner(uow, "bob")
    submit(uow, ada, 5, is_sweep=True)
    submit(uow, bob)
    with uow.begin() as tx:
        tx.queues.set_limits(ada, queue_limit=None, active_limit=2)

    taken = [claim(uow), claim(uow)]

    assert sorted((batch.owner_id, len(batch.jobs)) for batch in taken) == sorted([(ada, 2), (bob, 1)])
    assert claim(uow) is None


def test_a_hint_is_claimed_first_and_a_stale_one_is_harmless(uow):
    ada, bob = add_owner(uow, "ada"), add_owner(uow, "bob")
    submit(uow, ada)
    (rung,) = submit(uow, bob)

    assert claim(uow, hint=rung).jobs[0].id == rung
    assert claim(uow, hint=rung).owner_id == ada
    assert claim(uow, hint=uuid4()) is None


def test_a_job_is_not_claimed_before_its_time_nor_after(database_maker, tmp_path):
    clock = HandClock()
    with opened(database_maker, tmp_path, clock) as database:
        uow = UnitOfWork(database)
        owner = add_owner(uow)
        (job_id,) = submit(uow, owner, queue_life_s=100)
        clock.advance(-1)
        assert claim(uow) is None
        clock.advance(101)
        assert claim(uow) is None  # its life in the queue ends at this very moment
        clock.advance(-1)
        assert claim(uow).jobs[0].id == job_id


def test_a_claim_of_a_batch_opens_one_attempt_for_each_job(uow):
    ids = submit(uow, add_owner(uow), 5, is_sweep=True)

    batch = claim(uow)

    with uow.read() as tx:
        attempts = [tx.attempts.of_job(job_id) for job_id in ids]
    assert [[(one.epoch, one.batch_id) for one in of_job] for of_job in attempts] == [[(1, batch.batch_id)]] * 5
    assert {job.claim for job in batch.jobs} == {Claim(job_id, 1) for job_id in ids}


def test_a_guest_is_an_owner_of_whom_no_job_is_held(uow):
    """Beyond the core tokens only those are served who have nothing running anywhere, in turn."""
    ada, bob, eve = (add_owner(uow, name) for name in ("ada", "bob", "eve"))
    submit(uow, ada, 3)
    claim(uow, "worker-1", max_jobs=1)
    submit(uow, bob, 2)
    submit(uow, eve, 1, work_s=900.0)

    guests = [claim(uow, "worker-2", max_jobs=1, shares=("guest",)) for _ in range(3)]

    assert {guest.owner_id for guest in guests if guest is not None} == {bob, eve}
    assert guests[2] is None
    assert {guest.share for guest in guests[:2]} == {"guest"}
    assert claim(uow, "worker-2", shares=("guest", "any")).share == "any"


@pytest.mark.parametrize("slot", ["program", "docker"])
def test_a_short_claim_takes_little_work_of_anybody_and_no_program_that_nobody_estimated(uow, slot):
    ada = add_owner(uow)
    submit(uow, ada, 1, work_s=600.0, batch_key="long")
    submit(uow, ada, 1, work_s=0.0, simulation=None, slot=slot, batch_key="program")
    (short,) = submit(uow, ada, 1, work_s=1.0, batch_key="short")

    batch = claim(uow, shares=("guest", "short"))
    assert batch.share == "guest"  # nothing of hers ran, so what is first comes first
    (job,) = claim(uow, shares=("guest", "short")).jobs
    assert job.id == short
    assert claim(uow, shares=("guest", "short")) is None
