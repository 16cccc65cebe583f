"""Choosing a method: the facts of a problem, every method's obstacle or cost, and the cheapest with its reason."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from grid.core.errors import FieldError, UnsupportedError
from grid.engine.costs.calibration import Calibration, current
from grid.engine.costs.runs import SAFETY, count_body_cells, explicit_time_step, plan_work
from grid.engine.costs.table import add, price
from grid.engine.methods import METHODS, Cost, Method, MethodInputs
from grid.engine.methods.inputs import DEFAULT_TOLERANCE, Precision
from grid.engine.problem.problem import HeatProblem
from grid.engine.results.summary import Alternative

if TYPE_CHECKING:
    from grid.engine.space.laws import Loads
    from grid.engine.space.space import Space


@dataclass(frozen=True)
class Choice:
    """Method with its cost and its price [s], and the methods with which it was compared."""

    method: Method
    cost: Cost
    seconds: float
    reason: str
    alternatives: tuple[Alternative, ...]


def choose(inputs: MethodInputs, name: str = "auto", calibration: Calibration | None = None) -> Choice:
    """Choose the cheapest method without an obstacle, or the one that was requested by name.

    Args:
        inputs: What is to be solved.
        name: Of a method, or `auto`.
        calibration: Of the machine that it is to be the cheapest on; default the one in use.

    Raises:
        UnsupportedError: No method, or not the one requested, can solve the problem.
    """
    asked = [method for method in METHODS if name in ("auto", method.name)]
    obstacles = {method.name: method.find_obstacle(inputs) for method in METHODS}
    able = [method for method in asked if obstacles[method.name] is None]
    if not able:
        why = "; ".join(f"{method.name}: {obstacles[method.name]}" for method in asked)
        raise UnsupportedError(f"the method {name} ({why})" if asked else f"the method {name} for a transient")
    costs = {method.name: estimate_cost(method, inputs) for method in METHODS if obstacles[method.name] is None}
    calibration = current() if calibration is None else calibration
    seconds = {one: price(cost.work, calibration) for one, cost in costs.items()}
    best = min(able, key=lambda method: seconds[method.name])
    others = tuple(
        Alternative(method.name, seconds.get(method.name), obstacles[method.name])
        for method in METHODS
        if method is not best
    )
    cost, own = costs[best.name], seconds[best.name]
    reason = "asked for" if name != "auto" else _explain(best, cost, own, others)
    return Choice(best, cost, own, reason, others)


def estimate_cost(method: Method, inputs: MethodInputs) -> Cost:
    """Estimate the cost of a method, with that of the parts which every run needs."""
    cost = method.estimate(inputs)
    return replace(cost, work=add(plan_work(inputs.problem, len(inputs.times) + 1), cost.work))


def _explain(best: Method, cost: Cost, own: float, others: tuple[Alternative, ...]) -> str:
    taken = f"{best.name} is estimated at {own:.2g} s in {cost.steps:.4g} steps"
    priced = [other for other in others if other.seconds is not None]
    unable = [other for other in others if other.seconds is None]
    if not priced:
        return f"{taken}; no other method can ({'; '.join(map(str, unable))})"
    cheaper = ", ".join(map(str, sorted(priced, key=lambda other: other.seconds or 0.0)))
    cannot = f"; {'; '.join(map(str, unable))}" if unable else ""
    return f"{taken}, {cheaper}{cannot}"


def find_stop_times(
    problem: HeatProblem, outputs: tuple[float, ...], tolerance: float | None = None
) -> tuple[float, ...]:
    """Output times, breakpoints, and times that the loads need, up to the last output time, increasing [s].

    Loads need their switches, knots of tables among them, and for the ends of zones of alike steps
    (`grid.engine.loads.analysis`). The end where nothing but the start was requested.

    Raises:
        FieldError: A load changes more often than a run can follow.
    """
    end = max(outputs[-1], problem.end_time or 0.0) if len(outputs) < 2 else outputs[-1]
    marks = [*outputs, end, *problem.breakpoints]
    if problem.has_timed_values and end > 0.0:
        from grid.engine.loads.analysis import analyse_loads

        loads = analyse_loads(problem, end, DEFAULT_TOLERANCE if tolerance is None else tolerance)
        marks += [*loads.switches, *loads.marks]
    increasing = np.unique(np.array(marks))
    increasing = increasing[(increasing > 0.0) & (increasing <= end)]
    if np.all(np.diff(increasing, prepend=0.0) > 1e-12 * increasing):
        return tuple(increasing.tolist())
    found: list[float] = []
    for mark in increasing.tolist():
        if mark - (found[-1] if found else 0.0) > 1e-12 * mark or mark in outputs:
            found.append(mark)
    return tuple(found)


def make_inputs(
    problem: HeatProblem,
    outputs: tuple[float, ...],
    stop_times: tuple[float, ...],
    steps: int | None,
    tolerance: float | None,
    precision: Precision,
    space: "Space | None" = None,
) -> MethodInputs:
    """The facts of a transient: measured on its grid where there is one, else from the extremes of its properties."""
    if space is None:
        stable = explicit_time_step(problem) / SAFETY
        stiffness = 2.0 / stable if stable > 0 else np.inf
    else:
        stable, stiffness = _measure(space)
    wanted = DEFAULT_TOLERANCE if tolerance is None else tolerance
    times = tuple(time for time in outputs if time > 0.0)
    body = count_body_cells(problem) if space is None else space.body_count
    return MethodInputs(problem, times, stop_times, steps, wanted, float(stiffness), float(stable), precision, body)


def _measure(space: "Space") -> tuple[float, float]:
    """The stable step of forward Euler [s] and Gershgorin's bound [1/s], with the coefficients of the start."""
    from grid.engine.space.space import box_bounds

    try:
        frozen, loads = _freeze(space)
    except FieldError as error:
        from grid.engine.methods.growth import explain_start

        raise explain_start(space, error) from None
    found = box_bounds(frozen, loads)
    if found is not None:
        return found
    diagonal = frozen.diagonal(loads)
    beside = frozen.diagonal(_insulated(loads))
    inside = slice(None) if frozen.active is None else frozen.active
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        stable = np.min(np.divide(frozen.capacity, diagonal)[inside])
        bound = np.max(np.divide(diagonal + beside, frozen.capacity)[inside])
    return float(stable), float(bound) * (2.0 if frozen.couplings else 1.0)


def _freeze(space: "Space") -> "tuple[Space, Loads]":
    """A space and its loads with the coefficients of the start."""
    space.initial_temperature()  # refused here where it is not finite, before any step
    if space.problem.is_linear:
        return space, space.loads(0.0)
    from grid.engine.space.nonlinear import freeze_start

    return freeze_start(space)


def _insulated(loads: "Loads") -> "Loads":
    from grid.engine.space.laws import FaceLaw, Loads

    return Loads(tuple(FaceLaw(0.0, 0.0, 0.0) for _ in loads.face_laws), None, b"")
