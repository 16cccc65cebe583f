"""JSON from strangers: every known trap is refused by name, and nothing of the input comes back."""

import json

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
