"""Facts for the choice of a method: a problem as it is to be run."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from grid.engine.loads.analysis import LoadAnalysis, analyse_loads
from grid.engine.loads.signals import Load, split_loads
from grid.engine.problem.problem import HeatProblem

Precision = Literal["double", "mixed"]
DEFAULT_TOLERANCE = 1e-4  # [-] time error over the span of temperatures, where none is given


@dataclass(frozen=True)
class MethodInputs:
    """Facts for the choice of a method.

    Args:
        problem: What is to be solved; a transient.
        times: Times at which the field is requested, increasing, without 0 [s].
        stop_times: Times at which a step must end: `times`, breakpoints and knots of tables; the last is the end [s].
        steps: Requested number of equal steps from 0 to the end; None: control the error.
        tolerance: Time error at `times`, over the span of temperatures [-].
        stiffness: Gershgorin's bound of the spectral radius of C^-1 L at the start [1/s].
        stable_step: Largest step of forward Euler that makes no new extreme at the start [s].
        precision: `double`, or `mixed` where single precision inside is good enough for the tolerance.
        body_cells: Cells of the body; counted on the grid, or estimated from a sample of the mask.
    """

    problem: HeatProblem
    times: tuple[float, ...]
    stop_times: tuple[float, ...]
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
        """Number of axes."""
        return self.problem.dimension

    @property
    def duration(self) -> float:
        """End of the run [s]."""
        return self.stop_times[-1]

    @property
    def is_linear(self) -> bool:
        """True where all coefficients are constant in time and free of temperature; loads may change in time."""
        return self.problem.is_linear

    @cached_property
    def changing_loads(self) -> tuple[Load, ...] | str:
        """Loads that change in time as functions linear between knots, or the reason in words why they are none."""
        if not self.problem.has_timed_values:
            return ()
        return split_loads(self.problem, self.duration, self.tolerance)

    @cached_property
    def knots(self) -> int:
        """Stretches between the knots of loads that are linear in time; 0 where they are none."""
        loads = self.changing_loads
        return 0 if isinstance(loads, str) else sum(load.signal.low.size for load in loads)

    @cached_property
    def is_constant(self) -> bool:
        """True where the problem is linear and its loads do not change in time either."""
        return self.is_linear and self.problem.has_constant_loads


def analyse_inputs(inputs: MethodInputs) -> LoadAnalysis:
    """`analyse_loads` of a run as it is planned; nothing where no load depends on time."""
    if not inputs.problem.has_timed_values:
        return LoadAnalysis()
    return analyse_loads(inputs.problem, inputs.duration, inputs.tolerance)


def find_jumps(inputs: MethodInputs) -> frozenset[float]:
    """Stop times at which a load may jump or bend: breakpoints and switches, but not the ends of zones [s]."""
    loads = analyse_inputs(inputs)
    named = set(inputs.stop_times) - set(inputs.times) - set(loads.marks)
    return frozenset((*inputs.problem.breakpoints, *loads.switches, *named))


def find_bends(inputs: MethodInputs) -> frozenset[float]:
    """Those of `find_jumps` at which loads are continuous [s]."""
    return analyse_inputs(inputs).bends - frozenset(inputs.problem.breakpoints)
