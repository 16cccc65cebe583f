"""Errors of the engine that the shared family does not name."""

from grid.core.errors import GridError, InputError, NumericsError


class ExpressionError(InputError):
    """An expression is outside the documented grammar; `column` counts from 0."""

    code, title = "invalid-expression", "An expression cannot be read"

    def __init__(self, message: str, text: str, column: int) -> None:
        super().__init__(message, text, column)
        self.message, self.text, self.column = message, text, column

    def __str__(self) -> str:
        """The message, with the neighbourhood of the place and a caret under it when the text is printable."""
        start = max(0, self.column - 30)
        window = self.text[start : self.column + 30]
        if not window.isascii() or not window.isprintable():
            return f"{self.message}, at column {self.column + 1}"
        return f"{self.message}, at column {self.column + 1}\n  {window}\n  {' ' * (self.column - start)}^"


class CancelledError(GridError):
    """The caller's `on_step` asked to stop; nothing of the run is kept."""

    code, title = "cancelled", "The run was cancelled"

    def __init__(self, step: int, time_s: float) -> None:
        super().__init__(step, time_s)
        self.step, self.time_s = step, time_s

    def __str__(self) -> str:
        return f"cancelled after step {self.step}, t = {self.time_s:.6g} s"


class SingularError(NumericsError):
    """The equations have no unique solution."""

    code, title = "singular", "The problem has no unique solution"


class NotConvergedError(NumericsError):
    """An iteration stopped before it met its tolerance."""

    code, title = "not-converged", "An iteration did not converge"

    def __init__(self, iteration: str, count: int, residual: float, tolerance: float) -> None:
        super().__init__(iteration, count, residual, tolerance)
        self.iteration, self.count, self.residual, self.tolerance = iteration, count, residual, tolerance

    def __str__(self) -> str:
        return (
            f"{self.iteration}: residual {self.residual:.3g} after {self.count} iterations, "
            f"{self.tolerance:.3g} asked; refine the grid or shorten the steps."
        )


class StepUnderflowError(NumericsError):
    """No step is short enough for the tolerance."""

    code, title = "step-underflow", "No time step is short enough"

    def __init__(self, step: int, time_s: float, cell: int, step_s: float) -> None:
        super().__init__(step, time_s, cell, step_s)
        self.step, self.time_s, self.cell, self.step_s = step, time_s, cell, step_s

    def __str__(self) -> str:
        return (
            f"step {self.step}, t = {self.time_s:.6g} s, cell {self.cell}: a step of {self.step_s:.3g} s is still too "
            "long; name the time as a breakpoint if a load jumps there, loosen the tolerance, or give the steps."
        )


class CheckpointError(InputError):
    """A checkpoint cannot be used."""

    code, title = "foreign-checkpoint", "The checkpoint does not belong to this run"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason}; start the run again, or name the checkpoint of this plan"
