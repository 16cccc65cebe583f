"""Rainflow counting (ASTM E1049-85, section 5.4.4): one history, and damage over a whole field."""

import numpy as np
from numpy.typing import ArrayLike

from grid.core.errors import FieldError
from grid.engine.arguments import require_floats
from grid.engine.structural.fatigue.laws import Life
from grid.engine.values.operations import FloatArray

DIGITS = 12  # [-] digits of the largest range in which equal ranges agree
BLOCK = 2**22  # [-] entries of the ranges that are held at once


def count_cycles(history: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Ranges, rising and each once, and how many cycles of each; what is left at the end counts as half cycles.

    Args:
        history: Shape (n,), n >= 2, in any unit.

    Raises:
        FieldError: The history is not finite numbers, or too short.
    """
    import rainflow

    known = require_floats("history", history)
    if known.ndim != 1 or known.size < 2:
        raise FieldError("history", "two finite numbers at least")
    values: list[float] = known.tolist()
    # The library takes the end of a history for a reversal only beyond the second value.
    counted = [(size, count) for size, _, count, _, _ in rainflow.extract_cycles([*values, values[-1]]) if size > 0.0]
    if not counted:
        return np.zeros(0), np.zeros(0)
    ranges, counts = np.asarray(counted, dtype=np.float64).T
    digits = DIGITS - 1 - int(np.floor(np.log10(ranges.max())))
    each, index = np.unique(np.round(ranges, min(digits, 300)), return_inverse=True)
    return each, np.bincount(index.reshape(-1), weights=counts).astype(np.float64)


def map_damage(history: ArrayLike, life: Life) -> FloatArray:
    """Miner's sum in every place of a field over a run, shape of one snapshot.

    Args:
        history: Shape (times, ...): stresses or strains, signed.
        life: Cycles to failure for ranges of that.

    Raises:
        FieldError: The history is not finite numbers.
    """
    from grid.engine.structural.fatigue.rainflow_kernel import count_ranges

    array = require_floats("history", history)
    if array.ndim == 0:
        raise FieldError("history", "a snapshot for each time")
    flat = array.reshape(array.shape[0], -1)
    out = np.zeros(flat.shape[1])
    block = max(1, BLOCK // flat.shape[0])
    for start in range(0, out.size, block):
        part = np.ascontiguousarray(flat[:, start : start + block].T)
        ranges, counts = np.zeros_like(part), np.zeros_like(part)
        count_ranges(part, ranges, counts)
        used = ranges > 0.0
        lives = np.full(ranges.shape, np.inf)
        lives[used] = life(ranges[used])
        out[start : start + block] = np.sum(counts / lives, axis=1)
    return out.reshape(array.shape[1:])
