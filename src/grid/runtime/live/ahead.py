"""Work that coming ticks of a live run need, done by a thread before they come: solves of shapes, and of stress.

A tick that needs what is not there yet does it itself or waits for it, so the bytes are the same; it is only late then.
"""

import queue
import threading
from collections.abc import Callable, Sequence

from grid.core.logging import get_logger

log = get_logger(__name__)

Work = Callable[[], object]


class AheadWorker:
    """One thread that works ahead of a run's ticks."""

    def __init__(self) -> None:
        self.done = 0  # pieces of work
        self._waiting: queue.SimpleQueue[Sequence[Work]] = queue.SimpleQueue()
        self._is_busy = False
        threading.Thread(target=self._run, name="ahead", daemon=True).start()

    def give(self, works: Sequence[Work]) -> None:
        """Take what is to be done, unless it is at work: it is told again at the next tick. Never blocks."""
        if works and not self._is_busy:
            self._is_busy = True
            self._waiting.put(works)

    def _run(self) -> None:
        while True:
            for work in self._waiting.get():
                try:
                    work()
                except Exception as error:  # noqa: BLE001 - the tick that needs it meets the same error, and tells it
                    log.warning("live.work_ahead_failed", error=type(error).__name__)
                self.done += 1
            self._is_busy = False
