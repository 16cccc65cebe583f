"""Artifacts in a bucket of S3, or of a server that speaks its protocol: immutable objects by key, put once.

What is stored lies in the spool before, whole and with its hash, so that an upload may be repeated. Credentials come by
the SDK's own chain, in server and worker alone: slot children have none, and need none.
"""

import hashlib
import os
import secrets
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from grid.core.errors import ConfigurationError, InputError, UnavailableError
from grid.core.logging import get_logger
from grid.runtime.s3_blob import S3Blob
from grid.runtime.s3_check import PROBES, S3Findings, examine_server, put_probe
from grid.runtime.s3_client import S3Clients, s3_errors
from grid.runtime.s3_upload import Upload, Uploader
from grid.runtime.spool import Spool
from grid.runtime.store import BLOCK_BYTES, ArtifactKeyError, measure_blob, split_key, storage_errors

log = get_logger(__name__)

WELL_FOR_S: Final = 10.0  # [s] for which a store that could be written counts as such


class S3ArtifactStore:
    """Artifacts under a prefix of a bucket. For any thread.

    Args:
        clients: Of the bucket.
        spool: Where files lie while they are uploaded.
        is_strict: Refuse a server that fails the self-test, instead of doing without what it lacks.
    """

    kind = "s3"

    def __init__(self, clients: S3Clients, spool: Spool, *, is_strict: bool = False) -> None:
        self.place, self._clients, self._spool, self._is_strict = clients.place, clients, spool, is_strict
        self._uploader = Uploader(self._clients)
        self._lock = threading.Lock()
        self._findings: S3Findings | None = None
        self._well_at = -WELL_FOR_S
        self._probe = secrets.token_hex(8)

    def put(self, key: str, source: BinaryIO) -> tuple[int, str]:
        """Store all of `source` durably under `key`; return its size and sha256 (hex).

        Raises:
            StorageFullError: There is no room in the spool or the bucket; nothing is left behind.
            ArtifactExistsError: The key exists already.
            UnavailableError: The server does not answer, or refuses.
        """
        split_key(key)
        with self._spool.draft("upload") as path:
            size, sha256 = _copy(source, path)
            self._upload(key, path, size, sha256)
        return size, sha256

    def adopt(self, key: str, path: Path, *, sha256: str | None = None) -> int:
        """Store a finished local file under `key`; it is gone afterwards. Return its size.

        Raises:
            StorageFullError, ArtifactExistsError, UnavailableError: As of `put`; the file stays.
        """
        split_key(key)
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise InputError("Only a regular file with one name can be stored.")
        if sha256 is None:
            with _open_file(path) as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        self._upload(key, path, status.st_size, sha256)
        path.unlink(missing_ok=True)
        return status.st_size

    def open(self, key: str) -> BinaryIO:
        """Open a blob for reading, seekable; ranges of it are fetched as they are needed.

        Raises:
            NotFoundError: There is no such key.
            UnavailableError: The server does not answer, or refuses.
        """
        client, name = self._clients.get("read"), self._name(key)
        with s3_errors(self.place):
            size = int(client.head_object(**name)["ContentLength"])

        def fetch(place: int, length: int) -> bytes:
            with s3_errors(self.place):
                answer = client.get_object(**name, Range=f"bytes={place}-{place + length - 1}")
                with answer["Body"] as body:
                    data: bytes = body.read()
            if len(data) != length:
                raise UnavailableError(f"{self.place} gave another range of an object than was asked for.")
            return data

        return cast("BinaryIO", S3Blob(size, fetch))

    def measure(self, key: str) -> tuple[int, str]:
        """Return size and sha256 (hex) of a blob, as they were told when it was put; else it is read.

        Raises:
            NotFoundError: There is no such key.
            UnavailableError: The server does not answer, or refuses.
        """
        split_key(key)
        size, sha256 = self._uploader.measure(self._full(key))
        return (size, sha256) if sha256 else measure_blob(self.open(key))

    def delete(self, key: str) -> None:
        """Remove a blob; silent where there is none.

        Raises:
            UnavailableError: The server does not answer, or refuses.
        """
        with s3_errors(self.place):
            self._clients.get("read").delete_object(**self._name(key))

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys that begin with `prefix`, in order; a page of a thousand is asked for when it is needed.

        Raises:
            UnavailableError: The server does not answer, or refuses.
        """
        begin = len(self._full(""))
        pages = self._clients.get("read").get_paginator("list_objects_v2")
        listing = iter(pages.paginate(Bucket=self.place.bucket, Prefix=self._full(prefix)))
        while True:
            with s3_errors(self.place):
                page = next(listing, None)
            if page is None:
                return
            for entry in page.get("Contents", ()):
                key = str(entry["Key"])[begin:]
                if _is_key(key):
                    yield key

    def staging(self, label: str) -> AbstractContextManager[str]:
        """Lend a private, empty folder of the spool, removed at the end."""
        return self._spool.staging(label)

    def remove_leftovers(self, older_than_s: float, label: str = "") -> int:
        """Remove drafts in the spool and, without a label, uploads in parts that were never ended, and old probes."""
        removed = self._spool.remove_leftovers(older_than_s, label)
        if label:
            return removed
        before = datetime.now(UTC) - timedelta(seconds=older_than_s)
        with s3_errors(self.place):
            return removed + self._abort_uploads(before) + self._remove_probes(before)

    def _abort_uploads(self, before: datetime) -> int:
        client, removed = self._clients.get("read"), 0
        pages = client.get_paginator("list_multipart_uploads")
        for page in pages.paginate(Bucket=self.place.bucket, Prefix=self._full("")):
            for begun in page.get("Uploads", ()):
                if begun["Initiated"] < before:
                    name = {"Bucket": self.place.bucket, "Key": begun["Key"], "UploadId": begun["UploadId"]}
                    client.abort_multipart_upload(**name)
                    removed += 1
        return removed

    def _remove_probes(self, before: datetime) -> int:
        """Remove probes of processes that have ended; that of a living one is put anew."""
        client, removed = self._clients.get("read"), 0
        pages = client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self.place.bucket, Prefix=self._full(f"{PROBES}/")):
            for entry in page.get("Contents", ()):
                if entry["LastModified"] < before:
                    client.delete_object(Bucket=self.place.bucket, Key=entry["Key"])
                    removed += 1
        return removed

    def check(self) -> str:
        """Return what the self-test found, as a sentence, or nothing; the first call makes it.

        Raises:
            UnavailableError, StorageFullError: Blobs cannot be written now.
            ConfigurationError: The server fails the self-test, and is refused for that.
        """
        with self._lock:
            if time.monotonic() - self._well_at >= WELL_FOR_S:
                if self._findings is None:
                    self._examine()
                else:
                    put_probe(self._clients, self._probe)
                self._well_at = time.monotonic()
            return str(self._findings)

    def _examine(self) -> S3Findings:
        """Make the self-test; the lock is held."""
        found = examine_server(self._clients)
        if found.problems and self._is_strict:
            raise ConfigurationError(f"{self.place} is refused (GRID_S3_STRICT): {'; '.join(found.problems)}.")
        self._findings = found
        log.info("artifacts.server_examined", puts_once=found.puts_once, proves_bytes=found.proves_bytes)
        return found

    def _upload(self, key: str, path: Path, size: int, sha256: str) -> None:
        findings = self._findings
        if findings is None:
            with self._lock:
                findings = self._findings or self._examine()
        with _open_file(path) as file:
            self._uploader.put(Upload(key, self._full(key), file, size, sha256), findings)

    def _name(self, key: str) -> dict[str, Any]:
        split_key(key)
        return {"Bucket": self.place.bucket, "Key": self._full(key)}

    def _full(self, key: str) -> str:
        return f"{self.place.prefix}/{key}" if self.place.prefix else key


def _copy(source: BinaryIO, path: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with storage_errors(), os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        while block := source.read(BLOCK_BYTES):
            digest.update(block)
            size += file.write(block)
    return size, digest.hexdigest()


def _open_file(path: Path) -> BufferedReader:
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")


def _is_key(key: str) -> bool:
    try:
        split_key(key)
    except ArtifactKeyError:
        return False
    return True
