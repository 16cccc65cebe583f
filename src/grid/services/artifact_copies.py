"""Copy of all artifacts into another store: verified by size and hash, and taken up where an earlier try has ended."""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO, Final, cast

from grid.core.errors import ConflictError, GridError, NotFoundError
from grid.services.ports import ArtifactStore

MARK: Final = "copied-from"  # folder of the key by which a target is known as that of a copy
MOST_NAMED: Final = 3  # keys in one sentence


class ForeignStoreError(ConflictError):
    """The target of a copy holds artifacts that are no part of it."""

    code, title = "foreign-target", "The target of the copy is in use"

    def __init__(self, keys: tuple[str, ...]) -> None:
        super().__init__(keys)
        self.keys = keys

    def __str__(self) -> str:
        return f"The target is not empty; it holds {', '.join(self.keys)}. Name an empty one; nothing was changed."


class ArtifactMismatchError(GridError):
    """A blob of the target is not that of the source."""

    code, title = "copy-mismatch", "The copy does not match its source"

    def __init__(self, key: str, what: str) -> None:
        super().__init__(key, what)
        self.key, self.what = key, what

    def __str__(self) -> str:
        return f"{self.key}: {self.what}"


@dataclass
class CopyReport:
    """What a copy has done so far.

    Args:
        copied, copied_bytes: Blobs that were put.
        present: Blobs that were there, and are the same.
        vanished: Blobs that were removed from the source meanwhile, as collectors of garbage do.
    """

    copied: int = 0
    copied_bytes: int = 0
    present: int = 0
    vanished: int = 0

    @property
    def verified(self) -> int:
        """Blobs that are in the target with the size and hash of the source."""
        return self.copied + self.present


def copy_artifacts(
    source: ArtifactStore,
    target: ArtifactStore,
    identity: str,
    *,
    on_blob: Callable[[CopyReport], None] = lambda _: None,
) -> CopyReport:
    """Copy every blob; each is in the target with its size and hash when this returns.

    The source may be in use: what is stored meanwhile is copied by the next call, which passes over what is there.

    Args:
        source, target: The stores.
        identity: Of the source: a target that was begun for another is refused.
        on_blob: Called after each blob.

    Raises:
        ForeignStoreError: The target holds artifacts, and not as a copy of this source; some are named.
        ArtifactMismatchError: A blob of the target is not the same.
        StorageFullError, UnavailableError: As the stores say; the next call goes on from there.
    """
    target.check()
    _claim(target, identity)
    report = CopyReport()
    for key in source.keys():  # noqa: SIM118 - a store is no mapping
        if not key.startswith(f"{MARK}/"):
            _copy(source, target, key, report)
            on_blob(report)
    return report


def list_keys(store: ArtifactStore) -> Iterator[str]:
    """Yield the keys of artifacts, without the mark of a copy."""
    return (key for key in store.keys() if not key.startswith(f"{MARK}/"))  # noqa: SIM118


def _claim(target: ArtifactStore, identity: str) -> None:
    """Mark an empty target as that of a copy of this source; refuse one that is not."""
    mark = f"{MARK}/{hashlib.sha256(identity.encode()).hexdigest()[:32]}"
    if mark in target.keys(mark):
        return
    found = tuple(islice(target.keys(), MOST_NAMED))
    if found:
        raise ForeignStoreError(found)
    target.put(mark, io.BytesIO(b""))


def _copy(source: ArtifactStore, target: ArtifactStore, key: str, report: CopyReport) -> None:
    try:
        if (there := _find(target, key)) is not None:
            _require_same(key, source.measure(key), there)
            report.present += 1
            return
        blob = source.open(key)
    except NotFoundError:
        report.vanished += 1
        return
    with blob:
        reading = _Hashed(blob)
        stored = target.put(key, cast("BinaryIO", reading))
    _require_same(key, (reading.size, reading.digest.hexdigest()), stored)
    _require_same(key, stored, target.measure(key))
    report.copied += 1
    report.copied_bytes += stored[0]


def _find(store: ArtifactStore, key: str) -> tuple[int, str] | None:
    try:
        return store.measure(key)
    except NotFoundError:
        return None


def _require_same(key: str, wanted: tuple[int, str], found: tuple[int, str]) -> None:
    if wanted != found:
        raise ArtifactMismatchError(key, f"the source has {wanted[0]} bytes, the target {found[0]} or others")


class _Hashed(io.RawIOBase):
    """A source that is hashed while it is read."""

    def __init__(self, source: BinaryIO) -> None:
        self.source, self.digest, self.size = source, hashlib.sha256(), 0

    def read(self, size: int = -1) -> bytes:
        data = self.source.read(size)
        self.digest.update(data)
        self.size += len(data)
        return data
