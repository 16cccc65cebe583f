"""Length of a step of forward Euler, and the number of cells from which on threads share one."""

import numpy as np

from grid.engine.costs.runs import SAFETY
from grid.engine.methods.facts import Facts
from grid.engine.values.operations import FloatArray

PARALLEL_CELLS = 100_000  # [-] cells below which two threads cost more time than they save
# [-] worst time error of forward Euler from a start with a jump, over the span, times the number of steps
ROUGH_ERROR = 0.3


def find_step(facts: Facts) -> float:
    """A share of the stability limit; short enough for the tolerance where one is given [s]."""
    return float(limit_step(facts, facts.stable_step))


def limit_step(facts: Facts, stable: float | FloatArray) -> FloatArray:
    """`find_step` for other stability limits, such as those of the columns of a batch [s]."""
    step = np.minimum(SAFETY * np.asarray(stable), facts.duration)
    if facts.steps is not None:
        return np.minimum(step, facts.duration / facts.steps)
    first = facts.times[0] if facts.times else facts.duration
    return np.minimum(step, first * facts.tolerance / ROUGH_ERROR)
