"""The child of a server that computes the past of live runs: started when somebody asks, ended when nobody does.

One child for the whole server, at low priority, and one request at a time. Loads no numerics.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from grid.core.errors import TooManyRequestsError, UnavailableError
from grid.core.logging import get_logger
from grid.runtime.live.past_messages import LookBack, LookedBack
from grid.runtime.messages import ChildReady
from grid.runtime.slots import SlotChild, SlotFactory

WALL_S: Final = 60.0  # [s] for one request; then the child is killed
START_S: Final = 120.0  # [s] until a child is there: a cold machine compiles kernels first
IDLE_S: Final = 120.0  # [s] after which a child that nobody asks is ended
MOST_WAITING: Final = 4  # requests that wait for the one in progress
POLL_S: Final = 0.5  # [s] between two looks at the child's memory
RETRY_S: Final = 2.0

log = get_logger(__name__)


class PastProcess:
    """Computes the past in a child. For any number of threads.

    Args:
        make_factory: Makes what starts children; called with the first request, and again after a pause.
        fetch: Called with a request before the child gets it, to put the states that it names where the child reads.
        wall_s: Longest time of one request [s].
        idle_s: Time after which the child is ended [s].
    """

    def __init__(
        self,
        make_factory: Callable[[], SlotFactory],
        *,
        fetch: Callable[[LookBack], None] = lambda _: None,
        wall_s: float = WALL_S,
        idle_s: float = IDLE_S,
    ) -> None:
        self._fetch = fetch
        self._make_factory, self._wall_s, self._idle_s = make_factory, wall_s, idle_s
        self._factory: SlotFactory | None = None
        self._child: SlotChild | None = None
        self._turn, self._waiting = threading.Lock(), 0
        self._count = threading.Lock()
        self._timer: threading.Timer | None = None

    def look_back(self, asked: LookBack) -> LookedBack:
        """Return frames of the past, or why there are none.

        Raises:
            TooManyRequestsError: Others wait already.
            UnavailableError: The child died, or took too long.
        """
        with self._count:
            if self._waiting > MOST_WAITING:
                raise TooManyRequestsError("The past of other runs is being computed", RETRY_S)
            self._waiting += 1
        try:
            with self._turn:
                return self._ask(asked)
        finally:
            with self._count:
                self._waiting -= 1

    def close(self) -> None:
        """End the child and whatever started it."""
        with self._turn:
            self._end()

    def _ask(self, asked: LookBack) -> LookedBack:
        self._fetch(asked)  # before the timer: where this fails, a child that is there still ends by it
        if self._timer is not None:
            self._timer.cancel()
        try:
            child = self._require_child()
            child.send(asked)
            message = self._receive(child, self._wall_s)
        except EOFError as error:
            self._drop_child()
            raise UnavailableError("The process that computes the past has ended; ask again.") from error
        self._timer = threading.Timer(self._idle_s, self._end_idle)
        self._timer.daemon = True
        self._timer.start()
        if not isinstance(message, LookedBack):
            self._drop_child()
            raise UnavailableError("The process that computes the past gave no answer; ask again.")
        return message

    def _require_child(self) -> SlotChild:
        if self._child is None:
            if self._factory is None:
                self._factory = self._make_factory()
            child = self._factory.start("small")
            if not isinstance(self._receive(child, START_S), ChildReady):
                raise EOFError
            self._child = child
        return self._child

    def _receive(self, child: SlotChild, limit_s: float) -> object:
        """The next message; a child that takes too long, or too much memory, is killed."""
        deadline = time.monotonic() + limit_s
        while not child.poll(POLL_S):
            is_late = time.monotonic() > deadline
            if is_late or child.is_over_memory():
                log.warning("past_child_killed", is_late=is_late)
                child.kill(is_oom=not is_late)
                raise EOFError
        return child.receive()

    def _drop_child(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _end_idle(self) -> None:
        if self._turn.acquire(blocking=False):
            try:
                self._end()
            finally:
                self._turn.release()

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._child is not None:
            self._child.close()
            self._child = None
        if self._factory is not None:
            self._factory.close()
            self._factory = None
