"""Degraded modes: rungs are entered at once, left one at a time after longer, and never flap."""

import itertools
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.core.errors import FieldError
from grid.services.modes import LADDERS, PARTS, Signals, advance_mode, describe_modes, start_mode

VALUES = {
    "ratio": [None, 0.3, 0.6, 0.95, 1.0],
    "may_simplify": [None, False, True],
    "full_load": [None, 0.5, 0.9],
    "is_ticking": [None, False, True],
    "encode_share": [None, 0.1, 0.5],
    "has_frames": [None, False, True],
    "has_stopped_frames": [None, False, True],
    "commit_s": [None, 0.01, 0.5, 2.0, inf],
    "disk_free": [None, 0.01, 0.06, 0.5],
    "is_leased": [None, False, True],
    "living_workers": [None, 0, 2],
    "free_slots": [None, 0, 3],
    "does_ring": [None, False, True],
    "oldest_notice_s": [None, 0.0, 30.0, 100.0],
    "is_optimizer_on": [None, False, True],
    "can_store": [None, False, True],
}


@st.composite
def courses(draw):
    """A part, and its signals once a second, which mostly stay as they are for a while."""
    part = draw(st.sampled_from(PARTS))
    policy = {"may_simplify"} if part == "physics" else set()
    names = sorted(policy.union(*(rung.uses for rung in LADDERS[part])))
    seen = st.fixed_dictionaries({name: st.sampled_from(VALUES[name]) for name in names})
    pieces = draw(st.lists(st.tuples(seen, st.integers(1, 60)), min_size=1, max_size=8))
    return part, [Signals(**signals) for signals, seconds in pieces for _ in range(seconds)]


def follow(part, signals):
    """States before the first look and after each one, a second apart."""
    states = [start_mode(part, 0.0)]
    for second, seen in enumerate(signals):
        states.append(advance_mode(part, states[-1], seen, float(second)))
    return states


@given(course=courses())
def test_a_rung_is_entered_when_its_condition_has_held_and_not_before(course):
    part, signals = course
    states = follow(part, signals)

    for second, (before, after) in enumerate(itertools.pairwise(states)):
        for number, rung in enumerate(LADDERS[part], start=1):
            held = signals[max(0, second - int(rung.enter_s)) : second + 1]
            is_long = len(held) > rung.enter_s and all(map(rung.enter, held))
            if after.rung == number and before.rung < number:
                assert is_long
            if is_long:
                assert after.rung >= number


@given(course=courses())
def test_a_rung_is_left_when_that_has_held_for_its_time_and_for_the_next_one_that_was_entered(course):
    part, signals = course
    states = follow(part, signals)

    for second, (before, after) in enumerate(itertools.pairwise(states)):
        if after.rung >= before.rung:
            continue
        rung = LADDERS[part][before.rung - 1]
        span = range(second - int(rung.leave_s), second + 1)
        assert span[0] >= 0
        assert all(rung.leave(signals[each]) for each in span)
        assert {states[each].rung for each in span} == {before.rung}
        assert not any(number in before.entered for number in range(after.rung + 1, before.rung))


@given(course=courses())
def test_a_mode_says_since_when_and_why(course):
    part, signals = course
    states = follow(part, signals)

    for second, (before, after) in enumerate(itertools.pairwise(states)):
        assert after.rung == max(after.entered, default=0)
        assert bool(after.reason) == bool(after.rung)
        if after.rung != before.rung:
            assert after.since == second
            assert after.evidence
            assert all(getattr(signals[second], name) == value for name, value in after.evidence)
        else:
            assert (after.since, after.reason) == (before.since, before.reason)


@pytest.mark.parametrize("part", PARTS)
def test_an_unknown_signal_changes_no_mode(part):
    for rung in range(len(LADDERS[part]) + 1):
        state = start_mode(part, 0.0, rung)
        for second in range(200):
            state = advance_mode(part, state, Signals(), float(second))
        assert (state.rung, state.since) == (rung, 0.0)


def list_changes(part, *pieces):
    """Seconds and rungs of the changes; each piece is a number of seconds and the signals in them."""
    states = follow(part, [Signals(**signals) for seconds, signals in pieces for _ in range(seconds)])
    pairs = enumerate(itertools.pairwise(states))
    return [(second, after.rung) for second, (before, after) in pairs if after.rung != before.rung]


def test_physics_becomes_simpler_only_where_the_policy_allows_and_returns_in_two_steps():
    slow = {"ratio": 0.4, "full_load": 1.2}

    assert list_changes("physics", (100, slow)) == [(3, 1)]
    assert list_changes(
        "physics", (20, slow | {"may_simplify": True}), (100, {"ratio": 1.0, "full_load": 0.5, "may_simplify": True})
    ) == [(3, 1), (10, 2), (70, 1), (86, 0)]


def test_physics_that_freezes_goes_back_to_where_it_was():
    frozen, ticking = {"ratio": 1.0, "is_ticking": False}, {"ratio": 1.0, "is_ticking": True}

    assert list_changes("physics", (5, frozen), (5, ticking)) == [(0, 3), (5, 0)]
    assert list_changes("physics", (5, {"ratio": 0.6}), (5, frozen), (30, ticking)) == [
        (3, 1),
        (5, 3),
        (10, 1),
        (26, 0),
    ]


def test_frames_become_fewer_step_by_step():
    dear, stopped, cheap = (
        {"encode_share": share, "has_stopped_frames": has_stopped, "has_frames": True}
        for share, has_stopped in ((0.5, False), (12.0, True), (0.1, False))
    )
    assert list_changes("stream", (4, dear), (4, stopped), (30, cheap)) == [(1, 1), (4, 2), (18, 1), (29, 0)]
    assert list_changes("stream", (3, cheap | {"has_frames": False}), (20, cheap)) == [(1, 3), (13, 0)]


def test_physics_is_full_again_where_nothing_more_may_be_left_out():
    slow = {"ratio": 0.4, "full_load": 1.2, "may_simplify": True}

    changes = list_changes("physics", (20, slow), (80, slow | {"may_simplify": False}))
    assert changes == [(3, 1), (10, 2), (70, 1)]


def test_a_slow_commit_holds_and_a_full_disk_is_read_only_whatever_the_database_does():
    fine, slow, full = {"commit_s": 0.01, "disk_free": 0.5}, {"commit_s": 2.0, "disk_free": 0.5}, {"disk_free": 0.01}

    assert list_changes("store", (3, slow), (20, fine)) == [(0, 1), (13, 0)]
    assert list_changes("store", (3, fine | full), (40, fine)) == [(0, 2), (33, 0)]
    assert list_changes("store", (3, fine), (1, {"commit_s": inf}), (5, {"commit_s": 0.5})) == [(3, 1)]


def test_the_header_names_what_is_degraded_in_a_fixed_order():
    store, physics, bell = start_mode("store", 0.0, 1), start_mode("physics", 0.0, 2), start_mode("bell", 0.0)

    assert describe_modes([store, bell, physics]) == "degraded; physics=2; store=1"
    assert describe_modes([bell]) == describe_modes([]) == "full"
    assert (store.name, physics.name, bell.name) == ("holding", "simpler", "full")


def test_parts_and_rungs_that_do_not_exist_are_refused():
    with pytest.raises(FieldError, match="part"):
        start_mode("disk", 0.0)
    with pytest.raises(FieldError, match="rung"):
        start_mode("bell", 0.0, 2)
    with pytest.raises(FieldError, match="state"):
        advance_mode("bell", start_mode("store", 0.0), Signals(), 0.0)
