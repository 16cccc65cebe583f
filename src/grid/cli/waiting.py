"""Waiting for as long as something happens: by what processes do, not by a fixed time, which is too short somewhere."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from grid.core.errors import UnavailableError
from grid.runtime.processes import find_cpu_seconds

STILL_S = 90.0  # nothing changes and no processor time is used for so long: nothing will come
UNCHANGED_S = 3600.0  # and the same thing is waited for no longer than this, though processes are busy
FIRST_SAY_S, SAY_EVERY_S = 1.0, 10.0


class StalledError(UnavailableError):
    """Nothing happens any more in what was waited for."""

    code, title = "stalled", "Nothing happens"


@dataclass
class Patience:
    """Says what is waited for, again and again, and ends the wait where nothing happens.

    Args:
        say: Takes a sentence.
        find_processes: Returns the processes whose work is waited for.
        find_hint: Returns a sentence for the error, such as the last line of a log.
    """

    say: Callable[[str], None]
    find_processes: Callable[[], Iterable[int]]
    find_hint: Callable[[], str] = lambda: ""
    _what: str = ""
    _state: object = None
    _began: float = field(default_factory=time.monotonic)
    _changed_at: float = field(default_factory=time.monotonic)
    _moved_at: float = field(default_factory=time.monotonic)
    _say_at: float = 0.0
    _used: dict[int, float] = field(default_factory=dict)

    def look(self, what: str, state: object = None) -> None:
        """Note that `what` is still waited for.

        Args:
            what: Ends the sentence "waiting for ...".
            state: Another one than last time means that something has happened.

        Raises:
            StalledError: Neither `what` nor `state` has changed, nor have the processes computed, for `STILL_S`; or
                they have computed for `UNCHANGED_S`, and nothing has changed.
        """
        now = time.monotonic()
        if (what, state) != (self._what, self._state):
            self._changed_at = self._moved_at = now
        if what != self._what:
            self._began, self._say_at = now, now + FIRST_SAY_S
        self._what, self._state = what, state
        used = {pid: find_cpu_seconds(pid) for pid in self.find_processes()}
        if any(seconds > self._used.get(pid, 0.0) for pid, seconds in used.items()):
            self._moved_at = now
        self._used = used
        if now >= self._say_at:
            self._say_at = now + SAY_EVERY_S
            computed = sum(used.values())
            self.say(f"waiting for {what} ({now - self._began:.0f} s; {computed:.0f} s of processor time so far)")
        if now - self._moved_at > STILL_S or now - self._changed_at > UNCHANGED_S:
            hint = self.find_hint()
            raise StalledError(
                f"Waited {now - self._began:.0f} s for {what}, and nothing has happened for "
                f"{now - self._moved_at:.0f} s.{' ' + hint if hint else ''} `grid logs` shows more."
            )
