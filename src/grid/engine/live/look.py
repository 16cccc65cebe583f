"""Extremes, heat and gradient of the field of a live run at a tick, in one compiled pass over its array."""

import math
from typing import NamedTuple

import numpy as np

from grid.engine.live.stepping import Window, take_cells
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

NO_WEIGHTS = np.empty(0)  # for cells of one capacity
ALL_ACTIVE = np.empty(0, np.uint8)  # for a body that fills its box


class FieldLook(NamedTuple):
    """Temperatures of a field at a tick, in the unit of the problem. Not finite where the field is not.

    Args:
        lowest, highest: Extremes.
        hottest, coldest: Flat index of their cells, C order; the first of equal ones.
        mean: Weighted with the heat capacity.
        rise: Heat above the pivot, sum of C (T - pivot) [J per unit of section].
        gradient: Largest gradient [K/m], of the larger one-sided difference of each cell along each axis; differences
            across the ends of a periodic axis are left out.
    """

    lowest: float
    highest: float
    hottest: int
    coldest: int
    mean: float
    rise: float
    gradient: float

    @property
    def is_finite(self) -> bool:
        """True where every temperature of the body is a finite number."""
        return math.isfinite(self.rise)


def look_at(space: Space, window: Window, values: FloatArray, pivot: float) -> FieldLook:
    """Look at a field in one pass, in an order that is the same for any number of threads.

    Args:
        space: The problem on its grid.
        window: Places of the cells in `values`.
        values: Flat array with the cells, and ghosts between them that are not looked at.
        pivot: Temperature above which the heat is summed, the same for all ticks of a run.
    """
    from grid.engine.live.look_kernels import COLDEST, GRADIENT, HIGHEST, HOTTEST, LOWEST, RISE, look_cells

    common = space.common_capacity
    weights = NO_WEIGHTS if common is not None else np.ascontiguousarray(space.capacity)
    active = ALL_ACTIVE if space.active is None else space.active.view(np.uint8)
    spacing = (1.0, 1.0, *space.problem.domain.spacing)[-3:]
    scale = np.array([1.0 / size**2 for size in spacing])
    found = np.empty(6)
    look_cells(values, tuple(window), scale, weights, active, pivot, found)
    rise = float(found[RISE]) * (1.0 if common is None else common)
    if not math.isfinite(rise):
        place = _find_fault(window, values, space)
        return FieldLook(math.nan, math.nan, place, place, math.nan, math.nan, math.nan)
    return FieldLook(
        lowest=float(found[LOWEST]),
        highest=float(found[HIGHEST]),
        hottest=int(found[HOTTEST]),
        coldest=int(found[COLDEST]),
        mean=pivot + rise / space.total_capacity,
        rise=rise,
        gradient=math.sqrt(max(0.0, float(found[GRADIENT]))),
    )


def _find_fault(window: Window, values: FloatArray, space: Space) -> int:
    """Flat index of the first cell of the body that is not finite; 0 where only their sum is not."""
    is_faulty = ~np.isfinite(take_cells(window, values)).reshape(-1)
    if space.active is not None:
        is_faulty &= space.active
    return int(np.argmax(is_faulty))
