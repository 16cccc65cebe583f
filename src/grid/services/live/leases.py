"""Claimed runs of a worker, all at once: leases are renewed, and ticks and samples written once a second."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from grid.database.live_leases import Progress, RenewedLease
from grid.database.live_samples import Sample
from grid.database.uow import Transaction, UnitOfWork
from grid.schemas.live import RunClaim
from grid.services.live.pyramid import merge_samples

KEPT_ROWS: Final = 3600  # of each level but the coarsest
PRUNED_EVERY: Final = 256  # places of a level


@dataclass(frozen=True)
class LiveRenewal:
    """The answer to a heartbeat: every claim that was asked for is in one of the two."""

    held: Mapping[RunClaim, RenewedLease]
    lost: frozenset[RunClaim]  # another owner's, or ended: stop the child


@dataclass(frozen=True)
class Look:
    """What a worker writes about a run once a second.

    Args:
        claim: The run.
        tick: The tick that it shows.
        load_share: Measured, in cores; None: as it was.
        samples: New rows of the finest level that is written, and rows that were computed again.
    """

    claim: RunClaim
    tick: int
    load_share: float | None = None
    samples: tuple[Sample, ...] = ()


def renew_leases(uow: UnitOfWork, claims: Sequence[RunClaim], *, worker_id: str, lease_s: float) -> LiveRenewal:
    """Renew the leases of `claims` by the database's clock, in one statement for all of them."""
    if not claims:
        return LiveRenewal({}, frozenset())
    with uow.begin() as tx:
        tx.live_leases.lock(claims)
        until = tx.now() + timedelta(seconds=lease_s)
        held = {row.claim: row for row in tx.live_leases.renew(claims, worker_id=worker_id, lease_until=until)}
    return LiveRenewal(held, frozenset(claims) - held.keys())


def write_looks(uow: UnitOfWork, looks: Sequence[Look]) -> frozenset[RunClaim]:
    """Write ticks and samples of all runs of a worker in one transaction; return the claims that still held.

    Of a claim that is not returned nothing was written.
    """
    if not looks:
        return frozenset()
    with uow.begin() as tx:
        tx.live_leases.lock([look.claim for look in looks])
        rows = [Progress(look.claim, look.tick, look.load_share) for look in looks]
        held = frozenset(tx.live_leases.progress(rows))
        for look in looks:
            if look.claim in held and look.samples:
                _write_samples(tx, look)
    return held


def _write_samples(tx: Transaction, look: Look) -> None:
    """Write samples and, where both halves of a coarser row are there, that one too."""
    run_id, level = look.claim.run_id, list(look.samples)
    while level:
        tx.live_samples.put(run_id, level)
        coarser: list[Sample] = []
        for of_level in sorted({sample.level for sample in level}):
            places = {sample.place >> 1 for sample in level if sample.level == of_level}
            found = tx.live_samples.find(
                run_id, of_level, sorted({2 * place + half for place in places for half in (0, 1)})
            )
            by_place = {sample.place: sample.metrics for sample in found}
            coarser += [
                Sample(of_level + 1, place, merge_samples(by_place[2 * place], by_place[2 * place + 1]))
                for place in sorted(places)
                if 2 * place in by_place and 2 * place + 1 in by_place
            ]
        level = coarser
    if any(sample.place % PRUNED_EVERY == 0 for sample in look.samples):
        tx.live_samples.prune(run_id, keep=KEPT_ROWS)
