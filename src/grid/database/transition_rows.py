"""Values that go into a transition of jobs, and those that come out of one."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from grid.schemas.jobs import Claim, JobStatus, JsonObject, Manifest, Reason, SlotKind


class JobChange(NamedTuple):
    """A job after a transition, with what its counters and events need."""

    id: UUID
    epoch: int
    state: JobStatus
    reason: Reason | None
    owner_id: UUID
    sweep_id: UUID | None
    version: int


class QueueHead(NamedTuple):
    """The first job of the queue whose turn it is; the others of its batch have its shape."""

    id: UUID
    owner_id: UUID
    sweep_id: UUID | None
    simulation: str | None
    image: str | None
    batch_key: str
    slot: SlotKind
    work_s: float
    worker_losses: int


class ClaimedJob(NamedTuple):
    """A job just claimed, with what its run needs to know."""

    id: UUID
    epoch: int
    params: JsonObject
    wall_limit_s: float
    deadline_at: datetime  # of all attempts together
    worker_losses: int
    attempts_used: int
    version: int
    traceparent: str | None = None  # of the request that made it

    @property
    def claim(self) -> Claim:
        """The fencing token that every write about this run carries."""
        return Claim(self.id, self.epoch)


class LeasedRow(NamedTuple):
    """The columns of a leased job that decide about its next state."""

    id: UUID
    epoch: int
    state: JobStatus
    attempts_used: int
    max_attempts: int
    worker_losses: int
    infra_failures: int
    deadline_at: datetime
    cancel_requested_at: datetime | None
    lease_until: datetime
    sweep_cancelled: bool


class Finish(NamedTuple):
    """A terminal state for a claim. One in `cancelling` becomes cancelled, whatever is written here.

    One that has `begun` may still be starting: it runs and ends in one statement, and counts two versions. It began
    `began_ago_s` before the transaction.
    """

    claim: Claim
    state: JobStatus
    reason: Reason
    message: str | None = None
    manifest: Manifest | None = None
    attempts: int = 0
    losses: int = 0
    begun: bool = False
    began_ago_s: float = 0.0


class Requeue(NamedTuple):
    """Back to the queue, to be claimed from `available_at` on."""

    claim: Claim
    available_at: datetime
    message: str | None = None
    attempts: int = 0
    losses: int = 0
    infra: int = 0


class AttemptEnd(NamedTuple):
    """The end of an attempt, for its row."""

    claim: Claim
    outcome: str
    exit_code: int | None = None
    usage: JsonObject | None = None
