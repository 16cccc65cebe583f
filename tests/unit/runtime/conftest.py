"""A small S3 server for all tests of this folder, empty for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.doubles.s3_server import S3Server
from tests.support.s3 import S3Bench, serving_bench

from grid.runtime.s3_client import S3Clients


@pytest.fixture(scope="session")
def s3_server() -> Iterator[tuple[S3Server, S3Clients]]:
    with serving_bench() as served:
        yield served


@pytest.fixture
def s3(s3_server: tuple[S3Server, S3Clients], tmp_path: Path) -> Iterator[S3Bench]:
    server, clients = s3_server
    server.reset()
    yield S3Bench(server, clients, tmp_path)
    server.released.set()
    server.released.clear()
