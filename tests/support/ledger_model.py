"""The job ledger as a small model: the rules of its state machine in plain Python, for the property test to compare."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from grid.schemas.jobs import LEASED, TERMINAL, TRANSITIONS, Claim, JobStatus, Reason

S = JobStatus
ACTIVE = frozenset({S.STARTING, S.RUNNING})
LEASE_S = 30.0
CANCEL_LIMIT_S = 60.0


@dataclass
class ModelJob:
    """What the ledger should hold about one job."""

    id: UUID
    owner: UUID
    sweep: UUID | None
    key: str
    wall_s: float
    max_attempts: int
    priority: int
    available_at: datetime
    expires_at: datetime
    state: JobStatus = S.QUEUED
    version: int = 1
    epoch: int = 0
    attempts_used: int = 0
    losses: int = 0
    infra: int = 0
    progress: float = 0.0
    reason: Reason | None = None
    winner: int | None = None
    deadline: datetime | None = None
    lease_owner: str | None = None
    lease_until: datetime | None = None
    cancel_at: datetime | None = None
    outcomes: dict[int, str | None] = field(default_factory=dict)  # of each attempt, by its epoch


@dataclass
class ModelSweep:
    id: UUID
    owner: UUID
    total: int
    is_cancelled: bool = False


class Model:
    """All jobs, and every move that the ledger may make. A refused move changes nothing."""

    def __init__(self) -> None:
        self.jobs: dict[UUID, ModelJob] = {}
        self.sweeps: dict[UUID, ModelSweep] = {}
        self.turn: dict[UUID, datetime | None] = {}
        self.moves: Counter[tuple[JobStatus, JobStatus]] = Counter()

    # Moves ----------------------------------------------------------------------------------------------------------

    def claim(self, worker: str, max_jobs: int, now: datetime, hint: UUID | None) -> list[Claim]:
        head = self._head(now, hint)
        if head is None:
            return []
        chosen = [head]
        if head.losses == 0:
            shape = (head.sweep, head.key, 0)
            chosen += [
                job
                for job in self._runnable(head.owner, now)
                if job is not head and (job.sweep, job.key, job.losses) == shape
            ][: max_jobs - 1]
        self.turn[head.owner] = now
        for job in chosen:
            self._move(job, S.STARTING)
            job.epoch += 1
            job.lease_owner, job.lease_until = worker, now + timedelta(seconds=LEASE_S)
            job.deadline = job.deadline or now + timedelta(seconds=4 * job.wall_s)
            job.expires_at = job.deadline
            job.outcomes[job.epoch] = None
        return sorted(Claim(job.id, job.epoch) for job in chosen)

    def begin(self, claim: Claim) -> bool:
        job = self._holder(claim)
        if job is None or job.state is not S.STARTING:
            return False
        self._move(job, S.RUNNING)
        return True

    def advance(self, claim: Claim, fraction: float) -> None:
        job = self._holder(claim)
        if job is not None and job.state is S.RUNNING and fraction > job.progress:
            job.progress, job.version = fraction, job.version + 1

    def renew(self, worker: str, claim: Claim, now: datetime) -> bool:
        job = self._holder(claim)
        if job is None or job.lease_owner != worker:
            return False
        job.lease_until = now + timedelta(seconds=LEASE_S)
        return True

    def conclude(self, claim: Claim, kind: str, now: datetime) -> bool:
        """Apply an outcome: success, diverged, timeout, nonzero, drain, infra, lost or stop."""
        job = self._holder(claim)
        if job is None:
            return False
        if job.state is S.CANCELLING:
            return self._end(job, S.CANCELLED, job.reason)
        if kind == "stop" or (kind == "success" and job.state is not S.RUNNING):
            return False
        if kind in {"success", "diverged", "timeout"}:
            job.attempts_used += 1
            if kind == "success":
                job.winner, job.progress = job.epoch, 1.0
                return self._end(job, S.SUCCESS, Reason.OK)
            failed = kind == "diverged"
            return self._end(
                job, S.FAILED if failed else S.TIMED_OUT, Reason.DIVERGED if failed else Reason.CPU_TIMEOUT
            )
        if kind == "nonzero" and job.attempts_used + 1 >= job.max_attempts:
            job.attempts_used += 1
            return self._end(job, S.FAILED, Reason.NONZERO_EXIT)
        return self._give_back(job, kind, now)

    def cancel(self, job: ModelJob, by: Reason, now: datetime) -> JobStatus | None:
        """Return the state, or None where the job has ended."""
        if job.state in TERMINAL:
            return None
        if job.state is S.QUEUED:
            job.cancel_at = now
            self._end(job, S.CANCELLED, by)
        elif job.state in ACTIVE:
            self._move(job, S.CANCELLING)
            job.reason, job.cancel_at = by, now
        return job.state

    def cancel_sweep(self, sweep: ModelSweep, by: Reason, now: datetime) -> int:
        sweep.is_cancelled = True
        open_jobs = [job for job in self.jobs.values() if job.sweep == sweep.id and job.state in ACTIVE | {S.QUEUED}]
        for job in open_jobs:
            self.cancel(job, by, now)
        return len(open_jobs)

    def reap(self, now: datetime) -> Counter[JobStatus]:
        moved: Counter[JobStatus] = Counter()
        for job in self.jobs.values():
            if job.state is S.QUEUED and job.expires_at <= now:
                end, why = (S.TIMED_OUT, Reason.WALL_TIMEOUT) if job.deadline else (S.EXPIRED, Reason.QUEUE_EXPIRED)
                self._end(job, end, why)
                moved[job.state] += 1
            elif job.state in LEASED and self._is_lapsed(job, now):
                if job.state is S.CANCELLING:
                    self._end(job, S.CANCELLED, job.reason)
                else:
                    self._give_back(job, "lost", now)
                moved[job.state] += 1
        return moved

    # What holds at all times ----------------------------------------------------------------------------------------

    def counters(self) -> dict[UUID, tuple[int, int]]:
        """Queued and active jobs of each owner."""
        counts = dict.fromkeys(self.turn, (0, 0))
        for job in self.jobs.values():
            queued, active = counts[job.owner]
            counts[job.owner] = (queued + (job.state is S.QUEUED), active + (job.state in LEASED))
        return counts

    def sweep_counts(self, sweep: ModelSweep) -> Counter[JobStatus]:
        return Counter(job.state for job in self.jobs.values() if job.sweep == sweep.id and job.state in TERMINAL)

    # Parts ----------------------------------------------------------------------------------------------------------

    def _runnable(self, owner: UUID, now: datetime) -> list[ModelJob]:
        mine = [
            job
            for job in self.jobs.values()
            if job.owner == owner and job.state is S.QUEUED and job.available_at <= now < job.expires_at
        ]
        return sorted(mine, key=lambda job: (job.priority, job.available_at, job.id))

    def _head(self, now: datetime, hint: UUID | None) -> ModelJob | None:
        if hint is not None and (hinted := self.jobs[hint]) in self._runnable(hinted.owner, now):
            return hinted
        longest_first = sorted(
            self.turn, key=lambda owner: (self.turn[owner] or datetime.min.replace(tzinfo=now.tzinfo), owner)
        )
        return next((mine[0] for owner in longest_first if (mine := self._runnable(owner, now))), None)

    def _holder(self, claim: Claim) -> ModelJob | None:
        job = self.jobs[claim.job_id]
        return job if job.epoch == claim.epoch and job.state in LEASED else None

    def _is_lapsed(self, job: ModelJob, now: datetime) -> bool:
        if job.lease_until < now:
            return True
        if job.state is S.CANCELLING:
            return job.cancel_at < now - timedelta(seconds=CANCEL_LIMIT_S)
        return job.deadline <= now

    def _give_back(self, job: ModelJob, why: str, now: datetime) -> bool:
        if job.deadline <= now:
            return self._end(job, S.TIMED_OUT, Reason.WALL_TIMEOUT)
        if why == "lost" and job.losses == 2:
            job.losses = 3
            return self._end(job, S.FAILED, Reason.POISON)
        if why == "infra" and job.infra == 9:
            return self._end(job, S.FAILED, Reason.INFRA)
        job.losses += why == "lost"
        job.infra += why == "infra"
        job.attempts_used += why == "nonzero"
        job.outcomes[job.epoch] = {"lost": "worker_lost", "nonzero": "nonzero_exit"}.get(why, why)
        self._move(job, S.QUEUED)
        job.progress, job.available_at = 0.0, now
        job.lease_owner = job.lease_until = None
        return True

    def _end(self, job: ModelJob, state: JobStatus, reason: Reason | None) -> bool:
        if job.state in LEASED:
            job.outcomes[job.epoch] = reason.value
        self._move(job, state)
        job.reason = reason
        job.lease_owner = job.lease_until = None
        return True

    def _move(self, job: ModelJob, state: JobStatus) -> None:
        assert state in TRANSITIONS[job.state], (job.state, state)
        self.moves[job.state, state] += 1
        job.state, job.version = state, job.version + 1
