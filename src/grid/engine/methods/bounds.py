"""Bounds of the temperatures of a run, limiting of a field to them, and the scale of a tolerance."""

import math

import numpy as np

from grid.engine.methods.state import Bounds, HeatBalance
from grid.engine.problem.fields import ProblemFields
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

# [-] rounding left in a difference of two runs of many steps, over the largest temperature
ROUNDING = 256 * math.ulp(1.0)
TENSOR = (
    "no scheme of second order keeps all extremes with a full conductivity tensor; the excess over them is the value"
)
ROUNDINGS = 1e-14  # [-] rounding of the sum of the heat of a body, over that heat; less counts as zero


def tolerance_scale(lowest: float, highest: float, tolerance: float) -> float:
    """The temperature that a tolerance is a share of [K]: the span, and more where a share of it is below rounding.

    A field that is uniform, or nearly so, has no error that can be distinguished from the rounding of its temperatures:
    every step rounds each of them by half a unit in the last place, and n steps by sqrt(n) of them, as a random walk
    goes.
    """
    return max(highest - lowest, ROUNDING / tolerance * max(abs(lowest), abs(highest)))


def reason_without_bounds(problem: ProblemFields) -> str | None:
    """Give the reason why the maximum principle does not bound the temperatures of a problem; None if it does."""
    if problem.source_term.variables or problem.source_term.evaluate({}) != 0.0:
        return "a source may make new extremes"
    if any(not boundary.is_bounded for boundary in problem.boundaries.values()):
        return "a face is not bounded by one temperature (prescribed flux, or convection with radiation)"
    return TENSOR if problem.coupled_axes else None


def keep_bounds(
    temperature: FloatArray, space: Space, bounds: Bounds, heat_balance: HeatBalance
) -> tuple[FloatArray, HeatBalance]:
    """Cut off what is beyond the bounds; the field, and its heat balance.

    The other cells take the heat of what is cut. What finds no room there is heat that the exact field does not have:
    the faces were booked too much of it, by no more than the error of the run. It goes back through them and is booked.
    """
    kept = keep_extremes(temperature, space.capacity, bounds)
    if kept is temperature:
        return kept, heat_balance
    given = weigh(space.capacity, kept - temperature)
    if abs(given) > ROUNDINGS * weigh(space.capacity, np.abs(kept)):
        heat_balance = heat_balance.add(max(given, 0.0), max(-given, 0.0), 0.0)
    return kept, heat_balance


def weigh(capacity: FloatArray, values: FloatArray) -> float:
    """The sum of values times capacities, in an order that does not depend on threads, as that of a BLAS does."""
    return float(np.einsum("i,i->", capacity, values))


def keep_extremes(temperature: FloatArray, capacity: FloatArray, bounds: Bounds) -> FloatArray:
    """Cut off what is beyond the bounds; the other cells take its heat, in proportion to their distance from them.

    A series that is cut off overshoots by no more than its error. The exact field is inside the bounds, so cutting
    brings every cell nearer to it; what the others get is the mean of what was cut (clip and assured sum: A. M. Bradley
    et al., SIAM J. Sci. Comput. 41, 2019).
    """
    if bounds.lowest <= float(temperature.min()) and float(temperature.max()) <= bounds.highest:
        return temperature
    cut = np.clip(temperature, bounds.lowest, bounds.highest)
    heat = weigh(capacity, temperature - cut)
    room = bounds.highest - cut if heat > 0.0 else bounds.lowest - cut
    whole = weigh(capacity, room)
    share = min(heat / whole, 1.0) if whole != 0.0 else 0.0
    kept: FloatArray = cut + share * room
    return kept
