"""Credit of one viewer of frames: what may be sent to it, and at which level and rate.

Neither an `await` that returns nor the buffer of a transport tells of a slow link; what the viewer says it has shown
does. At most two frames are on their way, and no more bytes than it took in the last half second, one frame at least.
A viewer for which frames are skipped gets smaller ones, then fewer, then none; without a skip it climbs one step again.

Pure: every call is given the time [s].
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from grid.runtime.live.frame_pacing import FrameClock
from grid.schemas.frame_requests import MOST_LEVEL

MOST_UNSHOWN: Final = 2  # frames on their way
TAKEN_S: Final = 0.5  # [s] over which the bytes are counted that a viewer takes
SKIPS: Final = 3  # frames that were skipped within the next, or of as many in a row, for one step down
SKIPPED_S: Final = 1.0
CALM_S: Final = 10.0  # [s] without a skip, for one step back
LEAST_HZ: Final = 1.0  # slowest rate before there are metrics only
STALLED_S: Final = 30.0  # [s] after which a frame must have been shown


class Rung(NamedTuple):
    """Level and rate at which a viewer gets frames; a rate of 0 is none."""

    level: int
    max_hz: float

    @property
    def has_frames(self) -> bool:
        """False where there are metrics only."""
        return self.max_hz > 0.0


class Step(NamedTuple):
    """A change of the rung: where to, and how many frames were skipped since the last."""

    rung: Rung
    is_down: bool
    skipped: int


class _Sent(NamedTuple):
    number: int
    size: int
    at: float


def make_rungs(level: int, max_hz: float) -> tuple[Rung, ...]:
    """The rungs of a viewer, from what it asked for down to metrics only."""
    rungs = [Rung(one, max_hz) for one in range(level, MOST_LEVEL + 1)]
    while max_hz > LEAST_HZ:
        max_hz = max(0.5 * max_hz, LEAST_HZ)
        rungs.append(Rung(MOST_LEVEL, max_hz))
    return (*rungs, Rung(MOST_LEVEL, 0.0))


@dataclass
class ViewerCredit:
    """What one viewer has been sent and has shown.

    Args:
        level, max_hz: That it asked for.
        now: Time at which it begins.
    """

    level: int
    max_hz: float
    now: float
    skipped: int = 0  # since the last step
    _place: int = 0
    _has_news: bool = False  # a picture that is not due yet
    _is_waiting: bool = False  # a picture that is due
    _unshown: deque[_Sent] = field(default_factory=deque)
    _taken: deque[tuple[float, int]] = field(default_factory=deque)
    _skips: deque[float] = field(default_factory=lambda: deque(maxlen=SKIPS))

    def __post_init__(self) -> None:
        self._rungs = make_rungs(self.level, self.max_hz)
        self._calm_since = self.now
        self._clock = FrameClock(1.0 / self.max_hz)

    @property
    def rung(self) -> Rung:
        """The level and rate at present."""
        return self._rungs[self._place]

    @property
    def unshown(self) -> int:
        """Number of frames on their way."""
        return len(self._unshown)

    def arrive(self, now: float) -> None:
        """Note that there is a new picture at the viewer's level; it replaces one that waits."""
        self._has_news = self.rung.has_frames
        self._promote(now)

    def may_send(self, now: float, size: int) -> bool:
        """True where the newest picture, a frame of so many bytes, may be sent."""
        self._promote(now)
        if not self._is_waiting or len(self._unshown) >= MOST_UNSHOWN:
            return False
        under_way = sum(sent.size for sent in self._unshown)
        return not self._unshown or under_way + size <= self._count_taken(now)

    def send(self, now: float, number: int, size: int) -> None:
        """Note that the newest picture was sent under a number."""
        self._is_waiting = self._has_news = False
        self._unshown.append(_Sent(number, size, now))

    def grant(self, now: float, number: int) -> bool:
        """Note that the viewer has shown a frame, and with it those before; False where there was no such frame."""
        for place, sent in enumerate(self._unshown):
            if sent.number == number:
                for _ in range(place + 1):
                    self._taken.append((now, self._unshown.popleft().size))
                self._forget(now)  # of a viewer that keeps up nobody asks what it took
                return True
        return False

    def look(self, now: float) -> Step | None:
        """Change the rung where it has to be, and return the change."""
        self._promote(now)
        if len(self._skips) == SKIPS and self._skips[-1] - self._skips[0] <= max(SKIPPED_S, SKIPS / self.rung.max_hz):
            return self._move(1, now)
        if self._place > 0 and now - self._calm_since >= CALM_S:
            return self._move(-1, now)
        return None

    def is_stalled(self, now: float) -> bool:
        """True where a frame was sent long ago and not shown."""
        return bool(self._unshown) and now - self._unshown[0].at >= STALLED_S

    def wait(self, now: float) -> float:
        """Longest time after which `may_send` or `look` may answer otherwise, without any call before [s]."""
        waits = [STALLED_S]
        if self._has_news:
            waits.append(self._clock.wait(now))
        if self._place > 0:
            waits.append(max(0.0, self._calm_since + CALM_S - now))
        return min(waits)

    def _promote(self, now: float) -> None:
        """Let the newest picture wait to be sent, once it is due; one that waits already is skipped for it."""
        if not self._has_news or not self._clock.is_due(now):
            return
        self._clock.take(now)
        self._has_news = False
        if self._is_waiting:
            self.skipped += 1
            self._skips.append(now)
            self._calm_since = now
        self._is_waiting = True

    def _move(self, by: int, now: float) -> Step | None:
        self._skips.clear()
        self._calm_since = now
        place = min(self._place + by, len(self._rungs) - 1)
        if place == self._place:
            return None
        self._place, skipped, self.skipped = place, self.skipped, 0
        self._is_waiting = self._has_news = False  # it was of another level
        if self.rung.has_frames:
            self._clock = FrameClock(1.0 / self.rung.max_hz, self._clock.due if by > 0 else now)
        return Step(self.rung, by > 0, skipped)

    def _count_taken(self, now: float) -> int:
        self._forget(now)
        return sum(size for _, size in self._taken)

    def _forget(self, now: float) -> None:
        while self._taken and now - self._taken[0][0] > TAKEN_S:
            self._taken.popleft()
