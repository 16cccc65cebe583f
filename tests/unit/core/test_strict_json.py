"""JSON from strangers: every known trap is refused by name, and nothing of the input comes back."""

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.core.strict_json import MAX_DEPTH, InvalidJsonError, read_json

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**29), 10**29)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc"), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_what_is_sound_comes_back_as_the_standard_reader_gives_it(value):
    body = json.dumps(value).encode()

    assert read_json(body) == json.loads(body)


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b'{"x": NaN}', "NaN"),
        (b'{"x": -Infinity}', "NaN"),
        (b'{"x": 1e999}', "range of a double"),
        (b'{"x": ' + b"9" * 10_000 + b"}", "30 digits"),
        (b'{"x": 1, "x": 2}', "twice"),
        (rb'{"x": "\u0000"}', "NUL"),
        (rb'{"\u0000": 1}', "NUL"),
        (rb'{"x": "\ud800"}', "lone surrogate"),
        (rb'["\uDFFF"]', "lone surrogate"),
        (b"\xff\xfe", "not UTF-8"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b'{"x": ', "malformed"),
        (b"", "malformed"),
        (b"[" * 100_000, "nested"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "nested"),
        (b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), "nested"),
    ],
)
def test_traps_are_refused_by_name(body, rule):
    with pytest.raises(InvalidJsonError, match=rule):
        read_json(body)


def test_the_greatest_depth_is_allowed():
    assert read_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH) is not None


def test_an_escaped_backslash_before_u0000_is_ordinary_text():
    assert read_json(rb'"\\u0000"') == "\\u0000"


def test_a_pair_of_surrogates_is_one_character():
    assert read_json(rb'"\ud83d\ude00"') == "\U0001f600"


def test_the_input_is_not_repeated():
    with pytest.raises(InvalidJsonError) as caught:
        read_json(b'{"password-hunter2": hunter2}')

    assert "hunter2" not in str(caught.value)


LONG = 2 * 1024 * 1024
BLANKS = [" " * 30_000] * 10


def fill(head: bytes, unit: bytes, tail: bytes, size: int = LONG) -> bytes:
    """Repeat `unit` between the ends, up to a size."""
    return head + unit * ((size - len(head) - len(tail)) // len(unit)) + tail


NAMES = b",".join(b'"%x":1' % number for number in range(200_000))
SHAPES = {
    "lists": fill(b'{"a":[', b"[],", b"1]}"),
    "numbers": fill(b'{"a":[', b"1,", b"1]}", 4 * LONG),
    "objects": fill(b'{"a":[', b"{},", b"1]}"),
    "small objects": fill(b'{"a":[', b'{"a":1},', b"1]}", 2 * LONG),
    "strings": fill(b'{"a":[', b'"ab",', b"1]}"),
    "names": b"{" + NAMES + b"}",
    "one name": fill(b'{"a":{', b'"a":1,', b'"a":1}}', 2 * LONG),
    "one emoji": fill(b'{"a":"', b"a", "\U0001f600".encode() + b'"}'),
    "an escaped emoji": fill(b'{"a":"', b"a", rb'\ud83d\ude00"}'),
    "escaped quotes": fill(b'{"a":"', b'\\"', rb'\u20ac"}'),
    "two bytes a character": fill(b'{"a":"', "\u044f".encode(), b'"}'),
    "depth": b"[" * LONG,
    "digits": fill(b'{"a":', b"9", b"}"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_long_text_of_any_shape_is_refused_at_little_more_than_its_own_size(shape):
    body = SHAPES[shape]
    tracemalloc.start()
    try:
        with pytest.raises(InvalidJsonError):
            read_json(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2.5 * len(body)


@given(st.lists(json_values, min_size=1, max_size=5), st.sampled_from(["", ":", "\u00e9\u20ac\U0001f600", "\\u003b"]))
def test_a_long_text_is_read_as_a_short_one(values, text):
    value = {"values": values, text: [text], "rest": [text, {"a:b": text}] * 3, "blank": BLANKS}
    for ascii_only in (True, False):
        assert read_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@pytest.mark.parametrize(
    ("member", "rule"),
    [
        (b'"x": 1e999', "range of a double"),
        (b'"x": ' + b"9" * 31, "30 digits"),
        (b'"x": NaN', "NaN"),
        (b'"x": 1, "x": 2', "twice"),
        (b'"x": {"y:y": 1, "y:y": ":"}', "twice"),
        (rb'"a\u003ab": 1, "c": 2, "c": 3', "colon"),
        (rb'"x": "\ud800"', "lone surrogate"),
        (b'"x": "\xff"', "not UTF-8"),
    ],
)
def test_traps_are_found_in_a_long_text_as_well(member, rule):
    with pytest.raises(InvalidJsonError, match=rule):
        read_json(b'{"blank": ' + json.dumps(BLANKS).encode() + b", " + member + b"}")


def test_ten_thousand_points_of_forty_numbers_are_taken():
    names = [f"material.part_{number}.conductivity" for number in range(40)]
    points = [dict.fromkeys(names, number / 7) for number in range(10_000)]
    assert len(read_json(json.dumps(points).encode())) == 10_000
