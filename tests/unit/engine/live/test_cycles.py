"""Cycles counted as they come, held to the rainflow of recorded histories; life at high temperature."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from grid.core.errors import FieldError
from grid.engine import HeatProblem
from grid.engine.live.creep import LarsonMiller
from grid.engine.live.integrity import make_state, observe, weaken
from grid.engine.live.look import look_at
from grid.engine.live.stepping import Window
from grid.engine.live.structure import Structure
from grid.engine.live.structure_body import make_body
from grid.engine.space.discretise import discretise
from grid.engine.structural.fatigue.laws import PowerLaw
from grid.engine.structural.fatigue.rainflow import map_damage

# A kelvin is 2^21 Pa exactly, in single precision too, and twice the noise that is passed over.
UNIT = 2.0**21
EXACT = {"young_modulus": 2.0**37, "poisson_ratio": 0.0, "thermal_expansion": 2.0**-16, "yield_stress": 50.0 * UNIT}
LIFE = PowerLaw(1e10, -0.2)
STEEL_CREEP = LarsonMiller(((5e7, 21000.0), (1e8, 20000.0), (2e8, 18500.0)), load=1e8)


def start(cells, *, unit="K", **changes):
    """Body, state and a function that observes a field, of a held plate without stress at 0."""
    problem = HeatProblem.from_case(
        {
            "dimension": len(cells),
            "domain": {"coordinates": "cartesian", "size": [1.0] * len(cells)},
            "material": {"conductivity": 40.0, "volumetric_heat_capacity": 4e6, **EXACT},
            "initial": 300.0,
            "steady": False,
            "temperature_unit": unit,
            "resolution": {"cells": list(cells), "steps": 1, "end_time": 1.0},
        }
    )
    space, window = discretise(problem), Window.of_padded(cells)
    given_fields = {"support": "held", "ultimate_ratio": 1e6, "life": LIFE} | changes
    body = make_body(space, Structure(1000.0, **given_fields))
    state = make_state(body)

    def see(field, tick=1.0):
        flat = np.array(np.broadcast_to(field, cells), np.float64).reshape(-1)
        return observe(body, state, window, flat, look_at(space, window, flat, 1000.0), tick)

    return body, state, see


def run(history):
    """State after a history of whole kelvins, shape (times, cells)."""
    _, state, see = start(history.shape[1:])
    for field in history:
        see(1000.0 + field)
    return state


def add_open(state):
    """Damage, with what a recorded history that ends here counts of the ranges that are open."""
    damage = state.damage.copy()
    for cell in range(damage.size):
        points = [*state.points[cell, : state.depth[cell]].tolist(), float(state.last[cell])]
        damage[cell] += map_damage(np.array(points), LIFE)
    return damage


def follow(history, capacity=math.inf):
    """Most open turning points of one history at a time, and the ranges that a stack of so many gives up."""
    values = history[np.append(True, np.diff(history) != 0)]
    turns = np.append(True, np.diff(np.sign(np.diff(values))) != 0) if values.size > 1 else np.array([], bool)
    points, deepest, lost = [], 0, 0
    for value in values[:-1][turns]:
        while len(points) >= 2 and abs(value - points[-1]) >= abs(points[-1] - points[-2]):
            points = points[:-2] if len(points) > 2 else points[1:]
        points.append(value)
        if len(points) > capacity:
            del points[0]
            lost += 1
        deepest = max(deepest, len(points))
    return deepest, lost


histories = arrays(np.int64, st.tuples(st.integers(2, 30), st.just(6)), elements=st.integers(-20, 20))


@pytest.mark.jit
@given(history=histories)
@settings(max_examples=60, deadline=None)
def test_streamed_cycles_equal_those_of_the_recorded_history_where_four_points_are_enough(history):
    recorded = map_damage(UNIT * history, LIFE)
    streamed = add_open(run(history))
    is_enough = np.array([follow(one)[0] <= 4 for one in history.T])

    np.testing.assert_allclose(streamed[is_enough], recorded[is_enough], rtol=1e-9, atol=1e-30)


def test_what_overflows_costs_half_a_cycle_of_the_span_at_most():
    """Histories that wander for long, of which most need more points than are kept."""
    history = np.random.default_rng(4).integers(-20, 21, (200, 300))
    recorded, streamed = map_damage(UNIT * history, LIFE), add_open(run(history))
    overflows = np.array([follow(one, capacity=4)[1] for one in history.T])
    largest = 0.5 / LIFE(UNIT * np.ptp(history, axis=0))

    assert (overflows > 0).mean() > 0.5
    assert np.all(np.abs(streamed - recorded) <= overflows * largest + 1e-9 * recorded)
    assert streamed.mean() == pytest.approx(recorded.mean(), rel=0.1)


def test_a_converging_history_overflows_and_loses_none_of_its_ranges():
    """Ranges that shrink close nothing; each counts half, given up or open."""
    history = np.array([0, 20, 1, 19, 2, 18, 3, 17, 4, 16, 5, 15])[:, None]

    assert follow(history[:, 0])[0] > 4
    assert add_open(run(history)) == pytest.approx(map_damage(UNIT * history, LIFE), rel=1e-12)


@pytest.mark.jit
@pytest.mark.parametrize("periods", [1, 7, 40])
def test_equal_cycles_add_up_to_miners_sum_within_half_a_cycle(periods):
    history = np.array([0, 16] * periods + [0])[:, None]

    damage = run(history).damage[0]

    assert abs(damage * LIFE(16.0 * UNIT) - periods) <= 0.5 + 1e-9


def test_the_sum_of_a_range_is_basquins_closed_form():
    """amplitude = s (2N)^b: N = (amplitude / s)^(1/b) / 2; the first range counts half."""
    damage = run(np.array([0, 10, 0, 10])[:, None]).damage[0]

    assert damage == pytest.approx(2 * 0.5 * 2.0 * (5.0 * UNIT / 1e10) ** 5, rel=1e-12)


def test_ranges_under_a_hundredth_of_the_yield_stress_are_noise():
    """A ripple of 0.4 K, 0.8 % of the yield stress, on cycles of 16 K changes neither their number nor their ranges."""
    steps = [0, 4, 8, 12, 16, 12, 8, 4] * 5 + [0]
    smooth = np.array(steps, float)[:, None]
    ripple = np.repeat(smooth, 2, axis=0)
    ripple[1::2] -= 0.4 * np.sign(np.diff(smooth, axis=0, prepend=-1.0))

    assert run(ripple).damage == pytest.approx(run(smooth).damage, rel=1e-12)
    assert run(np.array([0.0, 0.4] * 20)[:, None]).damage[0] == 0.0


def test_damage_of_a_billionth_adds_up_beside_a_half():
    _, state, see = start((2,))
    weaken(state, np.array([True, True]), damage=0.5)
    for turn in range(101):
        see(1000.0 + 10.0 * (turn % 2))

    assert state.damage[0] - 0.5 == pytest.approx(99 * 0.5 / LIFE(10.0 * UNIT), rel=1e-5)
    assert 0.5 / LIFE(10.0 * UNIT) < 1e-11  # lost in single precision


def test_a_cell_fails_in_the_cycle_in_which_its_life_ends():
    """Basquin's N of 8.2 for a range of 20 K."""
    life = PowerLaw(10.0 * UNIT * 16.4**0.2, -0.2)
    _, state, see = start((3,), life=life)
    see(1000.0)
    failed_in = None
    for period in range(1, 12):
        for level in (20.0, 0.0):
            look = see(1000.0 + np.array([level, 0.5 * level, 0.0]))
            if look.new_failures.size and failed_in is None:
                failed_in = period
                assert look.new_failures.tolist() == [0]

    assert life(20.0 * UNIT) == pytest.approx(8.2, rel=1e-12)
    assert failed_in in (9, 10)
    assert state.failed.tolist() == [1, 0, 0]
    assert state.damage[0] == 1.0


def test_cells_of_any_place_count_alike():
    """Long rows cross strips, and cells that turn stand beside cells that do not."""
    history = np.random.default_rng(0).integers(-9, 10, (25, 2, 600))
    whole = run(history)
    for row, column in ((0, 0), (0, 255), (1, 256), (1, 599)):
        alone = run(history[:, row, column][:, None])
        assert whole.damage.reshape(2, 600)[row, column] == alone.damage[0]


@pytest.mark.jit
def test_life_fractions_of_robinson_add_up_to_one_at_rupture():
    """Half of the time to rupture at each of two temperatures, in ticks of a hundredth of it."""
    _, state, see = start((2,), life=None, creep=STEEL_CREEP)
    for temperature in (900.0, 960.0):
        tick = 0.5 * float(STEEL_CREEP.rupture_time(temperature)) / 50
        for _ in range(50):
            look = see(temperature, tick)

    assert look.damage == pytest.approx(1.0, rel=0.01)
    assert state.damage[0] == state.damage[1]


def test_rupture_times_follow_larson_and_miller():
    """T (C + log10 t) = P, P linear in the logarithm of the stress."""
    hours = STEEL_CREEP.rupture_time(np.array([800.0, 1000.0])) / 3600.0

    assert np.array([800.0, 1000.0]) * (20.0 + np.log10(hours)) == pytest.approx([20000.0, 20000.0], rel=1e-12)
    between = LarsonMiller(STEEL_CREEP.table, load=math.sqrt(5e7 * 1e8))
    assert between.parameter == pytest.approx(20500.0, rel=1e-12)


@pytest.mark.parametrize("unit", ["K", "degC"])
def test_tabulated_rates_are_within_a_percent_over_their_whole_range_in_either_unit(unit):
    offset = 273.15 if unit == "degC" else 0.0
    first, step, rates = STEEL_CREEP.make_rates()
    temperature = np.linspace(first, first + step * (rates.size - 1), 300)[1:-1]
    _, state, see = start((298,), unit=unit, life=None, creep=STEEL_CREEP)

    see(temperature - offset, tick=1e-3)

    ratio = state.damage * STEEL_CREEP.rupture_time(temperature) / 1e-3
    assert ratio.min() > 1.0 - 1e-9
    assert ratio.max() < 1.01


def test_below_the_table_no_life_is_used_up_and_above_it_the_rate_stays_the_last():
    first, step, rates = STEEL_CREEP.make_rates()
    _, state, see = start((2,), life=None, creep=STEEL_CREEP)

    see(np.array([first - 1.0, first + 1000.0 * step]), tick=1e-3)

    assert state.damage.tolist() == [0.0, 1e-3 * rates[-1]]
    assert rates[[0, -1]] == pytest.approx([1e-12, 1.0], rel=1e-9)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"table": ()}, "creep.larson_miller"),
        ({"table": ((1e8, 2e4), (1e7, 2e4))}, "creep.larson_miller"),
        ({"table": ((1e8, math.nan),)}, "creep.larson_miller[0][1]"),
        ({"load": 1e9}, "creep.load_pa"),
        ({"constant": 0.0}, "creep.constant"),
    ],
)
def test_a_law_of_creep_outside_its_limits_is_refused_by_name(fields, path):
    with pytest.raises(FieldError) as caught:
        LarsonMiller(**({"table": STEEL_CREEP.table, "load": 1e8} | fields))

    assert caught.value.field == path
