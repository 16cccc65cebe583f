"""Self-test of an S3 server: whether it keeps what the store rests on. Servers that ignore a part of it say nothing.

Objects are put once: a second put under the same key has to be refused (If-None-Match). What arrives has to be what was
sent: a wrong checksum has to be refused. Records are read out of packs: a range has to be answered with that range.
"""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import Any, Final

from grid.core.errors import UnavailableError
from grid.runtime.s3_client import S3Clients, S3Place, code_of, s3_errors, status_of

PROBES: Final = ".grid-check"  # folder of probes: no key of an artifact begins with a dot
DATA: Final = b"0123456789"
_NOT_KNOWN = frozenset({"NotImplemented", "InvalidArgument", "InvalidRequest", "NotSupported"})


@dataclass(frozen=True)
class S3Findings:
    """Outcome of the self-test.

    Args:
        puts_once: A second put under one key is refused.
        proves_bytes: A put whose bytes do not match its checksum is refused.
    """

    puts_once: bool
    proves_bytes: bool

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence for each promise that the server does not keep."""
        found = []
        if not self.puts_once:
            found.append("it ignores If-None-Match, so that each object is looked up before it is put")
        if not self.proves_bytes:
            found.append("it accepts wrong checksums, so that damage on the way is noticed only when a result is read")
        return tuple(found)

    def __str__(self) -> str:
        return f"The server has gaps: {'; '.join(self.problems)}." if self.problems else ""


def make_checksum(place: S3Place, data: bytes) -> dict[str, str]:
    """Return the argument by which the server checks what it receives."""
    if place.sends_sha256:
        return {"ChecksumSHA256": base64.b64encode(hashlib.sha256(data).digest()).decode()}
    return {"ContentMD5": base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()}


def examine_server(clients: S3Clients) -> S3Findings:
    """Put, read and remove a probe.

    Raises:
        UnavailableError: The server does not answer, refuses, or cannot be used at all.
    """
    place, client = clients.place, clients.get("check")
    key = f"{place.prefix}/{PROBES}/{secrets.token_hex(8)}".lstrip("/")
    probe = {"Bucket": place.bucket, "Key": key}
    with s3_errors(place):
        try:
            puts_once = _puts_once(client, place, probe)
            proves_bytes = _proves_bytes(client, place, {**probe, "Key": f"{key}-damaged"})
            if _read_range(client, probe) != DATA[2:5]:
                raise UnavailableError(f"{place} gives no ranges of objects, without which results cannot be read.")
        finally:
            client.delete_object(**probe)
            client.delete_object(**{**probe, "Key": f"{key}-damaged"})
    return S3Findings(puts_once, proves_bytes)


def put_probe(clients: S3Clients, name: str) -> None:
    """Put a small object over that of the last time.

    Raises:
        StorageFullError, UnavailableError: Nothing can be put now.
    """
    place = clients.place
    with s3_errors(place):
        key = f"{place.prefix}/{PROBES}/{name}".lstrip("/")
        clients.get("check").put_object(Bucket=place.bucket, Key=key, Body=DATA, **make_checksum(place, DATA))


def _puts_once(client: Any, place: S3Place, probe: dict[str, str]) -> bool:
    from botocore.exceptions import ClientError

    words = {**probe, "Body": DATA, **make_checksum(place, DATA)}
    try:
        client.put_object(**words, IfNoneMatch="*")
    except ClientError as error:
        if code_of(error) not in _NOT_KNOWN:
            raise
        client.put_object(**words)
        return False
    try:
        client.put_object(**words, IfNoneMatch="*")
    except ClientError as error:
        if status_of(error) != 412:
            raise
        return True
    return False


def _proves_bytes(client: Any, place: S3Place, probe: dict[str, str]) -> bool:
    from botocore.exceptions import ClientError

    try:
        client.put_object(**probe, Body=DATA, **make_checksum(place, DATA[::-1]))
    except ClientError as error:
        if status_of(error) != 400:
            raise
        return True
    return False


def _read_range(client: Any, probe: dict[str, str]) -> bytes:
    answer = client.get_object(**probe, Range="bytes=2-4")
    with answer["Body"] as body:
        data: bytes = body.read()
    return data if answer["ResponseMetadata"]["HTTPStatusCode"] == 206 else b""
