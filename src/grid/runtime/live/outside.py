"""Cells of the grid that are no part of a masked body: no value is shown or stored of them."""

import math

import numpy as np

from grid.engine.live.session import Session
from grid.engine.values.operations import FloatArray


def blank_outside(session: Session, field: FloatArray) -> FloatArray:
    """A field with no value in the cells that are no part of the body."""
    inside = session.plan.space.inside
    if inside is None:
        return field
    shown: FloatArray = np.where(inside.reshape(field.shape), field, math.nan)
    return shown
