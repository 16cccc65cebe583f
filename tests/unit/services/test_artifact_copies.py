"""All artifacts in another store: the same bytes, taken up where it ended, and never into another's place."""

import io
from pathlib import Path

import pytest
from tests.doubles.artifacts import MemoryArtifactStore

from grid.core.errors import UnavailableError
from grid.runtime.store import LocalArtifactStore
from grid.services.artifact_copies import ArtifactMismatchError, ForeignStoreError, copy_artifacts, list_keys

KEYS = ["jobs/a/1/x.csv", "live/b/1/1-state", "packs/20260102/0195.npy", "renders/c/1/1/d-1/meta.json"]


@pytest.fixture
def source(tmp_path: Path) -> LocalArtifactStore:
    store = LocalArtifactStore(tmp_path / "artifacts")
    for key in KEYS:
        store.put(key, io.BytesIO(key.encode() * 100))
    return store


@pytest.fixture
def target() -> MemoryArtifactStore:
    return MemoryArtifactStore()


def test_every_artifact_is_copied_and_a_second_call_copies_none(source, target):
    report = copy_artifacts(source, target, "here")
    assert {key: target.blobs[key] for key in list_keys(target)} == {key: key.encode() * 100 for key in KEYS}
    assert (report.copied, report.copied_bytes, report.present) == (4, 100 * sum(map(len, KEYS)), 0)

    source.put("packs/20260102/0196.npy", io.BytesIO(b"stored meanwhile"))
    report = copy_artifacts(source, target, "here")
    assert (report.copied, report.present, report.verified) == (1, 4, 5)


def test_a_copy_that_was_interrupted_goes_on(source, target):
    def stop(report):
        if report.verified == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_artifacts(source, target, "here", on_blob=stop)
    report = copy_artifacts(source, target, "here")
    assert (report.present, report.copied) == (2, 2)


def test_a_target_in_use_is_refused_by_what_it_holds_and_not_touched(source, target):
    target.put("packs/of/another.npy", io.BytesIO(b"1"))
    with pytest.raises(ForeignStoreError, match=r"packs/of/another\.npy"):
        copy_artifacts(source, target, "here")
    assert list(target.blobs) == ["packs/of/another.npy"]


def test_the_copy_of_another_source_is_refused(source, target):
    copy_artifacts(source, target, "there")
    with pytest.raises(ForeignStoreError):
        copy_artifacts(source, target, "here")


@pytest.mark.parametrize("change", [b"x", KEYS[0].encode() * 99 + KEYS[0].encode()[:-1] + b"!"])
def test_a_blob_that_is_not_the_same_in_both_is_named(source, target, change):
    copy_artifacts(source, target, "here")
    target.blobs[KEYS[0]] = change
    with pytest.raises(ArtifactMismatchError, match=r"jobs/a/1/x\.csv"):
        copy_artifacts(source, target, "here")


def test_what_arrives_is_measured_where_it_arrived(source, target):
    real = target.put

    def put(key, file):
        stored = real(key, file)
        target.blobs[key] = target.blobs[key][:-1] + b"!"  # damaged behind our back
        return stored

    target.put = put
    with pytest.raises(ArtifactMismatchError):
        copy_artifacts(source, target, "here")


def test_what_was_removed_meanwhile_is_counted_and_no_error(source, target):
    real = source.open

    def open_(key):
        if key == KEYS[1]:
            source.delete(key)
        return real(key)

    source.open = open_
    report = copy_artifacts(source, target, "here")
    assert (report.copied, report.vanished) == (3, 1)


def test_a_target_that_cannot_be_written_is_told_before_anything_is_read(source, target):
    def refuse():
        raise UnavailableError("away")

    target.check = refuse
    with pytest.raises(UnavailableError):
        copy_artifacts(source, target, "here")
    assert target.blobs == {}
