"""Cells outside of a masked body have no value in what is shown and stored."""

import numpy as np
from tests.unit.engine.live.scenes import make_plate, make_two_materials

from grid.engine.live import Session, plan_clock
from grid.runtime.live.outside import blank_outside


def test_a_field_of_a_masked_body_has_no_value_outside_of_it_and_is_the_same_within() -> None:
    scene = make_two_materials()
    session = Session(scene, plan_clock(scene, 0.5))
    session.advance(2)
    inside = session.plan.space.inside
    assert inside is not None
    field = session.field()
    shown = blank_outside(session, field)
    np.testing.assert_array_equal(np.isfinite(shown), inside.reshape(field.shape))
    np.testing.assert_array_equal(shown[np.isfinite(shown)], field[inside.reshape(field.shape)])
    assert not np.isfinite(shown).all()


def test_a_field_of_a_whole_box_is_handed_on_as_it_is() -> None:
    scene = make_plate()
    session = Session(scene, plan_clock(scene, 0.5))
    field = session.field()
    assert blank_outside(session, field) is field
