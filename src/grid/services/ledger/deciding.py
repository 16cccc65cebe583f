"""What becomes of a claim that ended without a final state of its own: pure decisions, and the pause before a retry."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from grid.database.transition_rows import Finish, LeasedRow, Requeue
from grid.schemas.jobs import Claim, JobStatus, Reason
from grid.services.ledger.outcomes import Failed, Returned

LOSSES_ALLOWED = 3  # workers that a job may take down; the third loss is poison
INFRA_ALLOWED = 10  # tries that end because something around the job does not work
BACKOFF_BASE_S, BACKOFF_CAP_S = 2.0, 300.0


@dataclass(frozen=True)
class CancelWithSweep:
    """The sweep of the job is cancelled, so it must not go back into the queue."""

    claim: Claim


Decision = Finish | Requeue | CancelWithSweep


def backoff_s(failures: int) -> float:
    """Return the pause after the n-th failure (from 1): doubling to a cap, and spread so that tries do not bunch."""
    # 2**9 s is beyond the cap; a larger exponent says nothing more.
    pause = min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2.0 ** min(failures - 1, 9))
    return pause * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def decide_returned(job: LeasedRow, outcome: Returned, now: datetime) -> Decision:
    """Decide about a run that did not end by its own doing."""
    claim = Claim(job.id, job.epoch)
    if outcome.why == "lost":
        return _decide_lost(job, now, outcome.message or None)
    ruled = _outranked(job, now)
    if ruled is not None:
        return ruled
    if outcome.why == "drain":
        return Requeue(claim, now, outcome.message or None)
    failures = job.infra_failures + 1
    if failures >= INFRA_ALLOWED:
        return Finish(claim, JobStatus.FAILED, Reason.INFRA, outcome.message or None)
    return Requeue(claim, now + timedelta(seconds=backoff_s(failures)), outcome.message or None, infra=1)


def decide_failed(job: LeasedRow, outcome: Failed, now: datetime) -> Decision:
    """Decide about a program that exited with an error: once more, if its user asked for that."""
    used = job.attempts_used + 1
    if used >= job.max_attempts:
        return final(outcome)
    ruled = _outranked(job, now)
    if ruled is not None:
        return ruled
    available_at = now + timedelta(seconds=backoff_s(used))
    return Requeue(outcome.claim, available_at, outcome.message or None, attempts=1)


def decide_lapsed(job: LeasedRow, now: datetime) -> Decision:
    """Decide about a job whose worker was not heard of in time, or whose deadline is past."""
    return _decide_lost(job, now, None)


def final(outcome: Failed) -> Finish:
    """Return the terminal state that the outcome names."""
    return Finish(outcome.claim, outcome.status, outcome.reason, outcome.message or None, attempts=1)


def _decide_lost(job: LeasedRow, now: datetime, message: str | None) -> Decision:
    ruled = _outranked(job, now)
    if ruled is not None:
        return ruled
    claim = Claim(job.id, job.epoch)
    if job.worker_losses + 1 >= LOSSES_ALLOWED:
        return Finish(claim, JobStatus.FAILED, Reason.POISON, message, losses=1)
    return Requeue(claim, now, message, losses=1)


def _outranked(job: LeasedRow, now: datetime) -> Decision | None:
    """Return what outranks every retry: a cancel of the job, its deadline, a cancel of its sweep."""
    claim = Claim(job.id, job.epoch)
    if job.state is JobStatus.CANCELLING:
        return Finish(claim, JobStatus.CANCELLED, Reason.CANCELLED_BY_USER)  # the row knows who asked, and keeps that
    if job.deadline_at <= now:
        return Finish(claim, JobStatus.TIMED_OUT, Reason.WALL_TIMEOUT)
    return CancelWithSweep(claim) if job.sweep_cancelled else None
