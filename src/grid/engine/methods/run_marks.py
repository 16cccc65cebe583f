"""Marks by which a method that finds every field from the start of a run recognises the states of that run.

What such a method keeps between steps follows from the plan, and serves only states that its run reaches; a state that
was given, or changed during the run, has another mark and begins a run of its own.
"""

import zlib
from dataclasses import dataclass, field

import numpy as np

from grid.engine.methods.state import State
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

Mark = tuple[float, ...]


@dataclass
class RunMarks:
    """Marks of the states of a run.

    Args:
        space: The discretised problem, whose initial field the run begins with.
        end: Of the run, after which no step follows [s].
    """

    space: Space
    end: float
    _last: tuple[FloatArray, Mark] | None = field(default=None, repr=False)

    def is_known(self, state: State) -> bool:
        """Tell whether a state is one that this run reaches from its start."""
        if state.time == 0.0:
            start = self.space.initial_temperature()
            return state.temperature is start or np.array_equal(state.temperature, start)
        return bool(state.controller) and state.controller == self._find(state.temperature)

    def make(self, temperature: FloatArray, time: float) -> Mark:
        """The mark of a field of this run, for as long as another step may follow."""
        return self._find(temperature) if time < self.end else ()

    def _find(self, temperature: FloatArray) -> Mark:
        """Mark of a field; that of the last one is stored, as the next step needs it again."""
        if self._last is None or self._last[0] is not temperature:
            self._last = temperature, (float(zlib.crc32(temperature.data)),)
        return self._last[1]
