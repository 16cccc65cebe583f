"""Notes from threads to the one loop that decides: a queue with a descriptor to select on."""

import os
import threading
from collections import deque
from contextlib import suppress
from typing import Generic, TypeVar

Note = TypeVar("Note")


class Mailbox(Generic[Note]):
    """Any thread puts a note in; the loop waits on `fileno()` and takes them all, in order."""

    def __init__(self) -> None:
        self._notes: deque[Note] = deque()
        self._lock = threading.Lock()
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """Return a descriptor that is readable while a note waits."""
        return self._event

    def put(self, note: Note) -> None:
        """Leave a note; silent after `close`, when nobody reads any more."""
        with self._lock:
            if self._event < 0:
                return
            self._notes.append(note)
            os.eventfd_write(self._event, 1)

    def wake(self) -> None:
        """Make the descriptor readable without a note. Takes no lock, so that a signal handler may call it."""
        if self._event >= 0:
            os.eventfd_write(self._event, 1)

    def take(self) -> list[Note]:
        """Take every note that waits, oldest first; empty where none does."""
        with self._lock:
            notes = list(self._notes)
            self._notes.clear()
            with suppress(BlockingIOError):
                os.eventfd_read(self._event)
        return notes

    def close(self) -> None:
        """Close the descriptor; notes that were not taken are dropped."""
        with self._lock:
            if self._event >= 0:
                os.close(self._event)
                self._event = -1
            self._notes.clear()
