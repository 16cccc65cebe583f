"""Length of a step of forward Euler, and the number of cells from which on threads share one."""

import numpy as np

from grid.engine.costs.runs import SAFETY
from grid.engine.methods.inputs import MethodInputs
from grid.engine.values.operations import FloatArray

PARALLEL_CELLS = 100_000  # [-] cells below which two threads cost more time than they save
# [-] worst time error of forward Euler from a start with a jump, over the span, times the number of steps
ROUGH_ERROR = 0.3


def find_step(inputs: MethodInputs) -> float:
    """A share of the stability limit; short enough for the tolerance where one is given [s]."""
    return float(limit_step(inputs, inputs.stable_step))


def limit_step(inputs: MethodInputs, stable: float | FloatArray) -> FloatArray:
    """`find_step` for other stability limits, such as those of the columns of a batch [s]."""
    step = np.minimum(SAFETY * np.asarray(stable), inputs.duration)
    if inputs.steps is not None:
        return np.minimum(step, inputs.duration / inputs.steps)
    first = inputs.times[0] if inputs.times else inputs.duration
    return np.minimum(step, first * inputs.tolerance / ROUGH_ERROR)
