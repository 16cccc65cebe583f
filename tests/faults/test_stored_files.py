"""The long form: writers and slot children killed at hundreds of random moments leave whole files or none."""

from pathlib import Path

import pytest
from tests.integration.test_runtime_slots import kill_children, make_factory, require_whole_packs
from tests.support.killing import kill_writers, require_whole_blobs

from grid.runtime.store import LocalArtifactStore

pytestmark = [
    pytest.mark.faults,
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # the children of these forks only write
]


@pytest.mark.parametrize("way", ["put", "adopt"])
def test_five_hundred_killed_writers_leave_whole_blobs_or_none(tmp_path: Path, way: str) -> None:
    kill_writers(tmp_path / "artifacts", way, rounds=500, seed=11)

    assert require_whole_blobs(LocalArtifactStore(tmp_path / "artifacts")) >= 166


def test_two_hundred_killed_children_leave_whole_packs_or_none(tmp_path: Path) -> None:
    factory = make_factory(tmp_path / "home")
    kill_children(factory, rounds=200, seed=13)
    factory.close()

    assert require_whole_packs(LocalArtifactStore(tmp_path / "home" / "artifacts")) >= 40
