"""An artifact store in memory, which keeps the contract of `grid.services.ports.ArtifactStore`."""

import hashlib
import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from grid.core.errors import NotFoundError, StorageFullError
from grid.runtime.store import ArtifactExistsError, split_key


class MemoryArtifactStore:
    """Blobs in a dictionary; `is_full` makes every write fail as a full disk does."""

    kind = "memory"

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.is_full = False

    def put(self, key: str, source: BinaryIO) -> tuple[int, str]:
        split_key(key)
        data = source.read()
        if self.is_full:
            raise StorageFullError("The double is full.")
        if key in self.blobs:
            raise ArtifactExistsError(key)
        self.blobs[key] = data
        return len(data), hashlib.sha256(data).hexdigest()

    def adopt(self, key: str, path: Path, *, sha256: str | None = None) -> int:
        split_key(key)
        with path.open("rb") as source:
            size, _ = self.put(key, source)
        path.unlink()
        return size

    def open(self, key: str) -> BinaryIO:
        split_key(key)
        if key not in self.blobs:
            raise NotFoundError("artifact")
        return io.BytesIO(self.blobs[key])

    def measure(self, key: str) -> tuple[int, str]:
        data = self.open(key).read()
        return len(data), hashlib.sha256(data).hexdigest()

    def delete(self, key: str) -> None:
        split_key(key)
        self.blobs.pop(key, None)

    def keys(self, prefix: str = "") -> Iterator[str]:
        yield from sorted(key for key in self.blobs if key.startswith(prefix))

    @contextmanager
    def staging(self, label: str) -> Iterator[str]:
        folder = tempfile.mkdtemp(prefix=f"{split_key(label)[-1]}-")
        try:
            yield folder
        finally:
            shutil.rmtree(Path(folder), ignore_errors=True)

    def remove_leftovers(self, older_than_s: float, label: str = "") -> int:
        return 0  # a blob is there at once, or not at all

    def check(self) -> str:
        if self.is_full:
            raise StorageFullError("The double is full.")
        return ""
