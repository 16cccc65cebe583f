"""How a problem is to be solved: method, steps, cost. A plan is made once and may be solved many times.

`estimate` needs no field and answers what admission asks: cells, steps, memory, output, time. `prepare` discretises,
asks every method of `grid.engine.methods` for its obstacle and its cost, takes the cheapest, and says in
`plan.summary` why, and what the others would have cost.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from grid.core.errors import FieldError
from grid.engine import limits
from grid.engine.arguments import (
    find_floats,
    require_choice,
    require_function,
    require_kind,
    require_number,
    require_path,
    require_truth,
)
from grid.engine.calibration import current
from grid.engine.choosing import Alternative, Choice, choose, estimate_cost, find_landings, make_facts
from grid.engine.cost_table import add, price
from grid.engine.costs import memory_bytes, plan_work, steady_work
from grid.engine.kinds import is_count
from grid.engine.lumped.method import MODEL_TOLERANCE, MODELS, ModelMethod, find_method, find_model
from grid.engine.methods import METHODS, Facts
from grid.engine.methods.method import Precision
from grid.engine.plan_warnings import find_warnings
from grid.engine.problem import HeatProblem
from grid.engine.progress import OnProgress, Watch, showing, watching

if TYPE_CHECKING:
    from pathlib import Path

    from grid.engine.batch_single import Single
    from grid.engine.checkpoint import Keeper
    from grid.engine.methods import Method
    from grid.engine.solution import Solution
    from grid.engine.space import Space

OnStep = Callable[[float, int, float], bool | None]
STEADY = "steady"
MAX_TIMES = 100_000
ON_STEP = "a function of (fraction, step, time_s)"
AGAIN = "chosen by an earlier plan"


@dataclass(frozen=True)
class Estimate:
    """What a run will need, known before anything is allocated.

    Args:
        cells: Cells in all.
        steps: Time steps of the method that would be chosen; 1 for a steady state.
        memory_bytes: Peak of what the run allocates beyond the libraries.
        output_bytes: The snapshots of the solution.
        work_s: Processor seconds on this machine as far as it was calibrated, else on the one that the cost model was
            measured on (`grid.engine.calibration`).
    """

    cells: int
    steps: int
    memory_bytes: int
    output_bytes: int
    work_s: float


@dataclass(frozen=True)
class PlanSummary:
    """The plan in words and numbers; travels with the solution.

    Args:
        method: Name of the method.
        reason: Why this one.
        time_step: Upper limit of the step [s]; None where the method chooses its steps by the error, or takes one.
        estimate: What the run was thought to need.
        tolerance: Time error at the asked times over the span of temperatures that the steps are chosen for; None
            where their number was given. Of a steady state, the error to which an iteration goes; None for rounding.
        alternatives: What the other methods would have cost, or why they cannot.
        model: `diffusive`, or `lumped`, `corrected`, `auto`, see `grid.engine.lumped.method`.
        warnings: Properties of the problem that the grid resolves badly, see `grid.engine.plan_warnings`.
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


@dataclass(frozen=True)
class Plan:
    """A problem with its method chosen and its coefficients evaluated; `solve` may be called many times.

    `method` and `facts` are None for a steady state.
    """

    problem: HeatProblem
    summary: PlanSummary
    times: tuple[float, ...]
    space: "Space" = field(repr=False)
    method: "Method | None" = field(default=None, repr=False)
    facts: Facts | None = field(default=None, repr=False)

    def solve(
        self,
        on_step: OnStep | None = None,
        *,
        checkpoint: "Path | str | None" = None,
        every: float = 10.0,
        progress: "OnProgress | bool | None" = None,
    ) -> "Solution":
        """Carry the plan out. A `SlowRunWarning` is given once where it takes three times its estimate.

        Args:
            on_step: Called at most about 50 times as `on_step(fraction, step, time_s)`; returning False stops the run.
            checkpoint: File that is written on the way, see `resume`.
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
                from grid.engine.steady import solve_steady

                return watch.conclude(solve_steady(self, on_step))
            from grid.engine.run import solve_transient

            return watch.conclude(solve_transient(self, on_step, keeper))

    def resume(
        self,
        checkpoint: "Path | str",
        on_step: OnStep | None = None,
        *,
        every: float = 10.0,
        progress: "OnProgress | bool | None" = None,
    ) -> "Solution":
        """Go on from a checkpoint of this plan, to the bytes of the run that was not interrupted.

        The file is written further on the way. `on_step`, `progress` and errors are those of `solve`.

        Raises:
            CheckpointError: The file cannot be read, or is not of this plan and this version of the numerics.
        """
        from grid.engine.checkpoint import load
        from grid.engine.run import resume_transient

        require_function("on_step", on_step, ON_STEP)
        keeper = self._keeper(checkpoint, every)
        with self._watch(progress) as watch:
            return watch.conclude(resume_transient(self, load(keeper.path, self), on_step, keeper))

    @contextmanager
    def _watch(self, progress: "OnProgress | bool | None") -> "Iterator[Watch]":
        """The watch of a run."""
        with showing(progress) as told, watching(Watch(self.summary.method, self.summary.estimate.work_s, told)) as one:
            yield one

    def _keeper(self, path: "Path | str", every: float) -> "Keeper":
        from pathlib import Path

        from grid.engine.checkpoint import Keeper

        require_path("checkpoint", path)
        if not Path(path).parent.is_dir():
            raise FieldError("checkpoint", "in a folder that exists")
        require_number("every", every, limits.TIME)
        return Keeper(Path(path), every)

    @cached_property
    def _column(self) -> "Single | None":
        from grid.engine.batch_single import find_single

        return find_single(self)


def estimate(
    problem: HeatProblem,
    *,
    method: str = "auto",
    times: Sequence[float] | None = None,
    steps: int | None = None,
    tolerance: float | None = None,
    precision: Precision = "double",
    model: str | None = None,
) -> Estimate:
    """Estimate what solving a problem needs, without allocating any field; that of the diffusive model at most."""
    _require_valid(problem, method, tolerance, precision, model)
    problem = _with_overrides(problem, None, steps, times)
    outputs = _outputs(problem, times)
    if problem.steady or problem.end_time is None:
        return _steady_estimate(problem)
    landings = find_landings(problem, outputs, tolerance)
    fixed = _fixed_steps(problem, method, steps, tolerance)
    facts, model = make_facts(problem, outputs, landings, fixed, tolerance, precision), find_model(problem, model)
    return _transient_estimate(problem, choose(facts, find_method(problem, model, method)), outputs, facts, model)


def prepare(
    problem: HeatProblem,
    *,
    method: str = "auto",
    times: Sequence[float] | None = None,
    until: float | None = None,
    steps: int | None = None,
    tolerance: float | None = None,
    precision: Precision = "double",
    model: str | None = None,
    model_tolerance: float = MODEL_TOLERANCE,
    chosen: str | None = None,
) -> Plan:
    """Discretise a problem and choose how to solve it.

    Args:
        problem: What to solve.
        method: Name of a method, or `auto` for the cheapest that can.
        times: Times at which the field is wanted [s]; default the end.
        until: End of the run instead of the problem's `end_time` [s].
        steps: Equal steps from 0 to the end, without control of the error.
        tolerance: Time error at `times`, over the span of temperatures, that the steps are chosen for; default 1e-4.
            A method that is asked for by name takes the problem's `steps` unless a tolerance is given. Of a linear
            steady state that is solved by iteration, the error of the iteration; it goes to rounding by default.
        precision: `mixed` allows single precision inside where the tolerance does.
        model: `diffusive`, `lumped` (Newton's law of cooling), `corrected`, or `auto` for the lumped model where its
            certificate allows; default `auto` where the problem is `adaptive`, else `diffusive`.
        model_tolerance: Of the certificate of `auto`, over the span of temperatures.
        chosen: What `auto` chose before, as `PlanSummary.method` and manifests have it; it is taken again, so that a
            run gives the same bytes on a machine where another method would be the cheapest.

    Raises:
        FieldError: A property or a load is not physical somewhere on the grid, or an argument is outside its limits.
        UnsupportedError: The method that was asked for cannot solve the problem.
    """
    from grid.engine.materials import discretise

    _require_valid(problem, method, tolerance, precision, model)
    require_number("model_tolerance", model_tolerance, limits.FRACTION)
    problem = _with_overrides(problem, until, steps, times)
    outputs = _outputs(problem, times)
    space = discretise(problem)
    if problem.steady or problem.end_time is None:
        needed = _steady_estimate(problem)
        reason = "the steady state is asked for: one direct solve"
        warnings = find_warnings(space)
        return Plan(problem, PlanSummary(STEADY, reason, None, needed, tolerance, warnings=warnings), outputs, space)
    landings = find_landings(problem, outputs, tolerance)
    fixed = _fixed_steps(problem, method, steps, tolerance)
    facts = make_facts(problem, outputs, landings, fixed, tolerance, precision, space)
    model = find_model(problem, model)
    again = _find_again(method, chosen)
    choice = choose(facts, again or find_method(problem, model, method))
    needed = _transient_estimate(problem, choice, outputs, facts, model)
    controlled = None if fixed is not None else facts.tolerance
    taken, reason = choice.method, AGAIN if again else choice.reason
    if model != "diffusive":
        taken = ModelMethod(model, choice.method, model_tolerance)
        reason = taken.reason
    summary = PlanSummary(
        taken.name, reason, choice.cost.time_step, needed, controlled, choice.alternatives, model, find_warnings(space),
        current().processor,
    )  # fmt: skip
    return Plan(problem, summary, outputs, space, taken, facts)


def solve(
    problem: HeatProblem,
    *,
    until: float | None = None,
    times: Sequence[float] | None = None,
    method: str = "auto",
    steps: int | None = None,
    tolerance: float | None = None,
    precision: Precision = "double",
    model: str | None = None,
    model_tolerance: float = MODEL_TOLERANCE,
    richardson: bool = False,
    on_step: OnStep | None = None,
    progress: "OnProgress | bool | None" = None,
    chosen: str | None = None,
) -> "Solution":
    """Solve a problem: `prepare` and `Plan.solve` in one; see there for arguments and errors.

    With `richardson` it is solved on half the cells as well (on twice as many where half do not fit), and the solution
    has `space_error` and `extrapolate`.
    """
    require_function("on_step", on_step, ON_STEP)
    if require_truth("richardson", richardson):
        from grid.engine.richardson import solve_with_error

        return solve_with_error(
            problem, method=method, times=times, until=until, steps=steps, tolerance=tolerance, precision=precision,
            model=model, model_tolerance=model_tolerance, chosen=chosen, progress=progress,
        )  # fmt: skip
    plan = prepare(
        problem, method=method, times=times, until=until, steps=steps, tolerance=tolerance, precision=precision,
        model=model, model_tolerance=model_tolerance, chosen=chosen,
    )  # fmt: skip
    return plan.solve(on_step, progress=progress)


def _require_valid(problem: object, method: str, tolerance: float | None, precision: str, model: str | None) -> None:
    require_kind("problem", problem, HeatProblem, "a HeatProblem; read a case by HeatProblem.from_case")
    require_choice("method", method, ("auto", STEADY, *(one.name for one in METHODS)))
    if tolerance is not None:
        require_number("tolerance", tolerance, limits.TOLERANCE)
    require_choice("precision", precision, ("double", "mixed"))
    if model is not None:
        require_choice("model", model, MODELS)


def _find_again(method: str, chosen: str | None) -> str | None:
    """The method that an earlier plan chose; None where it was not chosen, or is a model's."""
    names = [one.name for one in METHODS]
    if chosen is not None:
        require_choice("chosen", chosen, (STEADY, *names, *MODELS))
    return chosen if method == "auto" and chosen in names else None


def _with_overrides(
    problem: HeatProblem, until: float | None, steps: int | None, times: Sequence[float] | None
) -> HeatProblem:
    if until is not None:
        require_number("until", until, limits.DURATION)
    if steps is not None and not (is_count(steps) and 1 <= steps <= limits.MAX_STEPS):
        raise FieldError("steps", f"an integer from 1 to {limits.MAX_STEPS}")
    times = None if times is None else _read_times(times)
    if problem.steady:
        return problem
    if until is None and times is not None and len(times) and problem.end_time is not None:
        until = max(problem.end_time, *times)
    if until is not None and problem.steps is not None and problem.end_time is not None and steps is None:
        steps = limits.scale_steps(problem.steps, until / problem.end_time)  # the same step for longer
    asked = (("end_time", until), ("steps", steps))
    changes = {name: value for name, value in asked if value is not None and value != getattr(problem, name)}
    return replace(problem, **changes) if changes else problem  # type: ignore[arg-type]


def _fixed_steps(problem: HeatProblem, method: str, steps: int | None, tolerance: float | None) -> int | None:
    """Steps that were asked for, by number or by naming a method; None where the error is to be controlled."""
    if steps is not None or (method != "auto" and tolerance is None):
        return problem.steps
    return None


def _outputs(problem: HeatProblem, times: Sequence[float] | None) -> tuple[float, ...]:
    """0 and the asked times, increasing; the end if none were asked for."""
    if problem.steady or problem.end_time is None:
        return (0.0,)
    if times is None:
        return (0.0, problem.end_time)
    return tuple(sorted({0.0, *_read_times(times)}))


def _read_times(times: Sequence[float]) -> tuple[float, ...]:
    found = find_floats(times)
    if found is None or found.ndim != 1 or found.size > MAX_TIMES:
        raise FieldError("times", f"1 to {MAX_TIMES} times")
    if not all(map(limits.TIME.allows, read := found.tolist())):
        raise FieldError("times", f"each {limits.TIME}")
    return tuple(read)


def _steady_estimate(problem: HeatProblem) -> Estimate:
    cells = problem.domain.cell_count
    work = add(plan_work(problem, 1), steady_work(problem))
    return Estimate(cells, 1, memory_bytes(problem, STEADY, 1), 8 * cells, price(work, current()))


def _transient_estimate(
    problem: HeatProblem, choice: Choice, outputs: tuple[float, ...], facts: Facts, model: str
) -> Estimate:
    cost, seconds, cells = choice.cost, choice.seconds, problem.domain.cell_count
    if model != "diffusive":
        cost = estimate_cost(ModelMethod(model, choice.method), facts)
        seconds = price(cost.work, current())
    if not cost.steps <= limits.MAX_STEPS:
        name = choice.method.name
        raise FieldError("resolution", f"at most {limits.MAX_STEPS} steps of the {name} method; use larger cells")
    return Estimate(cells, cost.steps, cost.memory_bytes, 8 * cells * len(outputs), seconds)
