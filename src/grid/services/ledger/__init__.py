"""The job ledger: every call is one transaction, every write by a worker carries the epoch of its claim.

The row is the only truth. A claim that is not in an answer does not hold any more: its caller stops, and throws away
what it made.
"""

from grid.database.transition_rows import ClaimedJob
from grid.services.ledger.cancelling import JobFinishedError, cancel, cancel_sweep
from grid.services.ledger.claiming import ClaimedBatch, claim
from grid.services.ledger.ending import conclude
from grid.services.ledger.holding import Renewal, append_logs, begin_running, renew, report_progress
from grid.services.ledger.outcomes import Failed, LogChunk, Outcome, Returned, Stopped, Succeeded

__all__ = [
    "ClaimedBatch",
    "ClaimedJob",
    "Failed",
    "JobFinishedError",
    "LogChunk",
    "Outcome",
    "Renewal",
    "Returned",
    "Stopped",
    "Succeeded",
    "append_logs",
    "begin_running",
    "cancel",
    "cancel_sweep",
    "claim",
    "conclude",
    "renew",
    "report_progress",
]
