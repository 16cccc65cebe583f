"""Rates of frames: when one is due, and how far rates are lowered while encoding takes too much of a tick.

Neither reads a clock: every call is given the time [s].
"""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Final

EARLY: Final = 0.25  # of an interval by which a frame may come early, so that jitter of ticks halves no rate
TOO_DEAR: Final = 0.3  # share of the time that encoding may take
TOO_DEAR_S: Final = 1.0  # [s] for which it has to, before rates are lowered
CHEAP_S: Final = 10.0  # [s] for which it must have been affordable at twice the rate, before they are raised
MOST_DIVISOR: Final = 32


@dataclass
class FrameClock:
    """Due times of one kind of frame.

    Args:
        interval: Between two frames [s].
    """

    interval: float
    due: float = -math.inf

    def is_due(self, now: float) -> bool:
        """True where a frame may be made."""
        return now >= self.due - EARLY * self.interval

    def take(self, now: float) -> None:
        """Note that one was made; the next is due an interval after this one was, or after now where it was late."""
        self.due = (self.due if now - self.due < self.interval else now) + self.interval

    def wait(self, now: float) -> float:
        """Time until a frame is due [s]; 0 where it is."""
        return max(0.0, self.due - EARLY * self.interval - now)


@dataclass
class EncodingLoad:
    """Share of the time that encoding takes, and the divisor of all rates that follows from it.

    Where it takes too much at the largest divisor as well, no frames are made for a while; then it is tried again.
    """

    divisor: int = 1
    is_stopped: bool = False
    _spent: deque[tuple[float, float]] = field(default_factory=deque)
    _dear_since: float | None = None
    _cheap_since: float | None = None
    _full_share: float = 0.0

    def add(self, now: float, seconds: float) -> None:
        """Note processor time that was spent."""
        self._spent.append((now, seconds))

    def share(self, now: float) -> float:
        """Share of the last second that encoding took, of one core."""
        while self._spent and now - self._spent[0][0] >= TOO_DEAR_S:
            self._spent.popleft()
        return sum(seconds for _, seconds in self._spent) / TOO_DEAR_S

    def full_share(self, now: float) -> float:
        """What encoding would take at the rates that are asked for, of one core."""
        return self._full_share if self.is_stopped else self.share(now) * self.divisor

    def look(self, now: float) -> bool:
        """Change the divisor where it has to be, or stop or begin anew; True where anything was changed."""
        share = self.share(now)
        if self.is_stopped:
            self._cheap_since = now if self._cheap_since is None else self._cheap_since
            if now - self._cheap_since < CHEAP_S:
                return False
            self.is_stopped, self._cheap_since = False, None
            return True
        self._dear_since = self._since(self._dear_since, now, is_on=share > TOO_DEAR)
        is_cheap = self.divisor > 1 and 2.0 * share < TOO_DEAR
        self._cheap_since = self._since(self._cheap_since, now, is_on=is_cheap)
        if self._dear_since is not None and now - self._dear_since >= TOO_DEAR_S:
            self._dear_since, self.is_stopped = None, self.divisor >= MOST_DIVISOR
            self.divisor = min(2 * self.divisor, MOST_DIVISOR)
            self._full_share = share * self.divisor
            return True
        if self._cheap_since is not None and now - self._cheap_since >= CHEAP_S:
            self.divisor, self._cheap_since = self.divisor // 2, None
            return True
        return False

    @staticmethod
    def _since(since: float | None, now: float, *, is_on: bool) -> float | None:
        if not is_on:
            return None
        return now if since is None else since
