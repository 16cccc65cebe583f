"""How far a run is: a callback at most ten times a second, and a warning where it takes far longer than estimated.

A run has one `Watch`. The loop in time tells it of every step, and what works long within a step (`tick`) that it goes
on; most of these calls look at the clock and return. Nothing that is watched decides anything, so that the bytes of a
run are the same whoever looks.
"""

import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

INTERVAL = 0.1  # s between two calls, at least
TIMES, LEAST = 3.0, 2.0  # of its estimate, and seconds, from which a run is called slow


class SlowRunWarning(UserWarning):
    """A run has taken three times the processor time of its estimate, and goes on."""


@dataclass(frozen=True)
class Progress:
    """A run on its way.

    Args:
        fraction: Share of the simulated time that is done; 1 at the end.
        time: Simulated time [s].
        step: Steps so far.
        elapsed: Processor time since the run began [s].
        remaining: Processor time that it will still take, about [s]: by the estimate at first, by its pace later.
        method: Name of the method.
    """

    fraction: float
    time: float
    step: int
    elapsed: float
    remaining: float
    method: str


OnProgress = Callable[[Progress], object]


@dataclass
class Watch:
    """One run as it is watched.

    Args:
        method: Its method.
        estimate: Its processor time, as it was estimated [s].
        on_progress: Told of it.
    """

    method: str
    estimate: float
    on_progress: OnProgress | None = None
    warnings: list[str] = field(default_factory=list)
    _begin: tuple[float, float] = field(default_factory=lambda: (time.perf_counter(), time.process_time()))
    _next: float = 0.0
    _at: tuple[float, float, int] = (0.0, 0.0, 0)

    def __post_init__(self) -> None:
        self._clock = CompileClock.find()
        self._compiled = self._clock.seconds if self._clock is not None else 0.0

    def tell(self, fraction: float, time_s: float, step: int) -> None:
        """The run is so far; after a new beginning the fraction waits until it is behind."""
        self._at = max(fraction, self._at[0]), time_s, step
        self.tick()

    def tick(self) -> None:
        """The run goes on."""
        now = time.perf_counter()
        if now >= self._next:
            self._next = now + INTERVAL
            self._look()

    def conclude(self) -> None:
        """The run is at its end."""
        self._at = 1.0, *self._at[1:]
        if self.on_progress is not None:
            self._look()

    @property
    def elapsed(self) -> float:
        """Processor time of the run [s], without what kernels took to compile.

        That of the process, or the time on the clock where that is less: other threads may have worked meanwhile.
        """
        begun, used = self._begin
        compiled = self._clock.seconds - self._compiled if self._clock is not None else 0.0
        return max(min(time.perf_counter() - begun, time.process_time() - used) - compiled, 0.0)

    def _look(self) -> None:
        elapsed = self.elapsed
        fraction, time_s, step = self._at
        if not self.warnings and elapsed > max(TIMES * self.estimate, LEAST) and fraction < 1.0:
            self._warn(elapsed, fraction)
        if self.on_progress is not None:
            remaining = _find_remaining(fraction, elapsed, self.estimate)
            self.on_progress(Progress(fraction, time_s, step, elapsed, remaining, self.method))

    def _warn(self, elapsed: float, fraction: float) -> None:
        if self._clock is None and "numba" in sys.modules:  # loaded on the way, and kernels compiled unseen
            return
        pace = (
            f"about {elapsed * (1.0 - fraction) / fraction:.2g} s more" if fraction > 0.0 else "nothing tells how long"
        )
        text = (
            f"{self.method} was estimated at {self.estimate:.2g} s and has taken {elapsed:.2g} s of processor time "
            f"with {fraction:.0%} of the simulated time done; it goes on, {pace}"
        )
        self.warnings.append(text)
        warnings.warn(text, SlowRunWarning, stacklevel=2)


def _find_remaining(fraction: float, elapsed: float, estimate: float) -> float:
    """Between the estimate and the pace so far, by the share that is done [s]."""
    if fraction >= 1.0:
        return 0.0
    if fraction <= 0.0:
        return max(estimate - elapsed, 0.0)
    whole = fraction * (elapsed / fraction) + (1.0 - fraction) * max(estimate, elapsed)
    return max(whole - elapsed, 0.0)


_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watching(watch: Watch) -> Iterator[Watch]:
    """Make a watch the one that `tick` tells, for the run within."""
    token = _watch.set(watch)
    try:
        yield watch
    finally:
        _watch.reset(token)


def tick() -> None:
    """Tell the watch of the run that it goes on; for loops that work long within a step."""
    watch = _watch.get()
    if watch is not None:
        watch.tick()


def find_watch() -> Watch | None:
    """The watch of the run that is on its way in this thread."""
    return _watch.get()


class CompileClock:
    """Processor time that Numba takes for compiling and loading kernels, in whichever thread."""

    known: "CompileClock | None" = None

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth, self._begin, self._lock = 0, 0.0, threading.Lock()

    @classmethod
    def find(cls) -> "CompileClock | None":
        """The clock of this process; None as long as Numba is not loaded."""
        if cls.known is None and "numba" in sys.modules:
            from numba.core import event

            cls.known = clock = cls()

            class Listener(event.Listener):
                def on_start(self, event: Any) -> None:  # noqa: ARG002
                    clock.enter()

                def on_end(self, event: Any) -> None:  # noqa: ARG002
                    clock.leave()

            event.register("numba:compiler_lock", Listener())  # type: ignore[no-untyped-call]
        return cls.known

    def enter(self) -> None:
        """Compiling begins, perhaps within what is compiled already."""
        with self._lock:
            if self._depth == 0:
                self._begin = time.process_time()
            self._depth += 1

    def leave(self) -> None:
        """It ends."""
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                self.seconds += time.process_time() - self._begin
