"""Carrying a plan out: landing on the asked times, reporting, watching, and the verdicts at the end."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from grid.core.errors import DivergedError
from grid.engine.audits import (
    Audit,
    audit_energy,
    audit_extremes,
    audit_finite,
    audit_step_error,
)
from grid.engine.costs import uses_iteration
from grid.engine.errors import CancelledError, SingularError
from grid.engine.iteration import Balance, balance
from grid.engine.linear import make_solver
from grid.engine.planning import OnStep, Plan
from grid.engine.solution import History, Solution
from grid.engine.space import Loads, Space
from grid.engine.state import Bounds, Ledger, Segment, State, Stepper, include_references
from grid.engine.values import FloatArray
from grid.engine.varying import freeze, stored_between

REPORTS = 50  # calls of on_step in a run, about


@dataclass
class Recorder:
    """What a run leaves behind on its way."""

    space: Space
    fields: list[FloatArray] = field(default_factory=list)
    spaces: list[Space] = field(default_factory=list)
    loads: list[Loads] = field(default_factory=list)
    contents: list[FloatArray | None] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    rows: list[tuple[float, float, float, float]] = field(default_factory=list)

    def keep(self, state: State, time: float, error: float) -> None:
        """A snapshot, with the space and the loads at its field and the given time."""
        space, loads = freeze(self.space, state.temperature, time)
        self.spaces.append(space)
        self.fields.append(state.temperature.reshape(self.space.shape))
        self.loads.append(loads)
        self.contents.append(state.content)
        self.errors.append(error)

    def note(self, state: State) -> None:
        """A row of the history; the check that every temperature is finite comes with it.

        Raises:
            DivergedError: It is not.
        """
        temperature, capacity = state.temperature, self.space.capacity
        low, high = float(temperature.min()), float(temperature.max())  # NaN spreads to both
        mean = float(capacity @ temperature / capacity.sum())
        if not math.isfinite(low) or not math.isfinite(high) or not math.isfinite(mean):
            raise DivergedError(state.step, state.time, "a temperature is not a finite number")
        self.rows.append((state.time, low, mean, high))


def make_stepper(plan: Plan) -> Stepper:
    """The stepper of a transient, as its plan has it."""
    if plan.method is None or plan.facts is None:
        raise ValueError("a steady state takes no steps")
    return plan.method.make_stepper(plan.space, plan.facts)


def initial_content(space: Space, temperature: FloatArray) -> FloatArray | None:
    """The enthalpies that a run starts with [J], where a material melts."""
    if not space.problem.has_phase_change:
        return None
    from grid.engine.enthalpy import Store

    return Store(space).content(temperature)


def make_segments(plan: Plan, stepper: Stepper) -> Iterator[Segment]:
    """The run cut at asked times, breakpoints and knots of tables, in order."""
    start = 0.0
    for landing in plan.facts.landings if plan.facts is not None else ():
        yield stepper.make_segment(start, landing)
        start = landing


def solve_transient(plan: Plan, on_step: OnStep | None) -> Solution:
    """Run from the initial field to the last asked time."""
    stepper, space = make_stepper(plan), plan.space
    temperature = space.initial_temperature()
    bounds = Bounds(float(temperature.min()), float(temperature.max()))
    state = State(0.0, 0, temperature, Ledger(), bounds, content=initial_content(space, temperature))
    segments = list(make_segments(plan, stepper))
    total = sum(segment.steps for segment in segments)
    chunk = max(1, math.ceil(total / REPORTS))
    recorder, since = Recorder(space), 0
    recorder.keep(state, segments[0].inside(0.0) if segments else 0.0, 0.0)
    recorder.note(state)
    for segment in segments:
        done = 0
        while done < segment.steps:
            count = min(chunk - since, segment.steps - done)
            state = stepper.advance(state, segment, done, count)
            state = replace(state, temperature=space.fill(state.temperature))
            done, since = done + count, since + count
            if since == chunk or state.step == total:
                since = 0
                recorder.note(state)
                if on_step is not None and on_step(state.step / total, state.step, state.time) is False:
                    raise CancelledError(state.step, state.time)
        if segment.end in plan.times:
            error = float(stepper.estimate_error(state).max())
            recorder.keep(state, segment.inside(segment.end), error)
    return _conclude(plan, recorder, state)


def _conclude(plan: Plan, recorder: Recorder, state: State) -> Solution:
    space, ledger = plan.space, state.ledger
    first, last = recorder.fields[0].reshape(-1), recorder.fields[-1].reshape(-1)
    before, after = recorder.contents[0], recorder.contents[-1]
    moved = after - before if before is not None and after is not None else stored_between(space, first, last)
    stored = float(moved.sum())
    content = float(space.capacity @ np.maximum(np.abs(first), np.abs(last)))
    span = max(high for _, _, _, high in recorder.rows) - min(low for _, low, _, _ in recorder.rows)
    audits = (
        audit_finite(recorder.fields),
        audit_energy(stored, ledger, content, is_linear=plan.problem.is_linear),
        audit_extremes(plan.problem, state.bounds, recorder.fields),
        audit_step_error(max(recorder.errors), span),
    )
    return _solution(plan, recorder, ledger, stored, audits, state)


def _solution(
    plan: Plan, recorder: Recorder, ledger: Ledger, stored: float, audits: tuple[Audit, ...], state: State
) -> Solution:
    _, low, mean, high = recorder.rows[-1]
    metrics = {
        "peak_temperature": high,
        "minimum_temperature": low,
        "mean_temperature": mean,
        "hottest_above_mean": high - mean,
        "stored_heat_change": stored,
        "heat_in": ledger.boundary_in,
        "heat_out": ledger.boundary_out,
        "heat_generated": ledger.generated,
        "heat_balance_residual": stored - ledger.net,
        "steps": float(state.step),
        "damped_steps": float(state.damped_steps),
    }
    history = History(*(np.array(column) for column in zip(*recorder.rows, strict=True)))
    times = plan.times
    return Solution(
        plan.problem, plan.summary, times, np.stack(recorder.fields), metrics, audits, history, ledger,
        tuple(recorder.spaces), tuple(recorder.loads), tuple(recorder.contents),
    )  # fmt: skip


def solve_steady(plan: Plan, on_step: OnStep | None) -> Solution:
    """Solve L T = known part: the field at which every cell balances.

    Raises:
        SingularError: No face holds or exchanges a temperature, so the level of the field is free or no state is
            steady.
    """
    done = _balance_steady(plan.space)
    after, loads, temperature, space = done.flow, done.loads, plan.space.fill(done.temperature), done.space
    bounds = _reference_bounds(loads)
    largest = max(float(np.abs(temperature).max()), abs(bounds.lowest), abs(bounds.highest))
    # heat that a flow carries in and out again, of which the balance is a small difference
    carried = sum(
        abs(space.carried(axis)) * space.capacity.size / space.shape[axis] for axis in range(len(space.shape))
    )
    carried *= largest
    ledger = Ledger().add(after.boundary_in, after.boundary_out, after.generated)
    state = State(0.0, 1, temperature, ledger, bounds)
    recorder = Recorder(space)
    recorder.keep(state, 0.0, 0.0)
    recorder.note(state)
    if on_step is not None and on_step(1.0, 1, 0.0) is False:
        raise CancelledError(1, 0.0)
    audits = (
        audit_finite(recorder.fields),
        audit_energy(0.0, ledger, carried, is_linear=plan.problem.is_linear),
        audit_extremes(plan.problem, bounds, recorder.fields),
        audit_step_error(None, 1.0),
    )
    return _solution(plan, recorder, ledger, 0.0, audits, state)


def _balance_steady(space: Space) -> Balance:
    """The steady field, by one direct solve if the problem is linear, else by iteration from the guess."""
    guess = space.initial_temperature()
    frozen, loads = freeze(space, guess, 0.0)
    if not any(np.any(closure.transmittance) for closure in loads.closures):
        raise SingularError(
            "no steady state is unique where the body exchanges heat with nothing that has a temperature"
        )
    if not space.problem.is_linear:
        return balance(space, guess, np.zeros_like(guess), guess, shift=0.0, tau=1.0, time=0.0)
    bounds = _reference_bounds(loads)
    start = np.full_like(guess, 0.5 * (bounds.lowest + bounds.highest))  # so that the solve is for differences
    solver = make_solver(space, loads, shift=0.0, tau=1.0)
    temperature = start + solver.solve(space.heat_flow(start, loads).net)
    if not uses_iteration(space.shape):
        temperature += solver.solve(space.heat_flow(temperature, loads).net)  # one refinement, so that heat closes
    return Balance(temperature, space.heat_flow(temperature, loads), loads, frozen, solver, 1)


def _reference_bounds(loads: Loads) -> Bounds:
    found: Bounds = include_references(Bounds(math.inf, -math.inf), loads)
    return found
