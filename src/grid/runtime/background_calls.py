"""Calls that may take long, each in a thread of its own, one of a kind at a time; their answers wake a selector."""

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from grid.core.errors import GridError


class BackgroundCalls:
    """Calls for a loop that must never block. All methods but the calls themselves are the loop's."""

    def __init__(self) -> None:
        self._answers: deque[tuple[str, Any, Callable[[Any], None]]] = deque()
        self._running: set[str] = set()
        self._wake, self._waking = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self) -> int:
        """Return the descriptor that is readable when there are answers."""
        return self._wake

    def is_running(self, kind: str) -> bool:
        """Return whether a call of this kind has no answer yet."""
        return kind in self._running

    def start(self, kind: str, call: Callable[[], Any], then: Callable[[Any], None]) -> bool:
        """Start a call; `take` passes its answer, or its GridError, to `then`. False where one of the kind runs."""
        if kind in self._running:
            return False
        self._running.add(kind)

        def run() -> None:
            try:
                answer: Any = call()
            except GridError as error:
                answer = error
            self._answers.append((kind, answer, then))
            with suppress(BlockingIOError):  # it is readable already
                os.write(self._waking, b"!")

        threading.Thread(target=run, name=kind, daemon=True).start()
        return True

    def take(self) -> None:
        """Pass on the answers that have come."""
        with suppress(BlockingIOError):
            os.read(self._wake, 4096)
        while self._answers:
            kind, answer, then = self._answers.popleft()
            self._running.discard(kind)
            then(answer)
