"""Rainflow, laws of life and damage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.engine.structural.fatigue.laws import PowerLaw, UniversalSlopes, compute_blocks_to_failure, compute_damage
from grid.engine.structural.fatigue.rainflow import count_cycles, map_damage

BASQUIN = PowerLaw(9e8, -0.09)
SLOPES = UniversalSlopes(1.9e11, 4.5e8, 0.6)
histories = st.lists(st.integers(-50, 50), min_size=2, max_size=60)


@given(history=histories)
def test_half_cycles_add_up_to_the_way_between_reversals_that_no_cycle_hides(history):
    """Every full cycle removes its range twice from the way, every half cycle once."""
    ranges, counts = count_cycles(history)

    assert 2 * ranges @ counts == pytest.approx(np.abs(np.diff(history)).sum())
    if ranges.size:
        assert ranges[-1] == max(history) - min(history)
    assert np.all(np.diff(ranges) > 0)


@pytest.mark.jit
@settings(deadline=None)  # the first example waits for the compiler
@given(history=histories)
def test_the_compiled_count_gives_the_damage_of_the_library(history):
    expected = compute_damage(*count_cycles(1e7 * np.array(history)), BASQUIN)

    found = map_damage(1e7 * np.array(history, dtype=float)[:, None], BASQUIN)

    assert found[0] == pytest.approx(expected, rel=1e-9)


@given(history=histories, shift=st.integers(-100, 100))
def test_counting_knows_neither_level_nor_sign_nor_values_on_the_way(history, shift):
    expected = [part.tolist() for part in count_cycles(history)]
    slower = np.repeat(history, 3).tolist()

    for other in ([value + shift for value in history], [-value for value in history], slower):
        assert [part.tolist() for part in count_cycles(other)] == expected


def test_two_values_are_half_a_cycle_and_one_level_is_none():
    assert [part.tolist() for part in count_cycles([0, 10])] == [[10.0], [0.5]]
    assert count_cycles([5, 5, 5])[0].size == 0
    assert map_damage(np.full((4, 2), 3.0), BASQUIN) == pytest.approx(np.zeros(2))


def test_ranges_that_differ_by_rounding_are_one():
    ranges, counts = count_cycles([0.0, 0.3, 0.1, 0.4, 0.1, 0.4, 0.0])

    assert ranges.tolist() == [0.2, 0.3, 0.4] or ranges.size == 3
    assert counts.sum() == pytest.approx(3.0)


@pytest.mark.jit
def test_a_map_of_damage_keeps_the_shape_of_the_field_and_each_place_to_itself():
    fields = np.random.default_rng(1).normal(scale=2e8, size=(40, 3, 5))

    found = map_damage(fields, BASQUIN)

    assert found.shape == (3, 5)
    for place in np.ndindex(3, 5):
        alone = compute_damage(*count_cycles(fields[(slice(None), *place)]), BASQUIN)
        assert found[place] == pytest.approx(alone, rel=1e-6)


@given(log_life=st.floats(0, 12))
def test_universal_slopes_are_inverted_to_rounding(log_life):
    life = 10.0**log_life

    assert SLOPES(SLOPES.compute_range(life)) == pytest.approx(life, rel=1e-10)


@given(log_range=st.floats(-6, 2))
def test_universal_slopes_converge_for_any_range(log_range):
    strain = 10.0**log_range

    assert SLOPES.compute_range(SLOPES(strain)) == pytest.approx(strain, rel=1e-9)


@given(log_range=st.floats(-4, -1), log_coefficient=st.floats(-2, 1), exponent=st.floats(-0.9, -0.1))
def test_a_power_law_is_met_by_its_life(log_range, log_coefficient, exponent):
    law, strain = PowerLaw(10.0**log_coefficient, exponent), 10.0**log_range

    assert law.coefficient * (2 * law(strain)) ** exponent == pytest.approx(strain / 2, rel=1e-9)


def test_no_range_is_borne_for_ever():
    assert BASQUIN(0.0) == np.inf
    assert SLOPES([0.0, 0.01])[0] == np.inf
    assert compute_damage([0.0], [10.0], SLOPES) == 0.0


@settings(max_examples=20)
@given(cycles=st.lists(st.floats(0, 1e5), min_size=3, max_size=3))
def test_damage_is_linear_in_cycles_and_remaining_life_ends_at_one(cycles):
    ranges = np.array([1e-3, 4e-3, 1e-2])
    damage = compute_damage(ranges, cycles, SLOPES)

    assert compute_damage(ranges, 2 * np.array(cycles), SLOPES) == pytest.approx(2 * damage)
    if damage > 1.0 / np.finfo(float).max:  # of less the life is endless
        assert damage * compute_blocks_to_failure(damage) == pytest.approx(1.0)
        assert 0.25 + damage * compute_blocks_to_failure(damage, already=0.25) == pytest.approx(1.0)


def test_what_has_failed_has_no_life_left_and_what_is_not_loaded_an_endless_one():
    left = compute_blocks_to_failure([0.1, 0.0, 1e-310], already=[1.2, 0.3, 0.1])
    assert left == pytest.approx([0.0, np.inf, np.inf])
