"""Claims: the owner whose turn it is, the head of the owner's queue, and further jobs of its shape in one batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from grid.core.ids import new_id
from grid.database.transition_rows import ClaimedJob, JobChange, QueueHead
from grid.database.uow import Transaction, UnitOfWork
from grid.schemas.images import ImagePin
from grid.schemas.jobs import JobStatus, Share, SlotKind
from grid.services.ledger.effects import settle


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
    pin: ImagePin | None = (
        None  # what its container runs; None for everything else, and where it was taken off the list
    )
    is_last: bool = False  # no other job was queued when it was claimed; whoever adds one rings


LEAST_WORK_S: Final = 0.2  # [s] of a claim: a smaller one costs more to claim and to conclude than it evens out


class RendersWaitingError(Exception):
    """A request for files waits, which is to be claimed before jobs."""


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
    yields_to_renders: bool = False,
    parts: int = 1,
) -> ClaimedBatch | None:
    """Claim the next batch for one of `slots`; None where nothing can run now.

    The owner is chosen first, the one whose last claim is longest ago, so that no large sweep starves other owners.
    Then the head of the owner's queue, and with it jobs of the same sweep and batch key while their estimated work
    fills `work_budget_s`. Programs, and jobs that lost a worker before, go alone. `hint`, a job that was rung for,
    is tried first. `shares` are tried in their order. A claim takes at most one of so many `parts` of the work that is
    queued, so that the last batches are small and every slot is busy to the end (Polychronopoulos and Kuck, "Guided
    self-scheduling", IEEE Trans. Comput. C-36, 1987).

    Raises:
        RendersWaitingError: With `yields_to_renders`, where a request for files waits; nothing is claimed.
    """
    if not slots or max_jobs < 1:
        return None
    with uow.begin() as tx:
        tx.run_ahead([*tx.queues.calls_of_lock(()), *tx.renders.calls_of_look()])
        if tx.renders.has_waiting() and yields_to_renders:
            raise RendersWaitingError
        queued = tx.queues.total_queued()
        head, share = _find_head(tx, slots, hint, shares)
        if head is None:
            return None
        queue = tx.queues.lock(head.owner_id)
        room = max_jobs if queue.active_limit is None else min(max_jobs, queue.active_limit - queue.active)
        if room < 1:
            return None
        batch_id = new_id()
        claimed = tx.transitions.claim(
            head,
            batch_id=batch_id,
            worker_id=worker_id,
            lease_until=tx.now() + timedelta(seconds=lease_s),
            max_jobs=1 if _goes_alone(head) else room,
            work_budget_s=_share(work_budget_s, head.work_s * queued, parts),
        )
        claims = [job.claim for job in claimed]
        tx.transitions.open_attempts(claims, batch_id=batch_id, worker_id=worker_id, host=host)
        tx.queues.take_turn(head.owner_id)
        settle(tx, [_change(head, job) for job in claimed], queued=-1, active=+1)
        image = tx.images.find(head.image or "") if head.slot == "docker" else None
        pin = image.pin if image is not None else None
    return ClaimedBatch(
        batch_id=batch_id,
        owner_id=head.owner_id,
        sweep_id=head.sweep_id,
        simulation=head.simulation,
        image=head.image,
        slot=head.slot,
        jobs=tuple(claimed),
        lease_s=lease_s,
        share=share,
        pin=pin,
        is_last=queued == len(claimed),
    )


def _share(budget_s: float, queued_s: float, parts: int) -> float:
    """The work of one claim [s]: a part of what is queued, but not less than is worth a claim."""
    return budget_s if parts <= 1 else min(budget_s, max(LEAST_WORK_S, queued_s / parts))


def _find_head(
    tx: Transaction, slots: Sequence[SlotKind], hint: UUID | None, shares: Sequence[Share]
) -> tuple[QueueHead | None, Share]:
    if hint is not None and (head := tx.transitions.head_by_id(hint, slots)) is not None:
        return head, "any"
    for share in shares:
        for owner_id in tx.transitions.owners_in_turn(slots, share):
            head = tx.transitions.head_of(owner_id, slots, share)
            if head is not None:  # else another worker holds all that this owner has
                return head, share
    return None, "any"


def _goes_alone(head: QueueHead) -> bool:
    return head.worker_losses > 0 or head.simulation is None or head.slot == "program"


def _change(head: QueueHead, job: ClaimedJob) -> JobChange:
    return JobChange(job.id, job.epoch, JobStatus.STARTING, None, head.owner_id, head.sweep_id, job.version)
