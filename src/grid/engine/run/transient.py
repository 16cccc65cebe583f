"""Execution of the plan of a transient: the run, and the verdicts at the end."""

from typing import TYPE_CHECKING

import numpy as np

from grid.engine.methods.bounds import tolerance_scale
from grid.engine.methods.state import HeatBalance, State
from grid.engine.results.audits import (
    NO_TIMED_LOADS,
    STEP_ERROR_LIMIT,
    Audit,
    audit_energy,
    audit_extremes,
    audit_finite,
    audit_step_error,
)
from grid.engine.results.fields import History
from grid.engine.results.metrics import make_metrics
from grid.engine.results.solution import Solution
from grid.engine.run.model_report import tell_models
from grid.engine.run.spec import OnStep, RunSpec
from grid.engine.run.time_loop import Recorder, TimeLoop, make_stepper
from grid.engine.space.coverage import find_coverage
from grid.engine.space.nonlinear import stored_between
from grid.engine.space.peclet import find_cell_peclet

if TYPE_CHECKING:
    from grid.engine.run.checkpoint import Checkpoint, Keeper

ROUNDING = 1e-11  # [-] difference over the largest temperature, below which its sign is rounding


def solve_transient(plan: RunSpec, on_step: OnStep | None, keeper: "Keeper | None" = None) -> Solution:
    """Run from the initial field to the last output time; `keeper` writes checkpoints."""
    march = TimeLoop(plan, make_stepper(plan), on_step, keeper)
    state = march.run()
    return _conclude(plan, march.recorder, state)


def resume_transient(plan: RunSpec, checkpoint: "Checkpoint", on_step: OnStep | None, keeper: "Keeper") -> Solution:
    """Run from a checkpoint of the plan to the last output time."""
    from grid.engine.run.checkpoint import go_on

    march = TimeLoop(plan, make_stepper(plan), on_step, keeper)
    state = go_on(march, checkpoint)
    return _conclude(plan, march.recorder, state)


def _conclude(plan: RunSpec, recorder: Recorder, state: State) -> Solution:
    space, heat_balance = plan.space, state.heat_balance
    first, last = recorder.fields[0].reshape(-1), recorder.fields[-1].reshape(-1)
    before, after = recorder.contents[0], recorder.contents[-1]
    if before is not None and after is not None:
        stored = float((after - before).sum())
    elif plan.problem.is_linear:
        begin, end = recorder.rises[0], recorder.rises[-1]
        stored = space.heat_content(last, first) if begin is None or end is None else end - begin
    else:
        stored = float(stored_between(space, first, last).sum())
    content = max(_content(recorder, 0), _content(recorder, -1))
    lowest, highest = min(low for _, low, _, _ in recorder.rows), max(high for _, _, _, high in recorder.rows)
    span = tolerance_scale(lowest, highest, plan.summary.tolerance or STEP_ERROR_LIMIT)
    audits = (
        audit_finite(recorder.fields, recorder.extremes),
        _audit_energy(plan, recorder, state, stored, content),
        audit_extremes(plan.problem, state.bounds, recorder.extremes),
        audit_step_error(max(recorder.errors), span, plan.summary.tolerance),
        _audit_loads(plan, recorder, state),
    )
    return make_solution(plan, recorder, heat_balance, stored, audits, state)


def _audit_loads(plan: RunSpec, recorder: Recorder, state: State) -> Audit:
    """Audit of the applied loads; to the end of the run where that is no output time."""
    if plan.inputs is None or not plan.problem.has_timed_values:
        return NO_TIMED_LOADS
    from grid.engine.results.load_audit import audit_loads

    times, sums = plan.times, recorder.prescribed
    if times[-1] < state.time:
        times, sums = (*times, state.time), [*sums, state.heat_balance.prescribed]
    tolerance = plan.summary.tolerance
    return audit_loads(plan.space, plan.inputs, times, sums, tolerance)


def _audit_energy(plan: RunSpec, recorder: Recorder, state: State, stored: float, content: float) -> Audit:
    """The balance of heat; rounding of the flows is included where it may have decided."""
    is_linear, steps = plan.problem.is_linear, state.step
    found = audit_energy(stored, state.heat_balance, content, is_linear=is_linear, steps=steps)
    if found.verdict == "passed":
        return found
    rates = [
        float((space.diagonal(loads) * np.abs(field.reshape(-1))).sum())
        for space, loads, field in zip(recorder.spaces, recorder.loads, recorder.fields, strict=True)
    ]
    exchanged = state.time * max(rates)
    return audit_energy(stored, state.heat_balance, content, is_linear=is_linear, steps=steps, exchanged=exchanged)


def _content(recorder: Recorder, index: int) -> float:
    """Sum of the magnitudes of heat of all cells of a snapshot [J]."""
    (low, high), space = recorder.extremes[index], recorder.space
    rounding = ROUNDING * max(abs(low), abs(high))
    if low >= -rounding or high <= rounding:  # of one sign, so the mean decides
        return abs(recorder.means[index]) * space.total_capacity
    return space.heat_content(np.abs(recorder.fields[index].reshape(-1)))


def make_solution(
    plan: RunSpec, recorder: Recorder, heat_balance: HeatBalance, stored: float, audits: tuple[Audit, ...], state: State
) -> Solution:
    """Make the solution of a transient from its records, with metrics and audits."""
    _, low, mean, high = recorder.rows[-1]
    metrics = make_metrics(
        low, mean, high, stored, heat_balance.boundary_in, heat_balance.boundary_out, heat_balance.generated,
        state.step, state.damped_steps, state.rejected_steps, state.iterations,
    )  # fmt: skip
    if (coverage := find_coverage(plan.problem)) is not None:
        metrics["volume_missed"] = coverage.volume_missed
    if plan.problem.has_flow:
        metrics["cell_peclet_number"] = max(
            find_cell_peclet(plan.space, axis) for axis in range(plan.problem.dimension)
        )
    history = History(*(np.array(column) for column in zip(*recorder.rows, strict=True)))
    times = plan.times
    models = tell_models(plan, recorder, state)
    return Solution(
        plan.problem, plan.summary, times, tuple(recorder.fields), metrics | models.metrics,
        (*audits, *models.audits), history, heat_balance,
        recorder.spaces, recorder.loads, tuple(recorder.contents), models,
    )  # fmt: skip
