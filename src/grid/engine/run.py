"""Carrying a plan out: the run, or the steady state, and the verdicts at the end."""

import math
from typing import TYPE_CHECKING

import numpy as np

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
from grid.engine.lumped.report import tell_models
from grid.engine.marching import March, Recorder, make_stepper
from grid.engine.planning import OnStep, Plan
from grid.engine.solution import History, Solution
from grid.engine.space import Loads, Space
from grid.engine.state import Bounds, Ledger, State, include_references
from grid.engine.varying import freeze, stored_between

if TYPE_CHECKING:
    from grid.engine.checkpoint import Checkpoint, Keeper


def solve_transient(plan: Plan, on_step: OnStep | None, keeper: "Keeper | None" = None) -> Solution:
    """Run from the initial field to the last asked time; `keeper` writes checkpoints."""
    march = March(plan, make_stepper(plan), on_step, keeper)
    state = march.run()
    return _conclude(plan, march.recorder, state)


def resume_transient(plan: Plan, checkpoint: "Checkpoint", on_step: OnStep | None, keeper: "Keeper") -> Solution:
    """Run from a checkpoint of the plan to the last asked time."""
    from grid.engine.checkpoint import go_on

    march = March(plan, make_stepper(plan), on_step, keeper)
    state = go_on(march, checkpoint)
    return _conclude(plan, march.recorder, state)


def _conclude(plan: Plan, recorder: Recorder, state: State) -> Solution:
    space, ledger = plan.space, state.ledger
    first, last = recorder.fields[0].reshape(-1), recorder.fields[-1].reshape(-1)
    before, after = recorder.contents[0], recorder.contents[-1]
    if before is not None and after is not None:
        stored = float((after - before).sum())
    elif plan.problem.is_linear:
        stored = space.heat_content(last, first)
    else:
        stored = float(stored_between(space, first, last).sum())
    content = max(_content(recorder, 0), _content(recorder, -1))
    span = max(high for _, _, _, high in recorder.rows) - min(low for _, low, _, _ in recorder.rows)
    audits = (
        audit_finite(recorder.fields, recorder.extremes),
        audit_energy(stored, ledger, content, is_linear=plan.problem.is_linear),
        audit_extremes(plan.problem, state.bounds, recorder.extremes),
        audit_step_error(max(recorder.errors), span, plan.summary.tolerance),
    )
    return _solution(plan, recorder, ledger, stored, audits, state)


def _content(recorder: Recorder, index: int) -> float:
    """Sum of the magnitudes of heat of all cells of a snapshot [J]."""
    (low, high), space = recorder.extremes[index], recorder.space
    if low >= 0.0 or high <= 0.0:
        return abs(recorder.means[index]) * space.total_capacity
    return space.heat_content(np.abs(recorder.fields[index].reshape(-1)))


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
        "rejected_steps": float(state.rejected_steps),
        "iterations": float(state.iterations),
    }
    history = History(*(np.array(column) for column in zip(*recorder.rows, strict=True)))
    times = plan.times
    models = tell_models(plan, recorder, state)
    return Solution(
        plan.problem, plan.summary, times, np.stack(recorder.fields), metrics | models.metrics,
        (*audits, *models.audits), history, ledger,
        tuple(recorder.spaces), tuple(recorder.loads), tuple(recorder.contents), models,
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
        audit_finite(recorder.fields, recorder.extremes),
        audit_energy(0.0, ledger, carried, is_linear=plan.problem.is_linear),
        audit_extremes(plan.problem, bounds, recorder.extremes),
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
