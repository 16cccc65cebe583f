"""A whole worker, on both databases, while its children are killed, cancelled, too slow, too large or poisonous."""

import os
import signal
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from tests.support.ledgers import add_owner
from tests.support.workers import read_jobs, submit_points, wait_for_ends, wait_until, working

from grid.core.errors import UnavailableError
from grid.database.uow import UnitOfWork
from grid.database.workers import WorkerRecord
from grid.runtime.packs import read_record
from grid.runtime.processes import find_start_time
from grid.schemas.jobs import Claim, JobStatus, Reason
from grid.services import ledger
from grid.services.renders import RenderState, find_render, request_render


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_a_sweep_is_solved_stored_and_logged(uow: UnitOfWork, home: Path):
    owner = add_owner(uow)
    ids = submit_points(uow, owner, [{"value": float(value)} for value in range(40)])

    with working(uow, home) as worker:
        jobs = wait_for_ends(uow, ids)

        assert {job.state for job in jobs} == {JobStatus.SUCCESS}
        records = [read_record(worker.store, job.result_manifest["pack"]) for job in jobs]
        assert [record["value"] for record in records] == [2.0 * value for value in range(40)]
        with uow.read() as tx:
            assert [chunk.text for chunk in tx.logs.read(ids[7])] == ["solved 7.0\n"]
        wait_until(lambda: ("changes", None) in worker.bell.rings, "the servers were rung")


def test_a_worker_says_that_it_lives_and_then_that_it_has_gone(uow: UnitOfWork, home: Path):
    with working(uow, home) as worker:
        wait_until(lambda: _worker_rows(uow), "the worker had signed in")
        wait_until(lambda: _worker_rows(uow)[0].details.get("simulations"), "its simulations were known")
        (row,) = _worker_rows(uow)
        assert (row.pid, row.details["slots"], row.last_poll_at is not None) == (os.getpid(), 2, True)
        assert worker.stop() == 0

    assert _worker_rows(uow) == []


def test_a_child_killed_in_the_middle_of_a_batch_costs_every_point_one_loss_and_none_its_result(
    uow: UnitOfWork, home: Path
):
    owner = add_owner(uow)
    with working(uow, home, grid_slots=1) as worker:
        wait_until(worker.children, "the child was up")
        ids = submit_points(uow, owner, [{"duration_s": 0.3} for _ in range(4)])
        wait_until(lambda: _states(uow, ids)[JobStatus.RUNNING] == 4, "the batch ran")
        os.kill(worker.children()[0], signal.SIGKILL)

        jobs = wait_for_ends(uow, ids)

    assert {(job.state, job.worker_losses, job.epoch) for job in jobs} == {(JobStatus.SUCCESS, 1, 2)}


def test_a_poisonous_point_fails_alone_after_three_losses(uow: UnitOfWork, home: Path):
    points = [{"mode": "exit" if place == 7 else "ok"} for place in range(50)]
    ids = submit_points(uow, add_owner(uow), points)

    with working(uow, home):
        jobs = wait_for_ends(uow, ids)

    assert (jobs[7].state, jobs[7].reason, jobs[7].worker_losses) == (JobStatus.FAILED, Reason.POISON, 3)
    others = [job for job in jobs if job.id != ids[7]]
    assert Counter(job.state for job in others) == {JobStatus.SUCCESS: 49}
    assert max(job.worker_losses for job in others) <= 1


def test_a_cancelled_column_leaves_its_batch_and_its_neighbours_go_on(uow: UnitOfWork, home: Path):
    owner = add_owner(uow)
    ids = submit_points(uow, owner, [{"duration_s": 0.5} for _ in range(4)])
    with working(uow, home, grid_slots=1) as worker:
        wait_until(lambda: _states(uow, ids)[JobStatus.RUNNING] == 4, "the batch ran")
        ledger.cancel(uow, owner_id=owner, job_id=ids[3], by=Reason.CANCELLED_BY_USER)
        worker.bell.ring("work", ids[3])

        jobs = wait_for_ends(uow, ids)

    assert [job.state for job in jobs] == [JobStatus.SUCCESS] * 3 + [JobStatus.CANCELLED]
    assert {job.epoch for job in jobs} == {1}


def test_a_cancelled_job_that_is_alone_has_its_child_killed(uow: UnitOfWork, home: Path):
    owner = add_owner(uow)
    (job_id,) = submit_points(uow, owner, [{"mode": "hold"}])
    with working(uow, home, grid_slots=1) as worker:
        wait_until(lambda: _states(uow, [job_id])[JobStatus.RUNNING], "the job ran")
        (child,) = worker.children()
        ledger.cancel(uow, owner_id=owner, job_id=job_id, by=Reason.CANCELLED_BY_USER)

        (job,) = wait_for_ends(uow, [job_id])
        assert (job.state, job.reason) == (JobStatus.CANCELLED, Reason.CANCELLED_BY_USER)
        assert find_start_time(child) is None
        (after,) = submit_points(uow, owner, [{}])
        assert wait_for_ends(uow, [after])[0].state is JobStatus.SUCCESS


def test_a_job_beyond_its_wall_limit_is_timed_out(uow: UnitOfWork, home: Path):
    (job_id,) = submit_points(uow, add_owner(uow), [{"mode": "hold"}], wall_limit_s=0.5)
    with working(uow, home):
        (job,) = wait_for_ends(uow, [job_id])

    assert (job.state, job.reason) == (JobStatus.TIMED_OUT, Reason.WALL_TIMEOUT)


def test_a_point_that_hangs_costs_its_neighbours_one_try(uow: UnitOfWork, home: Path):
    points = [{"mode": "hold" if place == 1 else "ok"} for place in range(3)]
    ids = submit_points(uow, add_owner(uow), points, wall_limit_s=1.0)
    with working(uow, home):
        jobs = wait_for_ends(uow, ids)

    assert [job.state for job in jobs] == [JobStatus.SUCCESS, JobStatus.TIMED_OUT, JobStatus.SUCCESS]


def test_a_job_that_takes_too_much_memory_fails_for_that_reason(uow: UnitOfWork, home: Path):
    (job_id,) = submit_points(uow, add_owner(uow), [{"mode": "eat"}])
    with working(uow, home, memory_bytes=400 << 20):
        (job,) = wait_for_ends(uow, [job_id])

    assert (job.state, job.reason) == (JobStatus.FAILED, Reason.OOM)


def test_a_late_result_of_a_job_that_was_given_away_is_thrown_away(uow: UnitOfWork, home: Path):
    """The reaper of another worker takes the job while this one still works: only the new epoch's result counts."""
    owner = add_owner(uow)
    (job_id,) = submit_points(uow, owner, [{"duration_s": 1.5, "value": 3.0}])
    with working(uow, home, grid_slots=1, grid_heartbeat_s=30.0, grid_lease_s=60.0) as worker:
        wait_until(lambda: _states(uow, [job_id])[JobStatus.RUNNING], "the job ran")
        (held,) = read_jobs(uow, [job_id])
        assert ledger.conclude(uow, [ledger.Returned(Claim(held.id, held.epoch), "lost", "given away")])

        (job,) = wait_for_ends(uow, [job_id])
        assert (job.state, job.winning_epoch, job.worker_losses) == (JobStatus.SUCCESS, 2, 1)
        wait_until(lambda: len(list(worker.store.keys("packs/"))) == 1, "the late pack was removed")
        assert list(worker.store.keys("packs/")) == [job.result_manifest["pack"]["key"]]
        assert read_record(worker.store, job.result_manifest["pack"])["value"] == 6.0


def test_a_large_job_runs_between_small_ones(uow: UnitOfWork, home: Path):
    owner = add_owner(uow)
    small = submit_points(uow, owner, [{"duration_s": 0.05} for _ in range(20)])
    large = submit_points(uow, owner, [{"value": 4.0}], slot="large", batch_key="large")
    with working(uow, home):
        jobs = wait_for_ends(uow, [*small, *large])

    assert {job.state for job in jobs} == {JobStatus.SUCCESS}


def test_a_stopped_worker_gives_back_what_it_cannot_finish(uow: UnitOfWork, home: Path):
    owner = add_owner(uow)
    (job_id,) = submit_points(uow, owner, [{"duration_s": 60.0}])
    with working(uow, home) as worker:
        worker.supervisor._drain_s = 0.2
        wait_until(lambda: _states(uow, [job_id])[JobStatus.RUNNING], "the job ran")
        assert worker.stop() == 0

    (job,) = read_jobs(uow, [job_id])
    assert (job.state, job.worker_losses, job.attempts_used) == (JobStatus.QUEUED, 0, 0)


def test_a_worker_cut_off_from_the_database_kills_its_work_before_the_lease_ends(
    uow: UnitOfWork, home: Path, monkeypatch: pytest.MonkeyPatch
):
    owner = add_owner(uow)
    (job_id,) = submit_points(uow, owner, [{"duration_s": 60.0}])
    with working(uow, home, grid_slots=1, grid_lease_s=2.0) as worker:
        wait_until(lambda: _states(uow, [job_id])[JobStatus.RUNNING], "the job ran")
        (child,) = worker.children()

        def unreachable(*_args: object, **_words: object) -> None:
            raise UnavailableError("cut off")

        with monkeypatch.context() as patch:
            for call in ("renew", "claim", "conclude"):
                patch.setattr(ledger, call, unreachable)
            wait_until(lambda: find_start_time(child) is None, "the worker had fenced itself")
            (job,) = read_jobs(uow, [job_id])
            assert job.epoch == 1
        wait_until(lambda: read_jobs(uow, [job_id])[0].epoch == 2, "the job was claimed again")
        ledger.cancel(uow, owner_id=owner, job_id=job_id, by=Reason.CANCELLED_BY_USER)
        (job,) = wait_for_ends(uow, [job_id])
    assert (job.state, job.worker_losses) == (JobStatus.CANCELLED, 1)


def test_files_of_a_finished_job_are_made_when_asked_for(uow: UnitOfWork, home: Path):
    (job_id,) = submit_points(uow, add_owner(uow), [{"value": 2.0}])
    with working(uow, home) as worker:
        wait_for_ends(uow, [job_id])
        request = request_render(uow, worker.bell, job_id, ["meta.json", "field.npy"])
        wait_until(lambda: find_render(uow, request).state is RenderState.READY, "the files were ready")

        files = {entry["name"]: entry for entry in find_render(uow, request).files}
        assert sorted(files) == ["field.npy", "meta.json"]
        with worker.store.open(files["meta.json"]["key"]) as blob:
            assert blob.read() == b'{"value": 4.0}'
        assert request_render(uow, worker.bell, job_id, ["field.npy", "meta.json"]) == request


def _states(uow: UnitOfWork, ids: Sequence[UUID]) -> Counter[JobStatus]:
    return Counter(job.state for job in read_jobs(uow, ids))


def _worker_rows(uow: UnitOfWork) -> list[WorkerRecord]:
    with uow.read() as tx:
        return tx.workers.living(within=timedelta(minutes=1))


SHARED_WITHIN_S = 10.0  # what is promised; a quiet machine needs about 4


def test_long_jobs_of_one_owner_hold_up_neither_others_nor_requests_for_files(uow: UnitOfWork, home: Path):
    """Ada's jobs of a minute hold both cores and her queue; Bob's job and his request for files come at once."""
    ada, bob = add_owner(uow, "ada"), add_owner(uow, "bob")
    with working(uow, home) as worker:
        (done,) = submit_points(uow, bob, [{}])
        wait_for_ends(uow, [done])
        long = [
            submit_points(uow, ada, [{"duration_s": 60.0}], wall_limit_s=120.0, batch_key=f"long-{number}")[0]
            for number in range(4)
        ]
        wait_until(lambda: sum(job.state is JobStatus.RUNNING for job in read_jobs(uow, long)) == 2, "both cores ran")

        (asked,) = submit_points(uow, bob, [{"value": 3.0}])
        files = request_render(uow, worker.bell, done, ["meta.json"])
        (job,) = wait_for_ends(uow, [asked])
        wait_until(lambda: find_render(uow, files).state is RenderState.READY, "the files were ready")

        assert job.state is JobStatus.SUCCESS
        assert (job.finished_at - job.created_at).total_seconds() < SHARED_WITHIN_S
        assert _states(uow, long)[JobStatus.RUNNING] in (2, 3)  # a third where it was taken for the short batch
        for job_id in long:
            ledger.cancel(uow, owner_id=ada, job_id=job_id, by=Reason.CANCELLED_BY_USER)
        worker.bell.ring("work")
        wait_for_ends(uow, long)
