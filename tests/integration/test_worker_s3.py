"""A whole worker with its results on an S3 server: stored, read back, without credentials in children, and outages."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.support.ledgers import add_owner
from tests.support.live_worker import BURST, CASE, OVERLOAD, LiveRunProbe
from tests.support.s3 import S3Bench, serving_bench
from tests.support.workers import read_jobs, submit_points, wait_for_ends, wait_until, working

from grid.core.errors import UnavailableError
from grid.database.uow import UnitOfWork
from grid.runtime import s3_client, s3_store
from grid.runtime.packs import read_record
from grid.runtime.s3_client import S3Clients
from grid.schemas.jobs import JobStatus
from grid.schemas.live import CommandKind, RunState
from grid.services.renders import RenderState, find_render, request_render
from grid.tasks import transfers
from grid.tasks.garbage import collect_garbage


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Bench]:
    with serving_bench() as (server, clients):
        yield S3Bench(server, clients, tmp_path)


@pytest.fixture
def sqlite(sqlite_uow: UnitOfWork) -> UnitOfWork:
    """The database is the same for every store."""
    return sqlite_uow


def test_results_and_files_go_to_the_server_by_way_of_the_spool_and_children_know_nothing_of_it(
    sqlite: UnitOfWork, home: Path, s3: S3Bench
):
    with working(sqlite, home, store=s3.store) as worker:
        wait_until(worker.children, "a child was up")
        environments = [Path(f"/proc/{pid}/environ").read_bytes() for pid in worker.children()]
        ids = submit_points(sqlite, add_owner(sqlite), [{"value": float(value)} for value in range(9)])
        jobs = wait_for_ends(sqlite, ids)
        request = request_render(sqlite, worker.bell, ids[3], ["meta.json"])
        wait_until(lambda: _is_ready(sqlite, request), "the file was made")
        wait_until(lambda: worker.spool.used_bytes() == 0, "the spool was empty")

    assert {job.state for job in jobs} == {JobStatus.SUCCESS}
    assert read_record(s3.store, jobs[3].result_manifest["pack"])["value"] == 6.0
    assert not any(b"AWS" in one or s3.server.url.encode() in one for one in environments)
    kinds = sorted(key.partition("/")[0] for key in s3.store.keys())  # noqa: SIM118 - a store is no mapping
    assert set(kinds) == {"packs", "renders"}
    assert kinds.count("renders") == 2  # the file and its manifest
    assert not (home / "artifacts").exists()
    assert collect_garbage(sqlite, s3.store) == 0


@pytest.mark.parametrize("how", ["refuses", "hangs", "is gone"])
def test_jobs_wait_while_the_server_does_not_work_and_none_fails(
    sqlite: UnitOfWork, home: Path, s3: S3Bench, monkeypatch: pytest.MonkeyPatch, how: str
):
    monkeypatch.setattr(transfers, "LIMIT_S", 0.3)
    monkeypatch.setattr(s3_store, "WELL_FOR_S", -1.0)
    monkeypatch.setattr("grid.tasks.housekeeping.PROBE_EVERY_S", 0.2)
    for purpose in ("read", "write", "check"):
        monkeypatch.setitem(s3_client.TIMES, purpose, (0.3, 1))
    store = s3_store.S3ArtifactStore(S3Clients(s3.store.place), s3.spool)
    store.check()
    with working(sqlite, home, store=store) as worker:
        owner = add_owner(sqlite)
        ids = submit_points(sqlite, owner, [{"value": 3.0, "duration_s": 0.5}])
        wait_until(lambda: read_jobs(sqlite, ids)[0].state is JobStatus.RUNNING, "the batch ran")
        if how == "hangs":
            s3.server.hang("PUT", 10_000)
        else:
            s3.server.refuse("PUT", 503, "SlowDown", times=10_000) if how == "refuses" else s3.stop()
        wait_until(lambda: _was_returned(sqlite, ids), "the batch had come back")
        later = submit_points(sqlite, owner, [{"value": 4.0}])
        wait_until(lambda: not worker.supervisor._is_store_writable, "claims had stopped")
        with pytest.raises(UnavailableError):
            store.check()
        (job,) = read_jobs(sqlite, later)
        assert (job.state, job.epoch) == (JobStatus.QUEUED, 0)

        s3.server.faults.clear()
        s3.server.released.set()
        if how == "is gone":
            s3.start()
        jobs = wait_for_ends(sqlite, [*ids, *later])

    assert {(job.state, job.attempts_used, job.worker_losses) for job in jobs} == {(JobStatus.SUCCESS, 1, 0)}
    assert [read_record(s3.store, job.result_manifest["pack"])["value"] for job in jobs] == [6.0, 8.0]


def _is_ready(uow: UnitOfWork, request: object) -> bool:
    found = find_render(uow, request)  # type: ignore[arg-type]
    return found is not None and found.state is RenderState.READY


def _was_returned(uow: UnitOfWork, ids: list) -> bool:
    (job,) = read_jobs(uow, ids)
    return job.state is JobStatus.QUEUED and job.epoch == 1


def test_a_live_run_goes_on_in_another_worker_from_its_state_on_the_server(
    sqlite: UnitOfWork, tmp_path: Path, s3: S3Bench
):
    """The workers share the database and the server, and no folder."""
    first, second = s3.another(), s3.another()
    with working(sqlite, tmp_path / "one", store=first) as worker:
        run = LiveRunProbe.submit(sqlite, worker.bell, add_owner(sqlite), rate=40.0)
        run.wait_for(RunState.RUNNING)
        run.wait_for_effect(run.send(CommandKind.EVENT, BURST))
        run.wait_for_effect(run.send(CommandKind.CHECKPOINT))
        assert any(key.startswith("live/") for key in s3.blobs())
    shutil.rmtree(tmp_path / "one")

    with working(sqlite, tmp_path / "two", store=second) as worker:
        run.bell = worker.bell
        run.wait_for(RunState.RUNNING)
        wait_until(lambda: run.events("resumed"), "it said where it went on")
        resumed = run.events("resumed")[-1].payload
        run.wait_for_effect(run.send(CommandKind.EVENT, OVERLOAD))
        ended = run.stop()
        assert list(worker.spool.keys()) == []

    assert resumed["from_tick"] > 0  # from the state, and not from the beginning
    assert ended.result_manifest is not None
    assert ended.result_manifest["field_sha256"] == run.replay()
    (file,) = ended.result_manifest["files"]
    with second.open(file["key"]) as stored:
        assert np.load(stored, allow_pickle=False).shape == tuple(CASE["resolution"]["cells"])
