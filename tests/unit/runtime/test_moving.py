"""Files between spool and store: what children announced is what is stored, and records and states on the way back."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from tests.doubles.artifacts import MemoryArtifactStore

from grid.core.errors import NotFoundError, StorageFullError
from grid.runtime.live.messages import SnapshotFile
from grid.runtime.live.past_messages import LookBack
from grid.runtime.messages import SpooledFile
from grid.runtime.moving import SpoolError, fetch_record, fetch_state, store_files
from grid.runtime.packs import PackCorruptError, read_record, write_pack
from grid.runtime.past_states import PastStates
from grid.runtime.spool import Spool

PACK = "packs/20260102/0195.npy"


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


@pytest.fixture
def store() -> MemoryArtifactStore:
    return MemoryArtifactStore()


def leave(spool: Spool, key: str, data: bytes) -> SpooledFile:
    size, sha256 = spool.put(key, io.BytesIO(data))
    return SpooledFile(key, size, sha256)


def test_files_are_stored_in_order_and_leave_the_spool(spool, store):
    files = [leave(spool, key, key.encode()) for key in ("a/1", "a/2")]
    store_files(store, spool, files)
    assert store.blobs == {"a/1": b"a/1", "a/2": b"a/2"}
    assert (list(spool.keys()), files) == ([], [])


def test_a_repetition_goes_on_with_the_file_that_failed(spool, store):
    files = [leave(spool, key, key.encode()) for key in ("a/1", "a/2")]
    real = store.adopt

    def adopt(key, path, *, sha256=None):
        if key == "a/2":
            raise StorageFullError("no room")
        return real(key, path, sha256=sha256)

    store.adopt = adopt
    with pytest.raises(StorageFullError):
        store_files(store, spool, files)
    assert [one.key for one in files] == ["a/2"]

    store.adopt = real
    store_files(store, spool, files)
    assert set(store.blobs) == {"a/1", "a/2"}


@pytest.mark.parametrize("what", ["missing", "longer", "a link"])
def test_a_file_that_is_not_the_announced_one_is_not_stored(spool, store, tmp_path, what):
    one = leave(spool, "a/1", b"12345")
    path = spool.path_of("a/1")
    if what == "longer":
        path.write_bytes(b"123456")
    else:
        path.unlink()
    if what == "a link":
        (tmp_path / "secret").write_bytes(b"12345")
        path.symlink_to(tmp_path / "secret")
    with pytest.raises(SpoolError, match="a/1"):
        store_files(store, spool, [one])
    assert store.blobs == {}


@pytest.mark.parametrize("place", range(5))
def test_a_record_that_was_cut_out_reads_as_in_its_pack(spool, store, tmp_path, place):
    records = np.zeros(3, dtype=[("peak", "<f8"), ("field", "<f8", (7,))])
    records["peak"], records["field"] = [1.0, 2.0, 3.0], np.arange(21).reshape(3, 7)
    others = np.ones(2, dtype=[("other", "<i4")])
    entries = write_pack(tmp_path / "pack", PACK, records, others)
    store.blobs[PACK] = (tmp_path / "pack").read_bytes()

    manifest = fetch_record(store, spool, {"pack": entries[place], "numerics_version": "1"}, "records/x.npy")

    assert manifest["numerics_version"] == "1"
    assert manifest["pack"]["key"] == "records/x.npy"
    assert read_record(spool, manifest["pack"]) == read_record(store, entries[place])
    assert spool.path_of("records/x.npy").stat().st_size < len(store.blobs[PACK])


def test_a_record_of_a_long_header_is_cut_out_as_well(spool, store, tmp_path):
    names = [(f"a_field_with_a_long_name_{number:04d}", "<f8") for number in range(1800)]
    records = np.zeros(2, dtype=names)
    records[names[7][0]] = [1.0, 2.0]
    entries = write_pack(tmp_path / "pack", PACK, records)
    store.blobs[PACK] = (tmp_path / "pack").read_bytes()
    assert store.blobs[PACK][6] == 2  # format 2.0

    manifest = fetch_record(store, spool, {"pack": entries[1]}, "records/x.npy")
    assert read_record(spool, manifest["pack"])[names[7][0]] == 2.0


def test_a_damaged_or_missing_pack_is_told_and_a_result_without_one_needs_nothing(spool, store, tmp_path):
    (entry,) = write_pack(tmp_path / "pack", PACK, np.ones(1, dtype=[("a", "<f8")]))
    with pytest.raises(NotFoundError):
        fetch_record(store, spool, {"pack": entry}, "records/x.npy")
    data = (tmp_path / "pack").read_bytes()
    for damaged in (data[:-1] + b"!", b"PK" + data[2:], data[:40]):
        store.blobs[PACK] = damaged
        with pytest.raises(PackCorruptError):
            fetch_record(store, spool, {"pack": entry}, "records/x.npy")
    assert fetch_record(store, spool, {"files": []}, "records/x.npy") == {"files": []}
    assert list(spool.keys()) == []


def stored_state(store: MemoryArtifactStore, tick: int, *, damaged: bool = False) -> SnapshotFile:
    key, data = f"live/a/1/{tick}-state", f"state {tick}".encode()
    store.blobs[key] = b"something else" if damaged else data
    return SnapshotFile(key, tick, hashlib.sha256(data).hexdigest())


def test_the_newest_whole_state_is_fetched_and_damaged_ones_before_it_for_the_child_to_tell(spool, store):
    states = [stored_state(store, 9), stored_state(store, 8, damaged=True), stored_state(store, 7)]
    del store.blobs[states[0].key]
    states.append(stored_state(store, 6))

    fetch_state(store, spool, states)
    fetch_state(store, spool, states)  # of a child that died before it had read it
    assert list(spool.keys()) == [states[2].key, states[1].key]


def test_the_states_of_the_last_pasts_stay_and_are_fetched_once(spool, store, monkeypatch):
    states = PastStates(store, spool)
    asked = [stored_state(store, tick) for tick in (1, 2, 3)]
    opened = []
    real = store.open
    store.open = lambda key: opened.append(key) or real(key)

    def look(*snapshots):
        states.fetch(LookBack(None, {}, "1", "auto", 0, 1, "1", snapshots, (), (9,), None, 10))

    for one in (asked[0], asked[0], asked[1], asked[2], asked[1]):
        look(one)
    look()
    assert opened == [one.key for one in asked]
    assert sorted(spool.keys()) == [asked[1].key, asked[2].key]
