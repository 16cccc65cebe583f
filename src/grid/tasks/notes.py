"""What the threads of a worker tell its loop: plain values, put into the mailbox."""

from dataclasses import dataclass

from grid.schemas.jobs import Share
from grid.services.ledger import ClaimedBatch, Outcome, Renewal
from grid.services.renders import ClaimedRender, RenderClaim


@dataclass(frozen=True)
class ClaimRequest:
    """A request for work. `generation` counts the reasons to look (rings, polls) up to this request."""

    generation: int
    only_renders: bool = False
    shares: tuple[Share, ...] = ("any",)  # whose jobs, tried in this order


@dataclass(frozen=True)
class ClaimReply:
    """The answer to one request. `asked_at`: monotonic time before the claim was sent, so that its lease is younger.

    Where more reasons to look came after the request, an empty answer proves nothing.
    """

    request: ClaimRequest
    asked_at: float
    batch: ClaimedBatch | None = None
    render: ClaimedRender | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing to do."""
        return self.batch is None and self.render is None


@dataclass(frozen=True)
class Renewed:
    """The ledger answered a heartbeat that was sent at `sent_at` (monotonic)."""

    renewal: Renewal
    renders_kept: frozenset[RenderClaim]
    renders_lost: frozenset[RenderClaim]
    sent_at: float


@dataclass(frozen=True)
class StoreChecked:
    """Whether results can be stored now."""

    is_writable: bool


@dataclass(frozen=True)
class Collected:
    """The output of a program that ended well was taken in, or could not be."""

    outcome: Outcome
    is_storage_full: bool


@dataclass(frozen=True)
class Requeued:
    """Jobs went back to the queue and can be claimed at once."""


@dataclass(frozen=True)
class ThreadDied:
    """A thread of the worker ended by a defect: the worker ends too, and is started afresh."""

    name: str
    error: BaseException


Note = ClaimReply | Renewed | StoreChecked | Collected | Requeued | ThreadDied
