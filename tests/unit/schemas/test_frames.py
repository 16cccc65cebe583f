"""The decoder of frames: what the fixtures say, and nothing but a `FrameError` for any other bytes."""

import json
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.frame_fixtures import FOLDER, describe

from grid.client import frames as client_frames
from grid.schemas.frames import HEADER, MAX_RAW_BYTES, FrameError, decode_frame, decode_frames

NAMES = sorted(path.stem for path in FOLDER.glob("*.bin"))
WHOLE = {name: (FOLDER / f"{name}.bin").read_bytes() for name in NAMES if "-" in name}


@pytest.mark.parametrize("name", NAMES)
def test_a_fixture_is_read_as_its_description_says(name):
    description = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))

    assert json.loads(json.dumps(describe((FOLDER / f"{name}.bin").read_bytes()))) == description


def test_there_is_a_fixture_for_each_kind_of_refusal():
    assert len(NAMES) > 20
    errors = [name for name in NAMES if "error" in json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))]
    assert len(errors) == 8


def test_frames_that_follow_each_other_are_read_in_turn():
    first, second = WHOLE["planar-12-zstd"], WHOLE["body-12-none"]

    shapes = [frame.codes.shape for frame in decode_frames(first + second + first)]
    assert shapes == [(6, 5), (3, 4, 5), (6, 5)]
    with pytest.raises(FrameError):
        list(decode_frames(first + second[:-1]))


def test_the_client_has_the_same_decoder():
    assert client_frames.decode_frame is decode_frame


def test_the_arrays_of_a_frame_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        decode_frame(WHOLE["planar-12-none"]).codes[0, 0] = 1


@settings(max_examples=300)
@given(
    name=st.sampled_from(sorted(WHOLE)),
    edits=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, 400),
    is_mended=st.booleans(),
)
def test_damaged_frames_are_read_or_refused_and_nothing_else(name, edits, cut, is_mended):
    """With a checksum that fits, so that damage reaches the codec, the prediction and the codes."""
    data = bytearray(WHOLE[name][: 96 + cut])
    for place, byte in edits:
        if place < len(data):
            data[place] = byte
    if is_mended and len(data) >= HEADER.size:
        payload = bytes(data[HEADER.size :])
        struct.pack_into("<II", data, 76, len(payload), zlib.crc32(payload))
    try:
        frame = decode_frame(bytes(data))
    except FrameError:
        return
    assert frame.codes.shape == frame.header.shape
    assert int(frame.codes.max()) <= frame.header.missing
    assert not np.any(np.isinf(frame.values))


@given(data=st.binary(max_size=300), is_headed=st.booleans())
def test_random_bytes_are_refused(data, is_headed):
    with pytest.raises(FrameError):
        decode_frame(b"GRF1" + data if is_headed else data)


def make_frame(name: str, payload: bytes, size: tuple[int, int, int]) -> bytes:
    head = bytearray(WHOLE[name][: HEADER.size])
    cells = size[0] * size[1] * size[2]
    struct.pack_into("<3H", head, 12, *size)
    struct.pack_into("<III", head, 72, 2 * cells, len(payload), zlib.crc32(payload))
    return bytes(head) + payload


def test_a_bomb_takes_no_more_memory_than_the_header_names():
    huge = bytes(64 << 20)
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    payloads = {
        "planar-12-deflate": deflater.compress(huge) + deflater.flush(),
        "planar-12-zstd": zstandard.ZstdCompressor().compress(huge),
    }
    streamed = zstandard.ZstdCompressor(write_content_size=False).compress(huge)
    del huge
    for name, payload in (*payloads.items(), ("planar-12-zstd", streamed)):
        data = make_frame(name, payload, (10, 10, 1))
        tracemalloc.start()
        with pytest.raises(FrameError):
            decode_frame(data)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 1 << 20


def test_a_frame_above_the_limit_is_refused_before_its_payload_is_looked_at():
    assert MAX_RAW_BYTES == 8 * 2**20
    with pytest.raises(FrameError, match="8388608"):
        decode_frame(make_frame("planar-12-deflate", b"", (2048, 2049, 1)))


@pytest.mark.parametrize(
    ("place", "form", "number"),
    [(32, "<d", np.nan), (40, "<d", np.inf), (48, "<d", -1.0), (48, "<d", 1e308), (84, "<f", np.nan)],
)
def test_numbers_that_are_not_finite_are_refused(place, form, number):
    data = bytearray(WHOLE["planar-12-none"])
    struct.pack_into(form, data, place, number)

    with pytest.raises(FrameError, match="finite"):
        decode_frame(bytes(data))


def test_a_code_of_more_bits_than_the_header_says_is_refused():
    data = bytearray(WHOLE["plain-12-none"])
    data[HEADER.size + 1] = 0x10
    struct.pack_into("<I", data, 80, zlib.crc32(data[HEADER.size :]))

    with pytest.raises(FrameError, match="12 bits"):
        decode_frame(bytes(data))
