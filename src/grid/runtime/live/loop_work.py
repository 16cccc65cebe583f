"""What the loop of a live run keeps of work done ahead of its ticks, and of steps that are asked for in a pause."""

import time
from collections import deque
from collections.abc import Callable, Sequence

Work = Callable[[], object]


class AheadWork:
    """Work that coming ticks need, with the processor time that it took.

    Args:
        give: Takes it (`grid.runtime.live.ahead.AheadWorker.give`); None: ticks do it themselves.
    """

    def __init__(self, give: Callable[[Sequence[Work]], None] | None) -> None:
        self._give = give
        self._spent: deque[float] = deque()  # [s], written by another thread

    def give(self, works: Sequence[Work]) -> None:
        """Hand it over; never blocks."""
        if self._give is not None:
            self._give([self._timed(work) for work in works])

    def take_spent(self) -> float:
        """Processor time of what was done since this was last asked [s]."""
        spent = 0.0
        while self._spent:
            spent += self._spent.popleft()
        return spent

    def _timed(self, work: Work) -> Work:
        def run() -> object:
            started = time.thread_time()
            try:
                return work()
            finally:
                self._spent.append(time.thread_time() - started)

        return run


class OpenSteps:
    """Steps that were asked for and are not in the database yet: the tick at which each command's steps end."""

    def __init__(self) -> None:
        self._until: dict[int, int] = {}

    @property
    def last(self) -> int | None:
        """The tick at which the steps that were asked for last end."""
        return max(self._until.values(), default=None)

    def ask(self, seq: int, until: int) -> None:
        """Note the steps of a command."""
        self._until[seq] = until

    def commit(self, seq: int) -> int | None:
        """The tick up to which steps may be taken now; None where the command asked for none, or they are off."""
        return self._until.pop(seq, None)

    def clear(self) -> None:
        """Forget them: a pause or a resume came behind them."""
        self._until.clear()
