"""The plan of a run in words and numbers, as a solution carries it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Alternative:
    """Method that was not chosen: its cost [s], or its obstacle."""

    name: str
    seconds: float | None
    obstacle: str | None

    def __str__(self) -> str:
        return f"{self.name}: {self.obstacle}" if self.obstacle else f"{self.name} {self.seconds:.2g} s"


@dataclass(frozen=True)
class Estimate:
    """Estimated size and cost of a run, known before anything is allocated.

    Args:
        cells: Cells in all.
        steps: Time steps of the method that would be chosen; 1 for a steady state.
        memory_bytes: Peak of what the run allocates beyond the libraries.
        output_bytes: The snapshots of the solution.
        work_s: Processor seconds on this machine as far as it was calibrated, else on the one that the cost model was
            measured on (`grid.engine.costs.calibration`).
    """

    cells: int
    steps: int
    memory_bytes: int
    output_bytes: int
    work_s: float


@dataclass(frozen=True)
class PlanSummary:
    """Plan in words and numbers; part of the solution.

    Args:
        method: Name of the method.
        reason: Why this one.
        time_step: Upper limit of the step [s]; None where the method chooses its steps by the error, or takes one.
        estimate: What the run was thought to need.
        tolerance: Time error at the output times over the span of temperatures that the steps are chosen for; None
            where their number was given. Of a steady state, the error to which an iteration goes; None for rounding.
        alternatives: What the other methods would have cost, or why they cannot.
        model: `diffusive`, or `lumped`, `corrected`, `auto`, see `grid.engine.lumped.method`.
        warnings: Properties of the problem that the grid resolves badly, see `grid.engine.run.warnings`.
        calibration: Processor whose speed the choice rests on; `reference` for that of the cost model. The bytes of a
            run depend on the method alone: `prepare(chosen=summary.method)` takes it again on any machine.
    """

    method: str
    reason: str
    time_step: float | None
    estimate: Estimate
    tolerance: float | None = None
    alternatives: tuple[Alternative, ...] = ()
    model: str = "diffusive"
    warnings: tuple[str, ...] = ()
    calibration: str = "reference"
