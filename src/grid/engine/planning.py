"""How a problem is to be solved: method, steps, cost. A plan is made once and may be solved many times.

`estimate` needs no field and answers what admission asks: cells, steps, memory, output, time. `prepare` discretises,
chooses the method by the same cost model, and says in `plan.summary.reason` why.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from grid.core.errors import FieldError, UnsupportedError
from grid.engine import limits
from grid.engine.costs import (
    explicit_seconds,
    explicit_time_step,
    implicit_seconds,
    loads_change,
    memory_bytes,
    steady_seconds,
)
from grid.engine.problem import HeatProblem

if TYPE_CHECKING:
    from grid.engine.solution import Solution
    from grid.engine.space import Space

Method = Literal["auto", "explicit", "implicit"]
OnStep = Callable[[float, int, float], bool | None]
DEFAULT_STEPS = 200  # of an implicit transient for which nobody asked for a number
MAX_TIMES = 100_000


@dataclass(frozen=True)
class Estimate:
    """What a run will need, known before anything is allocated.

    Args:
        cells: Cells in all.
        steps: Time steps of the method that would be chosen; 1 for a steady state.
        memory_bytes: Peak of what the run allocates beyond the libraries.
        output_bytes: The snapshots of the solution.
        work_s: Seconds on one core of the machine that the cost model was measured on (docs/theory/heat.md).
    """

    cells: int
    steps: int
    memory_bytes: int
    output_bytes: int
    work_s: float


@dataclass(frozen=True)
class PlanSummary:
    """The plan in words and numbers; travels with the solution."""

    method: str
    reason: str
    time_step: float | None  # s, upper limit of the step
    estimate: Estimate


@dataclass(frozen=True)
class Plan:
    """A problem with its method chosen and its coefficients evaluated; `solve` may be called many times."""

    problem: HeatProblem
    summary: PlanSummary
    times: tuple[float, ...]
    space: "Space" = field(repr=False)

    def solve(self, on_step: OnStep | None = None) -> "Solution":
        """Carry the plan out.

        Args:
            on_step: Called at most about 50 times as `on_step(fraction, step, time_s)`; returning False stops the run.

        Raises:
            CancelledError: `on_step` returned False.
            DivergedError: The solution left the finite numbers.
            SingularError, NotConvergedError: The equations have no unique solution, or an iteration stalls.
        """
        from grid.engine.run import solve_steady, solve_transient

        return solve_steady(self, on_step) if self.problem.steady else solve_transient(self, on_step)


def estimate(problem: HeatProblem, *, method: Method = "auto", times: Sequence[float] | None = None) -> Estimate:
    """Estimate what solving a problem needs, without allocating any field."""
    outputs = _landing_times(problem, times)
    chosen, _, steps, seconds = _choose(problem, method, explicit_time_step(problem), outputs)
    cells = problem.domain.cell_count
    output = 8 * cells * len(outputs)
    return Estimate(cells, steps, memory_bytes(problem, chosen, len(outputs)), output, seconds)


def prepare(
    problem: HeatProblem,
    *,
    method: Method = "auto",
    times: Sequence[float] | None = None,
    until: float | None = None,
    steps: int | None = None,
) -> Plan:
    """Discretise a problem and choose how to solve it.

    Args:
        problem: What to solve.
        method: `explicit`, `implicit`, or `auto` for the cheaper of the two.
        times: Times at which the field is wanted [s]; default the end.
        until: End of the run instead of the problem's `end_time` [s].
        steps: Steps of the implicit method from 0 to the end instead of the problem's.

    Raises:
        FieldError: A property or a load is not physical somewhere on the grid, or an argument is outside its limits.
    """
    from grid.engine.materials import discretise

    problem = _with_overrides(problem, until, steps, times)
    outputs = _landing_times(problem, times)
    space = discretise(problem)
    limit = math.inf
    if not problem.steady:
        from grid.engine.space import stable_time_step
        from grid.engine.state import SAFETY
        from grid.engine.varying import freeze

        start = space.initial_temperature()  # refused now rather than when the run starts
        limit = SAFETY * stable_time_step(*freeze(space, start, 0.0))
    chosen, reason, count, seconds = _choose(problem, method, limit, outputs)
    cells = problem.domain.cell_count
    needed = Estimate(cells, count, memory_bytes(problem, chosen, len(outputs)), 8 * cells * len(outputs), seconds)
    step = None if problem.steady or problem.end_time is None else _time_step(problem, chosen, limit)
    return Plan(problem, PlanSummary(chosen, reason, step, needed), outputs, space)


def solve(
    problem: HeatProblem,
    *,
    until: float | None = None,
    times: Sequence[float] | None = None,
    method: Method = "auto",
    steps: int | None = None,
    on_step: OnStep | None = None,
) -> "Solution":
    """Solve a problem: `prepare` and `Plan.solve` in one; see there for arguments and errors."""
    return prepare(problem, method=method, times=times, until=until, steps=steps).solve(on_step)


def _with_overrides(
    problem: HeatProblem, until: float | None, steps: int | None, times: Sequence[float] | None
) -> HeatProblem:
    if problem.steady:
        return problem
    if until is None and times is not None and len(times) and problem.end_time is not None:
        until = max(problem.end_time, *map(float, times)) if math.isfinite(max(map(float, times))) else None
    if until is not None and problem.steps is not None and problem.end_time is not None and steps is None:
        steps = max(1, math.ceil(problem.steps * until / problem.end_time * (1 - 1e-12)))  # the same step for longer
    changes = {"end_time": until, "steps": steps}
    return replace(problem, **{name: value for name, value in changes.items() if value is not None})  # type: ignore[arg-type]


def _landing_times(problem: HeatProblem, times: Sequence[float] | None) -> tuple[float, ...]:
    """0 and the asked times, increasing; the end if none were asked for."""
    if problem.steady or problem.end_time is None:
        return (0.0,)
    if times is None:
        return (0.0, problem.end_time)
    if not 1 <= len(times) <= MAX_TIMES:
        raise FieldError("times", f"1 to {MAX_TIMES} times")
    if not all(limits.TIME.allows(float(time)) for time in times):
        raise FieldError("times", f"each {limits.TIME}")
    return tuple(sorted({0.0, *map(float, times)}))


def _time_step(problem: HeatProblem, method: str, stable: float) -> float:
    end = problem.end_time or 0.0
    if method == "explicit":
        return min(stable, end)
    return end / (problem.steps or DEFAULT_STEPS)


def _choose(
    problem: HeatProblem, method: str, stable: float, outputs: tuple[float, ...]
) -> tuple[str, str, int, float]:
    """Method, reason, steps and seconds."""
    if problem.steady or problem.end_time is None:
        return "steady", "the steady state is asked for: one direct solve", 1, steady_seconds(problem)
    if method not in ("auto", "explicit", "implicit"):
        raise FieldError("method", "one of auto, explicit, implicit")
    landings = len(outputs) + len(problem.breakpoints)
    explicit_steps = problem.end_time / stable + landings if stable > 0 else math.inf
    implicit_steps = (problem.steps or DEFAULT_STEPS) + landings
    explicit_cost = explicit_seconds(problem, explicit_steps)
    implicit_cost = implicit_seconds(problem, implicit_steps)
    if not problem.is_linear or problem.has_flow or problem.coupled_axes:
        what = "a full conductivity tensor" if problem.coupled_axes else "flow"
        what = what if problem.is_linear else "coefficients that depend on temperature or time"
        if method == "explicit":
            raise UnsupportedError(f"the explicit method with {what}")
        chosen, reason = "implicit", f"the problem has {what}"
    elif method == "auto" and loads_change(problem):
        chosen, reason = "implicit", "loads change in time, which forward Euler follows to first order only"
    elif method == "auto":
        chosen = "explicit" if explicit_cost < implicit_cost else "implicit"
        reason = (
            f"estimated {explicit_cost:.2g} s explicit ({explicit_steps:.3g} stable steps), "
            f"{implicit_cost:.2g} s implicit ({implicit_steps} steps)"
        )
    else:
        chosen, reason = method, "asked for"
    count = explicit_steps if chosen == "explicit" else implicit_steps
    if not count <= limits.MAX_STEPS:
        raise FieldError("resolution", f"at most {limits.MAX_STEPS} steps of the {chosen} method; use larger cells")
    return chosen, reason, math.ceil(count), explicit_cost if chosen == "explicit" else implicit_cost
