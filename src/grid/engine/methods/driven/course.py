"""The loads of a linear problem over a run, linear between knots, and the modes that they drive."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from grid.engine.loads.signals import Signals
from grid.engine.methods.driven.response import Motion, march
from grid.engine.values.operations import FloatArray


class Modes(Protocol):
    """Modes with their drives."""

    rates: FloatArray  # [1/s], shape (modes,)
    drives: FloatArray  # by r and by a unit of each load [K/s], shape (1 + loads, modes)

    def find_fields(self, amplitudes: FloatArray) -> FloatArray:
        """The flat fields of the start and some changes, shape (changes, cells)."""

    def look(self, amplitudes: FloatArray, cells: NDArray[np.intp]) -> FloatArray:
        """Some changes at some cells, shape (changes, cells)."""

    def close(self, amplitudes: FloatArray, integrals: FloatArray, given: FloatArray) -> FloatArray:
        """Amplitudes whose heat is the heat that came in, to the last rounding.

        Args:
            amplitudes: At some times, shape (times, modes).
            integrals: Since the start [K s], same shape.
            given: Integrals of 1 and of each load since the start [s], shape (times, 1 + loads).
        """

    def estimate_error(self) -> float:
        """Largest error of a field at the output times [K]."""


@dataclass(frozen=True)
class Course:
    """The loads of a run, cut into stretches at knots and output times.

    Args:
        times: Ends of the stretches, with 0 first [s].
        asked: For each stop time the number of stretches up to it.
        low, high: Changes of the loads since the start at both ends of each stretch, shape (stretches, loads).
    """

    times: FloatArray
    asked: NDArray[np.intp]
    low: FloatArray
    high: FloatArray

    @classmethod
    def of(cls, signals: Signals, stop_times: Sequence[float], begin: float = 0.0) -> "Course":
        """The course of some loads from a time to the last stop time; times count from there."""
        ends = np.asarray(stop_times, np.float64)
        inner = signals.knots[(signals.knots > begin) & (signals.knots < ends[-1])]
        after = np.searchsorted(ends, inner)  # the stop time after each knot, and the one before
        nearest = np.minimum(ends[after] - inner, np.abs(inner - ends[np.maximum(after - 1, 0)]))
        times = np.unique(np.concatenate([[begin], inner[nearest > 1e-12 * inner], ends]))
        low, high = signals.sample(times)
        first = low[:, :1] if low.shape[1] else low
        return cls(times - begin, np.searchsorted(times, ends), (low - first).T, (high - first).T)

    @property
    def lengths(self) -> FloatArray:
        """Lengths of the stretches [s]."""
        return np.diff(self.times)

    def march(self, modes: Modes, *, is_booked: bool = True) -> Motion:
        """The motion of modes from rest, see `grid.engine.methods.driven.response.march`."""
        return march(modes.rates, self.lengths, modes.drives, self.low, self.high, self.asked, is_booked=is_booked)
