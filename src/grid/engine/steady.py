"""The steady state of a plan: the field at which every cell balances. Importing this module loads SciPy."""

import math

import numpy as np

from grid.engine.audits import audit_energy, audit_extremes, audit_finite, audit_step_error
from grid.engine.costs import uses_iteration
from grid.engine.errors import CancelledError, SingularError
from grid.engine.iteration import Balance, balance
from grid.engine.linear import make_solver
from grid.engine.marching import Recorder
from grid.engine.planning import OnStep, Plan
from grid.engine.run import make_solution
from grid.engine.solution import Solution
from grid.engine.space import Loads, Space
from grid.engine.state import Bounds, Ledger, State, include_references
from grid.engine.varying import freeze


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
    # and heat that the surface temperatures would exchange with nothing, to whose rounding fluxes are known
    carried += sum(
        float(np.broadcast_to(closure.transmittance, patch.cells.shape).sum()) * patch.area
        for patch, closure in zip(space.patches, loads.closures, strict=True)
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
    return make_solution(plan, recorder, ledger, 0.0, audits, state)


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
