"""Frames: every value within half a step of its code, ranges that are held, and levels that hide no extreme."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.frame_fixtures import CASES, FOLDER, make_frame

from grid.core.errors import FieldError
from grid.runtime.live.frames import FrameEncoder, FrameRange, Stamp, encode_frame, reduce_field
from grid.schemas.frames import HEADER, decode_frame

pytestmark = pytest.mark.jit
STAMP = Stamp(7, 0.7, epoch=2, computed_ms=1234, run=b"12345678", flags=1)


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    """Compile before Hypothesis looks at the time that an example takes."""
    FrameEncoder("temperature", level=1).quantise(np.zeros((3, 3)), STAMP)


shapes = st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple)


@st.composite
def fields(draw):
    """Fields of any span around any offset, constant ones among them, with cells that have no value."""
    shape = draw(shapes)
    offset = draw(st.sampled_from([0.0, 300.0, -1e9, 1e30, 1e-12, 2.0**60]))
    span = draw(st.sampled_from([0.0, 1e-300, 1e-9, 1.0, 235.0, 1e12]))
    source = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = np.clip(offset + span * source.random(shape), -1e30, 1e30)
    values[source.random(shape) < draw(st.sampled_from([0.0, 0.3, 1.0]))] = np.nan
    return values


def require_within_half_a_step(values, frame):
    """NaN is NaN, and what else there is differs by half a step and the rounding of the value itself at most."""
    header = frame.header
    assert np.array_equal(np.isnan(values), np.isnan(frame.values))
    assert header.error >= header.scale / 2.0
    differences = np.abs(frame.values - values)[~np.isnan(values)]
    rounding = 4.0 * np.spacing(np.abs(values[~np.isnan(values)]) + abs(header.offset))
    assert np.all(differences <= header.scale / 2.0 + rounding)


@given(
    values=fields(),
    bits=st.sampled_from([8, 12, 16]),
    codec=st.sampled_from(["none", "deflate", "zstd"]),
    filtered=st.booleans(),
    headroom=st.sampled_from([0.0, 0.12]),
)
def test_a_value_is_within_half_a_step_of_its_code(values, bits, codec, filtered, headroom):
    encoder = FrameEncoder("temperature", bits=bits, filtered=filtered, headroom=headroom)
    frame = decode_frame(encoder.quantise(values, STAMP).pack(codec))

    require_within_half_a_step(values.reshape(frame.header.shape), frame)
    assert np.prod(frame.header.size) == values.size


@given(first=fields(), second=fields(), third=fields())
def test_no_value_is_ever_clipped_whatever_range_was_held(first, second, third):
    encoder = FrameEncoder("temperature")
    for values in (first, second, third):
        frame = decode_frame(encoder.quantise(values, STAMP).pack("none"))
        require_within_half_a_step(values.reshape(frame.header.shape), frame)


def test_a_range_is_held_until_a_value_leaves_it_or_little_of_it_is_used():
    encoder = FrameEncoder("temperature")
    field = np.linspace(300.0, 400.0, 11)

    def find_range(values):
        header = encoder.quantise(values, STAMP).header
        return header.offset, header.offset + 4094 * header.scale

    first = find_range(field)
    assert first == pytest.approx((294.0, 406.0))
    assert find_range(field + 5.9) == first
    assert find_range(300.0 + 0.29 * (field - 300.0)) == first
    assert find_range(300.0 + 0.27 * (field - 300.0)) == pytest.approx((298.38, 328.62))
    assert find_range(np.append(field[:3], 328.7)) == pytest.approx((298.278, 330.422))


def test_a_uniform_field_that_stays_keeps_its_range_and_repeats():
    encoder = FrameEncoder("temperature")
    field = np.full((4, 4), 293.15)
    first, second = encoder.quantise(field, STAMP), encoder.quantise(field, Stamp(8, 0.8))
    third = encoder.quantise(field + 1e-8, STAMP)
    risen = encoder.quantise(field + 1.0, STAMP)

    assert (first.is_repeat, second.is_repeat, third.is_repeat, risen.is_repeat) == (False, True, False, False)
    assert (first.header.offset, first.header.scale) == (third.header.offset, third.header.scale)
    assert [each.header.frame for each in (first, second, third, risen)] == [1, 2, 3, 4]
    np.testing.assert_allclose(decode_frame(risen.pack("none")).values, 294.15, rtol=1e-9)


def test_fields_without_a_value_leave_the_range_alone():
    encoder = FrameEncoder("temperature")
    field = np.linspace(300.0, 400.0, 11)
    before = encoder.quantise(field, STAMP).header
    nothing = decode_frame(encoder.quantise(np.full(11, np.nan), STAMP).pack("zstd"))

    assert np.all(nothing.codes == 4095)
    assert encoder.quantise(field, STAMP).header.scale == before.scale


@pytest.mark.parametrize("bits", [12, 16])
def test_values_at_the_ends_of_the_range_have_the_first_and_the_last_code(bits):
    frame = decode_frame(encode_frame(np.array([[1.0, 2.0], [3.0, np.nan]]), STAMP, bits=bits))

    assert frame.codes.tolist() == [[0, 2 ** (bits - 1) - 1], [2**bits - 2, 2**bits - 1]]


def test_states_are_their_own_codes():
    frame = decode_frame(encode_frame(np.array([0.0, 1.0, 2.0, np.nan]), STAMP, name="state", codec="deflate"))

    assert (frame.header.bits, frame.codes.tolist()) == (8, [0, 1, 2, 255])
    np.testing.assert_array_equal(frame.values, [0.0, 1.0, 2.0, np.nan])


@given(values=fields(), codes=st.booleans())
def test_every_codec_and_filter_carries_the_same_codes(values, codes):
    encoders = [FrameEncoder("stress", filtered=filtered) for filtered in (False, True)]
    frames = [
        decode_frame(encoder.quantise(values, STAMP).pack(codec))
        for encoder in encoders
        for codec in ("none", "deflate", "zstd")
    ]

    assert all(np.array_equal(frame.codes, frames[0].codes) for frame in frames)


@given(
    values=fields(),
    name=st.sampled_from(["temperature", "stress", "utilisation", "damage"]),
    level=st.sampled_from([1, 2]),
)
def test_levels_reduce_blocks_as_their_field_asks(values, name, level):
    """Against NumPy, block by block."""
    size = 2**level
    choose = {
        "temperature": np.mean,
        "stress": lambda block: block[np.argmax(np.abs(block))],
        "utilisation": np.max,
        "damage": np.max,
    }[name]
    reduced = reduce_field(values, name, level)

    assert reduced.shape == tuple(-(-cells // size) for cells in values.shape)
    for place in np.ndindex(reduced.shape):
        block = values[tuple(slice(size * at, size * (at + 1)) for at in place)]
        block = block[~np.isnan(block)]
        if block.size:
            assert reduced[place] == pytest.approx(choose(block), rel=1e-12)
        else:
            assert np.isnan(reduced[place])


def test_cells_outside_the_mask_have_no_value_and_no_say_in_range_and_levels():
    values = np.full((4, 4), 300.0)
    values[0, 0], values[3, 3] = 1e9, np.inf
    mask = np.ones((4, 4), bool)
    mask[0, 0] = mask[3, 3] = False
    frame = decode_frame(encode_frame(values, STAMP, mask=mask))
    half = decode_frame(encode_frame(values, STAMP, mask=mask, level=1))

    assert np.array_equal(np.isnan(frame.values), ~mask)
    np.testing.assert_allclose(half.values, 300.0, rtol=1e-9)


def test_a_field_of_another_layout_or_type_is_the_same_frame():
    values = np.arange(30.0).reshape(5, 6)
    frame = encode_frame(values, STAMP)

    assert encode_frame(np.asfortranarray(values), STAMP) == frame
    assert encode_frame(values.astype(np.float32), STAMP) == frame
    assert encode_frame(np.pad(values, 1)[1:-1, 1:-1], STAMP) == frame


def test_the_header_says_what_it_was_told():
    encoder = FrameEncoder("damage", level=1, bits=16, origin=(8, 4))
    header = decode_frame(encoder.quantise(np.ones((6, 3, 2)), STAMP).pack("zstd")).header

    assert (header.field, header.level, header.bits, header.codec, header.filter) == (4, 1, 16, 2, 1)
    assert (header.size, header.origin) == ((3, 2, 1), (8, 4, 0))
    assert (header.tick, header.time_s, header.epoch, header.computed_ms) == (7, 0.7, 2, 1234)
    assert (header.run, header.flags, header.frame) == (b"12345678", 1, 1)


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("values", lambda: encode_frame(np.array([1.0, np.inf]), STAMP)),
        ("values", lambda: encode_frame(np.array([1.0, -2e30]), STAMP)),
        ("values", lambda: encode_frame(np.zeros((1, 1, 1, 1)), STAMP)),
        ("values", lambda: encode_frame(np.zeros((0, 3)), STAMP)),
        ("values", lambda: encode_frame(np.zeros(65_536), STAMP)),
        ("values", lambda: encode_frame(np.array([255.0]), STAMP, name="state")),
        ("mask", lambda: encode_frame(np.zeros(3), STAMP, mask=np.ones(4, bool))),
        ("codec", lambda: encode_frame(np.zeros(3), STAMP, codec="lz4")),
        ("field", lambda: FrameEncoder("heat")),
        ("level", lambda: FrameEncoder("stress", level=3)),
        ("bits", lambda: FrameEncoder("stress", bits=10)),
        ("origin", lambda: FrameEncoder("stress", origin=(0, -1))),
        ("tick", lambda: Stamp(-1, 0.0)),
        ("time_s", lambda: Stamp(0, np.nan)),
        ("run", lambda: Stamp(0, 0.0, run=b"1")),
    ],
)
def test_what_no_frame_can_hold_is_refused_by_name(field, call):
    with pytest.raises(FieldError) as refused:
        call()

    assert refused.value.field == field


@pytest.mark.parametrize("name", sorted(name for name in CASES if name.endswith("-none")))
def test_frames_of_the_fixtures_are_written_to_the_byte(name):
    assert make_frame(name) == (FOLDER / f"{name}.bin").read_bytes()


def test_the_header_lies_where_the_table_says():
    header = make_frame("planar-16-none")[: HEADER.size]
    numbers = {
        (0, 4): b"GRF1", (4, 5): b"\2", (5, 6): b"\0", (6, 7): b"\1", (7, 8): b"\x10", (8, 10): b"\x21\0",
        (10, 11): b"\0", (11, 12): b"\1", (12, 18): b"\5\0\7\0\1\0", (18, 24): bytes(6),
        (24, 32): (5472).to_bytes(8, "little"), (32, 40): np.float64(182.4).tobytes(), (56, 60): b"\1\0\0\0",
        (60, 64): b"\3\0\0\0", (64, 72): (1_764_500_000_123).to_bytes(8, "little"), (72, 76): b"\x46\0\0\0",
        (76, 80): b"\x46\0\0\0", (88, 96): b"\1\2\3\4\5\6\7\x08",
    }  # fmt: skip

    assert {place: header[slice(*place)] for place in numbers} == numbers


@given(low=st.floats(-1e30, 1e30), span=st.floats(0.0, 1e30), headroom=st.sampled_from([0.0, 0.12]))
def test_a_new_range_holds_the_values_that_it_was_made_for(low, span, headroom):
    high = max(low, min(low + span, 1e30))

    assert FrameRange.around(low, high, headroom).holds(low, high)
