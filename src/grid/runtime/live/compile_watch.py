"""Compiling of kernels in the process of a live run, as it is told: time that passes with it is no overload.

A cold machine compiles the kernels of its first run for a minute, and an event of a new kind may compile one within a
tick. Numba tells of each compilation, and of none where a kernel is loaded from its folder.
"""

import math
import threading
import time
from collections.abc import Callable

KIND = "numba:compile"
TOLD_EVERY_S = 5.0  # [s] while it lasts: whoever waits knows that this process lives


class CompileWatch:
    """Whether kernels are compiled, by any thread of this process.

    Args:
        tell: Called with True by the thread that begins to compile, again every few seconds with the next kernel, and
            with False by the one that calls `settle`.
        clock: Monotonic time [s].
    """

    def __init__(self, tell: Callable[[bool], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._tell, self._now, self._lock = tell, clock, threading.Lock()
        self._told_at = -math.inf
        self._running = 0  # compilations that have begun and not ended
        self._is_told = False

    def listen(self) -> None:
        """Hear of what Numba compiles from now on, until the process ends."""
        from numba.core import event

        watch = self

        class Listener(event.Listener):
            def on_start(self, _: object) -> None:
                watch.begin()

            def on_end(self, _: object) -> None:
                watch.end()

        event.register(KIND, Listener())  # type: ignore[no-untyped-call]  # Numba has no types

    def begin(self) -> None:
        """A compilation begins."""
        with self._lock:
            self._running += 1
            now = self._now()
            is_news = not self._is_told or now - self._told_at >= TOLD_EVERY_S
            self._is_told, self._told_at = True, now if is_news else self._told_at
        if is_news:
            self._tell(True)

    def end(self) -> None:
        """One has ended; more may follow, so nothing is told yet."""
        with self._lock:
            self._running -= 1

    def settle(self) -> bool:
        """Tell that compiling is over, where it was told and nothing compiles now; return whether it was told so."""
        with self._lock:
            is_over = self._is_told and self._running == 0
            self._is_told &= not is_over
        if is_over:
            self._tell(False)
        return is_over

    @property
    def is_on(self) -> bool:
        """True from the first compilation until that is settled."""
        return self._is_told
