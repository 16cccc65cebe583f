"""The tracing that counts coverage, which takes nearly as long again as what it traces."""

from collections.abc import Iterator
from contextlib import contextmanager


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
