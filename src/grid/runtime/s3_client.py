"""Clients of an S3 server, and its refusals as Grid's errors. `boto3` is imported when the first client is made."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

from grid.core.errors import NotFoundError, StorageFullError, UnavailableError

Purpose = Literal["read", "write", "check"]
CONNECT_S: Final = 3.0  # [s]
# For each purpose: longest silence of the server [s], and tries of one request. What is written is tried once: whether
# a put without an answer was carried out has to be looked up before it is repeated.
TIMES: Final[dict[Purpose, tuple[float, int]]] = {"read": (30.0, 3), "write": (30.0, 1), "check": (5.0, 1)}
CONNECTIONS: Final = 32

_GONE = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchUpload"})
_FULL = frozenset(
    {"EntityTooLarge", "InsufficientStorage", "QuotaExceeded", "StorageFull", "XMinioStorageFull", "507"}
)  # fmt: skip
_FORBIDDEN = frozenset({"403", "AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch"})


@dataclass(frozen=True)
class S3Place:
    """A bucket, a prefix in it, and the server that has it.

    Args:
        bucket: Its name.
        prefix: Of every key, without slashes around; empty for none.
        endpoint: Address of the server; None: Amazon's.
        checksums: `when_required`: no checksum is sent that is newer than Content-MD5.
    """

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    checksums: Literal["when_supported", "when_required"] = "when_supported"

    @property
    def sends_sha256(self) -> bool:
        """True where objects are sent with their sha256, else with their MD5."""
        return self.checksums == "when_supported"

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


class S3Clients:
    """One client for each purpose, made when first needed: in this process and no parent of it. For any thread."""

    def __init__(self, place: S3Place) -> None:
        self.place = place
        self._lock = threading.Lock()
        self._clients: dict[Purpose, Any] = {}
        self._session: Any = None  # reads the SDK's descriptions of services once

    def get(self, purpose: Purpose) -> Any:
        """Return the client.

        Raises:
            UnavailableError: `boto3` is not installed, or its configuration is not usable.
        """
        with self._lock:
            if purpose not in self._clients:
                self._clients[purpose] = self._make(purpose)
            return self._clients[purpose]

    def _make(self, purpose: Purpose) -> Any:
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError
        except ImportError as error:
            raise UnavailableError("Results are in S3, which needs `pip install grid-throughput[scale]`.") from error
        silence_s, tries = TIMES[purpose]
        config = Config(
            connect_timeout=CONNECT_S,
            read_timeout=silence_s,
            retries={"mode": "standard", "total_max_attempts": tries},
            max_pool_connections=CONNECTIONS,
            s3={"addressing_style": "path"} if self.place.endpoint else {},
            request_checksum_calculation=self.place.checksums,
            response_checksum_validation=self.place.checksums,
        )
        try:
            self._session = self._session or boto3.session.Session()
            return self._session.client("s3", endpoint_url=self.place.endpoint, config=config)
        except (BotoCoreError, ValueError) as error:
            raise UnavailableError(f"S3 cannot be used with this configuration: {error}") from error


def code_of(error: Exception) -> str:
    """Return the code of a refusal of the server; empty for another error."""
    answer = getattr(error, "response", None)
    return str(answer.get("Error", {}).get("Code", "")) if isinstance(answer, dict) else ""


def status_of(error: Exception) -> int:
    """Return the status of a refusal of the server; 0 where there was no answer."""
    answer = getattr(error, "response", None)
    return int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) if isinstance(answer, dict) else 0


@contextmanager
def s3_errors(place: S3Place) -> Iterator[None]:
    """Turn what boto3 raises into the errors that callers of a store know.

    Raises:
        NotFoundError: There is no such object.
        StorageFullError: The server, or a quota, has no room.
        UnavailableError: Anything else: it does not answer, or refuses.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = code_of(error)
        if code in _GONE:
            raise NotFoundError("artifact") from error
        if code in _FULL or status_of(error) == 507:
            raise StorageFullError(f"{place} has no room left ({code}); nothing was stored.") from error
        if code == "NoSuchBucket":
            raise UnavailableError(f"{place}: there is no such bucket; see GRID_ARTIFACTS_URL.") from error
        if code in _FORBIDDEN:
            raise UnavailableError(f"{place} refuses these credentials ({code}).") from error
        raise UnavailableError(f"{place} answers {code or status_of(error)}.") from error
    except BotoCoreError as error:
        raise UnavailableError(f"{place} does not answer ({type(error).__name__}).") from error


def is_unsent(error: Exception) -> bool:
    """Return whether a request cannot have reached the server."""
    from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, NoCredentialsError

    return isinstance(error, ConnectTimeoutError | EndpointConnectionError | NoCredentialsError)
