"""Equivalent stresses, margins and the moment of first yield."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from grid.engine.structural.strength.integrity import (
    compute_first_yield,
    compute_principal,
    compute_safety_factor,
    compute_tresca,
    compute_von_mises,
)

components = st.lists(st.integers(-(10**9), 10**9), min_size=6, max_size=6).map(lambda parts: np.array(parts, float))


def turn(stress, rotation):
    """The same stress in other axes."""
    xx, yy, zz, xy, yz, xz = stress
    matrix = rotation @ np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]) @ rotation.T
    return np.array([matrix[0, 0], matrix[1, 1], matrix[2, 2], matrix[0, 1], matrix[1, 2], matrix[0, 2]])


@given(stress=components, angles=st.lists(st.floats(0, 360), min_size=3, max_size=3))
def test_equivalent_stresses_do_not_depend_on_the_axes(stress, angles):
    turned = turn(stress, Rotation.from_euler("xyz", angles, degrees=True).as_matrix())
    slack = 1e-12 * np.abs(stress).max() + 1e-300

    assert compute_von_mises(turned) == pytest.approx(compute_von_mises(stress), abs=10 * slack, rel=1e-6)
    assert compute_principal(turned) == pytest.approx(compute_principal(stress), abs=10 * slack)


@given(stress=components, pressure=st.floats(-1e9, 1e9))
def test_a_pressure_shifts_the_principal_stresses_and_leaves_the_shear_ones(stress, pressure):
    loaded = stress - pressure * np.array([1, 1, 1, 0, 0, 0])
    slack = 1e-12 * (np.abs(stress).max() + abs(pressure)) + 1e-300

    assert compute_principal(loaded) == pytest.approx(compute_principal(stress) - pressure, abs=10 * slack)
    assert compute_tresca(loaded) == pytest.approx(compute_tresca(stress), abs=20 * slack)


@given(stress=components)
def test_tresca_lies_between_von_mises_and_two_over_root_three_of_it(stress):
    von_mises, tresca = compute_von_mises(stress), compute_tresca(stress)
    slack = 1e-6 * np.abs(stress).max() + 1e-300

    assert von_mises - slack <= tresca <= 2 / np.sqrt(3) * von_mises + slack


def test_von_mises_of_principal_stresses_is_that_of_the_tensor():
    stress = np.random.default_rng(3).normal(size=(6, 4, 5))
    principal = compute_principal(stress)

    assert compute_von_mises(np.concatenate([principal, np.zeros_like(principal)])) == pytest.approx(
        compute_von_mises(stress)
    )
    assert np.all(np.diff(principal, axis=0) <= 0)


def test_pure_shear_yields_at_the_textbook_stresses():
    shear = [0, 0, 0, 100.0, 0, 0]

    assert compute_von_mises(shear) == pytest.approx(np.sqrt(3) * 100)
    assert compute_tresca(shear) == pytest.approx(200)


def test_a_stress_without_six_components_is_refused():
    with pytest.raises(ValueError, match="six components"):
        compute_von_mises(np.zeros((3, 6)))


def test_an_unstressed_place_has_an_endless_margin():
    assert compute_safety_factor([0.0, 50.0], 100.0) == pytest.approx([np.inf, 2.0])


def test_first_yield_is_where_the_line_between_snapshots_crosses_the_limit():
    history = np.array([[0.0, 5.0, 0.0], [10.0, 5.0, 2.0], [0.0, 5.0, 4.0]])

    first = compute_first_yield([0.0, 2.0, 3.0], history, [5.0, 5.0, 9.0])

    assert first == pytest.approx([1.0, 0.0, np.inf])
