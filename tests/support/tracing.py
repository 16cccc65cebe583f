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


def compile_untraced() -> None:
    """Let Numba compile without tracing from now on, in this process: tracing costs half as much again for nothing.

    The tracer of the thread is taken off and put back, as it is while its own stack of calls stays the same; an end and
    a new start of the count would lose the rest of every function that is under way.
    """
    from numba.core.dispatcher import Dispatcher

    compile_traced = Dispatcher.compile
    if getattr(compile_traced, "is_untraced", False):
        return

    @wraps(compile_traced)
    def compile_now(self: Dispatcher, *arguments: Any, **options: Any) -> Any:
        tracer = sys.gettrace()
        sys.settrace(None)
        try:
            return compile_traced(self, *arguments, **options)
        finally:
            sys.settrace(tracer)

    compile_now.is_untraced = True
    Dispatcher.compile = compile_now
