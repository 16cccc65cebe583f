"""A thread that does one small thing again and again: on time, early when kicked, and again after it failed."""

import random
import threading
import time
from collections.abc import Callable

from grid.core.errors import GridError
from grid.core.logging import get_logger

log = get_logger(__name__)


class Chore(threading.Thread):
    """Calls `act` every `every_s` seconds, give or take a tenth, so that several workers do not march in step.

    Args:
        name: Of the thread, and in the log.
        act: What to do. What it raises is logged; the next turn comes all the same.
        every_s: Seconds between turns.
        least_gap_s: Kicks bring the next turn forward, but never closer to the last one than this.
    """

    def __init__(self, name: str, act: Callable[[], object], *, every_s: float, least_gap_s: float = 0.0) -> None:
        super().__init__(name=name, daemon=True)  # joined by the loop; a stuck disk must not hold up the exit
        self._act, self._every_s, self._least_gap_s = act, every_s, least_gap_s
        self._kicked = threading.Event()
        self._over = threading.Event()
        self._has_failed = False

    def kick(self) -> None:
        """Bring the next turn forward; never blocks."""
        self._kicked.set()

    def finish(self) -> None:
        """End after the turn that is under way."""
        self._over.set()
        self._kicked.set()

    def run(self) -> None:
        """Take turns until told to finish."""
        while not self._over.is_set():
            self._kicked.clear()
            began = time.monotonic()
            self._take_turn()
            self._kicked.wait(self._every_s * random.uniform(0.9, 1.1))  # noqa: S311 - jitter, not a secret
            self._over.wait(max(0.0, began + self._least_gap_s - time.monotonic()))

    def _take_turn(self) -> None:
        try:
            self._act()
        except GridError as error:
            if not self._has_failed:  # once a trouble, not once a turn
                log.warning("worker.chore_hindered", chore=self.name, code=error.code, detail=str(error))
            self._has_failed = True
        except Exception:
            log.exception("worker.chore_failed", chore=self.name)
            self._has_failed = True
        else:
            if self._has_failed:
                log.info("worker.chore_well", chore=self.name)
            self._has_failed = False
