"""The result of an iteration: a field at which heat balances."""

import itertools
from dataclasses import dataclass

from grid.engine.linear.systems import LinearSolver
from grid.engine.space.laws import HeatFlow, Loads
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

KEPT = 0.03  # [-] ratio of two corrections up to which the matrix of the former serves again


@dataclass(frozen=True)
class BalanceSolution:
    """A field that satisfies the equation, with its heat flow, coefficients and solver."""

    temperature: FloatArray
    flow: HeatFlow
    loads: Loads
    space: Space  # coefficients at this temperature
    solver: LinearSolver  # solver of the last correction
    iterations: int
    corrections: tuple[float, ...] = ()  # the largest of each turn [K]

    @property
    def is_steady(self) -> bool:
        """True where every correction was small beside the one before, so that the matrix may serve a step nearby."""
        return all(after <= KEPT * before for before, after in itertools.pairwise(self.corrections))
