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

TEMPORARY_IDLE_S = 30.0  # [s] a large child, or one without core tokens, ends after so long without work
RESTART_S = (0.1, 10.0)  # [s] first and longest pause before a child that did not live long is replaced
HEALTHY_S = 30.0  # [s] a child that lived so long starts the pauses anew
MEMORY_S = 0.5  # [s] between two looks at the memory of children


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
class Slot:
    """A slot: one child and its work. An extra slot holds no core token and is made when needed."""

    kind: ChildKind
    tokens: int
    child: Child | None = None
    is_ready: bool = False
    work: Run | RenderRun | None = None
    started_at: float = 0.0
    idle_since: float = 0.0
    retry_at: float = 0.0
    pause_s: float = 0.0

    @property
    def is_temporary(self) -> bool:
        """True for a slot that is removed after a while without work."""
        return self.kind == "large" or self.tokens == 0

    @property
    def is_idle(self) -> bool:
        """True where the child is ready and has no work."""
        return self.is_ready and self.work is None


class Children:
    """The slots of a worker, kept filled with children. All calls come from the loop.

    Args:
        factory: Starts children.
        selector: Each child's descriptor is registered here with a callable that is to be called when it is readable.
        small: How many small children live at all times.
        on_readable: Called with the slot whose child sent a message, or has died.
        on_change: Called with the living children after each start and end, to record them.
    """

    def __init__(
        self,
        factory: Factory,
        selector: selectors.BaseSelector,
        *,
        small: int,
        on_readable: Callable[[Slot], None],
        on_change: Callable[[list[Child]], None] = lambda _: None,
    ) -> None:
        self._factory, self._selector = factory, selector
        self._on_readable, self._on_change = on_readable, on_change
        self._slots = [Slot("small", 1) for _ in range(small)]
        self._memory_at = 0.0
        self.versions: dict[str, str] = {}  # simulation -> numerics version, from the last child that became ready

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots)

    def busy(self) -> list[Slot]:
        """Return the slots that work."""
        return [slot for slot in self._slots if slot.work is not None]

    def idle_small(self) -> list[Slot]:
        """Return the small slots that can take work now."""
        return [slot for slot in self._slots if not slot.is_temporary and slot.is_idle]

    @property
    def has_ready(self) -> bool:
        """True once a small child is up: kernels may be compiled for minutes before. The writer asks, too."""
        return any(slot.is_ready for slot in self._slots if not slot.is_temporary)

    @property
    def tokens_used(self) -> int:
        """Core tokens of the slots that work."""
        return sum(slot.tokens for slot in self._slots if slot.work is not None)

    def large_slot(self, tokens: int) -> Slot:
        """Return a large slot with so many threads: one that idles, or a new one whose child is being started."""
        for slot in self._slots:
            if slot.kind == "large" and slot.work is None and slot.child is not None and slot.tokens == tokens:
                return slot
        return self._add(Slot("large", tokens))

    def extra_slot(self, kind: ChildKind) -> Slot:
        """Return a slot that holds no core token: one that idles, or a new one whose child is being started."""
        for slot in self._slots:
            if slot.kind == kind and slot.tokens == 0 and slot.work is None and slot.child is not None:
                return slot
        return self._add(Slot(kind, 0))

    def _add(self, slot: Slot) -> Slot:
        self._slots.append(slot)
        self._start(slot, time.monotonic())
        return slot

    def became_ready(self, slot: Slot, versions: Mapping[str, str]) -> None:
        """Record that the child is ready, and its simulations."""
        self.versions = dict(versions)
        slot.is_ready, slot.idle_since = True, time.monotonic()
        if slot.child is not None:
            log.info("worker.child_ready", kind=slot.kind, pid=slot.child.pid)
        self._changed()

    def free(self, slot: Slot) -> None:
        """Record that the slot has done its work."""
        slot.work, slot.idle_since, slot.pause_s = None, time.monotonic(), 0.0

    def terminate(self, slot: Slot, *, kill: bool = True, is_oom: bool = False) -> ExitReason | None:
        """End the child if it lives, and return the reason of its end. `refill` starts the next one in its slot."""
        child, slot.child, slot.work = slot.child, None, None
        now = time.monotonic()
        first, longest = RESTART_S
        was_healthy = slot.is_ready and now - slot.started_at >= HEALTHY_S
        slot.pause_s = 0.0 if was_healthy or kill else min(longest, max(first, slot.pause_s * 2))
        slot.retry_at = now + slot.pause_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        slot.is_ready = False
        if slot.is_temporary:
            self._slots.remove(slot)
        if child is None:
            return None
        self._selector.unregister(child.fileno())
        reason = None if kill else child.exit_reason()  # before the kill, which would be taken for the cause
        reason = child.kill(is_oom=is_oom) if reason is None else reason
        child.close()
        log.info("worker.child_ended", kind=slot.kind, killed=kill, reason=reason.sentence if reason else None)
        self._changed()
        return reason

    def refill(self, now: float) -> None:
        """Start missing children, and end temporary ones that are idle."""
        for slot in list(self._slots):
            if slot.child is None and slot.retry_at <= now:
                self._start(slot, now)
            elif slot.is_temporary and slot.is_idle and now - slot.idle_since > TEMPORARY_IDLE_S:
                self._remove(slot)

    def over_memory(self, now: float) -> list[Slot]:
        """Return the working slots whose child holds more memory than a job may; looks every half second."""
        if now - self._memory_at < MEMORY_S:
            return []
        self._memory_at = now
        return [
            slot for slot in self.busy() if slot.child is not None and slot.is_ready and slot.child.is_over_memory()
        ]

    def close(self) -> None:
        """End all of them: the fork server first, which takes along those that are still being forked."""
        for slot in self._slots:
            if slot.child is not None:
                self._selector.unregister(slot.child.fileno())
        idle = [slot.child for slot in self._slots if slot.child is not None and slot.is_idle]
        for child in idle:
            child.close()
        self._factory.close()
        for slot in self._slots:
            if slot.child is not None and slot.child not in idle:
                slot.child.kill()
        self._slots = []
        self._changed()

    def _start(self, slot: Slot, now: float) -> None:
        slot.started_at = slot.idle_since = now
        try:
            slot.child = self._factory.start(slot.kind, tokens=max(1, slot.tokens))
        except (UnavailableError, OSError) as error:
            first, longest = RESTART_S
            slot.pause_s = min(longest, max(first, slot.pause_s * 2))
            slot.retry_at = now + slot.pause_s
            log.warning("worker.child_not_started", kind=slot.kind, error=str(error), again_in_s=round(slot.pause_s, 1))
            return
        self._selector.register(slot.child.fileno(), selectors.EVENT_READ, lambda: self._on_readable(slot))

    def _remove(self, slot: Slot) -> None:
        self._slots.remove(slot)
        if slot.child is not None:
            self._selector.unregister(slot.child.fileno())
            slot.child.close()
        self._changed()

    def _changed(self) -> None:
        self._on_change([slot.child for slot in self._slots if slot.child is not None and slot.is_ready])
