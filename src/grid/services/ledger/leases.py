"""Leased jobs: renewal of leases, progress and logs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from grid.database.uow import UnitOfWork
from grid.schemas.jobs import Claim, JobStatus
from grid.services.ledger.effects import settle
from grid.services.ledger.outcomes import LogChunk


@dataclass(frozen=True)
class Renewal:
    """The answer to a heartbeat. `kept` and `lost` are all claims asked for; the other two are among those kept."""

    kept: frozenset[Claim]
    lost: frozenset[Claim]  # another worker's, or ended: stop, and throw the work away
    cancelled: frozenset[Claim]  # being cancelled: stop, and report `Stopped`
    overdue: frozenset[Claim]  # past the deadline of all tries together: stop, timed out


def renew(uow: UnitOfWork, *, worker_id: str, claims: Sequence[Claim], lease_s: float) -> Renewal:
    """Renew the leases of `claims` by the database's clock, in one statement for all of them."""
    if not claims:
        return Renewal(frozenset(), frozenset(), frozenset(), frozenset())
    with uow.begin() as tx:
        tx.transitions.lock(claim.job_id for claim in claims)
        lease_until = tx.now() + timedelta(seconds=lease_s)
        rows = tx.transitions.renew(claims, worker_id=worker_id, lease_until=lease_until)
        now = tx.now()
    kept = frozenset(claim for claim, _, _ in rows)
    return Renewal(
        kept=kept,
        lost=frozenset(claims) - kept,
        cancelled=frozenset(claim for claim, state, _ in rows if state is JobStatus.CANCELLING),
        overdue=frozenset(claim for claim, _, deadline_at in rows if deadline_at <= now),
    )


def report_progress(uow: UnitOfWork, fractions: Mapping[Claim, float]) -> None:
    """Record the progress of running jobs as fractions in [0, 1]; values that are not finite are left out."""
    usable = [(claim, min(1.0, max(0.0, done))) for claim, done in fractions.items() if math.isfinite(done)]
    if not usable:
        return
    with uow.begin() as tx:
        tx.transitions.lock(claim.job_id for claim, _ in usable)
        settle(tx, tx.transitions.progress(usable))


def append_logs(uow: UnitOfWork, chunks: Sequence[LogChunk]) -> None:
    """Store pieces of log of claims that still hold; a piece that is there already stays as it is."""
    if not chunks:
        return
    with uow.begin() as tx:
        held = tx.transitions.hold(list({chunk.claim for chunk in chunks}))
        claims = {Claim(job.id, job.epoch) for job in held}
        tx.logs.add([(*chunk.claim, chunk.seq, chunk.text) for chunk in chunks if chunk.claim in claims])
