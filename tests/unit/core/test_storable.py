"""Whatever a run says becomes something that databases and JSON take."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.core.storable import (
    MOST_ENTRIES,
    MOST_NAME,
    MOST_TEXT,
    storable_key,
    storable_scalar,
    storable_scalars,
    storable_text,
)

anything = st.text(st.characters(), max_size=20) | st.floats() | st.integers() | st.none() | st.booleans() | st.binary()


@given(st.dictionaries(anything, anything | st.lists(st.integers(), max_size=2)))
def test_whatever_is_said_can_be_written_as_json_in_utf8(said):
    text = json.dumps(storable_scalars(said), allow_nan=False, ensure_ascii=False)
    assert "\0" not in text
    assert json.loads(text.encode("utf-8")) is not None


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=MOST_TEXT))
def test_sound_text_stays_as_it_is(text):
    assert storable_text(text) == text


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("a\0b", "a\ufffdb"),
        ("a\ud800b", "a?b"),
        ("x" * 10**6, "x" * MOST_TEXT),
        (math.inf, None),
        (math.nan, None),
        (2**63, None),
        (-(2**63), -(2**63)),
        (True, True),
        (b"bytes", None),
        ([1], None),
    ],
)
def test_what_cannot_be_stored_is_replaced_or_cut(said, stored):
    assert storable_scalar(said) == stored
    assert type(storable_scalar(said)) is type(stored)


def test_numpy_scalars_become_plain_ones():
    import numpy as np

    assert type(storable_scalar(np.float64(1.5))) is float
    assert storable_scalar(np.int64(3)) == 3
    assert storable_scalar(np.zeros(3)) is None


def test_names_are_few_and_short():
    stored = storable_scalars({f"{number:0>300}": number for number in range(10_000)})
    assert len(stored) <= MOST_ENTRIES
    assert max(map(len, stored)) == 100


def test_keys_that_are_too_long_are_cut_and_still_differ():
    assert storable_key("a" * MOST_NAME) == "a" * MOST_NAME
    cut = [storable_key("a" * MOST_NAME + end) for end in "bc"]
    assert [len(one) for one in cut] == [MOST_NAME] * 2
    assert len(set(cut)) == 2
