"""The writer of live runs: one thread with its own connection that calls the ledger, in order, and answers the loop.

Commands go before samples and events, because a person waits for them and their tick may be held. While the database
is away a call is tried again with growing pauses; everything behind it waits, and the order of calls stays.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from grid.core.errors import StorageFullError, UnavailableError
from grid.core.logging import get_logger

log = get_logger(__name__)

BACKOFF_S = (0.05, 2.0)  # [s] first and longest pause while the database is away


@dataclass(frozen=True)
class Answer:
    """The end of a call, for the loop: `then` is called there with the result, `otherwise` with the error."""

    then: Callable[[Any], None]
    otherwise: Callable[[Exception], None]
    result: Any = None
    error: Exception | None = None

    def deliver(self) -> None:
        """Tell the caller; in the loop."""
        if self.error is not None:
            self.otherwise(self.error)
        else:
            self.then(self.result)


@dataclass(frozen=True)
class _Call:
    call: Callable[[], Any]
    then: Callable[[Any], None]
    otherwise: Callable[[Exception], None]


class LiveWriter(threading.Thread):
    """Calls the ledger for the loop.

    Args:
        post: Takes an answer for the loop; never blocks.
    """

    def __init__(self, post: Callable[[Answer], None]) -> None:
        super().__init__(name="live-writer", daemon=True)  # joined with a time limit
        self._post = post
        self._urgent: deque[_Call] = deque()
        self._usual: deque[_Call] = deque()
        self._changed = threading.Condition()
        self._stop_at: float | None = None
        self._away_since: float | None = None

    def submit(
        self,
        call: Callable[[], Any],
        then: Callable[[Any], None] = lambda _: None,
        otherwise: Callable[[Exception], None] | None = None,
        *,
        is_urgent: bool = False,
    ) -> None:
        """Queue a call; return at once.

        Args:
            call: Of the ledger; it may be repeated where its answer was lost.
            then: Called in the loop with what it returns.
            otherwise: Called in the loop with an error that no repetition mends; None: it is logged.
            is_urgent: Before all that are not.
        """
        entry = _Call(call, then, otherwise or _log_error)
        with self._changed:
            (self._urgent if is_urgent else self._usual).append(entry)
            self._changed.notify()

    @property
    def away_s(self) -> float:
        """How long the database has not answered [s]; 0 where it does."""
        since = self._away_since
        return 0.0 if since is None else time.monotonic() - since

    def finish(self, within_s: float) -> None:
        """Make the calls that wait and end, at the latest after so long [s]."""
        with self._changed:
            self._stop_at = time.monotonic() + within_s
            self._changed.notify()

    def run(self) -> None:
        """Make calls until told to finish."""
        while (entry := self._next()) is not None:
            self._make(entry)

    def _next(self) -> _Call | None:
        with self._changed:
            while not (self._urgent or self._usual):
                if self._stop_at is not None:
                    return None
                self._changed.wait()
            return self._urgent.popleft() if self._urgent else self._usual.popleft()

    def _make(self, entry: _Call) -> None:
        pause_s = 0.0
        while True:
            try:
                result = entry.call()
            except (UnavailableError, StorageFullError) as error:
                if self._away_since is None:
                    self._away_since = time.monotonic()
                    log.warning("live.ledger_unavailable", code=error.code, detail=str(error))
                pause_s = min(BACKOFF_S[1], max(BACKOFF_S[0], 2 * pause_s))
                if not self._wait(pause_s * random.uniform(0.5, 1.0)):  # noqa: S311 - jitter, not a secret
                    self._post(Answer(entry.then, entry.otherwise, error=error))
                    return
            except Exception as error:  # noqa: BLE001 - the loop decides what becomes of the run
                self._recover()
                self._post(Answer(entry.then, entry.otherwise, error=error))
                return
            else:
                self._recover()
                self._post(Answer(entry.then, entry.otherwise, result))
                return

    def _recover(self) -> None:
        if self._away_since is not None:
            log.info("live.ledger_recovered", after_s=round(self.away_s, 2))
            self._away_since = None

    def _wait(self, seconds: float) -> bool:
        """Wait before another try; False once the time to finish is over."""
        end = time.monotonic() + seconds
        with self._changed:
            while (left := end - time.monotonic()) > 0 and (self._stop_at is None or time.monotonic() < self._stop_at):
                self._changed.wait(min(left, 0.25))
            return self._stop_at is None or time.monotonic() < self._stop_at


def _log_error(error: Exception) -> None:
    log.error("live.call_failed", exc_info=error)
