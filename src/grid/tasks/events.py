"""Events that the threads of a worker post to its loop, and the queue, with a descriptor, that carries them."""

import os
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from grid.schemas.jobs import Share
from grid.services.ledger import ClaimedBatch, Outcome, Renewal
from grid.services.renders import ClaimedRender, RenderClaim
from grid.tasks.transfers import TransferEnded


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
        """True where nothing could be claimed."""
        return self.batch is None and self.render is None


@dataclass(frozen=True)
class LeasesRenewed:
    """The ledger answered a heartbeat that was sent at `sent_at` (monotonic) [s]."""

    renewal: Renewal
    renders_kept: frozenset[RenderClaim]
    renders_lost: frozenset[RenderClaim]
    sent_at: float


@dataclass(frozen=True)
class StorageChecked:
    """The storage probe found that results can be stored, or cannot."""

    is_writable: bool


@dataclass(frozen=True)
class OutputCollected:
    """The output of a program that ended well was taken in, or could not be."""

    outcome: Outcome
    is_storage_full: bool


@dataclass(frozen=True)
class JobsRequeued:
    """Jobs went back to the queue and can be claimed at once."""


@dataclass(frozen=True)
class ThreadDied:
    """A thread of the worker ended by a defect: the worker ends too, and is started afresh."""

    name: str
    error: BaseException


WorkerEvent = ClaimReply | LeasesRenewed | StorageChecked | OutputCollected | JobsRequeued | ThreadDied | TransferEnded

Event = TypeVar("Event")


class EventQueue(Generic[Event]):
    """A queue from any thread to the one loop, which waits on `fileno()` and takes all events, in order."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._lock = threading.Lock()
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """Return a descriptor that is readable while an event waits."""
        return self._descriptor

    def put(self, event: Event) -> None:
        """Append an event; silent after `close`."""
        with self._lock:
            if self._descriptor < 0:
                return
            self._events.append(event)
            os.eventfd_write(self._descriptor, 1)

    def wake(self) -> None:
        """Make the descriptor readable without an event. Takes no lock, so that a signal handler may call it."""
        if self._descriptor >= 0:
            os.eventfd_write(self._descriptor, 1)

    def take(self) -> list[Event]:
        """Remove and return every waiting event, oldest first."""
        with self._lock:
            events = list(self._events)
            self._events.clear()
            with suppress(BlockingIOError):
                os.eventfd_read(self._descriptor)
        return events

    def close(self) -> None:
        """Close the descriptor; events that were not taken are dropped."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
            self._events.clear()
