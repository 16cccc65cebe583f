"""Plan of a solution: method, steps, cost. A plan is made once and may be solved many times.

`estimate` needs no field and gives figures for admission: cells, steps, memory, output, time. `prepare` discretises,
compares the obstacles and costs of all methods of `grid.engine.methods`, takes the cheapest, and states in
`plan.summary` the reason, and the cost of the others.
"""

from collections.abc import Sequence
from dataclasses import replace

from grid.core.errors import FieldError
from grid.engine import limits
from grid.engine.arguments import (
    find_floats,
    require_choice,
    require_kind,
    require_number,
)
from grid.engine.costs.calibration import current
from grid.engine.costs.runs import memory_bytes, plan_work, steady_work
from grid.engine.costs.table import add, price
from grid.engine.lumped.method import MODEL_TOLERANCE, MODELS, ModelMethod, find_method, find_model
from grid.engine.methods import METHODS, MethodInputs
from grid.engine.methods.inputs import Precision
from grid.engine.problem.problem import HeatProblem
from grid.engine.problem.type_checks import is_count
from grid.engine.results.summary import Estimate, PlanSummary
from grid.engine.run.choosing import Choice, choose, estimate_cost, find_stop_times, make_inputs
from grid.engine.run.plan import Plan
from grid.engine.run.spec import STEADY
from grid.engine.run.warnings import find_warnings
from grid.engine.space.discretise import discretise

MAX_TIMES = 100_000  # [-] output times at most
AGAIN = "chosen by an earlier plan"


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
    """Estimate the cost of a problem, without allocating any field; that of the diffusive model at most."""
    _require_valid(problem, method, tolerance, precision, model)
    problem = _with_overrides(problem, None, steps, times)
    outputs = _outputs(problem, times)
    if problem.steady or problem.end_time is None:
        return _steady_estimate(problem)
    stop_times = find_stop_times(problem, outputs, tolerance)
    fixed = _fixed_steps(problem, method, steps, tolerance)
    inputs, model = make_inputs(problem, outputs, stop_times, fixed, tolerance, precision), find_model(problem, model)
    return _transient_estimate(problem, choose(inputs, find_method(problem, model, method)), outputs, inputs, model)


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
            A method that is requested by name takes the problem's `steps` unless a tolerance is given. Of a linear
            steady state that is solved by iteration, the error of the iteration; it goes to rounding by default.
        precision: `mixed` allows single precision inside where the tolerance does.
        model: `diffusive`, `lumped` (Newton's law of cooling), `corrected`, or `auto` for the lumped model where its
            certificate allows; default `auto` where the problem is `adaptive`, else `diffusive`.
        model_tolerance: Of the certificate of `auto`, over the span of temperatures.
        chosen: What `auto` chose before, as `PlanSummary.method` and manifests have it; it is taken again, so that a
            run gives the same bytes on a machine where another method would be the cheapest.

    Raises:
        FieldError: A property or a load is not physical somewhere on the grid, or an argument is outside its limits.
        UnsupportedError: The method that was requested cannot solve the problem.
    """
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
    stop_times = find_stop_times(problem, outputs, tolerance)
    fixed = _fixed_steps(problem, method, steps, tolerance)
    inputs = make_inputs(problem, outputs, stop_times, fixed, tolerance, precision, space)
    model = find_model(problem, model)
    again = _find_again(method, chosen)
    choice = choose(inputs, again or find_method(problem, model, method))
    needed = _transient_estimate(problem, choice, outputs, inputs, model)
    controlled = None if fixed is not None else inputs.tolerance
    taken, reason = choice.method, AGAIN if again else choice.reason
    if model != "diffusive":
        taken = ModelMethod(model, choice.method, model_tolerance)
        reason = taken.reason
    summary = PlanSummary(
        taken.name, reason, choice.cost.time_step, needed, controlled, choice.alternatives, model, find_warnings(space),
        current().processor,
    )  # fmt: skip
    return Plan(problem, summary, outputs, space, taken, inputs)


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
    """Steps that were requested, by number or by naming a method; None where the error is to be controlled."""
    if steps is not None or (method != "auto" and tolerance is None):
        return problem.steps
    return None


def _outputs(problem: HeatProblem, times: Sequence[float] | None) -> tuple[float, ...]:
    """0 and the output times, increasing; the end if none were requested."""
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
    problem: HeatProblem, choice: Choice, outputs: tuple[float, ...], inputs: MethodInputs, model: str
) -> Estimate:
    cost, seconds, cells = choice.cost, choice.seconds, problem.domain.cell_count
    if model != "diffusive":
        cost = estimate_cost(ModelMethod(model, choice.method), inputs)
        seconds = price(cost.work, current())
    if not cost.steps <= limits.MAX_STEPS:
        name = choice.method.name
        raise FieldError("resolution", f"at most {limits.MAX_STEPS} steps of the {name} method; use larger cells")
    return Estimate(cells, cost.steps, cost.memory_bytes, 8 * cells * len(outputs), seconds)
