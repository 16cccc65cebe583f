"""The ledger as one worker calls it: functions of the services, bound to the worker's identity and limits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from grid.database.uow import UnitOfWork
from grid.runtime.messages import RenderFinished
from grid.schemas.jobs import Claim, Share, SlotKind
from grid.services import ledger, renders
from grid.services.ledger import ClaimedBatch, LogChunk, Outcome, RendersWaitingError, Renewal
from grid.services.renders import ClaimedRender, RenderClaim, RenderReturned

SLOTS: tuple[SlotKind, ...] = ("small", "large", "program")  # where no container can run
BATCH_JOBS = 2_500  # points of one claim at most: one pack of results, one transaction to conclude
PARTS_A_TOKEN = 2  # of the queued work, of which a claim takes one at most
BATCH_WORK_S = 2.0  # [s] a claim is sized to about this much work, so that a lost or cancelled one costs little


@dataclass(frozen=True)
class WorkerLedger:
    """Calls of a worker to the ledger; each is one transaction, and may come from any thread."""

    # A request for files, else jobs for any kind of slot; None where nothing can run.
    claim: Callable[[Sequence[Share]], ClaimedRender | ClaimedBatch | None]
    claim_render: Callable[[], ClaimedRender | None]
    conclude: Callable[
        [Sequence[Outcome], Sequence[LogChunk], Mapping[Claim, float]], frozenset[Claim]
    ]  # begun ago [s]
    conclude_render: Callable[[RenderClaim, RenderFinished | RenderReturned], bool]  # False where it was lost
    append_logs: Callable[[Sequence[LogChunk]], None]
    report_progress: Callable[[Mapping[Claim, float]], None]
    renew: Callable[[Sequence[Claim]], Renewal]
    renew_renders: Callable[[Sequence[RenderClaim]], frozenset[RenderClaim]]  # those still held


def bind_ledger(
    uow: UnitOfWork,
    *,
    worker_id: str,
    host: str,
    lease_s: float,
    tokens: int = 1,
    slots: Callable[[], Sequence[SlotKind]] = lambda: SLOTS,
) -> WorkerLedger:
    """Return the calls of one worker, each with a transaction of its own on `uow`.

    Args:
        uow: Opens transactions.
        worker_id, host: Who claims.
        lease_s: Of a claim.
        tokens: Cores of the worker.
        slots: Asked at each claim: the kinds of slot that it can serve now.
    """

    def claim_jobs(shares: Sequence[Share], *, yields_to_renders: bool) -> ClaimedBatch | None:
        return ledger.claim(
            uow,
            worker_id=worker_id,
            host=host,
            slots=slots(),
            max_jobs=BATCH_JOBS,
            work_budget_s=BATCH_WORK_S,
            lease_s=lease_s,
            shares=shares,
            yields_to_renders=yields_to_renders,
            parts=PARTS_A_TOKEN * tokens,
        )

    def claim(shares: Sequence[Share]) -> ClaimedRender | ClaimedBatch | None:
        try:
            return claim_jobs(shares, yields_to_renders=True)
        except RendersWaitingError:
            render = renders.claim_render(uow, worker_id, lease_s)  # None where another worker was faster
            return render if render is not None else claim_jobs(shares, yields_to_renders=False)

    return WorkerLedger(
        claim=claim,
        claim_render=lambda: renders.claim_render(uow, worker_id, lease_s),
        conclude=lambda outcomes, logs, begun: ledger.conclude(uow, outcomes, logs, begun),
        conclude_render=lambda claim, end: renders.conclude_render(uow, claim, end),
        append_logs=lambda chunks: ledger.append_logs(uow, chunks),
        report_progress=lambda fractions: ledger.report_progress(uow, fractions),
        renew=lambda claims: ledger.renew(uow, worker_id=worker_id, claims=claims, lease_s=lease_s),
        renew_renders=lambda claims: renders.renew_renders(uow, worker_id, claims, lease_s),
    )
