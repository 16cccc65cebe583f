"""The job ledger: every call is one transaction, every write by a worker carries the epoch of its claim.

The row of a job is the only truth. A claim that is not in an answer holds no longer: its caller stops, and removes the
output of its run. Every event in each state, with the call that handles it and the state that follows:

=================== ============================================ ===================== ================================
State               Event                                        Call                  Next state
=================== ============================================ ===================== ================================
(none)              submission                                   `store_submissions`   queued
queued              claim                                        `claim`               starting, with the next epoch
queued              cancel of the job or of its sweep            `cancel`,             cancelled
                                                                 `cancel_sweep`
queued              no claim for 7 days                          `reap`                expired
queued              deadline, after an earlier claim             `reap`                timed_out
starting            the run begins                               `conclude` (`begun`)  running
held                heartbeat of the worker                      `renew`               the same, with a later lease
running             progress                                     `report_progress`     the same
running             `Succeeded`                                  `conclude`            success
starting, running   `Failed`                                     `conclude`            failed or timed_out
starting, running   `Failed` with `nonzero_exit`, attempts left  `conclude`            queued, after a pause
starting, running   `Returned` for `drain`                       `conclude`            queued
starting, running   `Returned` for `infra`                       `conclude`            queued, after a pause; the 10th:
                                                                                       failed (`infra`)
starting, running   `Returned` as `lost`, or the lease ends      `conclude`, `reap`    queued, alone; the third: failed
                                                                                       (`poison`)
starting, running   a way back to the queue after the deadline   `conclude`, `reap`    timed_out
starting, running   a way back while the sweep is cancelled      `conclude`, `reap`    cancelled, through cancelling
starting, running   cancel of the job or of its sweep            `cancel`,             cancelling
                                                                 `cancel_sweep`
cancelling          any outcome                                  `conclude`            cancelled
cancelling          the lease ends, or 60 s pass                 `reap`                cancelled
any terminal state  anything                                     any                   the same; nothing is written
=================== ============================================ ===================== ================================

A job is held while it is starting, running or cancelling. A run that begins and ends in one call of `conclude` passes
both transitions in one statement. `Succeeded` of a job that has not begun, `Stopped` of a job that nobody cancels, and
every outcome with an older epoch are dropped.
"""

from grid.database.transition_rows import ClaimedJob
from grid.services.ledger.cancellation import JobFinishedError, cancel, cancel_sweep
from grid.services.ledger.claims import ClaimedBatch, RendersWaitingError, claim
from grid.services.ledger.conclusion import conclude
from grid.services.ledger.leases import Renewal, append_logs, renew, report_progress
from grid.services.ledger.outcomes import Failed, LogChunk, Outcome, Returned, Stopped, Succeeded

__all__ = [
    "ClaimedBatch",
    "ClaimedJob",
    "Failed",
    "JobFinishedError",
    "LogChunk",
    "Outcome",
    "RendersWaitingError",
    "Renewal",
    "Returned",
    "Stopped",
    "Succeeded",
    "append_logs",
    "cancel",
    "cancel_sweep",
    "claim",
    "conclude",
    "renew",
    "report_progress",
]
