"""Packs: any notebook opens them, one record is read and proved alone, and equal records give equal bytes."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.doubles.artifacts import MemoryArtifactStore

from grid.core.errors import NotFoundError
from grid.runtime.packs import PackCorruptError, normalize, read_record, write_pack

KEY = "packs/20260102/0195.npy"
WIDE = np.dtype([(f"field_with_a_long_name_{i}", "<f8", (3,)) for i in range(2000)])  # its header needs format 2.0


def dtypes():
    scalars = st.sampled_from(["u1", "<i4", ">i4", "<f8", ">f8", "?", "S5", "<U3"])
    fields = st.lists(scalars, min_size=1, max_size=5)
    return st.builds(
        lambda kinds, align: np.dtype([(f"f{i}", kind) for i, kind in enumerate(kinds)], align=align),
        fields,
        st.booleans(),
    )


def arrays():
    return dtypes().flatmap(lambda dtype: hnp.arrays(dtype, st.integers(1, 6)))


def pack(records, folder: Path):
    path = folder / "pack.npy"
    path.unlink(missing_ok=True)
    entries = write_pack(path, KEY, records)
    store = MemoryArtifactStore()
    store.put(KEY, io.BytesIO(path.read_bytes()))
    return entries, store, path


@given(records=arrays())
def test_any_records_come_back_alone_and_together(records, tmp_path_factory):
    entries, store, path = pack(records, tmp_path_factory.getbasetemp())

    loaded = np.load(path, allow_pickle=False)
    assert loaded.shape == records.shape
    for index, entry in enumerate(entries):
        record = read_record(store, entry)
        for name in records.dtype.names:
            np.testing.assert_array_equal(record[name], records[index][name])
            np.testing.assert_array_equal(loaded[index][name], records[index][name])


@given(blocks=st.lists(arrays(), min_size=2, max_size=4))
def test_blocks_of_several_shapes_lie_in_one_file_and_come_back_alone_and_in_turn(blocks, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "blocks.npy"
    path.unlink(missing_ok=True)
    entries = write_pack(path, KEY, *blocks)
    store = MemoryArtifactStore()
    store.put(KEY, io.BytesIO(path.read_bytes()))

    rows = [row for block in blocks for row in normalize(block)]
    assert [read_record(store, entry).tobytes() for entry in entries] == [row.tobytes() for row in rows]
    assert [read_record(store, entry).dtype for entry in entries] == [row.dtype for row in rows]
    with path.open("rb") as file:
        for block in blocks:
            assert np.load(file, max_header_size=10**6).tobytes() == normalize(block).tobytes()


@given(records=arrays())
def test_bytes_depend_on_the_values_alone(records):
    """Gaps between fields, byte order and place in memory leave no trace."""
    swapped = np.repeat(records.astype(records.dtype.newbyteorder("S")), 2)[::2]

    assert normalize(records).tobytes() == normalize(swapped).tobytes()
    assert normalize(records).dtype == normalize(swapped).dtype


def test_a_record_has_the_same_hash_alone_and_among_neighbours(tmp_path):
    records = np.zeros(10, dtype=[("a", "<f8"), ("b", "u1", (5,))])
    records["a"] = np.linspace(0, 1, 10)

    together, _, _ = pack(records, tmp_path)
    alone = [pack(records[i : i + 1], tmp_path)[0][0] for i in range(10)]

    assert [entry["sha256"] for entry in together] == [entry["sha256"] for entry in alone]


def test_entries_point_at_the_very_bytes(tmp_path):
    records = np.arange(5, dtype="<i8").view([("n", "<i8")])
    entries, _, path = pack(records, tmp_path)
    data = path.read_bytes()

    for index, entry in enumerate(entries):
        slice_ = data[entry["offset"] : entry["offset"] + entry["size"]]
        assert (int.from_bytes(slice_, "little"), entry["index"]) == (index, index)
        assert hashlib.sha256(slice_).hexdigest() == entry["sha256"]
    assert entries[0]["offset"] % 64 == 0  # the header is padded, so that a memory map is aligned


def test_a_dtype_with_a_long_description_is_packed_too(tmp_path):
    records = np.ones(2, dtype=WIDE)
    entries, store, path = pack(records, tmp_path)

    assert path.read_bytes()[6:8] == b"\x02\x00"
    assert read_record(store, entries[1]) == records[1]
    np.testing.assert_array_equal(np.load(path, max_header_size=10**6), records)


@pytest.mark.parametrize("where", ["record", "header", "cut", "version"])
def test_damaged_bytes_are_never_returned(tmp_path, where):
    records = np.arange(4, dtype="<i8").view([("n", "<i8")])
    entries, store, _ = pack(records, tmp_path)
    data = bytearray(store.blobs[KEY])
    place = {"record": entries[2]["offset"], "header": 0, "version": 6, "cut": 0}[where]
    data[place] ^= 0xFF
    store.blobs[KEY] = bytes(data) if where != "cut" else store.blobs[KEY][: entries[2]["offset"] + 3]

    with pytest.raises(PackCorruptError):
        read_record(store, entries[2])


def test_a_neighbours_damage_does_not_matter(tmp_path):
    entries, store, _ = pack(np.arange(4, dtype="<i8").view([("n", "<i8")]), tmp_path)
    data = bytearray(store.blobs[KEY])
    data[entries[1]["offset"]] ^= 0xFF
    store.blobs[KEY] = bytes(data)

    assert read_record(store, entries[2])["n"] == 2


def test_a_pack_that_is_gone_is_not_found(tmp_path):
    entries, store, _ = pack(np.arange(1, dtype="<i8").view([("n", "<i8")]), tmp_path)
    store.delete(KEY)

    with pytest.raises(NotFoundError):
        read_record(store, entries[0])


def test_a_pickle_in_the_place_of_a_pack_is_never_loaded(tmp_path):
    np.save(tmp_path / "evil.npy", np.array([{}], dtype=object), allow_pickle=True)
    store = MemoryArtifactStore()
    store.put(KEY, io.BytesIO((tmp_path / "evil.npy").read_bytes()))

    with pytest.raises(PackCorruptError):
        read_record(store, {"key": KEY, "index": 0, "offset": 128, "size": 8, "sha256": ""})


@pytest.mark.parametrize(
    "records",
    [
        np.zeros(3),
        np.zeros((2, 2), dtype=[("a", "f8")]),
        np.zeros(2, dtype=[("a", "O")]),
        np.zeros(2, dtype=np.dtype([])),
    ],
)
def test_what_is_not_a_row_of_plain_records_is_refused(records, tmp_path):
    with pytest.raises(TypeError):
        write_pack(tmp_path / "pack.npy", KEY, records)
    assert not (tmp_path / "pack.npy").exists()
