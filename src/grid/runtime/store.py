"""Artifacts in a local folder: immutable files by key, complete or not there at all.

Unfinished files are in `.staging/`; a finished file is hard-linked to its key, which is both atomic and
put-if-absent, and the folder that names it is synced. Folders are opened by descriptor and never through a link.
"""

import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from grid.core.errors import ConflictError, InputError, NotFoundError, StorageFullError, UnavailableError

BLOCK_BYTES = 1 << 20  # read, hashed and written at once
MOST_PARTS, MOST_CHARACTERS = 8, 512  # of a key
STAGING = ".staging"
FREE_FRACTION, FREE_BYTES = 0.01, 64 << 20  # below both, `check` reports a full disk
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=@-]{0,127}")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class ArtifactKeyError(InputError):
    """A key outside the grammar: Grid makes every key itself, so this is a mistake in Grid, caught before the disk."""

    code, title = "invalid-artifact-key", "The artifact key is not valid"


class ArtifactExistsError(ConflictError):
    """The key was written before. Artifacts are immutable."""

    code, title = "artifact-exists", "The artifact exists already"

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"{self.key} is stored already and never changes."


def split_key(key: str) -> list[str]:
    """Return the parts of a valid key.

    Raises:
        ArtifactKeyError: Empty, too long or deep, or a part that does not begin with a letter or digit.
    """
    parts = key.split("/")
    if len(key) > MOST_CHARACTERS or len(parts) > MOST_PARTS or not all(_PART.fullmatch(part) for part in parts):
        raise ArtifactKeyError("The key has a part that is empty, too long or outside letters, digits and ._+=@-")
    return parts


def measure_blob(blob: BinaryIO) -> tuple[int, str]:
    """Read a blob to its end and close it; return its size and sha256 (hex)."""
    digest, size = hashlib.sha256(), 0
    with blob:
        while block := blob.read(BLOCK_BYTES):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn a full disk into the error that callers know."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFullError("The artifact folder has no room left; nothing was stored.") from error
        raise


class LocalArtifactStore:
    """Artifacts under one folder, readable by their owner alone.

    Args:
        root: The folder; made where it is not there.
        is_durable: What is stored is on the disk when the call returns; else it may be lost with the machine.
    """

    kind = "local"

    def __init__(self, root: Path, *, is_durable: bool = True) -> None:
        self.root, self._is_durable = root, is_durable
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        (root / STAGING).mkdir(mode=0o700, exist_ok=True)

    def put(self, key: str, source: BinaryIO) -> tuple[int, str]:
        """Store all of `source` durably under `key`; return its size and sha256 (hex).

        Raises:
            StorageFullError: There is no room; nothing is left behind.
            ArtifactExistsError: The key exists already.
        """
        split_key(key)
        digest, size = hashlib.sha256(), 0
        with self.draft() as draft:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with storage_errors(), os.fdopen(os.open(draft, flags, 0o600), "wb", 0) as file:
                while block := source.read(BLOCK_BYTES):
                    digest.update(block)
                    size += _write_all(file.fileno(), block)
            self.adopt(key, draft)
        return size, digest.hexdigest()

    @contextmanager
    def draft(self, label: str = "draft") -> Iterator[Path]:
        """Lend the name of a file to write and to `adopt`; what is still there at the end is removed."""
        path = self.root / STAGING / f"{split_key(label)[-1]}-{secrets.token_hex(8)}"
        try:
            yield path
        finally:
            with suppress(FileNotFoundError):
                path.unlink()

    def adopt(self, key: str, path: Path, *, sha256: str | None = None) -> int:
        """Make a finished file the blob of `key`, without copying it on the same file system; return its size.

        Its writer must be done. `path` is gone afterwards, also from under a failed attempt's folder. The hash is for
        stores across a network: it is not computed again here.

        Raises:
            StorageFullError: There is no room; nothing is left behind.
            ArtifactExistsError: The key exists already.
        """
        try:
            return self._link(key, path)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
        del sha256
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb", 0) as source:
            size, _ = self.put(key, source)
        path.unlink()
        return size

    def _link(self, key: str, path: Path) -> int:
        *folders, name = split_key(key)
        with storage_errors(), ExitStack() as stack:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            stack.callback(os.close, file)
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
                raise InputError("Only a regular file with one name can be stored.")
            os.fchmod(file, 0o600)
            self._sync(file)  # an error here ends the attempt: the kernel may have dropped the pages
            folder = self._make_folder(folders, stack)
            try:
                os.link(path, name, dst_dir_fd=folder, follow_symlinks=False)
            except FileExistsError as error:
                raise ArtifactExistsError(key) from error
            path.unlink()
            try:
                self._sync(folder)
            except OSError:
                os.unlink(name, dir_fd=folder)
                raise
        return status.st_size

    def open(self, key: str) -> BinaryIO:
        """Open a blob for reading, seekable.

        Raises:
            NotFoundError: There is no such key.
        """
        *folders, name = split_key(key)
        with ExitStack() as stack:
            try:
                folder = self._open_folder(folders, stack)
                file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
            except (FileNotFoundError, NotADirectoryError) as error:
                raise NotFoundError("artifact") from error
            except OSError as error:
                if error.errno == errno.ELOOP:
                    raise NotFoundError("artifact") from error
                raise
            if not stat.S_ISREG(os.fstat(file).st_mode):
                os.close(file)
                raise NotFoundError("artifact")
            return os.fdopen(file, "rb")

    def measure(self, key: str) -> tuple[int, str]:
        """Return size and sha256 (hex) of a blob, read for it.

        Raises:
            NotFoundError: There is no such key.
        """
        return measure_blob(self.open(key))

    def delete(self, key: str) -> None:
        """Remove a blob, and the folders it leaves empty; silent where there is none."""
        *folders, name = split_key(key)
        with ExitStack() as stack:
            try:
                os.unlink(name, dir_fd=self._open_folder(folders, stack))
            except (FileNotFoundError, NotADirectoryError):
                return
        while folders:
            with ExitStack() as stack:
                last = folders.pop()
                try:
                    os.rmdir(last, dir_fd=self._open_folder(folders, stack))
                except OSError:  # not empty, or gone already
                    return

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys that begin with `prefix`, in order within each folder."""
        yield from self._keys_below(self.root, "", prefix)

    def _keys_below(self, folder: Path, path: str, prefix: str) -> Iterator[str]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except FileNotFoundError:  # removed meanwhile
            return
        for entry in entries:
            key = f"{path}{entry.name}"
            if not _PART.fullmatch(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                if f"{key}/".startswith(prefix) or prefix.startswith(f"{key}/"):
                    yield from self._keys_below(Path(entry.path), f"{key}/", prefix)
            elif entry.is_file(follow_symlinks=False) and key.startswith(prefix):
                yield key

    @contextmanager
    def staging(self, label: str) -> Iterator[str]:
        """Lend a private, empty folder on the same file system, removed at the end."""
        with storage_errors():
            folder = self.root / STAGING / f"{split_key(label)[-1]}-{secrets.token_hex(8)}"
            folder.mkdir(mode=0o700)
        try:
            yield str(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def remove_leftovers(self, older_than_s: float, label: str = "") -> int:
        """Remove what killed attempts left in staging, of one label where it is named; return the number of entries."""
        limit, removed = time.time() - older_than_s, 0
        for entry in os.scandir(self.root / STAGING):
            if label and not entry.name.startswith(f"{label}-"):
                continue
            with suppress(FileNotFoundError):
                if entry.stat(follow_symlinks=False).st_mtime < limit:
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path, ignore_errors=True)
                    else:
                        Path(entry.path).unlink()
                    removed += 1
        return removed

    def check(self) -> str:
        """Raise UnavailableError or StorageFullError unless blobs can be written now; a folder needs no remark."""
        probe = self.root / STAGING / f"check-{secrets.token_hex(8)}"
        second = probe.with_suffix(".link")
        try:
            with storage_errors():
                space = os.statvfs(self.root)
                free = space.f_bavail * space.f_frsize
                if free < FREE_BYTES and free < FREE_FRACTION * space.f_blocks * space.f_frsize:
                    raise StorageFullError("The artifact folder has almost no room left.")
                probe.write_bytes(b"ok")
                second.hardlink_to(probe)
        except OSError as error:
            what = "gives no second name to a file" if probe.exists() else "cannot be written"
            raise UnavailableError(f"The artifact folder {what} ({error.strerror}); see ARTIFACTS_PATH.") from error
        finally:
            for path in (probe, second):
                with suppress(OSError):
                    path.unlink()
        return ""

    def _sync(self, descriptor: int) -> None:
        if self._is_durable:
            os.fsync(descriptor)

    def _open_folder(self, folders: list[str], stack: ExitStack) -> int:
        folder = os.open(self.root, _FOLDER)
        stack.callback(os.close, folder)
        for part in folders:
            folder = os.open(part, _FOLDER, dir_fd=folder)
            stack.callback(os.close, folder)
        return folder

    def _make_folder(self, folders: list[str], stack: ExitStack) -> int:
        folder = self._open_folder([], stack)
        for part in folders:
            try:
                os.mkdir(part, 0o700, dir_fd=folder)
                self._sync(folder)
            except FileExistsError:
                pass
            folder = os.open(part, _FOLDER, dir_fd=folder)
            stack.callback(os.close, folder)
        return folder


def _write_all(file: int, block: bytes) -> int:
    view = memoryview(block)
    while view:
        view = view[os.write(file, view) :]
    return len(block)
