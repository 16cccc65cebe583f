"""Zips that are streamed are whole, readable by others, and equal for equal contents."""

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.services import zips
from grid.services.zips import CHUNK_BYTES, ZipMember, measure_zip, stream_zip, tag_zip

contents = st.dictionaries(st.sampled_from(["result.csv", "meta.json", "a.png", "field.npy"]), st.binary(max_size=2000))


def members(files):
    return [ZipMember(name, len(data), io.BytesIO(data)) for name, data in files.items()]


@given(contents)
def test_what_goes_in_comes_out_and_the_checksums_hold(files):
    archive = zipfile.ZipFile(io.BytesIO(b"".join(stream_zip(members(files)))))

    assert archive.testzip() is None
    assert {name: archive.read(name) for name in archive.namelist()} == files


@given(contents)
def test_equal_contents_give_equal_bytes(files):
    assert b"".join(stream_zip(members(files))) == b"".join(stream_zip(members(files)))


@given(contents, st.sampled_from([0, 500, 1 << 20]))
def test_the_size_is_known_before_the_first_byte(files, most_packed):
    parts, tag = members(files), str(sorted(files.items()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zips, "DEFLATE_LIMIT_BYTES", most_packed)
        patch.setattr(zips, "_sizes", {})
        size = measure_zip(parts, tag)

        assert size == len(b"".join(stream_zip(parts))) == measure_zip(parts, tag)


def test_one_zip_packs_no_more_than_its_limit(monkeypatch):
    monkeypatch.setattr(zips, "DEFLATE_LIMIT_BYTES", 3000)
    data = b"".join(stream_zip(members({f"{number}.csv": bytes(1000) for number in range(6)})))

    kinds = [info.compress_type for info in zipfile.ZipFile(io.BytesIO(data)).infolist()]
    assert kinds == [zipfile.ZIP_DEFLATED] * 3 + [zipfile.ZIP_STORED] * 3


def test_other_files_have_another_tag():
    tags = {tag_zip(files) for files in ([], [("a", "1")], [("a", "2")], [("b", "1")], [("a", "1"), ("b", "1")])}
    assert len(tags) == 5


def test_a_large_file_leaves_in_parts_as_it_is_read():
    class Counting(io.BytesIO):
        reads = 0

        def read(self, size=-1):
            self.reads += 1
            return super().read(size)

    source = Counting(bytes(CHUNK_BYTES * 8))
    parts = stream_zip([ZipMember("picture.png", CHUNK_BYTES * 8, source)])

    assert len(next(parts)) >= CHUNK_BYTES
    assert source.reads <= 2
    parts.close()
