"""Points at which a value jumps or bends are found from its text, however close they are."""

import numpy as np
import pytest

from grid.core.errors import FieldError
from grid.engine.values.expression import Expression
from grid.engine.values.phase_change import ByPhase, Enthalpy, HeatCapacity
from grid.engine.values.switches import find_switches
from grid.engine.values.value import Constant, Gridded, Table


def find(text, low, high, variable="t"):
    return find_switches(Expression(text), variable, low, high)


@pytest.mark.parametrize(
    ("text", "high", "right"),
    [
        ("where((t >= 2000) & (t < 2010), 1e6, 0.0)", 1e5, [2000, 2010]),
        ("where((t > 1) & (t < 1.000001), 1, 0)", 1e5, [1, 1.000001]),
        ("where(t > 1e-9, 1, 0)", 1e5, [1e-9]),
        ("where(t*t < 4, 1, 0)", 1e4, [2]),
        ("where(2*t - 3 < t/2, 1, 0)", 1e4, [2]),
        ("where(t > 3, 1, 0) * where(T > 3, t, 0) + x*t", 10, [3]),
        ("abs(t-3) + minimum(t,5) + maximum(t,t*t)", 10, [1, 3, 5]),
        ("where(where(t>1,t,2) > 1.5, 1, 0)", 10, [1, 1.5]),
        ("where(where(t > 4, t < 6, t < 2), 1, 0)", 10, [2, 4, 6]),
        ("sqrt(abs(t-4)) + abs(t-7)**0.5", 10, [4, 7]),
        (
            "where(exp(-((t-37)/0.01)**2) > 0.5, 1, 0)",
            1e5,
            [37 - 0.01 * np.log(2) ** 0.5, 37 + 0.01 * np.log(2) ** 0.5],
        ),
        ("where(t == 3, 1, 0)", 10, [3]),
        ("where(tan(t) > 1, 1, 0)", 4, [np.pi / 4, np.pi / 2, 5 * np.pi / 4]),
        ("where(x < 0.1*t, 1, 0)", 10, []),
        ("exp(-t)*sin(t) + t**2", 10, []),
    ],
)
def test_switches_are_where_the_sides_are_equal(text, high, right):
    assert find(text, 0.0, high) == pytest.approx(right, rel=1e-14)


def test_all_roots_of_a_wave_are_found():
    found = find("where(sin(t) > 0.99, 1, 0)", 0.0, 100.0)

    angle, turns = np.arcsin(0.99), 2 * np.pi * np.arange(16)
    right = np.sort(np.concatenate([turns + angle, turns + np.pi - angle]))
    assert found == pytest.approx(right[right < 100.0], rel=1e-13)


def test_boxes_of_random_place_and_width_are_found_to_rounding():
    """Widths down to a few roundings of the time; the ends are numbers of the text, so they come back as they are."""
    rng = np.random.default_rng(5)
    for width in 10.0 ** rng.uniform(-9, 4, 50):
        start = float(rng.uniform(1.0, 8e4))
        end = start + float(width)
        assert find(f"where((t >= {start!r}) & (t < {end!r}), 1, 0)", 0.0, 1e5) == (start, end)


def test_a_side_that_only_touches_costs_a_few_points():
    found = find("where((t-5)**2 > 0, 1, 0)", 0.0, 10.0)

    assert 1 <= len(found) <= 4
    assert found == pytest.approx([5.0] * len(found))


def test_tables_have_their_knots_and_laws_their_temperatures():
    enthalpy = Enthalpy.melting(60.0, 1e8, 2e6, 3e6)
    by_phase = ByPhase(60.0, Constant(1.0), Expression("where(T < 80, 1, 2)"))

    assert find_switches(Table((0.0, 2.0, 5.0), (1.0, 2.0, 0.0)), "t", 0.0, 4.0) == (2.0,)
    assert find_switches(HeatCapacity(enthalpy), "T", 0.0, 100.0) == (59.0, 60.0, 61.0)
    assert find_switches(by_phase, "T", 0.0, 100.0) == (60.0, 80.0)
    assert find_switches(Gridded(np.ones(3)), "t", 0.0, 1.0) == ()
    assert find("where(T < 50, 1, 2)", 0.0, 100.0, "T") == (50.0,)


def test_too_many_switches_are_refused_by_name():
    with pytest.raises(FieldError, match=r"boundaries\.x_min\.value: at most 100000 switches"):
        find_switches(Expression("where(sin(100*t) > 0, 1, 0)"), "t", 0.0, 1e5, path="boundaries.x_min.value")
