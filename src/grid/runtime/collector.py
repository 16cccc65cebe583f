"""Storage of a run's output files in the artifact store, with nothing about them trusted.

The folder is opened by descriptor; each file must be regular, with one name, an allowed name and media type, and
within the caps. What is hashed is what is stored. The manifest is written last, so a prefix without one is unfinished.
"""

import io
import json
import os
import re
import stat
from collections.abc import Collection
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO, ClassVar, Protocol

from grid.core.errors import GridError
from grid.runtime.store import ArtifactExistsError, measure_blob
from grid.schemas import media_types
from grid.schemas.jobs import FileEntry, Reason

MOST_FILES = 64  # files of one run, unless a caller sets another number
MANIFEST_NAME = "grid-manifest.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}(\.[A-Za-z0-9]{1,8}){1,2}")


class OutputError(GridError):
    """A run's output cannot be stored; `reason` is the job's."""

    code, title = "bad-output", "The run's output cannot be stored"
    reason: ClassVar[Reason] = Reason.BAD_OUTPUT

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return self.what


class OutputTooLargeError(OutputError):
    """More files or bytes than a job may store."""

    code, title = "output-too-large", "The run's output is larger than the limit"
    reason: ClassVar[Reason] = Reason.OUTPUT_TOO_LARGE


class Store(Protocol):
    """The part of an artifact store that files are written to."""

    def put(self, key: str, source: BinaryIO) -> tuple[int, str]:
        """Store a blob; return its size and sha256."""
        ...

    def open(self, key: str) -> BinaryIO:
        """Open a blob."""
        ...


def find_media_type(name: str) -> str | None:
    """Return the media type of an allowed file name; None for any other name."""
    return media_types.find_media_type(name) if _NAME.fullmatch(name) else None


def collect(
    folder: Path,
    store: Store,
    key_prefix: str,
    *,
    most_bytes: int,
    names: Collection[str] | None = None,
    required: Collection[str] = (),
    most_files: int = MOST_FILES,
) -> list[FileEntry]:
    """Store the files of `folder` under `key_prefix` and return their entries, by name.

    Args:
        names: Take these and leave others; None takes all, and refuses what may not be stored.
        required: Names without which the output is bad.

    Raises:
        OutputTooLargeError: Too many files or bytes.
        OutputError: A link, folder, device, forbidden name, second name of a file, or a missing file.
        StorageFullError: The store has no room.
    """
    with ExitStack() as stack:
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise OutputError("The run's output folder is gone, or is no folder that can be read.") from error
        stack.callback(os.close, descriptor)
        found = sorted(os.listdir(descriptor))  # noqa: PTH208 - by descriptor
        missing = sorted({*required, *(names or ())} - set(found))
        if missing:
            raise OutputError(f"The run did not write {', '.join(missing)}.")
        wanted = found if names is None else sorted(names)
        if len(wanted) > most_files:
            raise OutputTooLargeError(f"The run wrote {len(wanted)} files; {most_files} may be stored.")
        files = [_open_file(descriptor, name, stack) for name in wanted]
        _require_size(sum(os.fstat(file.fileno()).st_size for file in files), most_bytes)
        entries: list[FileEntry] = []
        left = most_bytes
        for name, file in zip(wanted, files, strict=True):
            entry = _store(store, f"{key_prefix}/{name}", name, Capped(file, left))
            left -= entry["size"]
            entries.append(entry)
    _write_manifest(store, key_prefix, entries)
    return entries


class Capped(io.RawIOBase):
    """A file that may grow while it is read, but not beyond the cap."""

    def __init__(self, source: BinaryIO, most_bytes: int) -> None:
        self.source, self.left = source, most_bytes

    def read(self, size: int = -1) -> bytes:
        """Read on; raises OutputTooLargeError beyond the cap, OutputError where the file cannot be read."""
        try:
            data = self.source.read(size)
        except OSError as error:
            raise OutputError("A file of the run's output could not be read to its end.") from error
        self.left -= len(data)
        if self.left < 0:
            raise OutputTooLargeError("The run's output grew beyond the limit while it was stored.")
        return data


def _open_file(folder: int, name: str, stack: ExitStack) -> BinaryIO:
    if find_media_type(name) is None or name == MANIFEST_NAME:
        raise OutputError("The run wrote a file whose name or type may not be stored.")  # the name is not repeated
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        file = stack.enter_context(os.fdopen(os.open(name, flags, dir_fd=folder), "rb", 0))
    except OSError as error:  # a link (ELOOP), a folder, a socket, no permission
        raise OutputError(f"{name} is not a regular file that can be read.") from error
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        raise OutputError(f"{name} is not a regular file with one name.")
    return file


def _require_size(size: int, most_bytes: int) -> None:
    if size > most_bytes:
        raise OutputTooLargeError(f"The run wrote {size / 2**20:.1f} MiB; {most_bytes / 2**20:.1f} MiB may be stored.")


def _store(store: Store, key: str, name: str, file: BinaryIO | Capped) -> FileEntry:
    try:
        size, sha256 = store.put(key, file)  # type: ignore[arg-type]
    except ArtifactExistsError:  # an attempt of the same epoch got this far and then lost its answer
        size, sha256 = measure_blob(store.open(key))
    return FileEntry(name=name, size=size, sha256=sha256, media_type=find_media_type(name) or "", key=key)


def _write_manifest(store: Store, key_prefix: str, entries: list[FileEntry]) -> None:
    text = json.dumps(entries, indent=1, sort_keys=True).encode()
    with suppress(ArtifactExistsError):
        store.put(f"{key_prefix}/{MANIFEST_NAME}", io.BytesIO(text))
