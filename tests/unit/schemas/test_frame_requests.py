"""Requests for frames: what is asked for is read back, and what is outside its limits is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.core.errors import FieldError
from grid.schemas import frames
from grid.schemas.frame_requests import CODE_BITS, FRAME_CODECS, LIVE_FIELDS, MOST_LEVEL, FrameRequest, read_rate

pairs = st.tuples(st.integers(0, 65_000), st.integers(1, 500)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def test_names_and_limits_are_those_of_the_format():
    assert ("requested", *LIVE_FIELDS) == frames.FIELDS
    assert frames.CODECS == FRAME_CODECS
    assert frames.BITS == CODE_BITS
    assert len(frames.LEVELS) == MOST_LEVEL + 1


@given(
    field=st.sampled_from(LIVE_FIELDS),
    level=st.integers(0, 2),
    region=st.none() | st.lists(pairs, min_size=1, max_size=3).map(tuple),
    codec=st.sampled_from(FRAME_CODECS),
)
def test_a_request_is_read_as_it_was_written(field, level, region, codec):
    request = FrameRequest(field, level, region, 8 if field == "state" else 12, codec)

    assert FrameRequest.from_json(request.to_json()) == request


def test_what_is_left_out_has_a_default():
    assert FrameRequest.from_json({}) == FrameRequest("temperature", 0, None, 12, "deflate")
    assert FrameRequest.from_json({"field": "state"}).bits == 8
    assert read_rate({}) == 30.0


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"field": "pressure"}, "field"),
        ({"field": ["temperature"]}, "field"),
        ({"level": 3}, "level"),
        ({"level": True}, "level"),
        ({"level": -1}, "level"),
        ({"bits": 10}, "bits"),
        ({"field": "state", "bits": 12}, "bits"),
        ({"codec": "gzip"}, "codec"),
        ({"region": []}, "region"),
        ({"region": [[0, 1]] * 4}, "region"),
        ({"region": [[1, 1]]}, "region"),
        ({"region": [[0, 65_536]]}, "region"),
        ({"region": [[0.0, 1.0]]}, "region"),
        ({"region": "all"}, "region"),
        ({"max_hz": 0}, "max_hz"),
        ({"max_hz": 31}, "max_hz"),
        ({"max_hz": float("nan")}, "max_hz"),
        ({"max_hz": "fast"}, "max_hz"),
        ({"max_hz": True}, "max_hz"),
    ],
)
def test_what_is_outside_its_limits_is_named(document, field):
    read = read_rate if "max_hz" in document else FrameRequest.from_json
    with pytest.raises(FieldError) as refusal:
        read(document)

    assert refusal.value.field == field
