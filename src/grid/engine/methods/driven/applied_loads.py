"""Integrals of the loads that a driven method really used, for the audit of `grid.engine.results.load_audit`.

The method follows a load as patterns in place times functions that are linear between knots, which it integrates
exactly; an error of such a function, not of the steps, is what the audit measures.
"""

import numpy as np

from grid.engine.loads.signals import SOURCE, Pattern, Signals
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray
from grid.engine.values.value import Constant


def integrate_loads(space: Space, signals: Signals, begin: float, given: FloatArray) -> FloatArray:
    """The integral of each of `Space.prescribed_loads`, its mean over the faces, shape (times, loads).

    Args:
        begin: Of the run, at which the functions of the patterns are 0 [s].
        given: Time since the start and the integrals of the functions of all patterns, one row for each time.
    """
    first: dict[int, int] = {}  # of the patterns of a load, which share its function
    for number, pattern in enumerate(signals.patterns):
        first.setdefault(id(pattern.load), number)
    start = signals.find_begin(begin)
    out = np.zeros((len(given), len(space.prescribed_loads)))
    for column, load in enumerate(space.prescribed_loads):
        out[:, column] = load.at(start) * given[:, 0]
        for number in first.values():
            pattern = signals.patterns[number]
            if _name(pattern) == load.path:
                out[:, column] += _mean_place(space, pattern) * given[:, 1 + number]
    return out


def _name(pattern: Pattern) -> str:
    """The path of the field of a load."""
    load = pattern.load
    return SOURCE if load.face == SOURCE else f"boundaries.{load.face}.{load.name}"


def _mean_place(space: Space, pattern: Pattern) -> float:
    """The mean of a pattern over the faces of its patch."""
    if isinstance(pattern.load.place, Constant) or pattern.patch is None:
        return float(np.mean(pattern.load.place.evaluate({})))
    patch = space.patches[pattern.patch]
    return float(np.mean(np.broadcast_to(pattern.load.place.evaluate(dict(patch.coordinates)), patch.cells.shape)))
