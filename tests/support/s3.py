"""S3 for a test: a small server on loopback, and a store on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from tests.doubles.s3_server import BUCKET, S3Server, serving_s3

from grid.runtime.s3_client import S3Clients, S3Place
from grid.runtime.s3_store import S3ArtifactStore
from grid.runtime.spool import Spool

PREFIX = "grid/results"


@dataclass
class S3Bench:
    """A server, and stores on it.

    Args:
        server: Its objects and faults.
        clients: Shared by all tests: making one takes a tenth of a second.
        folder: Of the test.
    """

    server: S3Server
    clients: S3Clients
    folder: Path

    def __post_init__(self) -> None:
        self.spool = Spool(self.folder / "spool")
        self.store = S3ArtifactStore(self.clients, self.spool)

    def stop(self) -> None:
        """Let the server go."""
        self.server.stop()

    def start(self) -> None:
        """Let it come back, with what it had."""
        self.server.start()

    def another(self, *, is_strict: bool = False) -> S3ArtifactStore:
        """Return a store as another process has it."""
        return S3ArtifactStore(self.clients, Spool(self.folder / uuid4().hex), is_strict=is_strict)

    def blobs(self) -> dict[str, bytes]:
        """Return what is stored, by key."""
        return {key.removeprefix(f"{PREFIX}/"): data for key, (data, _) in self.server.objects.items()}


@contextmanager
def with_credentials(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the SDK find credentials that nobody checks, and look nowhere else for them."""
    words = {"ACCESS_KEY_ID": "grid", "SECRET_ACCESS_KEY": "grid", "DEFAULT_REGION": "us-east-1"}
    for name, value in words.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    yield


@contextmanager
def serving_bench() -> Iterator[tuple[S3Server, S3Clients]]:
    """Serve for many tests."""
    with pytest.MonkeyPatch.context() as patched, with_credentials(patched), serving_s3() as server:
        yield server, S3Clients(S3Place(BUCKET, PREFIX, server.url))
