"""Functions of time as straight lines between knots: within the stated error everywhere, and jumps where they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.core.errors import FieldError
from grid.engine.values.expression import Expression
from grid.engine.values.tabulate import MAX_KNOTS, Signal, make_signal
from grid.engine.values.value import Constant, Table

END = 10.0


def read(signal, times):
    """Values of a signal at times that are no knots."""
    at = np.searchsorted(signal.knots, times, side="right") - 1
    share = (times - signal.knots[at]) / (signal.knots[at + 1] - signal.knots[at])
    return signal.low[at] + share * (signal.high[at] - signal.low[at])


def integrate(signal):
    return float((0.5 * (signal.low + signal.high) * np.diff(signal.knots)).sum())


SMOOTH = [
    "sin(7*t)",
    "exp(-3*t) + 2",
    "1/(1 + (t - 4)**2)",
    "t**3 - 9*t",
    "abs(sin(2*t))",
    "1e6 + t",
]
JUMPS = ["where(t < 3.3, t**2, -5)", "where(sin(9*t) > 0.3, 2, t)", "where((t > 2) & (t < 2.0001), 1e4, 0)"]


@pytest.mark.parametrize("text", SMOOTH + JUMPS)
@pytest.mark.parametrize("tolerance", [1e-2, 1e-5])
def test_lines_are_within_the_tolerance_of_the_largest_change(text, tolerance):
    value = Expression(text)
    signal = make_signal(value, END, tolerance, "flux")
    times = np.random.default_rng(4).uniform(0.0, END, 20_000)
    near = np.clip(np.searchsorted(signal.knots, times) + np.array([[-1], [0]]), 0, signal.knots.size - 1)
    times = times[np.abs(times - signal.knots[near]).min(axis=0) > 1e-9]  # either side of a jump
    right = np.asarray(value.evaluate({"t": times}))
    size = np.abs(right - float(value.evaluate({"t": np.float64(1e-12)}))).max()

    assert (np.diff(signal.knots) > 0.0).all()
    assert (signal.knots[0], signal.knots[-1]) == (0.0, END)
    assert np.abs(read(signal, times) - right).max() <= 1.01 * tolerance * size + 1e-12 * np.abs(right).max()


@settings(max_examples=25, deadline=None)
@given(
    centre=st.floats(0.5, 9.5), width=st.floats(-9.0, -1.0), height=st.floats(-1e6, 1e6).filter(lambda h: abs(h) > 1)
)
def test_a_pulse_is_found_however_short(centre, width, height):
    wide = 10.0**width
    hump = make_signal(Expression(f"{height!r}*exp(-((t - {centre!r})/{wide!r})**2)"), END, 1e-5, "flux")
    box = make_signal(
        Expression(f"where((t > {centre!r}) & (t < {centre + wide!r}), {height!r}, 0)"), END, 1e-5, "flux"
    )

    low, high = (min(max(end, 0.0), END) for end in (centre, centre + wide))
    assert integrate(box) == pytest.approx(height * (high - low), rel=1e-6)  # ends are known to 1e-15 of 10
    if centre + 6.0 * wide < END and centre > 6.0 * wide:
        assert integrate(hump) == pytest.approx(height * wide * np.sqrt(np.pi), rel=1e-4)


@pytest.mark.parametrize("interpolation", ["linear", "previous"])
def test_tables_are_taken_as_they_are(interpolation):
    points, values = (-1.0, 2.0, 4.0, 12.0), (1.0, 7.0, -3.0, 5.0)
    signal = make_signal(Table(points, values, interpolation), END, 1e-3, "flux")
    times = np.linspace(0.05, 9.95, 100)

    np.testing.assert_array_equal(signal.knots, [0.0, 2.0, 4.0, END])
    right = np.array([Table(points, values, interpolation).evaluate({"t": np.float64(time)}) for time in times])
    np.testing.assert_allclose(read(signal, times), right, rtol=1e-13, atol=1e-13)


def test_a_constant_is_one_stretch_and_a_line_one_too():
    assert make_signal(Constant(3.0), END, 1e-3, "flux").knots.size == 2
    assert make_signal(Expression("3 - 2*t"), END, 1e-9, "flux").knots.size == 2


def test_samples_between_any_times_are_those_of_the_lines():
    signal = Signal(np.array([0.0, 1.0, 4.0]), np.array([0.0, 5.0]), np.array([2.0, -1.0]))  # jumps from 2 to 5 at 1

    low, high = signal.sample(np.array([0.0, 0.5, 1.0, 2.0, 4.0]))

    np.testing.assert_allclose(low, [0.0, 1.0, 5.0, 3.0])
    np.testing.assert_allclose(high, [1.0, 2.0, 3.0, -1.0])


def test_a_million_waves_are_refused_by_name():
    with pytest.raises(FieldError) as caught:
        make_signal(Expression("sin(1e6*t)"), END, 1e-5, "x_min.value")
    assert caught.value.field == "x_min.value"
    assert str(MAX_KNOTS) in str(caught.value)
    assert "end earlier" in str(caught.value)


@settings(max_examples=25, deadline=None)
@given(centre=st.floats(1.0, 9.0), width=st.floats(-5.0, -1.0))
def test_the_flanks_of_a_narrow_peak_hold_their_share_of_the_integral(centre, width):
    """A Lorentzian: half of its integral lies beyond its half width, where it is next to nothing beside the peak."""
    wide = 10.0**width
    signal = make_signal(Expression(f"1/(1 + ((t - {centre!r})/{wide!r})**2)"), END, 5e-6, "flux")
    right = wide * (np.arctan((END - centre) / wide) + np.arctan(centre / wide))

    assert integrate(signal) == pytest.approx(right, rel=5e-5)


@settings(max_examples=40, deadline=None)
@given(height=st.floats(-9.0, -2.0), phase=st.floats(0.0, 6.0))
def test_a_comparison_that_rounding_decides_near_its_jump_is_that_of_the_stretch(height, phase):
    """The crest of a sine is flat: beside the jump both sides of the comparison are equal but for rounding."""
    level = 1.0 - 10.0**height
    signal = make_signal(Expression(f"where(sin(t + {phase!r}) > {level!r}, 5.0, 0.0)"), END, 1e-5, "flux")

    assert set(np.unique(signal.low)) == set(np.unique(signal.high)) <= {0.0, 5.0}
    assert (signal.low == signal.high).all()
    assert integrate(signal) > 0.0
