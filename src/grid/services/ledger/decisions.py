"""Decisions about claims that ended without a final state, and pauses before retries; without side effects."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from grid.database.transition_rows import Finish, LeasedRow, Requeue
from grid.schemas.jobs import Claim, JobStatus, Reason
from grid.services.ledger.outcomes import Failed, Returned

MAX_LOSSES = 3  # workers that end under a job; with the third loss it fails as `poison`
MAX_INFRA_FAILURES = 10  # attempts that end because something around the job fails: 10 minutes of pauses
BACKOFF_BASE_S, BACKOFF_CAP_S = 2.0, 300.0  # [s] first and longest pause before a retry


@dataclass(frozen=True)
class CancelWithSweep:
    """The sweep of the job is cancelled, so it must not go back into the queue."""

    claim: Claim


Decision = Finish | Requeue | CancelWithSweep


def backoff_s(failures: int) -> float:
    """Return the pause after the n-th failure (from 1) [s]: doubling to a cap, with jitter so that retries spread."""
    doublings = min(failures - 1, 9)  # 2 s * 2**9 is beyond the cap already
    pause = min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2.0**doublings)
    return pause * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def decide_returned(job: LeasedRow, outcome: Returned, now: datetime) -> Decision:
    """Decide about a run that ended for a reason outside it."""
    claim = Claim(job.id, job.epoch)
    if outcome.why == "lost":
        return _decide_lost(job, now, outcome.message or None)
    override = _find_override(job, now)
    if override is not None:
        return override
    if outcome.why == "drain":
        return Requeue(claim, now, outcome.message or None)
    failures = job.infra_failures + 1
    if failures >= MAX_INFRA_FAILURES:
        return Finish(claim, JobStatus.FAILED, Reason.INFRA, outcome.message or None)
    return Requeue(claim, now + timedelta(seconds=backoff_s(failures)), outcome.message or None, infra=1)


def decide_failed(job: LeasedRow, outcome: Failed, now: datetime) -> Decision:
    """Decide about a program that exited with an error: another attempt, if its user asked for retries."""
    used = job.attempts_used + 1
    if used >= job.max_attempts:
        return make_failure(outcome)
    override = _find_override(job, now)
    if override is not None:
        return override
    available_at = now + timedelta(seconds=backoff_s(used))
    return Requeue(outcome.claim, available_at, outcome.message or None, attempts=1)


def decide_lapsed(job: LeasedRow, now: datetime) -> Decision:
    """Decide about a job whose lease or deadline is past."""
    return _decide_lost(job, now, None)


def make_failure(outcome: Failed) -> Finish:
    """Return the terminal state that the outcome names."""
    return Finish(outcome.claim, outcome.state, outcome.reason, outcome.message or None, attempts=1)


def _decide_lost(job: LeasedRow, now: datetime, message: str | None) -> Decision:
    override = _find_override(job, now)
    if override is not None:
        return override
    claim = Claim(job.id, job.epoch)
    if job.worker_losses + 1 >= MAX_LOSSES:
        return Finish(claim, JobStatus.FAILED, Reason.POISON, message, losses=1)
    return Requeue(claim, now, message, losses=1)


def _find_override(job: LeasedRow, now: datetime) -> Decision | None:
    """Return the decision that comes before every retry: cancel of the job, its deadline, cancel of its sweep."""
    claim = Claim(job.id, job.epoch)
    if job.state is JobStatus.CANCELLING:
        return Finish(claim, JobStatus.CANCELLED, Reason.CANCELLED_BY_USER)  # the row keeps who asked
    if job.deadline_at <= now:
        return Finish(claim, JobStatus.TIMED_OUT, Reason.WALL_TIMEOUT)
    return CancelWithSweep(claim) if job.sweep_cancelled else None
