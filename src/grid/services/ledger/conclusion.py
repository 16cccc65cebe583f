"""Conclusion of claims: many outcomes in one transaction, each job guarded by its own row."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from grid.database.transition_rows import AttemptEnd, Finish, JobChange, LeasedRow, Requeue
from grid.database.uow import Transaction, UnitOfWork
from grid.schemas.jobs import Claim, JobStatus, Reason
from grid.services.ledger.decisions import CancelWithSweep, Decision, decide_failed, decide_returned, make_failure
from grid.services.ledger.effects import settle
from grid.services.ledger.outcomes import Failed, LogChunk, Outcome, Returned, Stopped, Succeeded
from grid.services.ledger.sanitization import make_storable


def conclude(
    uow: UnitOfWork,
    outcomes: Sequence[Outcome],
    logs: Sequence[LogChunk] = (),
    begun: Collection[Claim] | Mapping[Claim, float] = (),
) -> frozenset[Claim]:
    """Record the outcomes of claims, with their logs; return the claims that still held their job.

    A claim that is not returned had lost its job: other jobs of its batch are not touched, its logs are not kept, and
    the caller removes its outputs. A job in `cancelling` becomes cancelled, whatever its outcome.

    Args:
        uow: Opens the transaction.
        outcomes: One for each claim.
        logs: Pieces of log of these claims.
        begun: Claims that are moved from starting to running first, in the same transaction; a mapping says how long
            ago each of them began [s], which is when the job started.
    """
    if not outcomes and not begun:
        return frozenset()
    outcomes = [make_storable(outcome) for outcome in outcomes]
    by_claim = {outcome.claim: outcome for outcome in outcomes}
    ago_s = begun if isinstance(begun, Mapping) else dict.fromkeys(begun, 0.0)
    with uow.begin() as tx:
        job_ids = {claim.job_id for claim in (*by_claim, *ago_s)}
        tx.transitions.lock(job_ids)
        tx.transitions.lock_queues(job_ids)
        final = [_make_finish(outcome) for outcome in outcomes if not _depends_on_history(outcome)]
        # These begin and end in one statement: `finish` may leave `starting`, and counts two versions.
        begin_and_end = {one.claim for one in final if one.state is not JobStatus.CANCELLED}.intersection(ago_s)
        settle(tx, tx.transitions.begin({claim: ago_s[claim] for claim in ago_s if claim not in begin_and_end}))
        decisions: list[Decision] = [
            finish._replace(begun=True, began_ago_s=ago_s[finish.claim]) if finish.claim in begin_and_end else finish
            for finish in final
        ]
        leased = tx.transitions.hold([outcome.claim for outcome in outcomes if _depends_on_history(outcome)])
        decisions += [_decide(job, by_claim[Claim(job.id, job.epoch)], tx.now()) for job in leased]
        accepted = frozenset(Claim(job.id, job.epoch) for job in carry_out(tx, decisions, by_claim))
        tx.logs.add([(*chunk.claim, chunk.seq, chunk.text) for chunk in logs if chunk.claim in accepted])
    return accepted


def carry_out(tx: Transaction, decisions: Sequence[Decision], outcomes: Mapping[Claim, Outcome]) -> list[JobChange]:
    """Carry out decisions, with counters, attempts and events; return the jobs that changed."""
    with_sweep = [decision.claim for decision in decisions if isinstance(decision, CancelWithSweep)]
    settle(tx, tx.transitions.begin_cancel(with_sweep, Reason.CANCELLED_BY_SWEEP))
    finishes = [decision for decision in decisions if isinstance(decision, Finish)]
    finishes += [Finish(claim, JobStatus.CANCELLED, Reason.CANCELLED_BY_SWEEP) for claim in with_sweep]
    requeues = [decision for decision in decisions if isinstance(decision, Requeue)]

    finished = tx.transitions.finish(finishes)
    settle(tx, finished, active=-1)
    requeued = tx.transitions.requeue(requeues)
    settle(tx, requeued, active=-1, queued=+1)
    ended = [*finished, *requeued]
    tx.transitions.close_attempts([_attempt_end(change, outcomes) for change in ended])
    return ended


def _depends_on_history(outcome: Outcome) -> bool:
    """Return whether the next state depends on earlier attempts, losses and failures of the job."""
    return isinstance(outcome, Returned) or (isinstance(outcome, Failed) and outcome.reason is Reason.NONZERO_EXIT)


def _make_finish(outcome: Outcome) -> Finish:
    match outcome:
        case Succeeded(claim, manifest):
            return Finish(claim, JobStatus.SUCCESS, Reason.OK, manifest=manifest, attempts=1)
        case Stopped(claim):
            return Finish(claim, JobStatus.CANCELLED, Reason.CANCELLED_BY_USER)  # the row knows who asked
        case Failed():
            return make_failure(outcome)
        case Returned():
            raise AssertionError("a returned claim is decided by the history of its job")


def _decide(job: LeasedRow, outcome: Outcome, now: datetime) -> Decision:
    match outcome:
        case Returned():
            return decide_returned(job, outcome, now)
        case Failed():
            return decide_failed(job, outcome, now)
        case _:
            return _make_finish(outcome)


def _attempt_end(change: JobChange, outcomes: Mapping[Claim, Outcome]) -> AttemptEnd:
    claim = Claim(change.id, change.epoch)
    outcome = outcomes.get(claim)
    exit_code = outcome.exit_code if isinstance(outcome, Failed) else None
    usage = outcome.usage if isinstance(outcome, Succeeded | Failed) else None
    return AttemptEnd(claim, _attempt_outcome(change, outcome), exit_code, usage or None)


def _attempt_outcome(change: JobChange, outcome: Outcome | None) -> str:
    """Return the outcome of the attempt: the reason of the job where it ended too, else why it was requeued."""
    if change.reason is not None:
        return change.reason.value
    if isinstance(outcome, Failed):
        return outcome.reason.value
    if isinstance(outcome, Returned) and outcome.why != "lost":
        return outcome.why
    return Reason.WORKER_LOST.value
