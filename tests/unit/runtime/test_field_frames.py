"""Frames of stored fields: means that conserve, planes and times as asked for, and every limit by its name."""

import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.frame_fixtures import FOLDER, REQUESTED, make_requested

from grid.core.errors import FieldError
from grid.runtime import field_frames
from grid.runtime.field_frames import encode_field, measure_field, require_readable
from grid.runtime.records import RecordLayoutError, RecordReader
from grid.schemas.fields import FieldAxis, FieldPart, FieldRequest, RecordField
from grid.schemas.frames import FrameFlag, decode_frames

RUN = bytes(range(8))


def stored(*fields, mask=None, dtype="<f8"):
    """A record with a field at some times, and what its simulation says of it."""
    shape = fields[0].shape
    row = np.zeros((), [("pad", "u1", (3,)), ("values", dtype, (len(fields), *shape))])
    row["values"] = fields
    axes = tuple(FieldAxis(name, "m", "cell", count, 1.0, 0.5) for name, count in zip("xyz", shape, strict=False))
    parts = tuple(FieldPart(10.0 * tick, "values", tick) for tick in range(len(fields)))
    body = None if mask is None else lambda first, stop: mask[first:stop]
    field = RecordField("temperature", "Temperature", "K", "cividis", axes, parts, is_complete=True, body=body)
    return RecordReader(io.BytesIO(row.tobytes()), 0, row.dtype), field


def read(record, field, **request):
    return list(decode_frames(encode_field(record, field, FieldRequest(**request), run=RUN, computed_ms=7)))


def noise(*shape, seed=1):
    return np.random.default_rng(seed).normal(300.0, 20.0, shape)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    max_cells=st.integers(1, 80),
    is_masked=st.booleans(),
    block=st.sampled_from([1, 7, 1 << 19]),
)
def test_means_conserve_the_sum_over_the_body(shape, max_cells, is_masked, block):
    """Each value times the number of cells that it stands for, summed, is the sum over all cells of the body."""
    values = noise(*shape)
    mask = np.indices(shape).sum(axis=0) % 4 != 1 if is_masked else np.ones(shape, bool)
    record, field = stored(values, mask=mask if is_masked else None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(field_frames, "BLOCK_CELLS", block)
        (frame,) = read(record, field, max_cells=max_cells, codec="none")

    factor = 1 << frame.header.level
    assert frame.header.cells == math.prod(-(-count // factor) for count in shape) <= max_cells
    padded = np.zeros([-(-count // factor) * factor for count in shape])
    padded[tuple(slice(count) for count in shape)] = mask
    counts = padded.reshape([size for count in padded.shape for size in (count // factor, factor)])
    counts = counts.sum(axis=tuple(range(1, 2 * len(shape), 2))).reshape(frame.values.shape)
    np.testing.assert_array_equal(np.isnan(frame.values), counts == 0)
    error = frame.header.error * counts.sum() + 1e-6
    assert np.nansum(frame.values * counts) == pytest.approx(values[mask].sum(), abs=error)


def test_the_whole_field_is_within_half_a_code(monkeypatch):
    monkeypatch.setattr(field_frames, "BLOCK_CELLS", 50)
    values = noise(12, 9, 5)
    (frame,) = read(*stored(values))

    assert frame.values.shape == (12, 9, 5)
    assert np.abs(frame.values - values).max() <= frame.header.error * (1 + 1e-9)
    assert frame.header.error < np.ptp(values) / 131_000


@pytest.mark.parametrize(("axis", "number"), [("x", 0), ("y", 1), ("z", 2)])
def test_a_plane_keeps_its_axes_and_says_where_it_lies(axis, number):
    values = noise(6, 7, 8)
    for index in (0, 4, None):
        (frame,) = read(*stored(values), axis=axis, index=index)
        place = values.shape[number] // 2 if index is None else index
        assert frame.header.origin[number] == place
        assert frame.header.size == tuple(1 if one == number else count for one, count in enumerate(values.shape))
        shown = frame.values.reshape(frame.header.size)
        np.testing.assert_allclose(shown, np.take(values, [place], number), atol=frame.header.error * 1.001)


def test_each_time_has_a_frame_with_its_own_range():
    record, field = stored(np.full((3, 4), 5.0), noise(3, 4), noise(3, 4, seed=2))
    frames = read(record, field, time="all")

    assert [(frame.header.tick, frame.header.time_s) for frame in frames] == [(0, 0.0), (1, 10.0), (2, 20.0)]
    assert {(f.header.epoch, f.header.run, f.header.computed_ms, f.header.field) for f in frames} == {(0, RUN, 7, 0)}
    assert {frame.header.flags for frame in frames} == {FrameFlag.NOT_LIVE}
    for time, tick in (("last", 2), (0, 0), (1, 1)):
        (frame,) = read(record, field, time=time)
        assert frame.header == frames[tick].header
    np.testing.assert_array_equal(frames[0].values, 5.0)


def test_figures_are_those_of_the_body():
    values = noise(5, 4)
    mask = values < values.max()
    record, field = stored(values, values - 1.0, mask=mask)
    figures = measure_field(record, field)

    assert (figures.low, figures.high) == (values.min() - 1.0, values[mask].max())
    assert figures.sha256 == measure_field(*stored(values, values - 1.0)).sha256
    assert figures.sha256 != measure_field(*stored(values, values)).sha256
    empty = measure_field(*stored(values, mask=np.zeros_like(mask)))
    assert (empty.low, empty.high) == (None, None)


def test_a_long_axis_is_reduced_to_what_a_header_can_say():
    values = np.linspace(0.0, 1.0, 200_000)
    (frame,) = read(*stored(values))

    assert (frame.header.level, frame.header.size) == (2, (50_000, 1, 1))
    np.testing.assert_allclose(frame.values, values.reshape(-1, 4).mean(axis=1), atol=2 * frame.header.error)


@pytest.mark.parametrize(
    ("request_", "name", "limit"),
    [
        ({"time": 3}, "time", "0 to 2"),
        ({"axis": "z"}, "axis", "x, y"),
        ({"axis": "y", "index": 4}, "index", "0 to 3"),
    ],
)
def test_what_there_is_not_is_named(request_, name, limit):
    record, field = stored(*[noise(3, 4)] * 3)
    with pytest.raises(FieldError, match=limit) as caught:
        read(record, field, **request_)
    assert caught.value.field == name


def test_frames_that_are_too_large_together_are_refused(monkeypatch):
    monkeypatch.setattr(field_frames, "MOST_CELLS_IN_ALL", 30)
    record, field = stored(*[noise(3, 4)] * 3)
    with pytest.raises(FieldError, match="max_cells: at most 10 for 3 times"):
        read(record, field, time="all")
    assert len(read(record, field, time="all", max_cells=10)) == 3


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        ({"time": -1}, "time"), ({"time": "first"}, "time"), ({"index": 1}, "axis"),
        ({"axis": "x", "index": -1}, "index"),
        ({"axis": "x", "index": 1 << 16}, "index"), ({"max_cells": 0}, "max_cells"), ({"bits": 10}, "bits"),
        ({"max_cells": (1 << 22) + 1}, "max_cells"), ({"codec": "lz4"}, "codec"),
    ],
)  # fmt: skip
def test_a_request_outside_its_limits_is_refused(request_, name):
    with pytest.raises(FieldError) as caught:
        FieldRequest(**request_)
    assert caught.value.field == name


def test_a_field_that_is_not_in_the_record_is_refused():
    record, _ = stored(noise(3, 4))
    _, other = stored(noise(3, 5))
    with pytest.raises(RecordLayoutError):
        require_readable(record, other)


@pytest.mark.parametrize("name", REQUESTED)
def test_the_fixtures_are_what_is_made(name):
    assert make_requested(name) == (FOLDER / f"{name}.bin").read_bytes()
