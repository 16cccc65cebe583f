"""A line that shows how far a run is: in a notebook in its output, on a terminal on stderr, elsewhere not at all.

Needs nothing but what shows it: a notebook's own display is used where there is one.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from grid.engine.arguments import require_function
from grid.engine.progress import OnProgress, Progress

WIDTH = 30  # [-] characters of the bar
MINUTE, HOUR = 60.0, 3600.0  # [s] a minute and an hour


class Bar:
    """Shows each `Progress` it is called with, in place of the one before."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._display = _find_display()
        self._is_terminal = self._display is None and sys.stderr.isatty()
        self._is_drawn = False

    def __call__(self, progress: Progress) -> None:
        """Show it."""
        line = describe(progress)
        if self._display is not None:
            content = {"text/plain": line}
            if self._handle is None:
                self._handle = self._display(content, raw=True, display_id=True)
            else:
                self._handle.update(content, raw=True)
        elif self._is_terminal:
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
            self._is_drawn = True

    def close(self) -> None:
        """End the line on a terminal, so that what follows begins on one of its own."""
        if self._is_drawn:
            sys.stderr.write("\n")
            sys.stderr.flush()


@contextmanager
def showing(progress: "OnProgress | bool | None") -> Iterator[OnProgress | None]:
    """The callback of a run; a bar where it is True, which is left when the run ends.

    Raises:
        FieldError: It is neither a function nor True or False.
    """
    if progress is not True:
        require_function("progress", progress or None, "a function of a Progress, or True for a bar")
        yield progress or None
        return
    bar = Bar()
    try:
        yield bar
    finally:
        bar.close()


def describe(progress: Progress) -> str:
    """Describe a run in one line: method, share of simulated time, processor time, and remaining time."""
    full = int(WIDTH * min(max(progress.fraction, 0.0), 1.0))
    bar = "#" * full + "." * (WIDTH - full)
    left = "" if progress.fraction >= 1.0 else f", about {format_seconds(progress.remaining)} left"
    return f"{progress.method} [{bar}] {progress.fraction:4.0%}  {format_seconds(progress.elapsed)}{left}"


def format_seconds(seconds: float) -> str:
    """Format a duration for display."""
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)} min {int(seconds % MINUTE):02d} s"
    return f"{int(seconds // HOUR)} h {int(seconds % HOUR // MINUTE):02d} min"


def _find_display() -> Any:
    """The display of the notebook that this runs in; None elsewhere."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or getattr(shell, "kernel", None) is None:  # no shell, or one on a terminal
        return None
    return importlib.import_module("IPython.display").display
