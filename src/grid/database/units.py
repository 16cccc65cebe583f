"""Units of work as they stand: jobs, stretches of sweeps and live runs, read for whoever shows them elsewhere."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select

from grid.database.jobs import jobs
from grid.database.live_runs import live_runs
from grid.database.sweeps import sweeps
from grid.database.transaction import DatabaseTransaction
from grid.schemas.jobs import JobStatus, Reason, SlotKind
from grid.schemas.live import RunReason, RunState

STRETCH: Final = 1000  # consecutive points of a sweep that are one unit


@dataclass(frozen=True)
class JobPlace:
    """Where a job runs, and its place in a sweep."""

    id: UUID
    sweep_id: UUID | None
    sweep_index: int | None
    slot: SlotKind


@dataclass(frozen=True)
class JobState:
    """Where a job stands; `until` is the time by which it ends, whatever happens."""

    id: UUID
    state: JobStatus
    reason: Reason | None
    until: datetime


@dataclass(frozen=True)
class StretchState:
    """How many points of a stretch are in a state; `until` is the time by which the last of them ends."""

    sweep_id: UUID
    stretch: int
    state: JobStatus
    count: int
    until: datetime


@dataclass(frozen=True)
class RunPlace:
    """Where a live run stands."""

    id: UUID
    state: RunState
    reason: RunReason | None


_PLACE = [jobs.c[name] for name in ("id", "sweep_id", "sweep_index", "slot")]
_STRETCH = jobs.c.sweep_index // STRETCH


class UnitRepository:
    """Reads units of work."""

    def __init__(self, tx: DatabaseTransaction) -> None:
        self._tx = tx

    def places(self, job_ids: Collection[UUID]) -> list[JobPlace]:
        """Read the places of jobs; unknown ids are left out."""
        query = select(*_PLACE).where(jobs.c.id.in_(job_ids))
        return [JobPlace(*row) for row in self._tx.connection.execute(query)]

    def firsts(self, sweep_id: UUID) -> list[JobPlace]:
        """Read the places of the first point of each stretch of a sweep."""
        total = self._tx.connection.execute(select(sweeps.c.total).where(sweeps.c.id == sweep_id)).scalar_one_or_none()
        query = select(*_PLACE).where(
            jobs.c.sweep_id == sweep_id, jobs.c.sweep_index.in_(range(0, total or 0, STRETCH))
        )
        return [JobPlace(*row) for row in self._tx.connection.execute(query)]

    def jobs(self, job_ids: Collection[UUID]) -> list[JobState]:
        """Read where jobs stand; unknown ids are left out."""
        query = select(jobs.c.id, jobs.c.state, jobs.c.reason, jobs.c.expires_at).where(jobs.c.id.in_(job_ids))
        return [JobState(*row) for row in self._tx.connection.execute(query)]

    def stretches(self, sweep_ids: Collection[UUID]) -> list[StretchState]:
        """Count the points of sweeps by stretch and state."""
        query = (
            select(jobs.c.sweep_id, _STRETCH, jobs.c.state, func.count(), func.max(jobs.c.expires_at))
            .where(jobs.c.sweep_id.in_(sweep_ids))
            .group_by(jobs.c.sweep_id, _STRETCH, jobs.c.state)
        )
        return [StretchState(*row) for row in self._tx.connection.execute(query)]

    def runs(self, run_ids: Collection[UUID]) -> list[RunPlace]:
        """Read where live runs stand; unknown ids are left out."""
        query = select(live_runs.c.id, live_runs.c.state, live_runs.c.reason).where(live_runs.c.id.in_(run_ids))
        return [RunPlace(*row) for row in self._tx.connection.execute(query)]
