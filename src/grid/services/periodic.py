"""Periodic tasks: threads that repeat one action, on time, early when triggered, and again after a failure."""

import random
import threading
import time
from collections.abc import Callable

from grid.core.errors import GridError
from grid.core.logging import get_logger

log = get_logger(__name__)

JITTER = 0.1  # [-] of the period, so that several processes do not act in step
MAX_DOUBLINGS = 10  # of the period after failures in a row; the limit in seconds holds long before


class PeriodicTask(threading.Thread):
    """Calls `action` every `every_s` seconds, within 10 %.

    Args:
        name: Of the thread, and in the log.
        action: Called in the thread. What it raises is logged; the next turn comes all the same.
        every_s: Time between turns [s].
        least_gap_s: Triggers bring the next turn forward, but never closer to the last one than this [s].
        longest_pause_s: The period doubles with each failure in a row, up to this [s]; None: it stays.
    """

    def __init__(
        self,
        name: str,
        action: Callable[[], object],
        *,
        every_s: float,
        least_gap_s: float = 0.0,
        longest_pause_s: float | None = None,
    ) -> None:
        super().__init__(name=name, daemon=True)  # joined with a time limit; a stuck disk must not block the exit
        self._action, self._every_s, self._least_gap_s = action, every_s, least_gap_s
        self._longest_pause_s = longest_pause_s if longest_pause_s is not None else every_s
        self._triggered = threading.Event()
        self._finishing = threading.Event()
        self._failures = 0  # in a row

    def trigger(self) -> None:
        """Bring the next turn forward; never blocks."""
        self._triggered.set()

    def finish(self) -> None:
        """End after the turn in progress."""
        self._finishing.set()
        self._triggered.set()

    def stop(self, timeout_s: float) -> None:
        """End after the turn in progress and wait for that [s]; harmless when repeated or never started."""
        self.finish()
        if self.is_alive():
            self.join(timeout_s)

    @property
    def is_finishing(self) -> bool:
        """True once the task was told to end; a long action checks it between its steps."""
        return self._finishing.is_set()

    @property
    def pause_s(self) -> float:
        """Time to the next turn without jitter [s]."""
        return min(self._every_s * 2.0 ** min(self._failures, MAX_DOUBLINGS), max(self._every_s, self._longest_pause_s))

    def run(self) -> None:
        """Take turns until told to finish."""
        while not self.is_finishing:
            self._triggered.clear()
            began = time.monotonic()
            self.take_turn()
            self._triggered.wait(self.pause_s * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 - no secret
            self._finishing.wait(max(0.0, began + self._least_gap_s - time.monotonic()))

    def take_turn(self) -> None:
        """Act once; log the first of several failures in a row, every defect, and the recovery."""
        try:
            self._action()
        except GridError as error:
            if not self._failures:
                log.warning("periodic_task_failing", task=self.name, code=error.code, detail=str(error))
            self._failures += 1
        except Exception:
            log.exception("periodic_task_failed", task=self.name)
            self._failures += 1
        else:
            if self._failures:
                log.info("periodic_task_recovered", task=self.name, after_failures=self._failures)
            self._failures = 0
