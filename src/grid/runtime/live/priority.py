"""Priority of the process of a live run: one without a pace takes what others leave, and nobody notices."""

import os
from pathlib import Path
from typing import Final

from grid.core.logging import get_logger
from grid.runtime.live.pacing import Speed

log = get_logger(__name__)

UNPACED_NICE: Final = 10  # of a run without a pace
TASKS: Final = Path("/proc/self/task")  # a thread each


class Priority:
    """The priority of this process, which is low while its run has no pace."""

    def __init__(self) -> None:
        self._usual = os.getpriority(os.PRIO_PROCESS, 0)

    def follow(self, speed: Speed) -> bool:
        """Give every thread the priority that a speed asks for.

        False where the system lets nobody raise it again: then it stays low until the run has another process.
        """
        nice = self._usual + (UNPACED_NICE if speed == "max" else 0)
        try:
            for task in os.listdir(TASKS):  # noqa: PTH208 - names alone
                os.setpriority(os.PRIO_PROCESS, int(task), nice)
        except OSError as error:
            log.info("live.priority_not_changed", nice=nice, reason=str(error))
            return False
        return True
