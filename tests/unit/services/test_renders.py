"""Requests for files: made once, claimed by one, repeated when they failed, given up after three losses."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from tests.doubles.bells import MemoryDoorbell
from tests.support.ledgers import MANIFEST, add_owner, claim, submit

from grid.core.errors import InputError, NotFoundError
from grid.database.uow import UnitOfWork
from grid.runtime.messages import RenderFinished
from grid.schemas.jobs import FileEntry
from grid.services import ledger
from grid.services.ledger import Succeeded
from grid.services.renders import (
    ClaimedRender,
    NotRenderableError,
    RenderReturned,
    RenderState,
    claim_render,
    conclude_render,
    find_render,
    renew_renders,
    request_render,
    requeue_expired_renders,
)

ENTRY = FileEntry(name="meta.json", size=1, sha256="ab" * 32, media_type="application/json", key="renders/a/1/b/c/d")


@pytest.fixture
def bell() -> MemoryDoorbell:
    return MemoryDoorbell()


def finish_job(uow: UnitOfWork) -> UUID:
    (job_id,) = submit(uow, add_owner(uow))
    batch = claim(uow)
    assert batch
    held = batch.jobs[0].claim
    assert ledger.conclude(uow, [Succeeded(held, MANIFEST)], begun=[held])
    return job_id


def must_claim(uow: UnitOfWork, lease_s: float = 30.0) -> ClaimedRender:
    claimed = claim_render(uow, "worker", lease_s)
    assert claimed
    return claimed


def state(uow: UnitOfWork, request: UUID) -> RenderState:
    record = find_render(uow, request)
    assert record
    return record.state


def test_a_request_is_claimed_once_with_all_that_a_child_needs(uow: UnitOfWork, bell: MemoryDoorbell):
    job_id = finish_job(uow)
    request = request_render(uow, bell, job_id, ["meta.json", "a.csv", "meta.json"])
    assert bell.rings == [("work", request)]

    claimed = must_claim(uow)

    assert (claimed.job_id, claimed.simulation, claimed.names) == (job_id, "heat-rod", ("a.csv", "meta.json"))
    assert (claimed.manifest, claimed.params) == (MANIFEST, {"length": 1.0})
    assert claimed.key_prefix == f"renders/{job_id}/1/1/{request.hex}-1"
    assert claim_render(uow, "other", 30.0) is None


def test_ready_files_are_not_made_again_and_failed_ones_are(uow: UnitOfWork, bell: MemoryDoorbell):
    job_id = finish_job(uow)
    request = request_render(uow, bell, job_id, ["meta.json"])
    assert conclude_render(uow, must_claim(uow).claim, RenderFinished(request, failure="no", code="render-failed"))
    failed = find_render(uow, request)
    assert failed
    assert (failed.state, failed.failure, failed.code) == (RenderState.FAILED, "no", "render-failed")

    assert request_render(uow, bell, job_id, ["meta.json"]) == request
    assert state(uow, request) is RenderState.REQUESTED
    assert conclude_render(uow, must_claim(uow).claim, RenderFinished(request, [ENTRY]))
    rings = len(bell.rings)
    assert request_render(uow, bell, job_id, ["meta.json"]) == request
    assert (state(uow, request), len(bell.rings)) == (RenderState.READY, rings)
    ready = find_render(uow, request)
    assert ready
    assert (list(ready.files), ready.failure) == ([ENTRY], None)


def test_only_a_successful_job_of_a_simulation_has_files(uow: UnitOfWork, bell: MemoryDoorbell):
    (job_id,) = submit(uow, add_owner(uow))
    with pytest.raises(NotRenderableError, match="queued"):
        request_render(uow, bell, job_id, ["meta.json"])
    with pytest.raises(NotFoundError):
        request_render(uow, bell, uuid4(), ["meta.json"])
    assert bell.rings == []


@pytest.mark.parametrize("names", [[], [""], ["a,b"], ["a/b"]])
def test_names_that_no_file_has_are_refused(uow: UnitOfWork, bell: MemoryDoorbell, names: list[str]):
    with pytest.raises(InputError):
        request_render(uow, bell, uuid4(), names)


def test_a_stale_claim_changes_nothing(uow: UnitOfWork, bell: MemoryDoorbell):
    request = request_render(uow, bell, finish_job(uow), ["meta.json"])
    stale = must_claim(uow).claim
    assert conclude_render(uow, stale, RenderReturned(is_loss=False))
    fresh = must_claim(uow).claim
    assert fresh.epoch == stale.epoch + 1

    assert not conclude_render(uow, stale, RenderFinished(request, [ENTRY]))
    assert not conclude_render(uow, stale, RenderFinished(request, failure="late"))
    assert not conclude_render(uow, stale, RenderReturned(is_loss=True))
    assert renew_renders(uow, "worker", [stale, fresh], 30.0) == {fresh}
    assert renew_renders(uow, "other", [fresh], 30.0) == frozenset()
    assert state(uow, request) is RenderState.RENDERING


def test_files_that_take_their_child_down_three_times_are_given_up(uow: UnitOfWork, bell: MemoryDoorbell):
    request = request_render(uow, bell, finish_job(uow), ["meta.json"])
    for expected in (RenderState.REQUESTED, RenderState.REQUESTED, RenderState.FAILED):
        assert conclude_render(uow, must_claim(uow).claim, RenderReturned(is_loss=True))
        assert state(uow, request) is expected
    record = find_render(uow, request)
    assert record
    assert record.code == "poison"


def test_expired_leases_go_back_and_the_third_time_is_the_last(uow: UnitOfWork, bell: MemoryDoorbell):
    hands = [datetime(2026, 1, 1, tzinfo=UTC)]
    uow.database.clock = lambda: hands[0]
    request = request_render(uow, bell, finish_job(uow), ["meta.json"])
    for expected in (RenderState.REQUESTED, RenderState.REQUESTED, RenderState.FAILED):
        must_claim(uow, lease_s=30.0)
        assert requeue_expired_renders(uow) == 0
        hands[0] += timedelta(seconds=31)
        assert requeue_expired_renders(uow) == 1
        assert state(uow, request) is expected
