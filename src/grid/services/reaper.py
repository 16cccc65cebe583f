"""The reaper: requeues jobs whose lease has lapsed, and ends those past their deadline.

Every worker and the server run it every few seconds. Two at once are harmless: rows that one looks at are locked, and
the other passes them by.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from grid.database.uow import UnitOfWork
from grid.schemas.jobs import JobStatus
from grid.services.ledger.conclusion import carry_out
from grid.services.ledger.decisions import decide_lapsed
from grid.services.ledger.effects import settle

CANCEL_LIMIT: Final = timedelta(seconds=60)  # so long a worker that renews its lease may take to stop a cancelled job


@dataclass(frozen=True)
class ReapReport:
    """Numbers of jobs that one round moved, by their next state."""

    requeued: int = 0
    poisoned: int = 0
    cancelled: int = 0
    timed_out: int = 0
    expired: int = 0

    @property
    def total(self) -> int:
        """Sum of all; a full round means that there may be more."""
        return self.requeued + self.poisoned + self.cancelled + self.timed_out + self.expired


def reap(uow: UnitOfWork, *, limit: int = 100) -> ReapReport:
    """Move up to `limit` held jobs whose lease or deadline is past, and `limit` queued ones whose time is over."""
    with uow.begin() as tx:
        held = tx.transitions.lapsed(limit=limit, cancel_since=tx.now() - CANCEL_LIMIT)
        late = tx.transitions.expire(limit=limit)
        tx.transitions.lock_queues([*(job.id for job in held), *(job.id for job in late)])
        ends = carry_out(tx, [decide_lapsed(job, tx.now()) for job in held], {})
        settle(tx, late, queued=-1)
    states = Counter(change.state for change in (*ends, *late))
    return ReapReport(
        requeued=states[JobStatus.QUEUED],
        poisoned=states[JobStatus.FAILED],
        cancelled=states[JobStatus.CANCELLED],
        timed_out=states[JobStatus.TIMED_OUT],
        expired=states[JobStatus.EXPIRED],
    )
