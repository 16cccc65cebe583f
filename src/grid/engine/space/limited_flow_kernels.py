"""Compiled limited correction of a flow along one axis, see `grid.engine.space.limited_flow` for the scheme."""

import numpy as np

from grid.engine.kernel_cache import njit
from grid.engine.values.operations import FloatArray

STEEPEST = 2.0  # [-] multiple of the difference with the cell behind by which a face value may exceed its cell


@njit(cache=True, nogil=True)
def add_limited(
    field: FloatArray, drawn: FloatArray, low: FloatArray, high: FloatArray, carried: float, is_periodic: bool,
    is_strict: bool, net: FloatArray,
) -> None:  # fmt: skip
    """Add the heat that the corrections of one axis carry into each cell to `net` [W].

    Args:
        field: Temperature, shape ``(before, count, behind)`` with the axis in the middle [K].
        drawn: Part of the conductance that the matrix omits at each face, shape ``(before, count + 1, behind)`` [W/K].
        low, high: Temperature of the surface at either end, shape ``(before, behind)`` [K]; unused on a ring.
        carried: rho c_p v A of the flow along the axis, not 0 [W/K].
        is_periodic: True where the last cell is joined to the first.
        is_strict: True where no local extreme may grow.
        net: Shape of `field` [W].
    """
    count = field.shape[1]
    wide = np.empty(count + 4)  # a line along the flow, with two cells more at either end
    rate = abs(carried)
    for before in range(field.shape[0]):
        for behind in range(field.shape[2]):
            _fill(field, low[before, behind], high[before, behind], carried, is_periodic, before, behind, wide)
            joint = _join(wide[2] - 2.0 * wide[1] + wide[0], wide[3] - 2.0 * wide[2] + wide[1])
            entered = 0.0
            for at in range(count):  # along the flow, the face after each cell
                cell = at if carried > 0.0 else count - 1 - at
                ahead, back = wide[at + 3] - wide[at + 2], wide[at + 2] - wide[at + 1]
                following = _join(ahead - back, wide[at + 4] - 2.0 * wide[at + 3] + wide[at + 2])
                heat = 0.0
                if at < count - 1 or is_periodic:  # else a face of the boundary
                    face = at + 1 if carried > 0.0 else cell
                    offset = _limit(ahead, back, joint, following, is_strict)
                    heat = rate * offset - drawn[before, face, behind] * ahead
                net[before, cell, behind] += entered - heat
                entered, joint = heat, following
            if is_periodic:
                net[before, 0 if carried > 0.0 else count - 1, behind] += entered


@njit(cache=True, nogil=True, inline="always")
def _minmod(a: float, b: float) -> float:
    """Smaller of two numbers where they have one sign, else 0."""
    if a > 0.0 and b > 0.0:
        return min(a, b)
    if a < 0.0 and b < 0.0:
        return max(a, b)
    return 0.0


@njit(cache=True, nogil=True, inline="always")
def _join(a: float, b: float) -> float:
    """Second difference of a face from those of its two cells, equation 2.27 of Suresh and Huynh."""
    return _minmod(_minmod(4.0 * a - b, 4.0 * b - a), _minmod(a, b))


@njit(cache=True, nogil=True, inline="always")
def _limit(ahead: float, back: float, before: float, after: float, is_strict: bool) -> float:
    """Limited difference of the temperature of a face from that of its upwind cell [K].

    Args:
        ahead, back: Differences with the next cell and with the one behind [K].
        before, after: Second differences of the faces of the cell [K].
        is_strict: True where no local extreme may grow.
    """
    wanted = (2.0 * ahead + back) / 6.0
    if is_strict:
        bound = _minmod(ahead, back)
        return min(max(wanted, min(bound, 0.0)), max(bound, 0.0))
    middle, steep, curved = 0.5 * (ahead - after), STEEPEST * back, 0.5 * back + 4.0 / 3.0 * before
    least = max(min(0.0, ahead, middle), min(0.0, steep, curved))
    most = min(max(0.0, ahead, middle), max(0.0, steep, curved))
    return min(max(wanted, least), most)


@njit(cache=True, nogil=True)
def _fill(
    field: FloatArray, low: float, high: float, carried: float, is_periodic: bool, before: int, behind: int,
    wide: FloatArray,
) -> None:  # fmt: skip
    """Fill a line in the order of the flow; beyond its ends the ring, or the straight line through the surface."""
    count = field.shape[1]
    is_along = carried > 0.0
    for at in range(count):
        wide[at + 2] = field[before, at if is_along else count - 1 - at, behind]
    if is_periodic:
        for at in range(2):
            wide[at], wide[count + 2 + at] = wide[2 + (count - 2 + at) % count], wide[2 + at % count]
        return
    first, last = 2.0 * ((low if is_along else high) - wide[2]), 2.0 * ((high if is_along else low) - wide[count + 1])
    wide[1], wide[0] = wide[2] + first, wide[2] + 2.0 * first
    wide[count + 2], wide[count + 3] = wide[count + 1] + last, wide[count + 1] + 2.0 * last
