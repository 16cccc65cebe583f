"""The contract of an artifact store, for each of them: in a folder, in memory, in S3 and on another S3 server."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.doubles.artifacts import MemoryArtifactStore
from tests.doubles.s3_server import BUCKET
from tests.support.moto import serving_moto
from tests.support.s3 import S3Bench
from tests.support.store_contract import CLAIMS

from grid.runtime.s3_client import S3Clients, S3Place
from grid.runtime.s3_store import S3ArtifactStore
from grid.runtime.spool import Spool
from grid.runtime.store import LocalArtifactStore
from grid.services.ports import ArtifactStore


@pytest.fixture(params=["local", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ArtifactStore]:
    if request.param == "local":
        yield LocalArtifactStore(tmp_path / "artifacts")
    elif request.param == "memory":
        yield MemoryArtifactStore()
    else:
        bench: S3Bench = request.getfixturevalue("s3")
        yield bench.store


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
def test_every_store(claim: Callable[[ArtifactStore], None], store: ArtifactStore):
    claim(store)


def test_every_claim_on_moto_which_takes_wrong_checksums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One test, so that one server is started, which takes seconds."""
    with serving_moto(monkeypatch) as url:
        clients = S3Clients(S3Place(BUCKET, "grid/results", url))
        clients.get("read").create_bucket(Bucket=BUCKET)
        for claim in CLAIMS:
            store = S3ArtifactStore(clients, Spool(tmp_path / claim.__name__))
            claim(store)
            for key in list(store.keys()):
                store.delete(key)
        assert "wrong checksums" in store.check()
        assert "If-None-Match" not in store.check()
