"""Stress by potential of a field at one tick, which takes effect a fixed number of ticks later."""

from dataclasses import dataclass, field
from threading import Lock

from grid.engine.live.potential import PotentialPlan, PotentialStress, solve_potential
from grid.engine.live.stepping import Window
from grid.engine.values.operations import FloatArray


@dataclass
class PotentialTask:
    """Solved by whoever comes first: another thread meanwhile, or the loop at the tick at which it takes effect.

    Args:
        plan: Of the plate.
        window: Places of the cells in `values`.
        values: Flat temperatures at the tick at which it was begun; never written to.
        begun: That tick.
    """

    plan: PotentialPlan
    window: Window
    values: FloatArray
    begun: int
    _found: PotentialStress | None = None
    _lock: Lock = field(default_factory=Lock, repr=False)

    def solve(self) -> PotentialStress:
        """The stress; solved once."""
        with self._lock:
            if self._found is None:
                self._found = solve_potential(self.plan, self.window, self.values)
            return self._found
