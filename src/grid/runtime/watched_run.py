"""A run behind a watchdog, of a local program or of a container: what it tells, and how the worker's loop uses it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from grid.runtime.collector import OutputError, Store, collect
from grid.runtime.program_outcome import ProgramOutcome
from grid.schemas.jobs import FileEntry


@dataclass(frozen=True)
class ProgramStarted:
    """The program runs."""

    pid: int
    start_time: int | None


@dataclass(frozen=True)
class ProgramLog:
    """Whole lines of its output."""

    text: str


@dataclass(frozen=True)
class ProgramProgress:
    """A fraction is done, in [0, 1]; never falls."""

    fraction: float


@dataclass(frozen=True)
class ProgramEnded:
    """The program, and all that it started, has ended."""

    outcome: ProgramOutcome


ProgramMessage = ProgramStarted | ProgramLog | ProgramProgress | ProgramEnded


class OutputFolder:
    """The folder that a run writes to, known by its inode."""

    def __init__(self, path: Path) -> None:
        self.path = path
        status = path.lstat()
        self._place = status.st_dev, status.st_ino

    def collect(self, store: Store, key_prefix: str, most_bytes: int, required: Sequence[str]) -> list[FileEntry]:
        """Store the files in it.

        Raises:
            OutputError: They may not be stored, or it is not the same folder any more.
            StorageFullError: The store has no room.
        """
        try:
            status = self.path.lstat()
        except OSError as error:
            raise OutputError("The program removed its output folder.") from error
        if (status.st_dev, status.st_ino) != self._place:
            raise OutputError("The program put something else in the place of its output folder.")
        return collect(self.path, store, key_prefix, most_bytes=most_bytes, required=required)


class WatchedRun(Protocol):
    """A run behind a watchdog, as the worker's loop uses it: of a local program, or of a container."""

    output: Path
    outcome: ProgramOutcome | None

    @property
    def pid(self) -> int:
        """The watchdog's process number."""
        ...

    def fileno(self) -> int:
        """Return the descriptor that is readable when `receive` has something."""
        ...

    def poll(self, timeout_s: float = 0.0) -> bool:
        """Return whether `receive` would return at once."""
        ...

    def receive(self) -> ProgramMessage:
        """Return the next message; `ProgramEnded` comes exactly once."""
        ...

    def cancel(self) -> None:
        """Ask it to end, and end it after the grace."""
        ...

    def kill(self) -> None:
        """End it at once and release it."""
        ...

    def close(self) -> None:
        """Release it."""
        ...

    def collect(self, store: Store, key_prefix: str) -> list[FileEntry]:
        """Store the outputs of a run that ended well."""
        ...
