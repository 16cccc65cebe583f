"""Progress of a run: a callback at most ten times a second, and a warning where a run takes far longer than estimated.

A run has one `Watch`. The loop in time reports every step to it, and long loops within a step report (`tick`) that they
continue; most of these calls read the clock and return. Nothing in this module influences the numerics, so the bytes of
a result do not depend on whether progress is reported.
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

INTERVAL = 0.1  # [s] least time between two calls of the callback
TIMES, LEAST = 3.0, 2.0  # [-], [s] a run is called slow beyond this multiple of its estimate, and not before this time


class SlowRunWarning(UserWarning):
    """A run has taken three times its estimated processor time, and continues."""


@dataclass(frozen=True)
class Progress:
    """State of a run in progress.

    Args:
        fraction: Share of the simulated time that is done; 1 at the end.
        time: Simulated time [s].
        step: Steps so far.
        elapsed: Processor time since the run began [s].
        remaining: Estimated processor time still to come [s]: by the cost model at first, by the measured pace later.
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
    """Progress and processor time of one run.

    Args:
        method: Method of the run.
        estimate: Estimated processor time [s].
        on_progress: Callback that receives the progress.
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

    def update(self, fraction: float, time_s: float, step: int) -> None:
        """Record the progress of the run; after a restart the fraction stays at its largest value so far."""
        self._at = max(fraction, self._at[0]), time_s, step
        self.tick()

    def tick(self) -> None:
        """Report that the run continues."""
        now = time.perf_counter()
        if now >= self._next:
            self._next = now + INTERVAL
            self._look()

    def conclude(self) -> None:
        """Report that the run is complete."""
        self._at = 1.0, *self._at[1:]
        if self.on_progress is not None:
            self._look()

    @property
    def elapsed(self) -> float:
        """Processor time of the run without the compilation of kernels [s].

        That of the process, or the wall-clock time where that is less, because other threads may have worked meanwhile.
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
        # loaded during the run, so the time of its compilation is not known
        if self._clock is None and "numba" in sys.modules:
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
    """Remaining processor time [s]: between the estimate and the measured pace, weighted by the share that is done."""
    if fraction >= 1.0:
        return 0.0
    if fraction <= 0.0:
        return max(estimate - elapsed, 0.0)
    whole = fraction * (elapsed / fraction) + (1.0 - fraction) * max(estimate, elapsed)
    return max(whole - elapsed, 0.0)


_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watching(watch: Watch) -> Iterator[Watch]:
    """Make a watch the one that `tick` reports to, for the run within."""
    token = _watch.set(watch)
    try:
        yield watch
    finally:
        _watch.reset(token)


def tick() -> None:
    """Report to the watch of the run that it continues; for loops that work long within a step."""
    watch = _watch.get()
    if watch is not None:
        watch.tick()


def find_watch() -> Watch | None:
    """The watch of the run in progress in this thread; None outside a run."""
    return _watch.get()


class CompileClock:
    """Processor time that Numba takes for compiling and loading kernels, in all threads."""

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
        """Note that a compilation begins, perhaps within another one."""
        with self._lock:
            if self._depth == 0:
                self._begin = time.process_time()
            self._depth += 1

    def leave(self) -> None:
        """Note that a compilation ends."""
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                self.seconds += time.process_time() - self._begin
