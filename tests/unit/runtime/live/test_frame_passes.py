"""The passes without Numba: the bytes of the compiled ones, and of the shared fixtures."""

import subprocess
import sys

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


@settings(max_examples=60, deadline=None)
@given(
    values=hnp.arrays(
        np.float64, hnp.array_shapes(min_dims=3, max_dims=3, max_side=7), elements=st.integers(-9, 9) | st.just(np.nan)
    ),
    factor=st.sampled_from([2, 4]),
    kind=st.sampled_from([0, 1, 2]),
)
def test_blocks_are_those_of_the_compiled_pass(values, factor, kind):
    found = []
    for passes in (frame_kernels, frame_passes):
        found.append(np.empty([-(-cells // factor) for cells in values.shape]))
        passes.reduce(values, factor, kind, found[-1])
    if kind == 2:  # of equal magnitudes either may be taken
        found = [np.abs(one) for one in found]

    np.testing.assert_allclose(*found, rtol=1e-14, atol=1e-14)


def test_the_value_of_largest_magnitude_keeps_its_sign():
    out = np.empty((1, 1, 2))
    frame_passes.reduce(np.array([[[1.0, -3.0, 2.0, np.nan]]]), 2, 2, out)

    np.testing.assert_array_equal(out, [[[-3.0, 2.0]]])


def test_no_level_loads_numba():
    code = """
import sys
import numpy as np
from grid.runtime.live import frame_passes
from grid.runtime.live.frames import FrameEncoder, Stamp
for level in (0, 1, 2):
    FrameEncoder("stress", level, passes=frame_passes).quantise(np.eye(9), Stamp(0, 0.0))
assert not {"numba", "llvmlite", "scipy"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True)
