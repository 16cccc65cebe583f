"""Bars and plates beyond yield, and Bree's diagram against the plate cycled."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grid.engine.errors import SingularError
from grid.engine.structural.strength.bree import compute_growth, cycle_plate, find_regime
from grid.engine.structural.strength.plasticity import (
    Fibres,
    compute_plastic_range,
    compute_shakedown_limit,
    cycle_bar,
    cycle_fibres,
    make_rest,
    step_free,
    step_held,
)

BAR = {"young_modulus": 2e11, "thermal_expansion": 1.2e-5, "yield_stress": 2.5e8}
changes = st.lists(st.floats(-400, 400), min_size=2, max_size=8)


@given(history=changes)
def test_a_fixed_bar_never_bears_more_than_its_yield_stress_and_strains_add_to_nothing(history):
    states = cycle_bar(history, **BAR)
    total = states.stress / 2e11 + states.plastic_strain + 1.2e-5 * np.array(history)

    assert np.all(np.abs(states.stress) <= 2.5e8)
    assert total == pytest.approx(np.zeros(len(history)), abs=1e-15)


@given(history=changes)
def test_the_plastic_range_is_that_of_the_bar_cycled_until_it_settles(history):
    settled = cycle_bar(history * 4, **BAR).plastic_strain[-len(history) - 1 :]

    assert np.ptp(settled) == pytest.approx(compute_plastic_range(history, **BAR), abs=1e-14)


@given(history=changes)
def test_a_bar_shakes_down_exactly_up_to_its_limit(history):
    is_elastic = compute_plastic_range(history, **BAR) <= 1e-15

    assert is_elastic == (max(history) - min(history) <= compute_shakedown_limit(**BAR) * (1 + 1e-12))


def test_one_held_fibre_is_the_fixed_bar():
    history = [0.0, 300.0, -50.0, 120.0]
    bar = cycle_bar(history, **BAR)
    fibre = Fibres(np.ones(1), 2e11, 2.5e8)

    states = cycle_fibres(fibre, [[1.2e-5 * change] for change in history], held_at=0.0)

    assert [float(state.stress[0]) for state in states] == pytest.approx(bar.stress.tolist())
    assert [float(state.plastic_strain[0]) for state in states] == pytest.approx(bar.plastic_strain.tolist())


def test_of_two_bars_the_smaller_yields_when_the_other_heats_and_keeps_a_residual_stress():
    """Areas 1 and 3, the second heated: equal forces until the first yields, then it bears sy and the second sy/3."""
    pair, sy, modulus = Fibres(np.array([1.0, 3.0]), 2e11, 2.5e8), 2.5e8, 2e11
    heat = 4.0 * sy / modulus  # free strain of the second bar

    hot, cold = cycle_fibres(pair, [[0.0, heat], [0.0, 0.0]])

    assert hot.stress == pytest.approx([sy, -sy / 3])
    assert hot.strain == pytest.approx(heat - sy / 3 / modulus)
    assert hot.plastic_strain == pytest.approx([hot.strain - sy / modulus, 0.0])
    assert cold.stress @ pair.areas == pytest.approx(0.0, abs=1e-3)
    assert cold.stress[0] < 0 < cold.stress[1]


@settings(max_examples=40, deadline=None)
@given(thermal=st.lists(st.floats(-5e-3, 5e-3), min_size=12, max_size=12), force=st.floats(-0.9, 0.9))
def test_free_fibres_balance_force_and_moment(thermal, force):
    coordinates = np.linspace(-1, 1, 12)
    fibres = Fibres(np.full(12, 1 / 12), 2e11, 2.5e8, coordinates)

    state = step_free(fibres, make_rest(fibres), thermal, 0.5 * force * 2.5e8)

    assert fibres.areas @ state.stress == pytest.approx(0.5 * force * 2.5e8, abs=1e-3)
    assert (fibres.areas * coordinates) @ state.stress == pytest.approx(0.0, abs=1e-3)
    assert np.all(np.abs(state.stress) <= 2.5e8)
    strain = state.strain + state.curvature * coordinates - np.array(thermal) - state.plastic_strain
    assert 2e11 * strain == pytest.approx(state.stress, abs=1.0)


def test_a_linear_thermal_strain_leaves_a_bundle_that_may_bend_without_stress():
    coordinates = np.linspace(-1, 1, 9)
    fibres = Fibres(np.full(9, 1 / 9), 2e11, 2.5e8, coordinates)

    state = step_free(fibres, make_rest(fibres), 0.01 + 0.02 * coordinates)

    assert state.stress == pytest.approx(np.zeros(9), abs=1.0)
    assert (state.strain, state.curvature) == pytest.approx((0.01, 0.02))


def test_a_heated_plate_that_is_held_yields_through_and_keeps_tension_when_cooled():
    plate = Fibres(np.full(20, 1 / 20), 2e11 / 0.7, 2.5e8)
    strain = 2.5 * 2.5e8 * 0.7 / 2e11

    hot = step_held(plate, make_rest(plate), strain)
    cold = step_held(plate, hot, 0.0)

    assert hot.stress == pytest.approx(np.full(20, -2.5e8))
    assert cold.stress == pytest.approx(np.full(20, 2.5e8))


def test_a_load_beyond_collapse_is_refused():
    fibres = Fibres(np.ones(3), 2e11, 2.5e8)

    with pytest.raises(SingularError, match="collapse"):
        step_free(fibres, make_rest(fibres), 0.0, 3.1 * 2.5e8)


@pytest.mark.parametrize(
    ("x", "y"),
    [(0.2, 0.6), (0.4, 1.2), (0.1, 2.5), (0.5, 2.6), (0.7, 1.6), (0.0, 3.0), (0.3, 5.0), (0.9, 0.2), (0.8, 1.0)],
)
def test_the_diagram_is_what_a_plate_of_fibres_does(x, y):
    assert cycle_plate(x, y, fibres=200, cycles=50) == pytest.approx(compute_growth(x, y), abs=0.01 * max(1.0, y))


@pytest.mark.physics
@settings(max_examples=100, deadline=None)
@given(x=st.floats(0, 0.95), y=st.floats(0, 5))
def test_everywhere_the_diagram_is_what_a_plate_of_fibres_does(x, y):
    assert cycle_plate(x, y, fibres=400, cycles=200) == pytest.approx(compute_growth(x, y), abs=0.02 * max(1.0, y))


@given(x=st.floats(0, 1), y=st.floats(0, 10))
@example(x=1.0, y=1e-14)
def test_growth_and_ratcheting_go_together_and_the_growth_has_no_jump(x, y):
    growth = compute_growth(x, y)

    assert (growth > 0) == (find_regime(x, y) == "ratcheting")
    assert compute_growth(x, y + 1e-9) == pytest.approx(growth, abs=1e-6)


def test_edges_of_the_diagram_belong_to_the_milder_regime():
    assert find_regime(0.7, 0.3) == "elastic"
    assert find_regime(0.0, 2.0) == "shakedown"
    assert find_regime(0.4, 2.5) == "plastic cycling"
    assert find_regime(0.5, 2.0) == "shakedown"
    assert find_regime(1.0, 0.0) == "elastic"
    assert find_regime(1.0, 0.1) == "ratcheting"
