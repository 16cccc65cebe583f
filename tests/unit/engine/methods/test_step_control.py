"""One rule for steps: what its source says of errors that go with the cube of the step."""

import math

import pytest

from grid.engine.methods.step_control import StepRule, shrink_aim

RULE = StepRule(safety=0.9, growth=4.0, shrinkage=0.1)


@pytest.mark.parametrize("excess", [1e-6, 0.01, 0.5, 1.0, 8.0, 100.0])
def test_a_step_of_that_length_would_have_the_error_that_is_allowed_but_for_safety(excess):
    ratio = RULE.find_ratio(excess)

    assert excess * (ratio / RULE.safety) ** 3 == pytest.approx(1.0)


def test_errors_that_stay_alike_give_a_step_of_the_same_length_in_both_forms():
    steady = RULE.safety ** (3.0 / (0.9 - 0.3))  # where the proportional-integral form has its fixed point

    assert RULE.find_ratio(steady, steady) == pytest.approx(1.0)
    assert RULE.find_ratio(RULE.safety**3) == pytest.approx(1.0)


def test_a_growing_error_shortens_the_next_step_more_than_a_falling_one():
    assert RULE.find_ratio(0.5, 0.1) < RULE.find_ratio(0.5, 0.9)


@pytest.mark.parametrize("excess", [math.inf, math.nan, 1e30])
def test_what_is_no_number_shrinks_by_all_that_the_rule_allows(excess):
    assert RULE.find_ratio(excess) == RULE.shrinkage


def test_a_run_that_begins_again_comes_to_the_share_that_it_aims_for():
    aim = shrink_aim(1.0, 0.6, 1.0, 5.0)

    step = aim ** (1.0 / 3.0)  # the error of a step goes with its cube,
    assert 5.0 * step**2 == pytest.approx(0.6)  # and their sum with its square
