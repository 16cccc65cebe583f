"""Means of a table of temperature between two temperatures, from sums over its points."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from grid.engine.values.operations import FloatArray
from grid.engine.values.value import Table


@dataclass
class TableIntegral:
    """Antiderivative of a table of temperature; exact, however many points it has.

    Args:
        table: Table of `T`; beyond its ends its first and its last value hold.
    """

    table: Table
    _points: FloatArray = field(init=False, repr=False)
    _values: FloatArray = field(init=False, repr=False)
    _slopes: FloatArray = field(init=False, repr=False)
    _sums: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        points, values = self.table.arrays
        way, is_linear = np.diff(points), self.table.interpolation == "linear"
        rise = np.diff(values) if is_linear else np.zeros_like(way)
        self._points, self._values = points, values
        self._slopes = np.append(rise / way, 0.0)
        self._sums = np.concatenate([[0.0], np.cumsum((values[:-1] + 0.5 * rise) * way)])  # sums from the first point

    def mean(self, one: FloatArray, other: FloatArray) -> FloatArray:
        """Compute the mean between two temperatures, element by element; the value where they are the same."""
        low, high = np.minimum(one, other), np.maximum(one, other)
        first, last = self._find(low), self._find(high)
        # parts of the stretches at both ends and whole ones between, so that no large numbers cancel
        inside = self._at(first, 0.5 * (low + high))
        ends = self._points[np.minimum(first + 1, self._points.size - 1)], self._points[np.maximum(last, 0)]
        parts = self._at(first, 0.5 * (low + ends[0])) * (ends[0] - low)
        parts += self._at(last, 0.5 * (ends[1] + high)) * (high - ends[1])
        whole = self._sums[np.maximum(last, 0)] - self._sums[np.minimum(first + 1, self._points.size - 1)]
        width = high - low
        is_one = (first == last) | (width == 0.0)
        out: FloatArray = np.where(is_one, inside, (parts + whole) / np.where(is_one, 1.0, width))
        return out

    def _find(self, temperature: FloatArray) -> NDArray[np.intp]:
        """Index of the stretch of each temperature; -1 below the first point."""
        found: NDArray[np.intp] = np.searchsorted(self._points, temperature, side="right") - 1
        return found

    def _at(self, stretch: NDArray[np.intp], temperature: FloatArray) -> FloatArray:
        at = np.maximum(stretch, 0)
        out: FloatArray = np.where(
            stretch < 0, self._values[0], self._values[at] + self._slopes[at] * (temperature - self._points[at])
        )
        return out
