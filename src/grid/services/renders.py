"""Files of finished jobs on request: the server requests and waits, a worker's slot child makes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from grid.core.errors import ConflictError, InputError, NotFoundError
from grid.database.renders import RenderClaim, RenderRecord, RenderState
from grid.database.uow import Transaction, UnitOfWork
from grid.runtime.messages import RenderFinished
from grid.schemas.jobs import JobStatus, Manifest
from grid.services.ports import ArtifactStore, Doorbell

__all__ = ["ClaimedRender", "RenderClaim", "RenderRecord", "RenderReturned", "RenderState"]

MOST_LOSSES = 3  # children that may end while they make the files of one request
KEPT_FOR = timedelta(hours=24)  # of files after their last request
POISON = "The files took their worker down three times and are not tried again."


class NotRenderableError(ConflictError):
    """The job has no result that files could be made of."""

    code, title = "no-result", "The job has no result"

    def __init__(self, state: JobStatus) -> None:
        super().__init__(state)
        self.state = state

    def __str__(self) -> str:
        return f"The job is {self.state}; files are made of a successful job of a built-in simulation."


@dataclass(frozen=True)
class ClaimedRender:
    """A request for files with all that a slot child needs."""

    claim: RenderClaim
    job_id: UUID
    simulation: str
    params: Mapping[str, Any]
    manifest: Manifest
    names: tuple[str, ...]
    key_prefix: str  # unique to this claim, so that a second try never meets the keys of the first


@dataclass(frozen=True)
class RenderReturned:
    """The claim ends without an answer: the worker drains, or (`is_loss`) the child that made the files died."""

    is_loss: bool


def request_render(uow: UnitOfWork, doorbell: Doorbell, job_id: UUID, names: Sequence[str]) -> UUID:
    """Request files of a finished job; return the request's id. Files that exist already are not made again.

    Raises:
        NotFoundError: There is no such job.
        NotRenderableError: The job has no record to make files of.
        InputError: No name is given, or one that no file can have.
    """
    wanted = _joined(names)
    with uow.begin() as tx:
        known = tx.renders.find_equal(job_id, wanted)
        if known is not None:
            tx.renders.repeat(known.id)
            render_id, is_ready = known.id, known.state is RenderState.READY
        else:
            _require_renderable(tx, job_id)
            render_id, is_ready = tx.renders.add(job_id, wanted), False
    if not is_ready:
        doorbell.ring("work", render_id)
    return render_id


def find_render(uow: UnitOfWork, render_id: UUID) -> RenderRecord | None:
    """Find a request: its state, its files when ready, or why there are none."""
    with uow.read() as tx:
        return tx.renders.find(render_id)


def claim_render(uow: UnitOfWork, worker_id: str, lease_s: float) -> ClaimedRender | None:
    """Claim the request that waits longest, or None.

    It looks without writing first: a worker asks before every claim of jobs, and hardly ever does a request wait.
    """
    with uow.read() as tx:
        if not tx.renders.has_waiting():
            return None
    with uow.begin() as tx:
        record = tx.renders.claim(worker_id, lease_s)
        if record is None:
            return None
        claim = RenderClaim(record.id, record.epoch)
        job = tx.jobs.find(record.job_id)
        if job is None or job.simulation is None or job.result_manifest is None or job.winning_epoch is None:
            tx.renders.fail(claim, "The result is gone.", "gone")
            return None
    return ClaimedRender(
        claim=claim,
        job_id=record.job_id,
        simulation=job.simulation,
        params=job.params,
        manifest=job.result_manifest,
        names=record.names,
        key_prefix=_key_prefix(record.job_id, job.winning_epoch, job.result_manifest, claim),
    )


def renew_renders(
    uow: UnitOfWork, worker_id: str, claims: Sequence[RenderClaim], lease_s: float
) -> frozenset[RenderClaim]:
    """Renew leases of requests; return those still held."""
    with uow.begin() as tx:
        return frozenset(claim for claim in claims if tx.renders.renew(worker_id, claim, lease_s))


def conclude_render(uow: UnitOfWork, claim: RenderClaim, end: RenderFinished | RenderReturned) -> bool:
    """Record how a claim ended; False where it is no longer held, and files it left are garbage."""
    with uow.begin() as tx:
        if isinstance(end, RenderReturned):
            return tx.renders.give_back(claim, is_loss=end.is_loss, most_losses=MOST_LOSSES, failure=POISON)
        if end.failure is not None:
            return tx.renders.fail(claim, end.failure, end.code)
        return tx.renders.finish(claim, [dict(entry) for entry in end.files])


def requeue_expired_renders(uow: UnitOfWork) -> int:
    """Requeue requests whose lease has lapsed, or end them after three losses; return their number."""
    with uow.begin() as tx:
        return tx.renders.requeue_expired(MOST_LOSSES, POISON)


def forget_old_renders(uow: UnitOfWork, store: ArtifactStore, *, limit: int = 200) -> int:
    """Remove requests, and their files, a day after the last request; return the number of requests."""
    with uow.begin() as tx:
        forgotten = tx.renders.expire(KEPT_FOR, limit=limit)
    for record in forgotten:
        for entry in record.files:
            store.delete(entry["key"])
    return len(forgotten)


def _joined(names: Sequence[str]) -> str:
    wanted = sorted(set(names))
    if not wanted or any(not name or "," in name or "/" in name for name in wanted):
        raise InputError("Name the files to make; a name holds neither a comma nor a slash.")
    return ",".join(wanted)


def _require_renderable(tx: Transaction, job_id: UUID) -> None:
    job = tx.jobs.find(job_id)
    if job is None:
        raise NotFoundError("job")
    if job.state is not JobStatus.SUCCESS or job.simulation is None:
        raise NotRenderableError(job.state)


def _key_prefix(job_id: UUID, epoch: int, manifest: Manifest, claim: RenderClaim) -> str:
    version = manifest.get("numerics_version", "0")
    return f"renders/{job_id}/{epoch}/{version}/{claim.render_id.hex}-{claim.epoch}"
