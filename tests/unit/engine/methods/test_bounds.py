"""A field is kept within its bounds, and no heat is lost on the way."""

import numpy as np
import pytest

from grid.engine import prepare
from grid.engine.methods.bounds import keep_bounds
from grid.engine.methods.state import Bounds, HeatBalance


@pytest.mark.parametrize("shift", [0.0, 0.3, -0.3, 2.0, -2.0])
def test_what_is_cut_is_taken_by_other_cells_or_booked(make_problem, shift):
    space = prepare(make_problem(material={"conductivity": 1.0, "volumetric_heat_capacity": 3.0})).space
    field = shift + np.linspace(-1.1, 1.1, space.capacity.size)
    before = HeatBalance(5.0, 2.0, 1.0, 1.0)

    kept, heat_balance = keep_bounds(field, space, Bounds(-1.0, 1.0), before)

    assert kept.min() >= -1.0
    assert kept.max() <= 1.0
    moved = float((space.capacity * (kept - field)).sum())
    assert heat_balance.net - before.net == pytest.approx(moved, abs=1e-13)
    assert (heat_balance == before) == (abs(shift) < 1.0)


def test_a_field_within_its_bounds_is_left_alone(make_problem):
    space, heat_balance = prepare(make_problem()).space, HeatBalance(1.0, 2.0)
    field = np.linspace(-1.0, 1.0, space.capacity.size)

    kept, after = keep_bounds(field, space, Bounds(-1.0, 1.0), heat_balance)

    assert kept is field
    assert after is heat_balance
