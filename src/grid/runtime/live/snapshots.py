"""States of a live run as files: written by a thread of the child while the run goes on, and read back by the next one.

A state is taken as a fork of the session, which shares its arrays, so that the loop goes on at once. One is written at
a time; an automatic one every few seconds, and more rarely where writing takes more than its share of the wall time.
"""

import hashlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import BinaryIO, Final, Protocol
from uuid import UUID

import numpy as np

from grid.core.errors import GridError, StorageFullError
from grid.engine.live.session import FIELDS, FieldName, Session
from grid.runtime.live.messages import SnapshotFile, Snapshotted, StoredFile, name_drafts
from grid.runtime.live.outside import blank_outside
from grid.runtime.spool import ChildFiles
from grid.runtime.store import storage_errors

EVERY_S: Final = 5.0  # [s] between two automatic snapshots, at least
SHARE: Final = 0.02  # [-] of the wall time that writing them may take
NPY: Final = "application/x-npy"
FIELD_FILES: Final[dict[FieldName, str]] = {name: f"{name}.npy" for name in FIELDS}


class Sender(Protocol):
    """The pipe to the supervisor, for any thread."""

    def send(self, message: object) -> None:
        """Send a message."""


class SnapshotWriter:
    """Stores states of one run, in a thread.

    Args:
        store: Where files are left for the supervisor, which stores them.
        run_id, epoch: Of the claim: every key is made of them.
        channel: Takes `Snapshotted`.
        clock: Monotonic time [s].
    """

    def __init__(
        self,
        store: ChildFiles,
        run_id: UUID,
        epoch: int,
        channel: Sender,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._channel, self._now = store, channel, clock
        self._folder, self._count = f"live/{run_id}/{epoch}", 0
        self._label = name_drafts(run_id, epoch)
        self._due = clock() + EVERY_S
        self._waiting: queue.SimpleQueue[tuple[Session, int] | None] = queue.SimpleQueue()
        self._is_writing = False  # whether an automatic one is on its way
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)
        self._thread.start()

    def is_due(self, now: float) -> bool:
        """Whether an automatic snapshot is to be taken: the last one is written, and its time has passed."""
        return now >= self._due and not self._is_writing

    def keep(self, session: Session, seq: int) -> None:
        """Take the state now and store it soon; `Snapshotted` follows.

        Args:
            session: At a boundary; it goes on.
            seq: Number of the command that asks for it; 0 for an automatic one.
        """
        self._is_writing |= seq == 0
        self._waiting.put((session.fork(), seq))

    def finish(self, session: Session, *, is_result: bool) -> tuple[tuple[StoredFile, ...], Snapshotted | None]:
        """Write what waits, then the last state and, for a result, the fields there.

        Raises:
            StorageFullError: There is no room for the result.
        """
        self._waiting.put(None)
        self._thread.join()
        last = self._write(session, 0)
        if not is_result:
            return (), last
        names = FIELDS if session.scene.structure is not None else FIELDS[:1]
        files = tuple(self._write_field(session, name) for name in names)
        if last.file is None:
            raise StorageFullError(last.failure)
        return files, last

    def _run(self) -> None:
        while (entry := self._waiting.get()) is not None:
            session, seq = entry
            started = self._now()
            message = self._write(session, seq)
            if seq == 0:
                took = self._now() - started
                self._due = self._now() + max(EVERY_S, took / SHARE)
                self._is_writing = False
            self._channel.send(message)

    def _write(self, session: Session, seq: int) -> Snapshotted:
        applied = max((command.seq for command in session.commands), default=0)
        try:
            file = self._put(f"state-{session.tick}", session.write, "application/octet-stream")
        except (GridError, OSError) as error:
            return Snapshotted(seq, session.tick, applied, None, str(error) or type(error).__name__)
        return Snapshotted(seq, session.tick, applied, file)

    def _write_field(self, session: Session, name: FieldName) -> StoredFile:
        field = np.ascontiguousarray(blank_outside(session, session.field(name)))
        return self._put(FIELD_FILES[name], lambda file: np.save(file, field, allow_pickle=False), NPY)

    def _put(self, name: str, write: Callable[[BinaryIO], None], media_type: str) -> StoredFile:
        """Have a file written and store it: not by way of memory, where a copy would hold up the loop."""
        self._count += 1
        key = f"{self._folder}/{self._count}-{name}"
        with storage_errors(), self._store.draft(self._label) as path:
            with path.open("xb") as file:
                path.chmod(0o600)
                write(file)
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            return StoredFile(name, key, self._store.adopt(key, path), sha256, media_type)


def read_state(store: ChildFiles, snapshots: Sequence[SnapshotFile]) -> tuple[bytes | None, list[str]]:
    """The newest stored state that is whole, and what was wrong with those before it.

    Args:
        store: Where they lie.
        snapshots: The newest first.
    """
    wrong = []
    for one in snapshots:
        try:
            with store.open(one.key) as file:
                data = file.read()
        except (GridError, OSError) as error:
            wrong.append(f"snapshot of tick {one.tick}: {error}")
            continue
        if hashlib.sha256(data).hexdigest() == one.sha256:
            return data, wrong
        wrong.append(f"snapshot of tick {one.tick}: its bytes are not those that were stored")
    return None, wrong
