"""Keeping a field within the bounds of the maximum principle, and its heat in the ledger."""

import numpy as np

from grid.engine.methods.exponential import keep_extremes, weigh
from grid.engine.space import Space
from grid.engine.state import Bounds, Ledger
from grid.engine.values import FloatArray

ROUNDINGS = 1e-14  # of the heat of a body: less is what adding it up leaves


def keep_bounds(temperature: FloatArray, space: Space, bounds: Bounds, ledger: Ledger) -> tuple[FloatArray, Ledger]:
    """Cut off what is beyond the bounds; the field, and its ledger.

    The other cells take the heat of what is cut. What finds no room there is heat that the exact field does not have:
    the faces were booked too much of it, by no more than the error of the run. It goes back through them and is booked.
    """
    kept = keep_extremes(temperature, space.capacity, bounds)
    given = 0.0 if kept is temperature else weigh(space.capacity, kept - temperature)
    if abs(given) > ROUNDINGS * weigh(space.capacity, np.abs(kept)):
        ledger = ledger.add(max(given, 0.0), max(-given, 0.0), 0.0)
    return kept, ledger
