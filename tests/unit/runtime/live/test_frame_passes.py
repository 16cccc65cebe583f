"""The passes without Numba: the bytes of the compiled ones, and of the shared fixtures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.support.frame_fixtures import CASES, FOLDER, STAMP, make_mask, make_values

from grid.runtime.live import frame_kernels, frame_passes
from grid.runtime.live.frames import FrameEncoder

PLAIN = sorted(name for name, (_, _, options, _) in CASES.items() if "level" not in options)
SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)


@pytest.mark.parametrize("name", PLAIN)
def test_a_fixture_is_encoded_to_its_bytes(name):
    field, shape, options, codec = CASES[name]
    options = dict(options)
    mask = make_mask(shape, options.pop("masked", False))
    values = make_values(field, shape, constant=options.pop("constant", False))

    encoder = FrameEncoder(field, **options, passes=frame_passes)

    assert encoder.quantise(values, STAMP, mask).pack(codec) == (FOLDER / f"{name}.bin").read_bytes()


@settings(max_examples=50, deadline=None)
@given(
    values=hnp.arrays(np.float64, SHAPES, elements=st.floats(-50.0, 150.0) | st.just(np.nan)),
    missing=st.sampled_from([255, 4095, 65535]),
)
def test_codes_and_extremes_are_those_of_the_compiled_pass(values, missing):
    found = []
    for passes in (frame_kernels, frame_passes):
        codes, extremes = np.empty(values.shape, np.uint16), np.empty(2)
        passes.quantise(values, 0.0, (missing - 1) / 100.0, missing, codes, extremes)
        found.append((codes, extremes))

    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


@settings(max_examples=50, deadline=None)
@given(codes=hnp.arrays(np.uint16, hnp.array_shapes(min_dims=3, max_dims=3, max_side=7)))
def test_differences_are_those_of_the_compiled_pass(codes):
    out = [np.empty((2, *codes.shape), np.uint8) for _ in range(2)]
    frame_kernels.predict(codes, out[0])
    frame_passes.predict(codes, out[1])

    np.testing.assert_array_equal(*out)


def test_a_field_larger_than_what_is_treated_at_once_has_no_seam(monkeypatch):
    values = make_values("temperature", (40, 30))
    whole = FrameEncoder("temperature", passes=frame_passes).quantise(values, STAMP).raw
    monkeypatch.setattr(frame_passes, "ROWS_AT_ONCE", 70)

    assert FrameEncoder("temperature", passes=frame_passes).quantise(values, STAMP).raw == whole
