"""Interface of a method of advancing in time, and the facts by which one is chosen.

A method states why it cannot solve a problem, estimates the cost of a solution, and makes the stepper that does it.
Adding one is a class in a module of this package and an entry in `METHODS`; nothing else changes.

`find_obstacle` and `estimate` run where problems are admitted, so they import NumPy at most; `make_stepper` imports
its kernels when it is called.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from grid.engine.costs.table import Work, price
from grid.engine.methods.inputs import MethodInputs

if TYPE_CHECKING:
    from grid.engine.methods.state import Stepper
    from grid.engine.space.space import Space


@dataclass(frozen=True)
class Cost:
    """Estimated cost of a run by a method.

    Args:
        steps: Time steps.
        work: Operations of `grid.engine.costs.table`.
        memory_bytes: At the peak, beyond the libraries.
        time_step: Upper limit of the step [s]; None where the error chooses it, or one step is all.
    """

    steps: int
    work: Work
    memory_bytes: int
    time_step: float | None = None

    @property
    def seconds(self) -> float:
        """Time on the machine of the cost model [s]."""
        return price(self.work)


def find_symmetry(inputs: MethodInputs) -> str | None:
    """Reason why the operator is not symmetric, along the axes and constant in time; None if it is."""
    if not inputs.is_linear:
        return "the problem is not linear with coefficients that are constant in time"
    if inputs.problem.has_flow:
        return "there is a flow"
    if inputs.problem.coupled_axes:
        return "the conductivity is a full tensor"
    return None if math.isfinite(inputs.stiffness) else "the stiffness is not finite"


def find_change(inputs: MethodInputs) -> str | None:
    """Reason why the equations are not constant in time with a symmetric operator along the axes; None if they are."""
    if not inputs.is_constant:
        return "the problem is not linear with coefficients and loads that are constant in time"
    return find_symmetry(inputs)


class Method(Protocol):
    """One way of advancing in time."""

    @property
    def name(self) -> str:
        """Name of the method in `solve(method=...)`."""

    def find_obstacle(self, inputs: MethodInputs) -> str | None:
        """Give the reason why the method cannot solve a problem, in words; None if it can."""

    def estimate(self, inputs: MethodInputs) -> Cost:
        """Estimate the cost. Needs neither SciPy nor Numba, and no field."""

    def make_stepper(self, space: "Space", inputs: MethodInputs) -> "Stepper":
        """Make the stepper that carries it out."""
