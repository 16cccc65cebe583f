"""The reaper of live runs: takes runs back whose worker is silent, and ends those that do not start.

Every worker and the server run it every few seconds. Two at once are harmless: rows that one looks at are locked, and
the other passes them by.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from grid.database.live_runs import LiveRunRecord
from grid.database.uow import Transaction, UnitOfWork
from grid.schemas.live import RunReason, RunState
from grid.services.live.effects import fail, move
from grid.services.live.losses import take_loss

START_LIMIT: Final = timedelta(minutes=6)  # the worker ends a start after 5 min; this is for one that does not


@dataclass(frozen=True)
class LiveReapReport:
    """Numbers of runs that one round moved, by what became of them."""

    interrupted: int = 0
    poisoned: int = 0
    timed_out: int = 0

    @property
    def total(self) -> int:
        """Sum of all; a full round means that there may be more."""
        return self.interrupted + self.poisoned + self.timed_out


def reap_runs(uow: UnitOfWork, *, limit: int = 100) -> LiveReapReport:
    """Move up to `limit` held runs whose lease is past, or which have been starting for too long."""
    with uow.begin() as tx:
        lapsed = tx.live_leases.lapsed(limit=limit, started_before=tx.now() - START_LIMIT)
        ends = Counter(_take_back(tx, run) for run in lapsed)
    return LiveReapReport(
        ends[RunState.INTERRUPTED.value], ends[RunReason.POISON.value], ends[RunReason.START_TIMEOUT.value]
    )


def _take_back(tx: Transaction, run: LiveRunRecord) -> str:
    is_leased = run.lease_until is not None and run.lease_until >= tx.now()
    if is_leased and run.started_at is None:  # one that has begun before is tried again
        fail(tx, run, RunReason.START_TIMEOUT, None)
        return RunReason.START_TIMEOUT.value
    loss = take_loss(tx, run)
    if loss is None:
        return RunReason.POISON.value
    move(tx, run, RunState.INTERRUPTED, available_at=tx.now(), **loss)
    return RunState.INTERRUPTED.value
