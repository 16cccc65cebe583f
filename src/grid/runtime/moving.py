"""Files moved between the spool and the artifact store, by the process that has both."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from grid.core.errors import GridError, NotFoundError
from grid.core.logging import get_logger
from grid.runtime.live.messages import SnapshotFile
from grid.runtime.messages import SpooledFile
from grid.runtime.packs import cut_record
from grid.runtime.spool import Spool
from grid.schemas.jobs import Manifest, PackEntry

log = get_logger(__name__)


class Store(Protocol):
    """The part of an artifact store that files are moved to and from."""

    def adopt(self, key: str, path: Path, *, sha256: str | None = None) -> int:
        """Store a finished local file, which is gone afterwards."""
        ...

    def open(self, key: str) -> BinaryIO:
        """Open a blob for reading, seekable."""
        ...

    def delete(self, key: str) -> None:
        """Remove a blob; silent where there is none."""
        ...


class SpoolError(GridError):
    """A file of the spool is not what the child said."""

    code, title = "spool-mismatch", "A result in the spool is not the one that was announced"

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"{self.key} in the spool is missing, or has another size than its process said."


def store_files(store: Store, spool: Spool, files: list[SpooledFile]) -> None:
    """Store finished files of the spool, in order; each is taken off the list, so that a repetition goes on from there.

    Raises:
        SpoolError: A file is not there, or has another size.
        StorageFullError, UnavailableError, ConflictError: As the store says.
    """
    while files:
        one = files[0]
        path = spool.path_of(one.key)
        try:
            size = path.lstat().st_size
        except OSError as error:
            raise SpoolError(one.key) from error
        if size != one.size:
            raise SpoolError(one.key)
        store.adopt(one.key, path, sha256=one.sha256)
        del files[0]


def fetch_record(store: Store, spool: Spool, manifest: Manifest, key: str) -> Manifest:
    """Put the record of a result into the spool under `key`; return the manifest by which a child finds it there.

    Raises:
        NotFoundError, PackCorruptError: The pack is not there, or is not the one that was stored.
    """
    found: PackEntry | None = manifest.get("pack")
    if found is None:
        return manifest
    data, entry = cut_record(store, found, key)
    spool.delete(key)
    spool.put(key, io.BytesIO(data))
    return {**manifest, "pack": entry}


def fetch_state(store: Store, spool: Spool, snapshots: Sequence[SnapshotFile]) -> None:
    """Put the newest stored state that is whole into the spool, and damaged newer ones, which a child then reports.

    A state that is not in the store at all is left out.

    Raises:
        UnavailableError: The store does not answer.
    """
    for one in snapshots:
        try:
            if _fetch(store, spool, one.key) == one.sha256:
                return
        except NotFoundError:
            log.warning("live.snapshot_missing", key=one.key)


def _fetch(store: Store, spool: Spool, key: str) -> str:
    spool.delete(key)  # of a process that was killed before it had read it
    with store.open(key) as source:
        _, sha256 = spool.put(key, source)
    return sha256
