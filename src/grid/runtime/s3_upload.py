"""Uploads to S3: put once, checked on arrival, in parts where large, neither lost nor doubled by a lost answer."""

import base64
import hashlib
import random
import time
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedReader
from typing import Any, Final

from grid.core.errors import GridError, NotFoundError, UnavailableError
from grid.runtime.s3_check import S3Findings, make_checksum
from grid.runtime.s3_client import S3Clients, code_of, is_unsent, s3_errors, status_of
from grid.runtime.store import ArtifactExistsError

PART_BYTES: Final = 16 << 20  # of a part; more where there would be too many
WHOLE_BYTES: Final = 64 << 20  # a larger object goes in parts
MOST_PARTS: Final = 10_000  # that S3 allows
TRIES: Final = 4  # of an upload that a delete has crossed
PAUSE_S: Final = 0.2  # [s] before the second try, then longer
SHA256: Final = "grid-sha256"  # metadata of each object: servers that keep no checksum of a whole keep this


@dataclass(frozen=True)
class Upload:
    """A file that is to become an object.

    Args:
        key: Of the artifact.
        name: Of the object in the bucket.
        file: Its bytes, from the first on.
        size: Of them.
        sha256: Of them (hex).
    """

    key: str
    name: str
    file: BufferedReader
    size: int
    sha256: str


class ConflictingRequestError(UnavailableError):
    """A delete of the same object crossed the upload."""

    code, title = "upload-crossed", "An upload was crossed by another request"


@dataclass(eq=False)
class Uploader:
    """Puts objects. For any thread."""

    clients: S3Clients
    # Keys whose put had no answer: one that is there afterwards may be ours, though the server refuses a second put.
    _unknown: set[str] = field(default_factory=set)

    def put(self, upload: Upload, findings: S3Findings) -> None:
        """Put an object that is not there yet.

        Raises:
            ArtifactExistsError: It is there.
            StorageFullError: There is no room; nothing is left.
            UnavailableError: The server does not answer or refuses; or it cannot be told whether it has the object.
        """
        if not findings.puts_once and (found := self._find(upload)) is not None:
            if upload.key in self._unknown and found == (upload.size, upload.sha256):
                self._unknown.discard(upload.key)
                return
            raise ArtifactExistsError(upload.key)
        put = self._put_whole if upload.size <= WHOLE_BYTES else self._put_parts
        for number in range(1, TRIES + 1):
            try:
                put(upload, {"IfNoneMatch": "*"} if findings.puts_once else {})
            except ConflictingRequestError:
                if number == TRIES:
                    raise
                time.sleep(number * PAUSE_S * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            else:
                self._unknown.discard(upload.key)
                return

    def _put_whole(self, upload: Upload, condition: dict[str, str]) -> None:
        upload.file.seek(0)
        words = {
            **self._name(upload), **condition, **self._checksum(upload),
            "Body": upload.file, "ContentLength": upload.size, "Metadata": {SHA256: upload.sha256},
        }  # fmt: skip
        self._settle(upload, lambda: self.clients.get("write").put_object(**words))

    def _put_parts(self, upload: Upload, condition: dict[str, str]) -> None:
        client, name = self.clients.get("read"), self._name(upload)
        wants_sha256 = self.clients.place.sends_sha256
        algorithm = {"ChecksumAlgorithm": "SHA256"} if wants_sha256 else {}
        with s3_errors(self.clients.place):
            begun = client.create_multipart_upload(**name, **algorithm, Metadata={SHA256: upload.sha256})
        words = {**name, "UploadId": begun["UploadId"]}
        try:
            with s3_errors(self.clients.place):
                parts = self._send_parts(upload, words)
            finish = {**words, **condition, "MultipartUpload": {"Parts": parts}}
            self._settle(upload, lambda: self.clients.get("write").complete_multipart_upload(**finish))
        except BaseException:
            with suppress(Exception):  # else the collector of garbage does it
                client.abort_multipart_upload(**words)
            raise

    def _send_parts(self, upload: Upload, words: dict[str, str]) -> list[dict[str, Any]]:
        """Send every part, each tried again by itself; return what the server calls them."""
        place, client = self.clients.place, self.clients.get("read")
        parts: list[dict[str, Any]] = []
        length = max(PART_BYTES, -(-upload.size // MOST_PARTS))
        upload.file.seek(0)
        while data := upload.file.read(length):
            number, checksum = len(parts) + 1, make_checksum(place, data)
            answer = client.upload_part(**words, PartNumber=number, Body=data, **checksum)
            sent = {"ChecksumSHA256": checksum["ChecksumSHA256"]} if place.sends_sha256 else {}
            parts.append({"PartNumber": number, "ETag": answer["ETag"], **sent})
        return parts

    def _settle(self, upload: Upload, send: Any) -> None:
        """Send what makes the object; find out what became of it where that is not told."""
        from botocore.exceptions import BotoCoreError, ClientError

        place = self.clients.place
        try:
            with s3_errors(place):
                send()
        except GridError as error:
            cause = error.__cause__
            if isinstance(cause, ClientError) and status_of(cause) == 412:
                if upload.key in self._unknown and self._is_ours(upload):
                    return
                raise ArtifactExistsError(upload.key) from error
            if isinstance(cause, ClientError) and status_of(cause) == 409:
                raise ConflictingRequestError(f"{place} answers {code_of(cause)}; the upload is repeated.") from error
            is_silent = isinstance(cause, BotoCoreError) and not is_unsent(cause)
            if not is_silent and not (isinstance(cause, ClientError) and status_of(cause) >= 500):
                raise
            self._unknown.add(upload.key)
            if not self._is_ours(upload):
                raise

    def _is_ours(self, upload: Upload) -> bool:
        """Tell whether the object is there with these bytes: its key holds the epoch, so nobody else has put them."""
        return self._find(upload) == (upload.size, upload.sha256)

    def measure(self, name: str) -> tuple[int, str]:
        """Return size and sha256 (hex) of an object; the hash is empty where it was put by somebody else.

        Raises:
            NotFoundError: It is not there.
            UnavailableError: It cannot be told.
        """
        place = self.clients.place
        with s3_errors(place):
            mode = {"ChecksumMode": "ENABLED"} if place.sends_sha256 else {}
            answer = self.clients.get("check").head_object(Bucket=place.bucket, Key=name, **mode)
        told = answer.get("ChecksumSHA256", "")
        whole = base64.b64decode(told).hex() if told and "-" not in told else ""  # that of parts is none of the whole
        return int(answer["ContentLength"]), whole or str(answer.get("Metadata", {}).get(SHA256, ""))

    def _find(self, upload: Upload) -> tuple[int, str] | None:
        """Return size and sha256 (hex) of the object; None where it is not there."""
        try:
            return self.measure(upload.name)
        except NotFoundError:
            return None

    def _name(self, upload: Upload) -> dict[str, str]:
        return {"Bucket": self.clients.place.bucket, "Key": upload.name}

    def _checksum(self, upload: Upload) -> dict[str, str]:
        if self.clients.place.sends_sha256:
            return {"ChecksumSHA256": base64.b64encode(bytes.fromhex(upload.sha256)).decode()}
        upload.file.seek(0)
        digest = hashlib.file_digest(upload.file, lambda: hashlib.md5(usedforsecurity=False)).digest()
        upload.file.seek(0)
        return {"ContentMD5": base64.b64encode(digest).decode()}
