"""Heat content of a lumped body whose heat capacity depends on temperature: the heat of a step, and its level.

Over a step the rates of the model hold for one heat capacity. It is the mean over the temperatures that the step
passes, found together with its end, so that a peak of c(T) takes up its heat however long the step is.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from grid.engine.errors import NotConvergedError
from grid.engine.lumped.quasi_steady import Response
from grid.engine.space.nonlinear import stored_between
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

TURNS = 200  # [-] bisections for the level of a field at most
MOST_EFOLDS = 300.0  # [-] natural logarithm of the largest ratio of the heat capacity of a step to that of its start
EXACT = 1e-13  # [-] error over the heat of a step, and over the heat capacity


def scale_rates(response: Response, share: float) -> Response:
    """Response of a body of another heat capacity: rates are multiplied by `share`."""
    return replace(response, rate_0=share * response.rate_0, decay=share * response.decay)


def find_mean_capacity(
    space: Space, field: FloatArray, capacity: float, find_rise: Callable[[float], float], time: float
) -> float:
    """Mean heat capacity [J/K] of a step, consistent with its heat content.

    Args:
        field: At the start of the step, flat.
        capacity: Of the whole body at some temperature nearby.
        find_rise: The rise of the mean over the step with a heat capacity [K].
        time: [s].
    """

    def excess(guess: float) -> float:
        """The logarithm of the mean heat capacity over the rise that a guess leads to, less that of the guess."""
        rise = find_rise(guess)
        if rise == 0.0:
            return 0.0
        stored = float(stored_between(space, field, field + rise, time).sum())
        return math.log(max(stored / rise, 1e-300) / guess)

    from scipy.optimize import brentq

    low = high = math.log(capacity)
    step, first = 0.5, excess(math.exp(low))
    if abs(first) <= EXACT:
        return capacity
    while excess(math.exp(high if first > 0.0 else low)) * first > 0.0:
        low, high = (high, high + step) if first > 0.0 else (low - step, low)
        step *= 2.0
        if step > MOST_EFOLDS:
            raise NotConvergedError("heat content of a lumped body", 0, abs(first), EXACT)
    return math.exp(brentq(lambda guess: excess(math.exp(guess)), low, high, xtol=EXACT, rtol=1e-14))


def level(space: Space, before: FloatArray, after: FloatArray, heat: float, time: float) -> FloatArray:
    """Raise or lower a field as a whole until it holds the heat that it was given, between bounds that close."""
    inside = space.capacity > 0.0

    def raised(lift: float) -> FloatArray:
        return np.where(inside, after + lift, after)

    def missing(lift: float) -> float:
        return heat - float(stored_between(space, before, raised(lift), time).sum())

    left = missing(0.0)
    if abs(left) <= EXACT * abs(heat):
        return after
    unit = math.copysign(max(abs(left) / float(space.capacity.sum()), float(np.spacing(np.abs(after).max()))), left)
    near, far = 0.0, unit
    while missing(far) * left > 0.0 and abs(far) < 1e6 * (1.0 + float(np.abs(after).max())):
        near, far = far, 2.0 * far
    for _ in range(TURNS):
        middle = 0.5 * (near + far)
        if abs(far - near) <= float(np.spacing(np.abs(after).max())):
            break
        near, far = (middle, far) if missing(middle) * left > 0.0 else (near, middle)
    return raised(0.5 * (near + far))
