"""The slot children of a worker: one small one for each core token, large ones while they are needed."""

import random
import selectors
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from grid.core.errors import UnavailableError
from grid.core.logging import get_logger
from grid.runtime.processes import ExitReason
from grid.runtime.slots import ChildKind
from grid.tasks.runs import RenderRun, Run

log = get_logger(__name__)

TEMPORARY_IDLE_S = 30.0  # a large child, or one beyond the tokens, leaves when it had nothing to do for so long
RESTART_S = (0.1, 10.0)  # first and longest pause before a child that did not live long is replaced
HEALTHY_S = 30.0  # one that lived so long starts the pauses anew
MEMORY_S = 0.5


class Child(Protocol):
    """One slot child (`grid.runtime.slots.SlotChild`)."""

    @property
    def pid(self) -> int: ...
    @property
    def start_time(self) -> int: ...
    def fileno(self) -> int: ...
    def send(self, message: object) -> None: ...
    def poll(self, timeout_s: float = 0.0) -> bool: ...
    def receive(self) -> object: ...
    def is_over_memory(self) -> bool: ...
    def exit_reason(self, timeout_s: float = 2.0) -> ExitReason | None: ...
    def kill(self, *, is_oom: bool = False) -> ExitReason | None: ...
    def close(self, timeout_s: float = 1.0) -> ExitReason | None: ...


class Factory(Protocol):
    """Starts children (`grid.runtime.slots.SlotFactory`)."""

    def start(self, kind: ChildKind, *, tokens: int = 1) -> Child: ...
    def close(self) -> None: ...


@dataclass(eq=False)
class Seat:
    """A place for one child and for what it works on. One without core tokens is beyond them, and made when needed."""

    kind: ChildKind
    tokens: int
    child: Child | None = None
    is_ready: bool = False
    work: Run | RenderRun | None = None
    born_at: float = 0.0
    idle_since: float = 0.0
    retry_at: float = 0.0
    pause_s: float = 0.0

    @property
    def is_temporary(self) -> bool:
        """Whether it leaves when it has had nothing to do for a while."""
        return self.kind == "large" or self.tokens == 0

    @property
    def is_idle(self) -> bool:
        """Whether it can take work now."""
        return self.is_ready and self.work is None


class Children:
    """Keeps the seats filled. All calls come from the loop.

    Args:
        factory: Starts children.
        selector: Each child's descriptor is registered here with a callable that is to be called when it is readable.
        small: How many small children live at all times.
        on_readable: Called with the seat whose child has something to say, or is dead.
        on_change: Called with the living children after each birth and death, to write them down.
    """

    def __init__(
        self,
        factory: Factory,
        selector: selectors.BaseSelector,
        *,
        small: int,
        on_readable: Callable[[Seat], None],
        on_change: Callable[[list[Child]], None] = lambda _: None,
    ) -> None:
        self._factory, self._selector = factory, selector
        self._on_readable, self._on_change = on_readable, on_change
        self._seats = [Seat("small", 1) for _ in range(small)]
        self._memory_at = 0.0
        self.versions: dict[str, str] = {}  # simulation -> numerics version, as the last child said

    def __iter__(self) -> Iterator[Seat]:
        return iter(self._seats)

    def busy(self) -> list[Seat]:
        """Return the seats that work."""
        return [seat for seat in self._seats if seat.work is not None]

    def idle_small(self) -> list[Seat]:
        """Return the small seats that can take work now."""
        return [seat for seat in self._seats if not seat.is_temporary and seat.is_idle]

    @property
    def tokens_used(self) -> int:
        """Core tokens of the seats that work."""
        return sum(seat.tokens for seat in self._seats if seat.work is not None)

    def seat_large(self, tokens: int) -> Seat:
        """Return a large seat with so many threads: one that idles, or a new one whose child is being started."""
        for seat in self._seats:
            if seat.kind == "large" and seat.work is None and seat.child is not None and seat.tokens == tokens:
                return seat
        return self._add(Seat("large", tokens))

    def seat_beyond(self, kind: ChildKind) -> Seat:
        """Return a seat that holds no core token: one that idles, or a new one whose child is being started."""
        for seat in self._seats:
            if seat.kind == kind and seat.tokens == 0 and seat.work is None and seat.child is not None:
                return seat
        return self._add(Seat(kind, 0))

    def _add(self, seat: Seat) -> Seat:
        self._seats.append(seat)
        self._start(seat, time.monotonic())
        return seat

    def became_ready(self, seat: Seat, versions: Mapping[str, str]) -> None:
        """Record that the child is ready, and its simulations."""
        self.versions = dict(versions)
        seat.is_ready, seat.idle_since = True, time.monotonic()
        if seat.child is not None:
            log.info("worker.child_ready", kind=seat.kind, pid=seat.child.pid)
        self._changed()

    def free(self, seat: Seat) -> None:
        """Record that the seat has done its work."""
        seat.work, seat.idle_since, seat.pause_s = None, time.monotonic(), 0.0

    def bury(self, seat: Seat, *, kill: bool = True, is_oom: bool = False) -> ExitReason | None:
        """End the child if it lives, and return how it ended. Its seat is filled again by `tend`."""
        child, seat.child, seat.work = seat.child, None, None
        now = time.monotonic()
        first, longest = RESTART_S
        was_healthy = seat.is_ready and now - seat.born_at >= HEALTHY_S
        seat.pause_s = 0.0 if was_healthy or kill else min(longest, max(first, seat.pause_s * 2))
        seat.retry_at = now + seat.pause_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        seat.is_ready = False
        if seat.is_temporary:
            self._seats.remove(seat)
        if child is None:
            return None
        self._selector.unregister(child.fileno())
        reason = None if kill else child.exit_reason()  # before the kill, which would be taken for the cause
        reason = child.kill(is_oom=is_oom) if reason is None else reason
        child.close()
        log.info("worker.child_ended", kind=seat.kind, asked=kill, how=reason.sentence if reason else None)
        self._changed()
        return reason

    def tend(self, now: float) -> None:
        """Start what is missing, and let temporary children go that idle."""
        for seat in list(self._seats):
            if seat.child is None and seat.retry_at <= now:
                self._start(seat, now)
            elif seat.is_temporary and seat.is_idle and now - seat.idle_since > TEMPORARY_IDLE_S:
                self._dismiss(seat)

    def over_memory(self, now: float) -> list[Seat]:
        """Return the working seats whose child holds more memory than a job may; looks every half second."""
        if now - self._memory_at < MEMORY_S:
            return []
        self._memory_at = now
        return [
            seat for seat in self.busy() if seat.child is not None and seat.is_ready and seat.child.is_over_memory()
        ]

    def close(self) -> None:
        """End all of them: the fork server first, which takes along those that are not yet born."""
        for seat in self._seats:
            if seat.child is not None:
                self._selector.unregister(seat.child.fileno())
        idle = [seat.child for seat in self._seats if seat.child is not None and seat.is_idle]
        for child in idle:
            child.close()
        self._factory.close()
        for seat in self._seats:
            if seat.child is not None and seat.child not in idle:
                seat.child.kill()
        self._seats = []
        self._changed()

    def _start(self, seat: Seat, now: float) -> None:
        seat.born_at = seat.idle_since = now
        try:
            seat.child = self._factory.start(seat.kind, tokens=max(1, seat.tokens))
        except (UnavailableError, OSError) as error:
            first, longest = RESTART_S
            seat.pause_s = min(longest, max(first, seat.pause_s * 2))
            seat.retry_at = now + seat.pause_s
            log.warning("worker.child_not_started", kind=seat.kind, error=str(error), again_in_s=round(seat.pause_s, 1))
            return
        self._selector.register(seat.child.fileno(), selectors.EVENT_READ, lambda: self._on_readable(seat))

    def _dismiss(self, seat: Seat) -> None:
        self._seats.remove(seat)
        if seat.child is not None:
            self._selector.unregister(seat.child.fileno())
            seat.child.close()
        self._changed()

    def _changed(self) -> None:
        self._on_change([seat.child for seat in self._seats if seat.child is not None and seat.is_ready])
