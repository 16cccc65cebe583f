"""The tracing that counts coverage, which takes nearly as long again as what it traces."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any


@contextmanager
def pause_coverage() -> Iterator[None]:
    """Trace nothing in this process; processes that it starts are traced as ever."""
    from coverage import Coverage

    paused = []
    while (running := Coverage.current()) is not None:  # that of pytest-cov, and below it that of each process
        running.stop()
        paused.append(running)
    try:
        yield
    finally:
        for one in reversed(paused):
            one.start()


def count_arcs() -> int:
    """Return how many steps from line to line this process has counted; 0 where it counts nothing."""
    from coverage import Coverage

    running = Coverage.current()
    return 0 if running is None else sum(map(len, list(running._collector.data.values())))


@contextmanager
def pause_tracing() -> Iterator[None]:
    """Trace nothing in this thread; others that run already are traced as ever, which an end of the count would end.

    The tracer of the thread is taken off and put back, as it is while its own stack of calls stays the same; an end and
    a new start of the count would lose the rest of every function that is under way.
    """
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        if sys.gettrace() is None:  # else the count has been started anew meanwhile
            sys.settrace(tracer)


def compile_untraced() -> None:
    """Let Numba compile without tracing from now on, in this process: tracing costs half as much again for nothing."""
    from numba.core.dispatcher import Dispatcher

    compile_traced = Dispatcher.compile
    if getattr(compile_traced, "is_untraced", False):
        return

    @wraps(compile_traced)
    def compile_now(self: Dispatcher, *arguments: Any, **options: Any) -> Any:
        with pause_tracing():
            return compile_traced(self, *arguments, **options)

    compile_now.is_untraced = True
    Dispatcher.compile = compile_now
