"""The ledger as one worker sees it: the calls of the services, bound to the worker's identity and limits."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from grid.database.uow import UnitOfWork
from grid.runtime.messages import RenderFinished
from grid.schemas.jobs import Claim, Share, SlotKind
from grid.services import ledger, renders
from grid.services.ledger import ClaimedBatch, LogChunk, Outcome, Renewal
from grid.services.renders import ClaimedRender, RenderClaim, RenderReturned

SLOTS: tuple[SlotKind, ...] = ("small", "large", "program")
BATCH_JOBS = 2_500  # points of one claim at most: one pack of results, one transaction to conclude
BATCH_WORK_S = 2.0  # [s] a claim is sized to about this much work, so that a lost or cancelled one costs little


class Ledger(Protocol):
    """Calls of the worker to the ledger, each one transaction."""

    def claim(self, shares: Sequence[Share] = ("any",)) -> ClaimedBatch | None:
        """Claim one batch of any kind of slot, or None where nothing of these shares is runnable."""
        ...

    def claim_render(self) -> ClaimedRender | None:
        """Claim one request for files, or None."""
        ...

    def conclude(
        self, outcomes: Sequence[Outcome], logs: Sequence[LogChunk], begun: Sequence[Claim]
    ) -> frozenset[Claim]:
        """Write how runs ended; return the claims that were still this worker's."""
        ...

    def conclude_render(self, claim: RenderClaim, end: RenderFinished | RenderReturned) -> bool:
        """Write how a request for files ended; False where it was no longer this worker's."""
        ...

    def append_logs(self, chunks: Sequence[LogChunk]) -> None:
        """Write logs of runs that go on."""
        ...

    def report_progress(self, fractions: Mapping[Claim, float]) -> None:
        """Write how far runs got."""
        ...

    def renew(self, claims: Sequence[Claim]) -> Renewal:
        """Renew the leases of jobs."""
        ...

    def renew_renders(self, claims: Sequence[RenderClaim]) -> frozenset[RenderClaim]:
        """Renew the leases of requests for files; return those still held."""
        ...


class WorkerLedger:
    """The real one: every call opens its own transaction on `uow`, from whichever thread calls."""

    def __init__(self, uow: UnitOfWork, *, worker_id: str, host: str, lease_s: float) -> None:
        self._uow, self._worker_id, self._host, self._lease_s = uow, worker_id, host, lease_s

    def claim(self, shares: Sequence[Share] = ("any",)) -> ClaimedBatch | None:
        """Claim one batch of any kind of slot, or None where nothing of these shares is runnable."""
        return ledger.claim(
            self._uow,
            worker_id=self._worker_id,
            host=self._host,
            slots=SLOTS,
            max_jobs=BATCH_JOBS,
            work_budget_s=BATCH_WORK_S,
            lease_s=self._lease_s,
            shares=shares,
        )

    def claim_render(self) -> ClaimedRender | None:
        """Claim one request for files, or None."""
        return renders.claim_render(self._uow, self._worker_id, self._lease_s)

    def conclude(
        self, outcomes: Sequence[Outcome], logs: Sequence[LogChunk], begun: Sequence[Claim]
    ) -> frozenset[Claim]:
        """Write how runs ended, with their logs and beginnings, in one transaction."""
        return ledger.conclude(self._uow, outcomes, logs, begun)

    def conclude_render(self, claim: RenderClaim, end: RenderFinished | RenderReturned) -> bool:
        """Write how a request for files ended; False where it was no longer this worker's."""
        return renders.conclude_render(self._uow, claim, end)

    def append_logs(self, chunks: Sequence[LogChunk]) -> None:
        """Write logs of runs that go on."""
        ledger.append_logs(self._uow, chunks)

    def report_progress(self, fractions: Mapping[Claim, float]) -> None:
        """Write how far runs got."""
        ledger.report_progress(self._uow, fractions)

    def renew(self, claims: Sequence[Claim]) -> Renewal:
        """Renew the leases of jobs in one statement."""
        return ledger.renew(self._uow, worker_id=self._worker_id, claims=claims, lease_s=self._lease_s)

    def renew_renders(self, claims: Sequence[RenderClaim]) -> frozenset[RenderClaim]:
        """Renew the leases of requests for files; return those still held."""
        return renders.renew_renders(self._uow, self._worker_id, claims, self._lease_s)
