"""Plan of a solution: it is made once, by `grid.engine.run.planning`, and may be solved many times."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from grid.core.errors import FieldError
from grid.engine import limits
from grid.engine.arguments import require_function, require_number, require_path
from grid.engine.progress import OnProgress, Watch, watching
from grid.engine.results.solution import Solution
from grid.engine.run.column import ColumnPlan, find_column
from grid.engine.run.progress_bar import showing
from grid.engine.run.spec import OnStep, RunSpec
from grid.engine.run.transient import resume_transient, solve_transient

if TYPE_CHECKING:
    from grid.engine.run.checkpoint import Keeper

ON_STEP = "a function of (fraction, step, time_s)"


@dataclass(frozen=True)
class Plan(RunSpec):
    """A problem with its method chosen and its coefficients evaluated; `solve` may be called many times.

    `method` and `inputs` are None for a steady state.
    """

    def solve(
        self,
        on_step: OnStep | None = None,
        *,
        checkpoint: Path | str | None = None,
        every: float = 10.0,
        progress: OnProgress | bool | None = None,
    ) -> Solution:
        """Carry the plan out. A `SlowRunWarning` is given once where it takes three times its estimate.

        Args:
            on_step: Called at most about 50 times as `on_step(fraction, step, time_s)`; returning False stops the run.
            checkpoint: File that is written during the run, see `resume`.
            every: Least time between two writings [s of the clock]; they happen when `on_step` is called.
            progress: Called with a `Progress` at most ten times a second, and at the end; True shows a bar, in a
                notebook or on a terminal.

        Raises:
            CancelledError: `on_step` returned False.
            DivergedError: The solution left the finite numbers.
            SingularError, NotConvergedError: The equations have no unique solution, or an iteration stalls.
            StepUnderflowError: No step is short enough for the tolerance.
        """
        if on_step is None and checkpoint is None and progress is None and self._column is not None:
            return self._column.solve()
        require_function("on_step", on_step, ON_STEP)
        keeper = self._keeper(checkpoint, every) if checkpoint is not None else None
        with self._watch(progress) as watch:
            if self.problem.steady:
                from grid.engine.run.steady import solve_steady  # loads SciPy

                return _end(watch, solve_steady(self, on_step))
            return _end(watch, solve_transient(self, on_step, keeper))

    def resume(
        self,
        checkpoint: Path | str,
        on_step: OnStep | None = None,
        *,
        every: float = 10.0,
        progress: OnProgress | bool | None = None,
    ) -> Solution:
        """Continue from a checkpoint of this plan, to the bytes of the run that was not interrupted.

        The file is updated during the run. `on_step`, `progress` and errors are those of `solve`.

        Raises:
            CheckpointError: The file cannot be read, or is not of this plan and this version of the numerics.
        """
        from grid.engine.run.checkpoint import load

        require_function("on_step", on_step, ON_STEP)
        keeper = self._keeper(checkpoint, every)
        with self._watch(progress) as watch:
            return _end(watch, resume_transient(self, load(keeper.path, self), on_step, keeper))

    @contextmanager
    def _watch(self, progress: OnProgress | bool | None) -> Iterator[Watch]:
        """The watch of a run."""
        with showing(progress) as told, watching(Watch(self.summary.method, self.summary.estimate.work_s, told)) as one:
            yield one

    def _keeper(self, path: Path | str, every: float) -> "Keeper":
        from grid.engine.run.checkpoint import Keeper

        require_path("checkpoint", path)
        if not Path(path).parent.is_dir():
            raise FieldError("checkpoint", "in a folder that exists")
        require_number("every", every, limits.TIME)
        return Keeper(Path(path), every)

    @cached_property
    def _column(self) -> ColumnPlan | None:
        return find_column(self)


def _end(watch: Watch, solution: Solution) -> Solution:
    """A solution with the warnings of its run."""
    watch.conclude()
    return replace(solution, run_warnings=tuple(watch.warnings)) if watch.warnings else solution
