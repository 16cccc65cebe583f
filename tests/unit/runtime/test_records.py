"""Records by parts: what is asked for and no more, proved, and refused where it is not what was expected."""

import io

import numpy as np
import pytest
from tests.doubles.artifacts import MemoryArtifactStore

from grid.core.errors import AdmissionError, NotFoundError
from grid.runtime import records
from grid.runtime.packs import PackCorruptError, write_pack
from grid.runtime.records import RecordLayoutError, open_record
from grid.schemas.fields import FieldPart

KEY = "packs/20260102/0195.npy"
DTYPE = np.dtype(
    [("final", "<f8", (6, 4)), ("snapshots", "<f4", (3, 6, 4)), ("index", "<i8", (3,)), ("text", "u1", (9,))]
)


class CountingStore(MemoryArtifactStore):
    """Remembers the largest read."""

    largest = 0

    def open(self, key):
        store, file = self, super().open(key)

        class Counting(io.BytesIO):
            def read(self, size=-1):
                data = super().read(size)
                store.largest = max(store.largest, len(data))
                return data

        return Counting(file.read())


@pytest.fixture
def pack(tmp_path):
    """Two records, the second of which is meant; its values are their places."""
    rows = np.zeros(2, DTYPE)
    rows["final"][1] = np.arange(24.0).reshape(6, 4)
    rows["snapshots"][1] = 100.0 + np.arange(72.0).reshape(3, 6, 4)
    rows["index"][1] = 0, 5, 9
    entries = write_pack(tmp_path / "pack.npy", KEY, rows)
    store = CountingStore()
    store.put(KEY, io.BytesIO((tmp_path / "pack.npy").read_bytes()))
    return store, entries[1], rows[1]


def test_members_and_rows_are_those_of_the_record(pack):
    store, entry, row = pack
    with open_record(store, entry) as record:
        assert record.shape("snapshots") == (3, 6, 4)
        assert record.read("index").tolist() == [0, 5, 9]
        np.testing.assert_array_equal(record.rows(FieldPart(0.0, "final"), 2, 5), row["final"][2:5])
        np.testing.assert_array_equal(record.rows(FieldPart(0.0, "snapshots", 2), 0, 6), row["snapshots"][2])


def test_no_more_than_a_block_is_in_memory_at_once(pack, monkeypatch):
    store, entry, _ = pack
    monkeypatch.setattr(records, "BLOCK_BYTES", 40)
    with open_record(store, entry):
        store.largest = 0
    with open_record(store, entry) as record:
        assert store.largest <= 1024  # the header of the file
        store.largest = 0
        record.rows(FieldPart(0.0, "final"), 3, 4)
    assert store.largest == 4 * 8


def test_damage_anywhere_in_the_record_is_found_and_in_a_neighbour_not(pack):
    store, entry, _ = pack
    whole = bytearray(store.blobs[KEY])
    for place, is_own in ((entry["offset"], True), (len(whole) - 1, True), (entry["offset"] - 1, False), (0, True)):
        store.blobs[KEY] = bytes(whole[:place]) + bytes([whole[place] ^ 1]) + bytes(whole[place + 1 :])
        if not is_own:
            with open_record(store, entry) as record:
                record.read("index")
            continue
        with pytest.raises(PackCorruptError), open_record(store, entry):
            pass
    store.blobs[KEY] = bytes(whole[:-1])
    with pytest.raises(PackCorruptError), open_record(store, entry):
        pass
    store.blobs.clear()
    with pytest.raises(NotFoundError), open_record(store, entry):
        pass


def test_what_another_version_wrote_is_named(pack, monkeypatch):
    store, entry, _ = pack
    shape = (6, 4)
    with open_record(store, entry) as record:
        for part in (
            FieldPart(0.0, "finale"), FieldPart(0.0, "final", 0), FieldPart(0.0, "snapshots"),
            FieldPart(0.0, "snapshots", 3), FieldPart(0.0, "index"),
        ):  # fmt: skip
            with pytest.raises(RecordLayoutError, match=part.member):
                record.require_part(part, shape)
        record.require_part(FieldPart(0.0, "snapshots", 2), shape)
        with pytest.raises(RecordLayoutError, match="series"):
            record.read("series")
        monkeypatch.setattr(records, "MOST_MEMBER_BYTES", 8)
        with pytest.raises(RecordLayoutError, match="index"):
            record.read("index")
        monkeypatch.setattr(records, "MOST_ROW_CELLS", 3)
        with pytest.raises(AdmissionError, match="cells of a row"):
            record.rows(FieldPart(0.0, "final"), 0, 1)
