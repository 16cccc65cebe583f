"""Publication of units of work to a broker, behind the outbox relay and never in its way.

A publication that is lost, late or doubled changes only what people see: the ledger decides who runs what.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from typing import Final

from grid.core.errors import ConfigurationError
from grid.core.logging import get_logger
from grid.core.settings import Settings
from grid.database.uow import UnitOfWork
from grid.services.units import Publication, find_publications

log = get_logger(__name__)

MOST_RANGES: Final = 1000  # of events that wait while the broker is away; of more the oldest are dropped
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0  # [s] between two tries, doubled each time

LOOK_EVERY_S: Final = 5.0  # [s] between two looks for Celery workers

Find = Callable[[range], Sequence[Publication]]
Send = Callable[[Sequence[Publication]], None]


class UnitPublisher(threading.Thread):
    """Publishes units that became runnable, in the order of their events, by one thread.

    Args:
        find: Finds the units that events made runnable.
        send: Sends publications; it raises where the broker does not take them.
        is_wanted: Tells whether anybody watches; else nothing is sent.
    """

    def __init__(self, find: Find, send: Send, is_wanted: Callable[[], bool]) -> None:
        super().__init__(name="unit-publisher", daemon=True)
        self._find, self._send, self._is_wanted = find, send, is_wanted
        self._ranges: deque[range] = deque()
        self._changed = threading.Condition()
        self._is_over = False
        self._failures = 0
        self.dropped = 0  # ranges of events

    def publish(self, numbers: range) -> None:
        """Have the units of these events published. Never blocks or raises."""
        with self._changed:
            self._ranges.append(numbers)
            if len(self._ranges) > MOST_RANGES:
                self._ranges.popleft()
                self.dropped += 1
            self._changed.notify()

    def stop(self, timeout_s: float = 3.0) -> None:
        """End the thread; what it has not sent is not sent any more."""
        with self._changed:
            self._is_over = True
            self._changed.notify()
        self.join(timeout_s)

    def run(self) -> None:
        """Publish until stopped."""
        while (numbers := self._next()) is not None:
            try:
                if self._is_wanted() and (found := self._find(numbers)):
                    self._send(found)
            except Exception as error:  # noqa: BLE001 - of the broker, its library, or the database
                self._fail(numbers, error)
            else:
                self._failures = 0

    def _next(self) -> range | None:
        with self._changed:
            self._changed.wait_for(lambda: self._ranges or self._is_over)
            return None if self._is_over else self._ranges.popleft()

    def _fail(self, numbers: range, error: Exception) -> None:
        """Keep what was not sent for the next try, after a pause."""
        if self._failures == 0:
            log.warning("publisher.failed", error=type(error).__name__)
        self._failures += 1
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self._failures - 1, 10))
        with self._changed:
            if len(self._ranges) < MOST_RANGES:
                self._ranges.appendleft(numbers)
            else:
                self.dropped += 1
            jitter = random.uniform(0.5, 1.0)  # noqa: S311 - so that many processes do not come back in step
            self._changed.wait_for(lambda: self._is_over, pause_s * jitter)


class CeleryLook:
    """Tells whether a Celery worker is alive, looked up every few seconds at most. For one thread."""

    def __init__(self, uow: UnitOfWork, heard_within: timedelta) -> None:
        self._uow, self._heard_within = uow, heard_within
        self._looked_at, self._is_alive = float("-inf"), False

    def __call__(self) -> bool:
        """Return whether one is alive."""
        if time.monotonic() - self._looked_at > LOOK_EVERY_S:
            with self._uow.read() as tx:
                living = tx.workers.living(within=self._heard_within)
            self._is_alive = any(worker.details.get("celery") is True for worker in living)
            self._looked_at = time.monotonic()
        return self._is_alive


def start_publisher(settings: Settings, uow: UnitOfWork) -> UnitPublisher | None:
    """Start the publisher that the settings ask for; None where units of work are not published. The caller stops it.

    Raises:
        ConfigurationError: Celery is asked for and not installed.
    """
    if settings.redis_url is None or settings.grid_bell not in {"auto", "celery"}:
        return None
    if find_spec("celery") is None:
        if settings.grid_bell == "celery":
            raise ConfigurationError("GRID_BELL: install grid-throughput[scale] to publish tasks.")
        return None
    find = partial(find_publications, uow)
    look = CeleryLook(uow, timedelta(seconds=3 * settings.grid_heartbeat_s + 5))
    is_wanted = (lambda: True) if settings.grid_bell == "celery" else look
    publisher = UnitPublisher(find, LateSender(settings), is_wanted)
    publisher.start()
    return publisher


class LateSender:
    """Sends tasks; Celery is loaded with the first of them. For one thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._send: Send | None = None

    def __call__(self, publications: Sequence[Publication]) -> None:
        """Send publications as tasks.

        Raises:
            Exception: Of kombu or redis: the broker did not take all of them.
        """
        if self._send is None:
            from grid.tasks.celery_app import TaskSender, make_app

            self._send = TaskSender(make_app(self._settings))
        self._send(publications)
