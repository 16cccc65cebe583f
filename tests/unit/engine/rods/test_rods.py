"""The laws of a rod; `sim/run_sim.py`, which does the same in NumPy, is compared in `tests/unit/sim`."""

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.core.errors import AdmissionError
from grid.engine.rods.rods import CELL_STEPS_LIMIT, Rod, find_sub_steps, snapshot_rows, solve_rods, start_shape


def solve_one(length=1.0, diffusivity=0.01, initial=100.0, boundary=0.0, end=1.0, *, steps=100, nodes=101):
    """Solve one rod; return it and its whole field."""
    field = np.full((steps + 1, nodes), np.nan)

    def on_rows(_column, first, rows):
        field[first : first + len(rows)] = rows

    (rod,) = solve_rods(
        [length], [diffusivity], [initial], [boundary], [end], time_steps=steps, spatial_steps=nodes, on_rows=on_rows
    )
    assert isinstance(rod, Rod)
    return rod, field


def test_start_is_a_sine_symmetric_to_the_last_bit_and_zero_at_both_ends():
    for nodes in (3, 4, 50, 101):
        shape = start_shape(nodes)

        assert shape == pytest.approx(np.sin(np.pi * np.arange(nodes) / (nodes - 1)), abs=1e-15)
        assert np.array_equal(shape, shape[::-1])
        assert shape[0] == shape[-1] == 0.0


@pytest.mark.jit
@pytest.mark.parametrize(
    ("nodes", "diffusivity", "steps"), [(3, 0.2, 7), (10, 0.05, 3), (101, 0.01, 100), (64, 2.0, 4)]
)
def test_every_mode_amplitude_follows_the_discrete_decay_law(nodes, diffusivity, steps):
    """The start is an eigenvector: the field after k sub-steps is (1 - 4 Fo sin^2(pi / (2 (n - 1))))^k times it."""
    rod, field = solve_one(diffusivity=diffusivity, initial=80.0, boundary=20.0, steps=steps, nodes=nodes)
    factor = 1 - 4 * rod.sub_steps.mesh_fourier * math.sin(math.pi / (2 * (nodes - 1))) ** 2
    law = 20.0 + 60.0 * factor ** (rod.sub_steps.count * np.arange(steps + 1))[:, None] * start_shape(nodes)

    slack = 1e-13 * rod.sub_steps.count * steps + 1e-12  # a rounding of the span in each sub-step
    assert np.abs(field - law).max() <= 60.0 * slack


def test_error_falls_with_the_square_of_the_spacing():
    """At a fixed Fo the time error falls as the space error does: second order against the exact solution."""

    def error(nodes):
        # Fo = 0.4 in each interval, without sub-steps
        spacing = 1 / (nodes - 1)
        steps = round(0.05 / (0.4 * spacing**2))
        rod, _ = solve_one(diffusivity=1.0, initial=1.0, end=0.05, steps=steps, nodes=nodes)
        exact = math.exp(-(math.pi**2) * 0.05) * np.sin(np.pi * np.linspace(0, 1, nodes))
        return np.abs(rod.final - exact).max()

    errors = [error(nodes) for nodes in (21, 41, 81)]

    assert np.log2(np.array(errors[:-1]) / errors[1:]) == pytest.approx(2.0, abs=0.05)


@given(
    length=st.floats(0.01, 100),
    diffusivity=st.floats(1e-6, 10),
    end=st.floats(1e-3, 1e3),
    steps=st.integers(1, 50),
    nodes=st.integers(3, 60),
)
def test_sub_steps_are_the_fewest_that_keep_fourier_at_or_below_one_half(length, diffusivity, end, steps, nodes):
    cut = find_sub_steps(length, diffusivity, end, time_steps=steps, spatial_steps=nodes)
    whole = diffusivity * (end / steps) / (length / (nodes - 1)) ** 2

    assert 0 < cut.mesh_fourier <= 0.5
    assert cut.mesh_fourier * cut.count == pytest.approx(whole, rel=1e-12)
    assert cut.count == 1 or whole / (cut.count - 1) > 0.5 * (1 - 1e-12)


@given(
    diffusivity=st.floats(1e-9, 1.0),
    initial=st.floats(-273.15, 1e4),
    boundary=st.floats(-273.15, 1e4),
    steps=st.integers(1, 30),
    nodes=st.integers(3, 40),
)
def test_audits_pass_and_temperatures_stay_between_start_and_ends(diffusivity, initial, boundary, steps, nodes):
    rod, field = solve_one(diffusivity=diffusivity, initial=initial, boundary=boundary, steps=steps, nodes=nodes)

    slack = 1e-9 * max(abs(initial), abs(boundary), 1.0) * 1e-3
    assert rod.is_accepted
    assert rod.energy_residual <= 1e-10
    assert field.min() >= min(initial, boundary) - slack
    assert field.max() <= max(initial, boundary) + slack
    assert np.all(field[:, [0, -1]] == boundary)


def test_audits_see_a_rod_that_was_tampered_with():
    """A rod whose audits cannot fail would prove nothing."""
    rod, _ = solve_one()

    for spoilt in (
        {"energy_residual": 1e-6},
        {"bounds_excess": 1e-6},
        {"is_finite": False},
        {"energy_residual": math.nan},
    ):
        assert not Rod(**{**vars(rod), **spoilt}).is_accepted


def test_a_rod_without_a_span_stays_as_it_is():
    rod, field = solve_one(initial=37.0, boundary=37.0)

    assert np.all(field == 37.0)
    assert rod.is_accepted


def test_hash_final_and_snapshots_are_those_of_the_field():
    rod, field = solve_one(steps=37, nodes=12)
    rows = snapshot_rows(37)

    assert rod.field_sha256 == hashlib.sha256(field.tobytes()).hexdigest()
    assert np.array_equal(rod.final, field[-1])
    assert np.array_equal(rod.snapshots, field[rows].astype(np.float32))
    assert rows[0] == 0
    assert rows[-1] == 37
    assert len(rows) == 16


def test_a_column_has_the_same_bytes_alone_and_among_any_neighbours():
    rng = np.random.default_rng(20260101)
    count = 40
    columns = [rng.uniform(*limits, count) for limits in ((0.5, 2), (1e-4, 0.1), (-50, 900), (-50, 900), (0.1, 2))]
    together = solve_rods(*columns, time_steps=9, spatial_steps=33)
    backwards = solve_rods(*(column[::-1] for column in columns), time_steps=9, spatial_steps=33)[::-1]
    for index in range(count):
        (alone,) = solve_rods(*([column[index]] for column in columns), time_steps=9, spatial_steps=33)
        for other in (together[index], backwards[index]):
            assert other.final.tobytes() == alone.final.tobytes()
            assert other.snapshots.tobytes() == alone.snapshots.tobytes()
            assert other.field_sha256 == alone.field_sha256
            assert other.energy_residual == alone.energy_residual


@pytest.mark.jit
def test_bytes_do_not_depend_on_how_the_work_is_cut(monkeypatch):
    """Large rods are solved in pieces, so that progress and cancel come through; the pieces must not show."""
    whole, _ = solve_one(diffusivity=1.0, steps=5, nodes=51)
    for rows_bytes, call in ((1, 1 << 27), (1 << 18, 51 * 7), (1 << 18, 51 * 100), (900, 1)):
        monkeypatch.setattr("grid.engine.rods.rods._ROWS_BYTES", rows_bytes)
        monkeypatch.setattr("grid.engine.rods.rods._CALL_CELL_STEPS", call)
        pieces, _ = solve_one(diffusivity=1.0, steps=5, nodes=51)

        assert pieces.field_sha256 == whole.field_sha256
        assert pieces.energy_residual == whole.energy_residual


def test_one_giant_is_answered_with_an_error_and_its_neighbours_are_solved():
    rods = solve_rods(
        [1.0] * 3, [0.01, 1e3, 0.01], [1.0] * 3, [0.0] * 3, [1.0, 1e12, 1.0], time_steps=5, spatial_steps=11
    )

    assert isinstance(rods[1], AdmissionError)
    assert rods[1].estimate > CELL_STEPS_LIMIT
    assert rods[0].field_sha256 == rods[2].field_sha256


def test_columns_can_be_left_out_before_and_while_they_run(monkeypatch):
    monkeypatch.setattr("grid.engine.rods.rods._CALL_CELL_STEPS", 1)
    seen = []

    def on_progress(fraction):
        seen.append(fraction)
        return frozenset({1, 2}) if fraction > 0.4 else frozenset()  # half-way through column 1

    rods = solve_rods(
        [1.0] * 4, [0.01] * 4, [1.0] * 4, [0.0] * 4, [1.0] * 4, time_steps=8, spatial_steps=11, on_progress=on_progress
    )

    assert [rod is None for rod in rods] == [False, True, True, False]
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
