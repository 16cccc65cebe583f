"""Many threads on one database: nothing is lost, nothing is given away twice."""

import contextlib
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from tests.support.ledgers import MANIFEST, add_owner, claim, get_job, submit

from grid.core.errors import UnavailableError
from grid.core.ids import new_id
from grid.database.engine import create_database
from grid.database.jobs import NewJob, NewJobs
from grid.database.queues import Delta
from grid.database.uow import UnitOfWork
from grid.schemas.jobs import JobStatus, Reason
from grid.services import ledger
from grid.services.ledger import Returned, Succeeded
from grid.services.outbox import relay
from grid.services.reaper import reap

THREADS = 4
ROUNDS = 100


def in_threads(work, count=THREADS):
    """Run `work(number)` in threads that start together; return the results."""
    ready = threading.Barrier(count)

    def start(number):
        ready.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(start, range(count)))


def test_no_increment_is_lost(uow):
    with uow.begin() as tx:
        tx.connection.execute(text("CREATE TABLE tally (count INTEGER)"))
        tx.connection.execute(text("INSERT INTO tally VALUES (0)"))

    def increment(_):
        for _ in range(ROUNDS):
            with uow.begin() as tx:
                lock = " FOR UPDATE" if tx.kind == "postgresql" else ""
                seen = tx.connection.execute(text(f"SELECT count FROM tally{lock}")).scalar_one()
                tx.connection.execute(text("UPDATE tally SET count = :next"), {"next": seen + 1})

    in_threads(increment)

    with uow.read() as tx:
        assert tx.connection.execute(text("SELECT count FROM tally")).scalar_one() == THREADS * ROUNDS


def test_no_increment_is_lost_between_two_openings_of_one_database(database_url):
    """As between server and worker: each has its own engine; the lock of the database itself decides."""
    databases = [create_database(database_url) for _ in range(2)]
    for database in databases:
        database.writer_lock = threading.Lock() if database.kind == "sqlite" else None  # as in two processes
    with UnitOfWork(databases[0]).begin() as tx:
        tx.connection.execute(text("CREATE TABLE tally (count INTEGER)"))
        tx.connection.execute(text("INSERT INTO tally VALUES (0)"))

    def increment(number):
        uow = UnitOfWork(databases[number % 2])
        for _ in range(25):
            with uow.begin() as tx:
                lock = " FOR UPDATE" if tx.kind == "postgresql" else ""
                seen = tx.connection.execute(text(f"SELECT count FROM tally{lock}")).scalar_one()
                tx.connection.execute(text("UPDATE tally SET count = :next"), {"next": seen + 1})

    in_threads(increment)

    with UnitOfWork(databases[1]).read() as tx:
        assert tx.connection.execute(text("SELECT count FROM tally")).scalar_one() == 100
    for database in databases:
        database.close()


def test_no_job_is_claimed_twice_and_every_counter_is_exact(uow):
    owners = [add_owner(uow, name) for name in ("ada", "bob")]
    ids = [job for owner in owners for job in submit(uow, owner, THREADS * ROUNDS // 2, batch_key="a")]

    def work(number):
        mine = []
        while batch := claim(uow, f"worker-{number}", max_jobs=3):
            claims = [job.claim for job in batch.jobs]
            assert ledger.conclude(uow, [Succeeded(one, MANIFEST) for one in claims], begun=claims) == set(claims)
            mine.extend(claims)
        return mine

    taken = Counter(one.job_id for mine in in_threads(work) for one in mine)

    assert taken == Counter(ids)
    with uow.read() as tx:
        assert tx.jobs.counts() == {JobStatus.SUCCESS: len(ids)}
        assert [(tx.queues.find(owner).queued, tx.queues.find(owner).active) for owner in owners] == [(0, 0)] * 2


def test_cancels_heartbeats_reapers_and_ends_of_the_same_jobs_never_block_each_other(uow):
    """All of them touch the same rows at once; each job ends once, and the counts of the sweep say how."""
    owner = add_owner(uow)
    ids = submit(uow, owner, 200, is_sweep=True)
    sweep_id = get_job(uow, ids[0]).sweep_id
    batch = claim(uow, max_jobs=150)
    claims = [job.claim for job in batch.jobs]
    ledger.conclude(uow, (), begun=claims)

    def work(number):
        if number == 0:
            for start in range(0, 150, 10):
                part = claims[start : start + 10]
                ends = [
                    Succeeded(one, MANIFEST) if place % 3 else Returned(one, "drain") for place, one in enumerate(part)
                ]
                ledger.conclude(uow, ends)
        elif number == 1:
            for _ in range(15):
                ledger.renew(uow, worker_id="worker-1", claims=claims, lease_s=30)
        elif number == 2:
            for job in ids[::7]:
                with contextlib.suppress(ledger.JobFinishedError):
                    ledger.cancel(uow, owner_id=owner, job_id=job, by=Reason.CANCELLED_BY_USER)
            ledger.cancel_sweep(uow, owner_id=owner, sweep_id=sweep_id, by=Reason.CANCELLED_BY_SWEEP)
        else:
            for _ in range(15):
                reap(uow)
                relay(uow)

    in_threads(work)
    ledger.conclude(uow, [ledger.Stopped(one) for one in claims])

    with uow.read() as tx:
        sweep = tx.sweeps.find(sweep_id)
        counts = tx.jobs.counts()
        queue = tx.queues.find(owner)
    assert sum(counts.values()) == 200
    assert {state: getattr(sweep, state.value) for state in counts} == counts
    assert sweep.finished_at is not None
    assert (queue.queued, queue.active) == (0, 0)


@pytest.mark.parametrize("is_foreseen", [True, False], ids=["refused", "raised"])
def test_group_commit_stores_every_item_but_those_that_fail(uow, is_foreseen):
    owner = add_owner(uow)
    with uow.begin() as tx:
        tx.queues.lock(owner)

    def write(tx, items):
        return [write_one(tx, *item) for item in items]

    def write_one(tx, number, turn):
        failure = LookupError(f"write {turn} of thread {number}") if turn % 5 == 4 else None
        if failure is not None and is_foreseen:
            return failure
        job = new_id()
        shared = NewJobs(owner, "noop", None, "small", 60.0, tx.now(), tx.now().replace(year=2100))
        tx.jobs.add(shared, [NewJob(job, {}, "00", "noop", 0.001)])
        tx.queues.change({owner: Delta(queued=1)})
        if failure is not None:
            raise failure
        return job

    def store(number):
        kept = []
        for turn in range(25):
            if turn % 5 == 4:
                with pytest.raises(LookupError, match=f"write {turn} of thread {number}"):
                    uow.group(write, (number, turn))
            else:
                kept.append(uow.group(write, (number, turn)))
        return kept

    kept = {job for mine in in_threads(store, 8) for job in mine}

    assert len(kept) == 8 * 20
    with uow.read() as tx:
        assert {job.id for job in tx.jobs.find_many(sorted(kept))} == kept
        assert tx.queues.find(owner).queued == len(kept)
        assert tx.jobs.counts() == {JobStatus.QUEUED: len(kept)}


def test_a_closed_database_takes_no_further_group_writes(sqlite_uow, sqlite_database):
    def write(tx, items):
        return [(tx.kind, item) for item in items]

    assert sqlite_uow.group(write, 1) == ("sqlite", 1)
    sqlite_database.close()

    with pytest.raises(UnavailableError, match="closed"):
        sqlite_uow.group(write, 2)


@pytest.mark.parametrize("change", ["cancel", "cancel_sweep", "conclude", "reap"])
def test_whoever_counts_for_owner_and_sweep_takes_the_row_of_the_owner_first(uow, change):
    """As a claim does: held up at the owner's row, it holds no sweep, and the claim goes on."""
    owner = add_owner(uow)
    first, *_, last = submit(uow, owner, 6, is_sweep=True)
    sweep = get_job(uow, first).sweep_id
    batch = claim(uow, max_jobs=2, lease_s=0.0 if change == "reap" else 30.0)
    held = [job.claim for job in batch.jobs]
    calls = {
        "cancel": lambda: ledger.cancel(uow, owner_id=owner, job_id=last, by=Reason.CANCELLED_BY_USER),
        "cancel_sweep": lambda: ledger.cancel_sweep(uow, owner_id=owner, sweep_id=sweep, by=Reason.CANCELLED_BY_USER),
        "conclude": lambda: ledger.conclude(uow, [Succeeded(one, MANIFEST) for one in held], begun=held),
        "reap": lambda: reap(uow),
    }
    with uow.begin() as tx:
        tx.queues.lock(owner)
        thread = threading.Thread(target=calls[change])
        thread.start()
        thread.join(0.3)  # until it stands at the row of the owner
        tx.sweeps.count({sweep: Counter()})  # as the claim's own transaction goes on
    thread.join(10.0)
    assert not thread.is_alive()
