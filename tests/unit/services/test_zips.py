"""Zips that are streamed are whole, readable by others, and equal for equal contents."""

import io
import zipfile

from hypothesis import given
from hypothesis import strategies as st

from grid.services.zips import CHUNK_BYTES, ZipMember, stream_zip

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
