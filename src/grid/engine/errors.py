"""Errors of the engine that the errors of `grid.core` do not cover."""

from typing import Any

from grid.core.errors import GridError, InputError, NumericsError

Cell = int | tuple[int, ...]  # flat, or along each axis


class ExpressionError(InputError):
    """An expression is outside the documented grammar; `column` counts from 0."""

    code, title = "invalid-expression", "An expression cannot be read"

    def __init__(self, message: str, text: str, column: int) -> None:
        super().__init__(message, text, column)
        self.message, self.text, self.column = message, text, column

    def __str__(self) -> str:
        """Return the message, and if the text is printable the characters around the column with a caret."""
        start = max(0, self.column - 30)
        window = self.text[start : self.column + 30]
        if not window.isascii() or not window.isprintable():
            return f"{self.message}, at column {self.column + 1}"
        return f"{self.message}, at column {self.column + 1}\n  {window}\n  {' ' * (self.column - start)}^"


class CancelledError(GridError):
    """The caller's `on_step` asked to stop; nothing of the run is returned."""

    code, title = "cancelled", "The run was cancelled"

    def __init__(self, step: int, time_s: float) -> None:
        super().__init__(step, time_s)
        self.step, self.time_s = step, time_s

    def __str__(self) -> str:
        return f"cancelled after step {self.step}, t = {self.time_s:.6g} s"


class RunError(NumericsError):
    """A refusal by the mathematics within a run: step, time and cell as far as they are known, and a remedy.

    The function that raises it knows the cell at most; the loop in time adds the rest by `place`, which leaves known
    values as they are.

    Args:
        step: Steps taken before it.
        time_s: Time at which the refused step began [s].
        cell: Flat index, or the index along each axis once it is placed.
    """

    remedy: str  # recommended next step of the caller

    def __init__(
        self, *details: object, step: int | None = None, time_s: float | None = None, cell: Cell | None = None
    ) -> None:
        super().__init__(*details, step, time_s, cell)
        self.step, self.time_s, self.cell = step, time_s, cell

    def place(self, step: int | None, time_s: float | None, shape: tuple[int, ...]) -> None:
        """Add what is not known yet: the step, its time (None for a steady state), and the cell along each axis."""
        if self.step is None:
            self.step, self.time_s = step, time_s
        if isinstance(self.cell, int):
            index, cell = self.cell, []
            for count in reversed(shape):
                index, last = divmod(index, count)
                cell.append(last)
            self.cell = tuple(reversed(cell))
        self.args = (*self.args[:-3], self.step, self.time_s, self.cell)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.args)

    def _tell(self, happened: str) -> str:
        """Return `step 3, t = 0.2 s, cell (4, 1): what happened; what to do.`."""
        place = [] if self.step is None else [f"step {self.step}, t = {self.time_s:.6g} s"]
        place += [] if self.cell is None else [f"cell {self.cell}"]
        return f"{', '.join(place)}{': ' if place else ''}{happened}; {self.remedy}."


def _rebuild(kind: type[RunError], args: tuple[Any, ...]) -> RunError:
    *details, step, time_s, cell = args
    return kind(*details, step=step, time_s=time_s, cell=cell)


class SingularError(RunError):
    """The equations have no unique solution."""

    code, title = "singular", "The problem has no unique solution"
    remedy = "let a face hold or exchange a temperature"

    def __init__(self, reason: str, remedy: str | None = None, **place: Any) -> None:
        super().__init__(reason, remedy, **place)
        self.reason = reason
        self.remedy = remedy or self.remedy

    def __str__(self) -> str:
        return self._tell(self.reason)


class NotConvergedError(RunError):
    """An iteration stopped before it met its tolerance."""

    code, title = "not-converged", "An iteration did not converge"
    remedy = "refine the grid or shorten the steps"

    def __init__(
        self,
        iteration: str,
        count: int,
        residual: float,
        tolerance: float,
        remedy: str | None = None,
        **place: Any,
    ) -> None:
        super().__init__(iteration, count, residual, tolerance, remedy, **place)
        self.iteration, self.count, self.residual, self.tolerance = iteration, count, residual, tolerance
        self.remedy = remedy or self.remedy

    @property
    def is_general(self) -> bool:
        """True where the remedy is the general one of the class."""
        return self.remedy == type(self).remedy

    def advise(self, remedy: str) -> "NotConvergedError":
        """Return the same error with another remedy."""
        return NotConvergedError(
            self.iteration,
            self.count,
            self.residual,
            self.tolerance,
            remedy,
            step=self.step,
            time_s=self.time_s,
            cell=self.cell,
        )

    def __str__(self) -> str:
        return self._tell(
            f"{self.iteration}: residual {self.residual:.3g} after {self.count} iterations, {self.tolerance:.3g} asked"
        )


PHASE_CHANGE_REMEDY = (
    "give the heat of a phase change as `volumetric_enthalpy`, a table of temperature and heat content, or as "
    "`melting_temperature` and `latent_heat`, in the place of a peak of the heat capacity"
)


class StepUnderflowError(RunError):
    """No step is short enough for the tolerance."""

    code, title = "step-underflow", "No time step is short enough"
    remedy = "name the time as a breakpoint if a load jumps there, loosen the tolerance, or give the steps"

    def __init__(self, step_s: float, **place: Any) -> None:
        super().__init__(step_s, **place)
        self.step_s = step_s

    def __str__(self) -> str:
        return self._tell(f"a step of {self.step_s:.3g} s is still too long")


class DivergedError(RunError):
    """A live run has temperatures that are no finite numbers; the tick is not shown."""

    code, title = "diverged", "A run has no finite temperatures any more"
    remedy = "weaken the events or sources that act there, or choose a finer tick"

    def __str__(self) -> str:
        return self._tell("temperatures are no finite numbers")


class RunawayError(RunError):
    """A load that rises with temperature heats a part of the body faster than heat leaves it.

    Args:
        load: Field of the load.
        temperature: Temperature that the body had reached there.
        unit: Unit of temperatures of the case.
        growth_s: Time in which a temperature difference there grows e-fold [s].
    """

    code, title = "thermal-runaway", "The temperature runs away"
    remedy = (
        "end the run before that time, cool the body more, or let the load stop rising where it does in truth, such as "
        "with `where(T < ..., ..., ...)`"
    )

    def __init__(self, load: str, temperature: float, unit: str, growth_s: float, **place: Any) -> None:
        super().__init__(load, temperature, unit, growth_s, **place)
        self.load, self.temperature, self.unit, self.growth_s = load, temperature, unit, growth_s

    def __str__(self) -> str:
        reached = f"{self.temperature:.6g}{format_unit(self.unit)}"
        return self._tell(
            f"thermal runaway: {self.load} rises with temperature and had heated the body to {reached} by then, from "
            f"where a rise grows e-fold in every {self.growth_s:.3g} s"
        )


def format_unit(unit: str) -> str:
    """Return the unit of temperatures of a case to follow a number; empty where temperatures are relative."""
    return "" if unit == "relative" else f" {unit}"


class CheckpointError(InputError):
    """A checkpoint cannot be used."""

    code, title = "foreign-checkpoint", "The checkpoint does not belong to this run"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason}; start the run again, or name the checkpoint of this plan"
