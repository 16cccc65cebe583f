"""Compiled rainflow counting, for many histories at once."""

from grid.engine.kernel_cache import njit
from grid.engine.values.operations import FloatArray


@njit(cache=True, nogil=True)
def count_ranges(histories: FloatArray, ranges: FloatArray, counts: FloatArray) -> None:
    """Count cycles by rainflow, each history on its own (ASTM E1049-85, section 5.4.4).

    Args:
        histories: Shape (places, times); overwritten by reversals, then by those not yet counted.
        ranges: Zeros of the same shape; the ranges of each history come first in its row.
        counts: Zeros of the same shape; 1 or 1/2 beside each range.
    """
    for place in range(histories.shape[0]):
        points = histories[place]
        reversals = 0
        for moment in range(points.size):
            value = points[moment]
            if reversals >= 1 and value == points[reversals - 1]:
                continue
            if reversals >= 2 and (value > points[reversals - 1]) == (points[reversals - 1] > points[reversals - 2]):
                reversals -= 1  # the value before was only passed through
            points[reversals] = value
            reversals += 1
        found, size = 0, 0
        for reversal in range(reversals):
            points[size] = points[reversal]
            size += 1
            while size >= 3:
                before = abs(points[size - 2] - points[size - 3])
                if abs(points[size - 1] - points[size - 2]) < before:
                    break
                ranges[place, found] = before
                if size == 3:  # the range holds the start of the history
                    counts[place, found] = 0.5
                    points[0], points[1] = points[1], points[2]
                    size = 2
                else:
                    counts[place, found] = 1.0
                    points[size - 3] = points[size - 1]
                    size -= 2
                found += 1
        for k in range(size - 1):
            ranges[place, found] = abs(points[k + 1] - points[k])
            counts[place, found] = 0.5
            found += 1
