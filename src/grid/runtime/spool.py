"""The spool: a private, bounded folder between the artifact store and children, which never see the store.

A child leaves a finished file under the key that it is to be stored by; the process that owns the spool moves it into
the store. What a child reads was put under its key before. Nothing in the spool has to outlive the machine, so that
nothing is synced here: what is to last is synced, or uploaded, when it is stored.

Each process has a spool of its own, held by a lock, so that the next one can tell which are left over.
"""

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from grid.core.errors import ConfigurationError, StorageFullError
from grid.runtime.store import LocalArtifactStore, split_key, storage_errors

SPOOL_BYTES: Final = 4 << 30  # that a spool holds at most, unless a setting says otherwise
_LOCK, _OWNED, _NEW = ".lock", "spool-", ".new-"


class ChildFiles(Protocol):
    """What a child does with files: the part of `Spool` that code of children uses."""

    def draft(self, label: str = "draft") -> AbstractContextManager[Path]:
        """Lend the name of a file to write and to `adopt`."""
        ...

    def adopt(self, key: str, path: Path) -> int:
        """Leave a finished file under `key`; return its size."""
        ...

    def put(self, key: str, source: BinaryIO) -> tuple[int, str]:
        """Leave a copy of `source` under `key`; return its size and sha256."""
        ...

    def open(self, key: str) -> BinaryIO:
        """Open a file by its key."""
        ...

    def staging(self, label: str) -> AbstractContextManager[str]:
        """Lend a private, empty folder."""
        ...


class Spool:
    """Files by key on their way between children and the store.

    Args:
        root: A folder of its own; made where it is not there.
        most_bytes: Bytes that it holds at most. Files that are being written when the last of them is used may pass it.
        lock: Descriptor of the lock by which this process holds it; None: it is another's, or a test's.
    """

    def __init__(self, root: Path, most_bytes: int = SPOOL_BYTES, *, lock: int | None = None) -> None:
        self.root, self.most_bytes = root, most_bytes
        self._files = LocalArtifactStore(root, is_durable=False)
        self._lock = lock

    @contextmanager
    def draft(self, label: str = "draft") -> Iterator[Path]:
        """Lend the name of a file to write and to `adopt`; what is still there at the end is removed.

        Raises:
            StorageFullError: The spool holds all that it may.
        """
        self.require_room()
        with self._files.draft(label) as path:
            yield path

    def adopt(self, key: str, path: Path) -> int:
        """Leave a finished file under `key` without copying it; return its size.

        Raises:
            ArtifactExistsError: There is one under this key.
        """
        return self._files.adopt(key, path)

    def put(self, key: str, source: BinaryIO) -> tuple[int, str]:
        """Leave a copy of `source` under `key`; return its size and sha256 (hex).

        Raises:
            StorageFullError: The spool holds all that it may, or the disk does.
            ArtifactExistsError: There is one under this key.
        """
        self.require_room()
        return self._files.put(key, source)

    def open(self, key: str) -> BinaryIO:
        """Open a file by its key.

        Raises:
            NotFoundError: There is none.
        """
        return self._files.open(key)

    @contextmanager
    def staging(self, label: str) -> Iterator[str]:
        """Lend a private, empty folder, removed at the end.

        Raises:
            StorageFullError: The spool holds all that it may.
        """
        self.require_room()
        with self._files.staging(label) as folder:
            yield folder

    def path_of(self, key: str) -> Path:
        """Return the path of the file of a key, there or not."""
        return self.root.joinpath(*split_key(key))

    def delete(self, key: str) -> None:
        """Remove a file; silent where there is none."""
        self._files.delete(key)

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys that begin with `prefix`."""
        return self._files.keys(prefix)

    def remove_leftovers(self, older_than_s: float, label: str = "") -> int:
        """Remove drafts that were begun and never finished, where older [s], under one label where it is named."""
        return self._files.remove_leftovers(older_than_s, label)

    def remove_old(self, older_than_s: float) -> int:
        """Remove files and drafts that were last written so long ago [s]; return how many."""
        limit, removed = time.time() - older_than_s, self.remove_leftovers(older_than_s)
        for key in list(self.keys()):
            with suppress(OSError):
                if self.path_of(key).lstat().st_mtime < limit:
                    self.delete(key)
                    removed += 1
        return removed

    def used_bytes(self) -> int:
        """Return what the files in it take together [B]."""
        return sum(_sizes(self.root))

    def require_room(self) -> None:
        """Refuse to take more where it holds all that it may.

        Raises:
            StorageFullError: It does.
        """
        used = self.used_bytes()
        if used >= self.most_bytes:
            held, most = used >> 20, self.most_bytes >> 20
            raise StorageFullError(f"The spool holds {held} MiB of results to be stored, of {most} (GRID_SPOOL_MB).")

    def check(self) -> None:
        """Raise StorageFullError or UnavailableError unless children can leave files here now."""
        self.require_room()
        self._files.check()

    def close(self) -> None:
        """Remove it, where this process has made it."""
        if self._lock is not None:
            shutil.rmtree(self.root, ignore_errors=True)
            os.close(self._lock)
            self._lock = None


def make_spool(folder: Path, most_bytes: int = SPOOL_BYTES) -> Spool:
    """Make a spool for this process in a folder that several may share, after removing those whose process is gone.

    Raises:
        ConfigurationError: The folder cannot be used.
        StorageFullError: The disk is full.
    """
    try:
        with storage_errors():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            remove_orphaned_spools(folder)
            draft = folder / f"{_NEW}{secrets.token_hex(8)}"  # nobody takes it for left over before it is locked
            draft.mkdir(mode=0o700)
            lock = os.open(draft / _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            root = draft.rename(folder / f"{_OWNED}{draft.name.removeprefix(_NEW)}")
    except OSError as error:
        raise ConfigurationError(f"GRID_SPOOL: the folder {folder} cannot be used ({error.strerror}).") from error
    return Spool(root, most_bytes, lock=lock)


def remove_orphaned_spools(folder: Path) -> int:
    """Remove the spools in a folder whose process is gone; return how many. What was in them was not stored yet."""
    removed = 0
    for root in folder.glob(f"{_OWNED}*"):
        try:
            lock = os.open(root / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:  # it is being removed, by its owner or another
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        else:
            shutil.rmtree(root, ignore_errors=True)
            removed += 1
        finally:
            os.close(lock)
    return removed


def _sizes(folder: Path) -> Iterator[int]:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                if entry.is_dir(follow_symlinks=False):
                    yield from _sizes(Path(entry.path))
                else:
                    yield entry.stat(follow_symlinks=False).st_size
