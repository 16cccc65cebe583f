"""Claiming: whose turn it is, which of their jobs is first, and which others fit into the same call."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from grid.core.ids import new_id
from grid.database.moves import Change, Head, Taken
from grid.database.uow import Transaction, UnitOfWork
from grid.schemas.jobs import Claim, JobStatus, JsonObject, Share, SlotKind
from grid.services.ledger.effects import settle


@dataclass(frozen=True)
class ClaimedJob:
    """One job of a claimed batch, with what its run needs to know."""

    id: UUID
    epoch: int
    params: JsonObject
    wall_limit_s: float
    deadline_in_s: float  # from the claim on, by the database's clock
    worker_losses: int
    attempt: int  # counts from 1

    @property
    def claim(self) -> Claim:
        """What every write about this run carries."""
        return Claim(self.id, self.epoch)


@dataclass(frozen=True)
class ClaimedBatch:
    """Jobs of one shape, claimed together; each has an epoch of its own."""

    batch_id: UUID
    owner_id: UUID
    sweep_id: UUID | None
    simulation: str | None
    image: str | None
    slot: SlotKind
    jobs: tuple[ClaimedJob, ...]
    lease_s: float
    share: Share = "any"


def claim(
    uow: UnitOfWork,
    *,
    worker_id: str,
    host: str,
    slots: Sequence[SlotKind],
    max_jobs: int,
    work_budget_s: float,
    lease_s: float,
    hint: UUID | None = None,
    shares: Sequence[Share] = ("any",),
) -> ClaimedBatch | None:
    """Claim the next batch for one of `slots`; None where nothing can run now.

    The owner is chosen first, the one whose last claim is longest ago, so that a sweep of thousands starves nobody.
    Then the head of the owner's queue, and with it jobs of the same sweep and batch key while their estimated work
    fills `work_budget_s`. Programs, and jobs that lost a worker before, go alone. `hint`, a job that was rung for,
    is tried first. `shares` are tried in their order.
    """
    if not slots or max_jobs < 1:
        return None
    with uow.begin() as tx:
        head, share = _find_head(tx, slots, hint, shares)
        if head is None:
            return None
        queue = tx.queues.lock(head.owner_id)
        room = max_jobs if queue.active_limit is None else min(max_jobs, queue.active_limit - queue.active)
        if room < 1:
            return None
        batch_id = new_id()
        taken = tx.transitions.take(
            head,
            batch_id=batch_id,
            worker_id=worker_id,
            lease_until=tx.now() + timedelta(seconds=lease_s),
            max_jobs=1 if _goes_alone(head) else room,
            work_budget_s=work_budget_s,
        )
        claims = [Claim(job.id, job.epoch) for job in taken]
        tx.transitions.open_attempts(claims, batch_id=batch_id, worker_id=worker_id, host=host)
        tx.queues.take_turn(head.owner_id)
        settle(tx, [_change(head, job) for job in taken], queued=-1, active=+1)
        return replace(_batch(tx, batch_id, head, taken, lease_s), share=share)


def _find_head(
    tx: Transaction, slots: Sequence[SlotKind], hint: UUID | None, shares: Sequence[Share]
) -> tuple[Head | None, Share]:
    if hint is not None and (head := tx.transitions.head_by_id(hint, slots)) is not None:
        return head, "any"
    for share in shares:
        for owner_id in tx.transitions.owners_in_turn(slots, share):
            head = tx.transitions.head_of(owner_id, slots, share)
            if head is not None:  # else another worker holds all that this owner has
                return head, share
    return None, "any"


def _goes_alone(head: Head) -> bool:
    return head.worker_losses > 0 or head.simulation is None or head.slot == "program"


def _change(head: Head, job: Taken) -> Change:
    return Change(job.id, job.epoch, JobStatus.STARTING, None, head.owner_id, head.sweep_id, job.version)


def _batch(tx: Transaction, batch_id: UUID, head: Head, taken: Sequence[Taken], lease_s: float) -> ClaimedBatch:
    now = tx.now()
    jobs = tuple(
        ClaimedJob(
            id=job.id,
            epoch=job.epoch,
            params=job.params,
            wall_limit_s=job.wall_limit_s,
            deadline_in_s=(job.deadline_at - now).total_seconds(),
            worker_losses=job.worker_losses,
            attempt=job.attempts_used + 1,
        )
        for job in taken
    )
    return ClaimedBatch(batch_id, head.owner_id, head.sweep_id, head.simulation, head.image, head.slot, jobs, lease_s)
