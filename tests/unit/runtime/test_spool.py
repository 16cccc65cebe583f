"""The spool: files by key that nothing syncs, a bound, and what is left of processes that are gone."""

import hashlib
import io
import os
import stat
from pathlib import Path

import pytest

from grid.core.errors import ConfigurationError, ConflictError, NotFoundError, StorageFullError
from grid.runtime.spool import Spool, make_spool

KEY = "packs/20260102/0195.npy"


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", most_bytes=1000)


def test_a_file_is_left_under_its_key_and_read_there(spool):
    with spool.draft() as path:
        path.write_bytes(b"whole")
        assert spool.adopt(KEY, path) == 5
    assert not path.exists()
    with spool.open(KEY) as file:
        assert file.read() == b"whole"
    assert spool.path_of(KEY).read_bytes() == b"whole"
    assert list(spool.keys()) == [KEY]

    spool.delete(KEY)
    spool.delete(KEY)
    with pytest.raises(NotFoundError):
        spool.open(KEY)


def test_a_copy_is_left_with_its_size_and_hash_once(spool):
    assert spool.put(KEY, io.BytesIO(b"data")) == (4, hashlib.sha256(b"data").hexdigest())
    with pytest.raises(ConflictError):
        spool.put(KEY, io.BytesIO(b"data"))


def test_nothing_in_it_is_synced(spool, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: pytest.fail("synced"))
    spool.put(KEY, io.BytesIO(b"data"))
    with spool.draft() as path:
        path.write_bytes(b"more")
        spool.adopt("a/b", path)


def test_a_full_spool_takes_no_more_and_says_by_which_setting(spool):
    spool.put(KEY, io.BytesIO(bytes(999)))
    spool.check()
    spool.put("a", io.BytesIO(b"1"))  # begun when there was room

    for use in (
        lambda: spool.put("b", io.BytesIO(b"1")),
        lambda: spool.draft().__enter__(),
        lambda: spool.staging("x").__enter__(),
        spool.check,
    ):
        with pytest.raises(StorageFullError, match="GRID_SPOOL_MB"):
            use()

    spool.delete(KEY)
    assert spool.used_bytes() == 1
    spool.check()


def test_drafts_count_as_well_and_are_removed_with_their_block(spool):
    with spool.draft("live-1") as path:
        path.write_bytes(bytes(600))
        assert spool.used_bytes() == 600
    assert spool.used_bytes() == 0


def test_old_files_and_drafts_are_removed_and_new_ones_stay(spool):
    for key in ("a/old", "a/new"):
        spool.put(key, io.BytesIO(b"x"))
    os.utime(spool.path_of("a/old"), (0, 0))
    draft = spool.root / ".staging" / "draft-ab"
    draft.write_bytes(b"half")
    os.utime(draft, (0, 0))

    assert spool.remove_old(3600.0) == 2
    assert list(spool.keys()) == ["a/new"]
    assert not draft.exists()


def test_each_process_has_a_private_one_that_ends_with_it(tmp_path):
    first, second = make_spool(tmp_path / "spool"), make_spool(tmp_path / "spool")
    first.put(KEY, io.BytesIO(b"x"))

    assert stat.S_IMODE(first.root.stat().st_mode) == 0o700
    assert list(first.keys()) == [KEY]
    assert list(second.keys()) == []  # and the first was not taken for left over

    first.close()
    first.close()
    second.close()
    assert list((tmp_path / "spool").iterdir()) == []


def test_that_of_a_process_that_is_gone_is_removed_by_the_next(tmp_path):
    gone = make_spool(tmp_path / "spool")
    gone.put(KEY, io.BytesIO(b"x"))
    os.close(gone._lock)  # as its end does

    left = make_spool(tmp_path / "spool")
    assert [path.name for path in (tmp_path / "spool").iterdir()] == [left.root.name]
    left.close()


def test_a_folder_that_cannot_be_used_is_named_with_its_setting(tmp_path):
    (tmp_path / "spool").write_bytes(b"a file")
    with pytest.raises(ConfigurationError, match="GRID_SPOOL"):
        make_spool(tmp_path / "spool")
