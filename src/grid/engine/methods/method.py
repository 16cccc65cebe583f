"""What a method of advancing in time is, and what choosing one may look at.

A method says in words why it cannot solve a problem, what solving it would cost, and makes the stepper that does it.
Adding one is a class in a module of this package and an entry in `METHODS`; nothing else changes.

`find_obstacle` and `estimate` run where problems are admitted, so they import NumPy at most; `make_stepper` imports
its kernels when it is called.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol

from grid.engine.cost_table import Work, price
from grid.engine.problem import HeatProblem

if TYPE_CHECKING:
    from grid.engine.methods.signals import Load
    from grid.engine.space import Space
    from grid.engine.state import Stepper

Precision = Literal["double", "mixed"]
DEFAULT_TOLERANCE = 1e-4  # of the span of temperatures


@dataclass(frozen=True)
class Facts:
    """What choosing a method may look at.

    Args:
        problem: What is to be solved; a transient.
        times: Times at which the field is asked for, increasing, without 0 [s].
        landings: Times on which a step must land: `times`, breakpoints and knots of tables; the last is the end [s].
        steps: Equal steps from 0 to the end that were asked for; None: control the error.
        tolerance: Time error at `times`, over the span of temperatures [-].
        stiffness: Gershgorin's bound of the spectral radius of C^-1 L at the start [1/s].
        stable_step: Largest step of forward Euler that makes no new extreme at the start [s].
        precision: `double`, or `mixed` where single precision inside is good enough for the tolerance.
        body_cells: Cells of the body; counted on the grid, or estimated from a sample of the mask.
    """

    problem: HeatProblem
    times: tuple[float, ...]
    landings: tuple[float, ...]
    steps: int | None
    tolerance: float
    stiffness: float
    stable_step: float
    precision: Precision = "double"
    body_cells: int = 0

    @property
    def cells(self) -> int:
        """Cells in all."""
        return self.problem.domain.cell_count

    @property
    def dimension(self) -> int:
        return self.problem.dimension

    @property
    def duration(self) -> float:
        """End of the run [s]."""
        return self.landings[-1]

    @property
    def is_linear(self) -> bool:
        """Whether all coefficients are constant in time and free of temperature; loads may change in time."""
        return self.problem.is_linear

    @cached_property
    def changing_loads(self) -> "tuple[Load, ...] | str":
        """The loads that change in time as functions that are linear between knots; in words why they are none."""
        if not self.problem.has_timed_values:
            return ()
        from grid.engine.methods.signals import split_loads

        return split_loads(self.problem, self.duration, self.tolerance)

    @cached_property
    def knots(self) -> int:
        """Stretches between the knots of loads that are linear in time; 0 where they are none."""
        loads = self.changing_loads
        return 0 if isinstance(loads, str) else sum(load.signal.low.size for load in loads)

    @cached_property
    def is_constant(self) -> bool:
        """Whether the problem is linear and its loads do not change in time either."""
        boundaries = self.problem.boundaries.values()
        loads = [self.problem.source_term, *(v for law in boundaries for v in law.values.values())]
        return self.is_linear and not any("t" in value.variables for value in loads)


@dataclass(frozen=True)
class Cost:
    """What a method would need.

    Args:
        steps: Time steps.
        work: Operations of `grid.engine.cost_table`.
        memory_bytes: At the peak, beyond the libraries.
        time_step: Upper limit of the step [s]; None where the error chooses it, or one step is all.
    """

    steps: int
    work: Work
    memory_bytes: int
    time_step: float | None = None

    @property
    def seconds(self) -> float:
        """On the machine of the cost model."""
        return price(self.work)


def find_symmetry(facts: Facts) -> str | None:
    """Reason why the operator is not symmetric, along the axes and constant in time; None if it is."""
    if not facts.is_linear:
        return "the problem is not linear with coefficients that are constant in time"
    if facts.problem.has_flow:
        return "there is a flow"
    if facts.problem.coupled_axes:
        return "the conductivity is a full tensor"
    return None if math.isfinite(facts.stiffness) else "the stiffness is not finite"


def find_change(facts: Facts) -> str | None:
    """Reason why the equations are not constant in time with a symmetric operator along the axes; None if they are."""
    if not facts.is_constant:
        return "the problem is not linear with coefficients and loads that are constant in time"
    return find_symmetry(facts)


class Method(Protocol):
    """One way of advancing in time."""

    @property
    def name(self) -> str:
        """What `solve(method=...)` calls it."""

    def find_obstacle(self, facts: Facts) -> str | None:
        """Why the method cannot solve a problem, in words; None if it can."""

    def estimate(self, facts: Facts) -> Cost:
        """What it would cost. Needs neither SciPy nor Numba, and no field."""

    def make_stepper(self, space: "Space", facts: Facts) -> "Stepper":
        """The stepper that carries it out."""
