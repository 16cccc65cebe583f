"""Pace of a live run: whether its next tick waits, goes, or lets missed wall time slip.

    pace = Pace.start(now, tick_s=1 / 30, rate=30.0)
    while True:
        pace, order = pace.decide(clock())
        if order.action == "wait":
            wait_for_message(order.seconds)
        elif order.action == "go":
            advance_tick(...)
            pace = pace.finish()

Due times are absolute, due(k) = anchor + (k - first) interval, so that waits that end late do not add up. A run that is
a little behind takes two ticks back to back and then looks for messages; one that is behind by more than `max_lag`
moves the anchor, and the time is counted as slipped. So no stall is ever caught up in a race, and no tick is left out.
Nothing here reads a clock: `now` is any monotonic time [s].
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

from grid.core.errors import FieldError

MIN_LAG_S = 0.1
LAG_INTERVALS = 2.0
BACK_TO_BACK = 2  # [-] ticks without a look for messages
SOON_S = 2e-3  # before a tick, in which nothing else is begun
YIELD_S = 0.05  # between looks where no tick is ever due
WINDOW_S = 2.0  # over which the real-time ratio is taken
WINDOW_INTERVALS = 4.0  # and at least so many, where ticks are rare
MARK_S = 0.05  # least time between two marks of the window
LEAST_SHARE = 0.25  # of the window that has to have passed for a ratio
SPEED_LIMITS = 0.1, 100.0
MAX_STEPS = 10_000
BEHIND_BELOW, BEHIND_AFTER_S = 0.9, 3.0
ON_TIME_ABOVE, ON_TIME_AFTER_S = 0.98, 5.0
IDLE_S = 3600.0  # wait of a paused run; a message ends it

Speed = float | Literal["max"]


@dataclass(frozen=True)
class Order:
    """What to do now.

    Args:
        action: `wait` for a message, `go` with the next tick, or note a `slip` and ask again.
        seconds: Longest wait, 0 for a look alone; lag of the tick; or the time that slipped [s].
    """

    action: Literal["wait", "go", "slip"]
    seconds: float


@dataclass(frozen=True)
class Mark:
    """A moment of the window: the tick that began then, and when [s]."""

    tick: int
    at: float


@dataclass(frozen=True)
class Pace:
    """The schedule of a run's ticks, replaced by each call and never written to.

    Args:
        tick_s: Length of a tick in simulated time [s].
        rate: Ticks a wall second at speed 1 [1/s].
        speed: Factor on it, 0.1 to 100, or `max`.
        tick: The next tick.
        first, anchor: Tick that is due at a moment, from which all due times follow [s].
        is_paused: True while no tick is due.
        steps: Ticks that a pause lets through.
        in_a_row: Ticks since the last look for messages.
        looked: When that was [s].
        slips, slipped_s: Number and sum of the slips [s].
        last: Start of the last tick since the pace changed.
        marks: Starts of ticks before, for the window of the real-time ratio.
    """

    tick_s: float
    rate: float
    speed: Speed
    tick: int
    first: int
    anchor: float
    is_paused: bool = False
    steps: int = 0
    in_a_row: int = 0
    looked: float = -math.inf
    slips: int = 0
    slipped_s: float = 0.0
    last: Mark | None = None
    marks: tuple[Mark, ...] = ()

    @classmethod
    def start(
        cls,
        now: float,
        *,
        tick_s: float,
        rate: float,
        speed: Speed = 1.0,
        tick: int = 0,
        is_paused: bool = False,
    ) -> "Pace":
        """The pace of a run whose next tick is due now.

        Raises:
            FieldError: A number is outside its limits.
        """
        for name, number in (("tick_s", tick_s), ("rate", rate)):
            if not (math.isfinite(number) and number > 0.0):
                raise FieldError(name, "a finite number above 0")
        _require_speed(speed)
        return cls(tick_s, rate, speed, tick, tick, now, is_paused, looked=now)

    @property
    def interval(self) -> float:
        """Wall time from one tick to the next [s]; 0 at speed `max`."""
        return 0.0 if self.speed == "max" else 1.0 / (self.speed * self.rate)

    @property
    def max_lag(self) -> float:
        """Lag beyond which time slips [s]."""
        return max(LAG_INTERVALS * self.interval, MIN_LAG_S)

    def due(self, tick: int) -> float:
        """When a tick is due [s]."""
        return self.anchor + (tick - self.first) * self.interval

    def is_due(self, now: float) -> bool:
        """True where a tick begins now or in a moment: whatever can wait waits until it is done."""
        return not self.is_paused and self.speed != "max" and now >= self.due(self.tick) - SOON_S

    def decide(self, now: float) -> tuple["Pace", Order]:
        """What to do now, and the pace after it."""
        if self.is_paused and not self.steps:
            return self._look(now), Order("wait", IDLE_S)
        if self.is_paused or self.speed == "max":
            return self._hurry(now)
        lag = now - self.due(self.tick)
        if lag < 0.0:
            return self._look(now), Order("wait", -lag)
        if lag > self.max_lag:
            slipped = replace(self, anchor=now, first=self.tick, slips=self.slips + 1, slipped_s=self.slipped_s + lag)
            return slipped, Order("slip", lag)
        if self.in_a_row >= BACK_TO_BACK:
            return self._look(now), Order("wait", 0.0)
        return self._go(now), Order("go", lag)

    def finish(self) -> "Pace":
        """The pace after the tick that went has been computed."""
        return replace(self, tick=self.tick + 1, steps=max(0, self.steps - 1))

    def pause(self) -> "Pace":
        """The pace of a paused run."""
        return replace(self, is_paused=True, steps=0, last=None, marks=())

    def resume(self, now: float) -> "Pace":
        """The pace of a run that ticks again, from now on; the time of the pause is no slip."""
        if not self.is_paused:
            return self
        return replace(self, is_paused=False, steps=0, anchor=now, first=self.tick, last=None, marks=())

    def step(self, ticks: int) -> "Pace":
        """The pace of a paused run that takes some ticks as fast as it can, and is paused again.

        Raises:
            FieldError: The run is not paused, or not 1 to 10,000 ticks.
        """
        if not self.is_paused:
            raise FieldError("step", "only in a pause")
        if not 1 <= ticks <= MAX_STEPS:
            raise FieldError("ticks", f"1 to {MAX_STEPS}")
        return replace(self, steps=min(self.steps + ticks, MAX_STEPS))

    def change_speed(self, speed: Speed, now: float) -> "Pace":
        """The pace at another speed; the next tick is due an interval of it after the last one was, or now.

        Raises:
            FieldError: The speed is outside its limits.
        """
        _require_speed(speed)
        changed = replace(self, speed=speed)
        due = self.due(self.tick)
        earliest = min(now, due)  # a change makes no lag, and forgives none
        wanted = max(due - self.interval + changed.interval, earliest) if self.speed != "max" else now
        return replace(changed, anchor=wanted, first=self.tick, last=None, marks=())

    def forget_window(self) -> "Pace":
        """The pace whose real-time ratio is taken from the next tick on."""
        return replace(self, last=None, marks=())

    def find_ratio(self, now: float) -> float | None:
        """Real-time ratio over the last 2 s: simulated time done, over what the speed asks; 1 is on time.

        None while paused, at speed `max`, or where too little time has passed since the last change of pace. Where
        ticks are rare the window holds four of them. A tick that is waited for counts by the share of its interval.
        """
        if self.is_paused or self.speed == "max" or self.last is None:
            return None
        old, new = self._find_window(now), self.last
        elapsed = now - old.at
        if elapsed < LEAST_SHARE * self._window:
            return None
        return (new.tick - old.tick + min(1.0, (now - new.at) / self.interval)) * self.interval / elapsed

    def find_simulated_rate(self, now: float) -> float | None:
        """Simulated seconds done a wall second, over the same window; None where nothing is known yet."""
        if self.last is None:
            return None
        old, new = self._find_window(now), self.last
        return (new.tick - old.tick) * self.tick_s / (now - old.at) if now > old.at else None

    @property
    def _window(self) -> float:
        return max(WINDOW_S, WINDOW_INTERVALS * self.interval)

    def _find_window(self, now: float) -> Mark:
        """The newest mark that is as old as the window, or the oldest there is."""
        old = [mark for mark in self.marks if now - mark.at >= self._window]
        return old[-1] if old else self.marks[0]

    def _look(self, now: float) -> "Pace":
        return replace(self, in_a_row=0, looked=now)

    def _hurry(self, now: float) -> tuple["Pace", Order]:
        """Go without due times, with a look for messages now and then."""
        if now - self.looked >= YIELD_S:
            return self._look(now), Order("wait", 0.0)
        return self._go(now), Order("go", 0.0)

    def _go(self, now: float) -> "Pace":
        marks, begun = self.marks, Mark(self.tick, now)
        if not marks or now - marks[-1].at >= MARK_S:
            marks = (*(mark for mark in marks if now - mark.at < self._window), begun)
        return replace(self, in_a_row=self.in_a_row + 1, last=begun, marks=marks)


@dataclass(frozen=True)
class PaceWatch:
    """Whether a run is told to be behind, with hysteresis.

    Args:
        is_behind: True from `behind` until `on-time`.
        since: When the ratio passed the threshold of the next change, and has stayed beyond it [s]; None where it has
            not.
    """

    is_behind: bool = False
    since: float | None = None

    def look(self, ratio: float | None, now: float) -> tuple["PaceWatch", Literal["behind", "on-time"] | None]:
        """The watch after a look at the real-time ratio, and what there is to tell.

        Args:
            ratio: None where there is none: what was told stays, and the time begins anew.
            now: When [s].
        """
        if ratio is None or not (ratio > ON_TIME_ABOVE if self.is_behind else ratio < BEHIND_BELOW):
            return replace(self, since=None), None
        since = now if self.since is None else self.since
        if now - since < (ON_TIME_AFTER_S if self.is_behind else BEHIND_AFTER_S):
            return replace(self, since=since), None
        return PaceWatch(not self.is_behind), "on-time" if self.is_behind else "behind"


def _require_speed(speed: object) -> None:
    low, high = SPEED_LIMITS
    if speed != "max" and not (isinstance(speed, (int, float)) and low <= speed <= high):
        raise FieldError("speed", f"{low:g} to {high:g}, or max")
