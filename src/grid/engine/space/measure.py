"""Extremes and sums of fields: by NumPy in pieces that stay in the cache, of large fields by compiled kernels.

The choice between the two depends on the number of cells and on whether weights are given, on nothing else.
"""

from typing import NamedTuple

import numpy as np

from grid.engine.values.expression import MANY_CELLS
from grid.engine.values.operations import FloatArray

BLOCK = 1 << 15  # [-] cells of a block of a sum


class Measure(NamedTuple):
    """Measured values of the temperatures of a field.

    Args:
        lowest, highest: Extremes; both NaN where a temperature is.
        mean: Weighted with the heat capacity.
        rise: Heat of a large field of one capacity above a pivot that is the same for all fields of a run [J]; so two
            values give the heat between fields without another pass over them.
    """

    lowest: float
    highest: float
    mean: float
    rise: float | None = None


def is_large(field: FloatArray) -> bool:
    """Tell whether compiled kernels process a field."""
    return field.size >= MANY_CELLS


def measure_field(field: FloatArray, weights: FloatArray | None = None) -> tuple[float, float, float]:
    """Find smallest and largest value of a flat field and its sum, weighted or not; NaN spreads to all three."""
    if field.size <= BLOCK:
        return float(field.min()), float(field.max()), float((field if weights is None else field * weights).sum())
    lows, highs, total = [], [], 0.0
    for low in range(0, field.size, BLOCK):  # one pass through memory
        part = field[low : low + BLOCK]
        lows.append(part.min())
        highs.append(part.max())
        total += float(part.sum() if weights is None else (part * weights[low : low + BLOCK]).sum())
    return float(np.min(lows)), float(np.max(highs)), total


def measure_large_field(field: FloatArray, pivot: float) -> tuple[float, float, float]:
    """Find the smallest and the largest value of a flat field, and the sum of all less the pivot each."""
    from grid.engine.space.measure_kernels import measure_blocks

    found = make_table(field.size)
    measure_blocks(np.ascontiguousarray(field), pivot, 0, found.shape[1], found)
    return finish(field, found)


def make_table(size: int) -> FloatArray:
    """Make the table of the kernels' results: lowest, highest and sum of each block."""
    return np.empty((3, -(-size // BLOCK)))


def finish(field: FloatArray, found: FloatArray) -> tuple[float, float, float]:
    """Combine lowest, highest and sum of all blocks; NaN spreads to all three, which the kernels leave to the sum."""
    total = float(found[2].sum())
    if np.isfinite(total):
        return float(found[0].min()), float(found[1].max()), total
    return float(field.min()), float(field.max()), total


def weighted_sum(field: FloatArray, beside: FloatArray | None = None, weights: FloatArray | None = None) -> float:
    """Sum a flat field, or its difference to another, weighted or not; without an intermediate field."""
    total = 0.0
    for low in range(0, field.size, BLOCK):
        part = slice(low, low + BLOCK)
        values = field[part] if beside is None else field[part] - beside[part]
        total += float(values.sum() if weights is None else (values * weights[part]).sum())
    return total
