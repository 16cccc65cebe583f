"""The transitions of jobs, any number of jobs at once.

A row that does not come back from a transition was not changed: its caller is not the owner any more. On PostgreSQL
rows are locked first, in the order of their ids, so that two transactions over the same jobs never wait for each other
in a circle; SQLite has one writer.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain, repeat
from typing import Any
from uuid import UUID

from grid.database import statements
from grid.database.base import dump_json
from grid.database.bulk_rows import BulkRows
from grid.database.prepared import Prepared, Row
from grid.database.transaction import DatabaseTransaction
from grid.database.transition_rows import AttemptEnd, ClaimedJob, Finish, JobChange, LeasedRow, QueueHead, Requeue
from grid.schemas.jobs import Claim, JobStatus, Reason, Share, SlotKind


class TransitionRepository:
    """Moves jobs from state to state. Counters and events are the caller's, in the same transaction."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx
        self._kind = tx.kind

    # Claiming -------------------------------------------------------------------------------------------------------

    def owners_in_turn(self, slots: Sequence[SlotKind], share: Share = "any") -> list[UUID]:
        """Return owners with work that can run now in one of these slots, the one who waits longest first."""
        rows = self._run(statements.owners_in_turn(share), **_bind_slots(slots), now=self._tx.now())
        return [owner_id for (owner_id,) in rows]

    def head_of(self, owner_id: UUID, slots: Sequence[SlotKind], share: Share = "any") -> QueueHead | None:
        """Return the first job of an owner that can run now, locked; None where there is none."""
        call = {"of_owner_id": owner_id, **_bind_slots(slots), "now": self._tx.now()}
        rows = self._run(statements.head_of(share), **call)
        return QueueHead._make(rows[0]) if rows else None

    def head_by_id(self, job_id: UUID, slots: Sequence[SlotKind]) -> QueueHead | None:
        """Return that job, if it can run now."""
        rows = self._run(statements.head_by_id(), of_id=job_id, **_bind_slots(slots), now=self._tx.now())
        return QueueHead._make(rows[0]) if rows else None

    def claim(
        self,
        head: QueueHead,
        *,
        batch_id: UUID,
        worker_id: str,
        lease_until: datetime,
        max_jobs: int,
        work_budget_s: float,
    ) -> list[ClaimedJob]:
        """Claim `head` and, where `max_jobs` allows, jobs of its shape until their work fills the budget."""
        rows = self._run(
            statements.claim(self._kind, max_jobs == 1, head.sweep_id is None),
            now=self._tx.now(),
            head_id=head.id,
            of_owner_id=head.owner_id,
            of_sweep_id=head.sweep_id,
            of_simulation=head.simulation,
            of_batch_key=head.batch_key,
            of_slot=head.slot,
            others=max_jobs - 1,
            work_left_s=work_budget_s - head.work_s,
            new_batch_id=batch_id,
            worker_id=worker_id,
            new_lease_until=lease_until,
        )
        return sorted(ClaimedJob._make(row) for row in rows)

    def open_attempts(self, claims: Iterable[Claim], *, batch_id: UUID, worker_id: str, host: str) -> None:
        """Insert the rows of new claims."""
        statement, bulk = statements.open_attempts(self._kind)
        call = {"batch": batch_id, "worker": worker_id, "host": host, "now": self._tx.now()}
        self._tx.run_later(statement, {**bulk.bind(claims), **call})

    # While a worker holds the job -----------------------------------------------------------------------------------

    def lock(self, job_ids: Iterable[UUID]) -> None:
        """Hold the rows until the end of the transaction, taken in the order of their ids."""
        if self._kind == "postgresql":
            self._tx.run_later(statements.lock(), {"ids": list(job_ids)})

    def lock_queues(self, job_ids: Iterable[UUID]) -> None:
        """Hold the counters of the owners of those that are points of sweeps.

        For whoever changes counters of owners and of sweeps: a claim takes those of its owner first, so all have to, or
        two transactions wait for each other.
        """
        ids = list(job_ids)
        if ids and self._kind == "postgresql":
            self._tx.run_later(statements.lock_queues(), {"ids": ids})

    def begin(self, began_ago_s: Mapping[Claim, float]) -> list[JobChange]:
        """Starting becomes running: each claim from that long before the transaction on [s]."""
        rows = [(*claim, self._before(ago_s)) for claim, ago_s in began_ago_s.items()]
        return self._changes(*statements.begin(self._kind), rows)

    def renew(
        self, claims: Sequence[Claim], *, worker_id: str, lease_until: datetime
    ) -> list[tuple[Claim, JobStatus, datetime]]:
        """Prolong leases; return the claims that still hold, with their state and deadline."""
        statement, bulk = statements.renew(self._kind)
        call = {"worker": worker_id, "new_lease_until": lease_until, "now": self._tx.now()}
        rows = self._tx.run(statement, {**bulk.bind(claims), **call})
        return [(Claim(job_id, epoch), state, deadline_at) for job_id, epoch, state, deadline_at in rows]

    def progress(self, fractions: Iterable[tuple[Claim, float]]) -> list[JobChange]:
        """Raise the fraction done of running jobs; it never falls."""
        return self._changes(*statements.progress(self._kind), [(*claim, fraction) for claim, fraction in fractions])

    # Ending ---------------------------------------------------------------------------------------------------------

    def hold(self, claims: Sequence[Claim]) -> list[LeasedRow]:
        """Read what a decision about claimed jobs looks at, locked; claims that do not hold any more are left out."""
        if not claims:
            return []
        statement, bulk = statements.hold(self._kind)
        return [LeasedRow._make(row) for row in self._tx.run(statement, bulk.bind(claims))]

    def lapsed(self, *, limit: int, cancel_since: datetime) -> list[LeasedRow]:
        """Read and lock claimed jobs whose lease or deadline is past, or whose cancel was asked before that time."""
        rows = self._run(statements.lapsed(), now=self._tx.now(), limit=limit, cancel_since=cancel_since)
        return [LeasedRow._make(row) for row in rows]

    def finish(self, finishes: Sequence[Finish]) -> list[JobChange]:
        """Give jobs their terminal state."""
        rows = [
            (*each.claim, each.state.value, each.reason.value, each.message,
             dump_json(each.manifest) if each.manifest is not None else None,
             each.attempts, each.losses, int(each.begun), self._before(each.began_ago_s))
            for each in finishes
        ]  # fmt: skip
        return self._changes(*statements.finish(self._kind), rows)

    def requeue(self, requeues: Sequence[Requeue]) -> list[JobChange]:
        """Put claimed jobs back into the queue."""
        rows = [
            (*each.claim, each.available_at, each.message, each.attempts, each.losses, each.infra)
            for each in requeues
        ]  # fmt: skip
        return self._changes(*statements.requeue(self._kind), rows)

    def begin_cancel(self, claims: Sequence[Claim], by: Reason) -> list[JobChange]:
        """Starting or running becomes cancelling."""
        statement, bulk = statements.begin_cancel(self._kind)
        return self._changes(statement, bulk, claims, by=by)

    def close_attempts(self, endings: Sequence[AttemptEnd]) -> None:
        """End the open rows of claims."""
        if endings:
            statement, bulk = statements.close_attempts(self._kind)
            rows = [
                (*each.claim, each.outcome, each.exit_code, each.outcome == Reason.OOM,
                 dump_json(each.usage) if each.usage is not None else None)
                for each in endings
            ]  # fmt: skip
            self._tx.run_later(statement, {**bulk.bind(rows), "now": self._tx.now()})

    # From outside ---------------------------------------------------------------------------------------------------

    def cancel(self, job_id: UUID, by: Reason) -> JobChange | None:
        """Cancel one job by its state: queued at once, held by its worker; None where its state allows neither."""
        rows = self._run(statements.cancel(), of_id=job_id, by=by, now=self._tx.now())
        return JobChange._make(rows[0]) if rows else None

    def cancel_sweep(self, sweep_id: UUID, by: Reason) -> list[JobChange]:
        """Cancel all jobs of a sweep, each by its state."""
        if self._kind == "postgresql":
            self._run(statements.lock_sweep(), of_sweep_id=sweep_id)
        rows = self._run(statements.cancel_sweep(), of_sweep_id=sweep_id, by=by, now=self._tx.now())
        return [JobChange._make(row) for row in rows]

    def expire(self, *, limit: int) -> list[JobChange]:
        """End jobs that waited too long: expired, or timed out where they had been claimed before."""
        return [JobChange._make(row) for row in self._run(statements.expire(), now=self._tx.now(), limit=limit)]

    def _before(self, ago_s: float) -> datetime:
        return self._tx.now() - timedelta(seconds=ago_s)

    def _run(self, statement: Prepared, **values: Any) -> list[Row]:
        return self._tx.run(statement, values)

    def _changes(
        self, statement: Prepared, bulk: BulkRows, rows: Sequence[Sequence[Any]], **parameters: Any
    ) -> list[JobChange]:
        if not rows:
            return []
        call = {**bulk.bind(rows), **parameters, "now": self._tx.now()}
        return [JobChange._make(row) for row in self._tx.run(statement, call)]


def _bind_slots(slots: Sequence[SlotKind]) -> dict[str, SlotKind]:
    """Return the parameters that carry kinds of slot, one of them again where there are fewer."""
    return dict(zip(statements.SLOTS, chain(slots, repeat(slots[0])), strict=False))
