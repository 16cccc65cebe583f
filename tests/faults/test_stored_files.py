"""The long form: writers and slot children killed at hundreds of random moments leave whole files or none."""

import hashlib
from pathlib import Path

import pytest
from tests.integration.test_runtime_slots import kill_children, make_factory, require_whole_packs
from tests.support.killing import expected_blob, kill_uploaders, kill_writers, require_whole_blobs
from tests.support.s3 import S3Bench, serving_bench

from grid.runtime import s3_upload
from grid.runtime.store import LocalArtifactStore

pytestmark = [
    pytest.mark.faults,
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # the children of these forks only write
]


@pytest.mark.parametrize("way", ["put", "adopt"])
def test_five_hundred_killed_writers_leave_whole_blobs_or_none(tmp_path: Path, way: str) -> None:
    kill_writers(tmp_path / "artifacts", way, rounds=500, seed=11)

    assert require_whole_blobs(LocalArtifactStore(tmp_path / "artifacts")) >= 166


def test_a_hundred_killed_uploads_leave_whole_objects_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_upload, "PART_BYTES", 100_000)
    monkeypatch.setattr(s3_upload, "WHOLE_BYTES", 300_000)
    with serving_bench() as (server, clients):
        kill_uploaders(clients.place, tmp_path, rounds=100, seed=17)
        bench = S3Bench(server, clients, tmp_path)

        assert require_whole_blobs(bench.store) >= 33
        assert all(bench.store.measure(key)[1] == _hash(key) for key in bench.blobs() if key.startswith("round"))
        bench.store.remove_leftovers(-1e9)
        assert server.uploads == {}


def _hash(key: str) -> str:
    return hashlib.sha256(expected_blob(key)).hexdigest()


def test_two_hundred_killed_children_leave_whole_packs_or_none(tmp_path: Path) -> None:
    factory = make_factory(tmp_path / "home")
    kill_children(factory, rounds=200, seed=13)
    factory.close()

    assert require_whole_packs(LocalArtifactStore(tmp_path / "home" / "artifacts")) >= 40
