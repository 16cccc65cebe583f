"""Results between child and ledger: concluded when stored, returned when they cannot be, dropped when they are lost."""

import io
import time
from pathlib import Path

import numpy as np
import pytest
from tests.doubles.ledgers import make_batch, make_render
from tests.doubles.transfers import make_files

from grid.core.errors import StorageFullError, UnavailableError
from grid.runtime.messages import PointResult, RenderFinished, SolveFinished, SpooledFile
from grid.runtime.packs import write_pack
from grid.schemas.jobs import Reason
from grid.services.ledger import Returned, Succeeded
from grid.services.renders import ClaimedRender, RenderReturned
from grid.tasks.runs import RenderRun, Run
from grid.tasks.storing import ResultStorage

PACK = "packs/20260102/0195.npy"


class Writer:
    """Keeps what it is handed."""

    def __init__(self) -> None:
        self.outcomes, self.renders = [], []

    def write(self, *, outcomes=(), begun=(), logs=(), progress=None, renders=()):
        self.outcomes += outcomes
        self.renders += renders


class Harness:
    """A storage whose transfers are made when a test says so."""

    def __init__(self, folder: Path) -> None:
        self.files, self.writer, self.refusals = make_files(folder), Writer(), []
        self.storage = ResultStorage(self.files, self.writer, lambda: self.refusals.append(1))

    def solve(self, jobs: int = 2, *, size: int = 5) -> Run:
        run = Run(make_batch(jobs), 0.0, 0.0)
        self.files.spool.put(PACK, io.BytesIO(b"12345"))
        results = [PointResult(claim, Reason.OK, "", {}) for claim in run.open]
        pack = SpooledFile(PACK, size, "ab" * 32)
        self.storage.store_batch(run, SolveFinished(run.batch.batch_id, results, 0.1, 0, pack=pack))
        return run

    def make(self) -> None:
        self.files.transfers.make()

    def refuse(self, error: Exception) -> None:
        def adopt(key, path, *, sha256=None):
            raise error

        self.files.store.adopt = adopt


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


def test_jobs_are_concluded_once_their_pack_is_stored(harness: Harness):
    run = harness.solve()
    assert (harness.writer.outcomes, harness.storage.is_quiet, len(run.open)) == ([], False, 2)
    harness.make()
    assert [type(outcome) for outcome in harness.writer.outcomes] == [Succeeded, Succeeded]
    assert (harness.files.store.blobs, list(harness.files.spool.keys())) == ({PACK: b"12345"}, [])
    assert harness.storage.is_quiet


@pytest.mark.parametrize("error", [UnavailableError("away"), StorageFullError("no room")])
def test_a_store_that_refuses_returns_the_batch_and_stops_claims(harness: Harness, error):
    harness.refuse(error)
    harness.solve()
    harness.make()
    assert {(type(outcome), outcome.why) for outcome in harness.writer.outcomes} == {(Returned, "infra")}
    assert str(error) in harness.writer.outcomes[0].message
    assert harness.refusals == [1]
    assert list(harness.files.spool.keys()) == []


def test_a_pack_that_is_not_the_announced_one_returns_the_batch_alone(harness: Harness):
    harness.solve(size=6)
    harness.make()
    assert {outcome.why for outcome in harness.writer.outcomes} == {"infra"}
    assert (harness.refusals, harness.files.store.blobs) == ([], {})


def test_a_defect_of_the_store_returns_the_batch(harness: Harness):
    harness.refuse(ValueError("of the store"))
    harness.solve()
    harness.make()
    assert "ValueError" in harness.writer.outcomes[0].message


def test_a_batch_that_was_lost_meanwhile_leaves_nothing(harness: Harness):
    run = harness.solve()
    harness.storage.forget_run(run)
    assert harness.storage.is_quiet
    harness.make()
    assert (harness.writer.outcomes, harness.files.store.blobs, list(harness.files.spool.keys())) == ([], {}, [])


def test_a_job_that_was_cancelled_meanwhile_has_no_second_outcome(harness: Harness):
    run = harness.solve(2)
    (claim, _) = list(run.open)
    run.remove([claim])
    harness.make()
    assert [type(outcome) for outcome in harness.writer.outcomes] == [Succeeded]
    assert harness.writer.outcomes[0].claim != claim


def test_a_drain_that_is_over_returns_what_is_not_stored(harness: Harness):
    harness.solve()
    harness.storage.fetch_record(a_render(harness), lambda _: pytest.fail("handed on"))
    harness.storage.return_all()
    assert {outcome.why for outcome in harness.writer.outcomes} == {"drain"}
    assert harness.writer.renders[0][1] == RenderReturned(is_loss=False)
    harness.make()
    assert harness.storage.is_quiet
    assert list(harness.files.spool.keys()) == []


def a_render(harness: Harness, tmp: str = "pack", *, is_stored: bool = True) -> RenderRun:
    path = harness.files.spool.root.parent / tmp
    (entry,) = write_pack(path, "packs/x.npy", np.ones(1, dtype=[("a", "<f8")]))
    if is_stored:
        harness.files.store.blobs["packs/x.npy"] = path.read_bytes()
    claimed = make_render()
    claimed = ClaimedRender(
        claimed.claim, claimed.job_id, "toy", {}, {"pack": entry}, claimed.names, claimed.key_prefix
    )
    return RenderRun(claimed, time.monotonic())


def leave_files(harness: Harness, render: RenderRun) -> RenderFinished:
    prefix = render.claimed.key_prefix
    size, sha256 = harness.files.spool.put(f"{prefix}/meta.json", io.BytesIO(b"{}"))
    harness.files.spool.put(f"{prefix}/grid-manifest.json", io.BytesIO(b"[]"))
    entry = {"name": "meta.json", "key": f"{prefix}/meta.json", "size": size, "sha256": sha256, "media_type": ""}
    return RenderFinished(render.claimed.claim.render_id, [entry])


def test_a_request_has_its_record_before_it_starts_and_its_files_stored_before_it_ends(harness: Harness):
    render, ready = a_render(harness), []
    harness.storage.fetch_record(render, ready.append)
    assert (harness.storage.renders(), ready) == ([render], [])
    harness.make()
    assert ready == [render]
    assert list(harness.files.spool.keys()) == [render.manifest["pack"]["key"]]

    finished = leave_files(harness, render)
    harness.storage.store_render(render, finished)
    assert harness.writer.renders == []
    harness.make()
    assert harness.writer.renders == [(render.claimed.claim, finished)]
    assert len(harness.files.store.blobs) == 3
    assert list(harness.files.spool.keys()) == []


def test_a_request_whose_record_is_gone_fails_and_one_whose_store_is_away_comes_back(harness: Harness):
    gone = a_render(harness, is_stored=False)
    harness.storage.fetch_record(gone, lambda _: pytest.fail("handed on"))
    harness.make()
    end = harness.writer.renders[0][1]
    assert (end.code, "not there" in end.failure) == ("not-found", True)

    render = a_render(harness, "second")
    harness.refuse(UnavailableError("away"))
    harness.storage.store_render(render, leave_files(harness, render))
    harness.make()
    assert harness.writer.renders[1] == (render.claimed.claim, RenderReturned(is_loss=False))
    assert harness.refusals == [1]
    assert list(harness.files.spool.keys()) == []


def test_a_request_that_was_lost_meanwhile_leaves_nothing(harness: Harness):
    render = a_render(harness)
    harness.storage.store_render(render, leave_files(harness, render))
    harness.storage.forget_render(render)
    harness.make()
    assert (harness.writer.renders, list(harness.files.spool.keys())) == ([], [])
