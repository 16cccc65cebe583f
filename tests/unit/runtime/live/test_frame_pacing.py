"""Rates of frames: their average is kept, a late frame brings no others, and encoding that is too dear slows all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.runtime.live.frame_pacing import MOST_DIVISOR, EncodingLoad, FrameClock


@given(hz=st.floats(0.1, 30.0), gaps=st.lists(st.floats(0.0, 3.0), min_size=1, max_size=200))
def test_there_are_never_more_frames_than_the_rate_allows(hz, gaps):
    clock, now, taken = FrameClock(1.0 / hz), 0.0, []
    for gap in gaps:
        now += gap / hz
        if clock.is_due(now):
            clock.take(now)
            taken.append(now)

    for first, start in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= hz * (taken[last] - start) + 2.25


def test_jitter_of_ticks_costs_no_frame():
    clock = FrameClock(1 / 30)
    times = [tick / 30 + jitter for tick, jitter in enumerate([0.0, 0.004, -0.004, 0.003, -0.003] * 20)]
    made = 0
    for now in times:
        if clock.is_due(now):
            clock.take(now)
            made += 1

    assert made == len(times)


def test_a_clock_says_how_long_to_wait():
    clock = FrameClock(1.0)
    assert clock.wait(5.0) == 0.0
    clock.take(5.0)
    assert clock.wait(5.0) == pytest.approx(0.75)
    assert clock.is_due(5.0 + clock.wait(5.0))


def spend(load, start, seconds, share):
    """Encode 30 times a second; return the divisor at the end."""
    for frame in range(int(seconds * 30)):
        load.add(start + frame / 30, share / 30)
        load.look(start + frame / 30)
    return load.divisor


def test_encoding_above_the_limit_halves_rates_until_it_is_affordable():
    load = EncodingLoad()
    assert spend(load, 0.0, 5.0, 0.29) == 1
    assert spend(load, 5.0, 1.0, 0.5) == 1  # not for long enough yet
    assert spend(load, 6.0, 0.9, 0.5) == 2
    assert spend(load, 7.0, 60.0, 0.5) == MOST_DIVISOR


def test_rates_rise_again_one_step_after_ten_affordable_seconds():
    load = EncodingLoad(divisor=4)
    assert spend(load, 0.0, 9.9, 0.1) == 4
    assert spend(load, 9.9, 0.5, 0.1) == 2
    assert spend(load, 10.4, 8.0, 0.1) == 2
    assert spend(load, 18.4, 20.0, 0.2) == 2  # at twice the rate it would be too dear


def test_frames_that_cost_too_much_at_the_lowest_rate_are_stopped_for_a_while_and_tried_again():
    load, now, course = EncodingLoad(), 0.0, []
    while now < 40.0:
        now += 0.25
        if not load.is_stopped:
            load.add(now, 0.2)
        if load.look(now):
            course.append((load.divisor, load.is_stopped))
            if load.is_stopped:
                assert load.full_share(now) > 9.0  # 0.3 of a core, 32 times
    assert course[:6] == [(2, False), (4, False), (8, False), (16, False), (32, False), (32, True)]
    assert course[6:8] == [(32, False), (32, True)]
