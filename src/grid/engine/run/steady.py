"""The steady state of a plan: the field at which every cell balances. Importing this module loads SciPy."""

import math
from dataclasses import dataclass

import numpy as np

from grid.core.errors import GridError
from grid.engine.costs.runs import uses_iteration
from grid.engine.errors import CancelledError, RunError, SingularError
from grid.engine.linear.balance import BalanceSolution
from grid.engine.linear.iteration import ROUNDINGS, solve_balance
from grid.engine.linear.newton import RISE, can_differentiate, find_largest
from grid.engine.linear.systems import make_solver
from grid.engine.methods.growth import explain_steady
from grid.engine.methods.state import Bounds, HeatBalance, State, include_references
from grid.engine.results.audits import audit_energy, audit_extremes, audit_finite, audit_iteration
from grid.engine.results.solution import Solution
from grid.engine.run.spec import OnStep, RunSpec
from grid.engine.run.time_loop import Recorder
from grid.engine.run.transient import make_solution
from grid.engine.space.laws import HeatFlow, Loads
from grid.engine.space.nonlinear import find_variation, freeze
from grid.engine.space.space import Space
from grid.engine.steady.bounds import audit_bounds
from grid.engine.steady.iteration import can_iterate, close_heat, find_steady
from grid.engine.steady.parts import correct_levels, find_loose_parts, match_pins, refuse_part, require_levels
from grid.engine.steady.pinning import solve_pinned_balance
from grid.engine.values.operations import FloatArray

RELAXATIONS, FAILURES = 100, 20  # [-] steps of relaxation at most, and how many of them may be too long
RELAXED_TURNS = 25  # [-] turns of the iteration of one step; a step that takes more is not near enough
# [-] growth of the step beyond which the start has no influence, and Newton's method ends the relaxation
SETTLED = 2.0**30


def solve_steady(plan: RunSpec, on_step: OnStep | None) -> Solution:
    """Solve L T = known part: the field at which every cell balances.

    Raises:
        SingularError: A part of the body exchanges heat with nothing that has a temperature, so its level is free and
            no pin fixes it, or no state is steady.
    """
    try:
        done = _balance_steady(plan.space, plan.summary.tolerance)
        solution = _conclude(plan, on_step, done)
        if done.error is None or solution.is_accepted:
            return solution
        return _conclude(plan, on_step, _balance_steady(plan.space, None))  # lest the end of an iteration decides
    except RunError as error:
        error.place(None, None, plan.space.shape)
        raise


@dataclass(frozen=True)
class _Settled:
    """Steady field with its flow and loads.

    Args:
        space: Coefficients at this temperature.
        error: Its largest error, where it is known to a tolerance alone [K].
    """

    temperature: FloatArray
    flow: HeatFlow
    loads: Loads
    space: Space
    error: float | None = None

    @classmethod
    def of(cls, done: BalanceSolution) -> "_Settled":
        """Outcome of a direct solve or an iteration to rounding."""
        return cls(done.temperature, done.flow, done.loads, done.space)


def _conclude(plan: RunSpec, on_step: OnStep | None, done: _Settled) -> Solution:
    """The solution, with its audits."""
    after, loads, temperature, space = done.flow, done.loads, plan.space.fill(done.temperature), done.space
    bounds = _reference_bounds(loads)
    if bounds.lowest > bounds.highest:  # a load alone fixes the level
        bounds = bounds.include(temperature)
    # an iteration finds a field to the rounding of its guess, which is the whole of a field that is zero
    began = 0.0 if plan.problem.is_linear else find_largest(plan.space.initial_temperature(), loads)
    rounding = ROUNDINGS * float(np.spacing(began))
    bounds = Bounds(bounds.lowest - rounding, bounds.highest + rounding)
    if plan.problem.pins:
        bounds = bounds.include(temperature)
    largest = max(float(np.abs(temperature).max()), abs(bounds.lowest), abs(bounds.highest), began)
    # heat that a flow carries in and out again, of which the balance is a small difference
    carried = sum(
        abs(space.carried(axis)) * space.capacity.size / space.shape[axis] for axis in range(len(space.shape))
    )
    # and heat that the surface temperatures would exchange with nothing, to whose rounding fluxes are known
    carried += sum(
        float(np.broadcast_to(face_law.transmittance, patch.cells.shape).sum()) * patch.area
        for patch, face_law in zip(space.patches, loads.face_laws, strict=True)
    )
    carried += _source_slope(space, temperature)
    carried *= largest
    if loads.source is not None:  # what is made here and taken there
        carried += float(np.abs(loads.source).sum())
    heat_balance = HeatBalance().add(after.boundary_in, after.boundary_out, after.generated)
    state = State(0.0, 1, temperature, heat_balance, bounds)
    recorder = Recorder(space)
    recorder.save(state, 0.0, done.error or 0.0)
    recorder.record(state)
    if on_step is not None and on_step(1.0, 1, 0.0) is False:
        raise CancelledError(1, 0.0)
    audits = (
        audit_finite(recorder.fields, recorder.extremes),
        audit_energy(
            0.0, heat_balance, 1e3 * carried if plan.problem.pins else carried, is_linear=plan.problem.is_linear
        ),
        audit_extremes(plan.problem, bounds, recorder.extremes),
        audit_iteration(done.error, recorder.extremes[0], plan.summary.tolerance),
        audit_bounds(space, loads, temperature, _reference_bounds(loads)),
    )
    return make_solution(plan, recorder, heat_balance, 0.0, audits, state)


def _source_slope(space: Space, temperature: FloatArray) -> float:
    """Sum of the sizes of what the sources of all cells change by for each kelvin [W/K]."""
    if not find_variation(space).loads_of_temperature or not space.has_source:
        return 0.0
    rise = RISE * max(float(np.abs(temperature).max()), 1e-3)
    field = temperature.reshape(space.shape)
    before, after = space.source_heat(0.0, field), space.source_heat(0.0, field + rise)
    return float(np.abs(after - before).sum()) / rise if before is not None and after is not None else 0.0


def _balance_steady(space: Space, tolerance: float | None) -> _Settled:
    """The steady field, to rounding or, where an iteration finds it, to a tolerance.

    By one direct solve if the problem is linear, else by iteration from the guess.
    """
    guess = space.initial_temperature()
    frozen, loads = freeze(space, guess, 0.0)
    parts = find_loose_parts(frozen, loads)
    if parts or space.problem.pins:
        return _Settled.of(solve_pinned_balance(space, guess, match_pins(space, parts)))
    if not space.problem.is_linear:
        if all(law.is_linear for law in space.boundaries) and not find_variation(space).loads_of_temperature:
            require_levels(frozen, loads, guess)  # else the ties are not those of the guess
        done = _balance_nonlinear(space, guess)
        if loose := find_loose_parts(done.space, done.loads):
            raise refuse_part(space, loose[0])
        return _Settled.of(done)
    bounds = _reference_bounds(loads)
    start = np.full_like(guess, 0.5 * (bounds.lowest + bounds.highest))  # so that the solve is for differences
    if tolerance is not None and can_iterate(space, loads, tolerance):
        found = find_steady(space, loads, start, tolerance)
        if found is not None:
            temperature = close_heat(space, loads, correct_levels(space, loads, found.temperature))
            flow = space.heat_flow(temperature, loads)
            return _Settled(temperature, flow, loads, frozen, found.error)
    solver = make_solver(space, loads, shift=0.0, tau=1.0)
    temperature = start + solver.solve(space.heat_flow(start, loads).net)
    if not uses_iteration(space.shape):
        temperature += solver.solve(space.heat_flow(temperature, loads).net)  # one refinement, so that heat closes
    temperature = correct_levels(space, loads, temperature)
    return _Settled(temperature, space.heat_flow(temperature, loads), loads, frozen)


def _balance_nonlinear(space: Space, guess: FloatArray) -> BalanceSolution:
    """Newton's method from the guess; where it fails or ends at an unstable state, relaxation from there.

    Steps of implicit Euler grow twofold while they converge, so that the last ones are Newton's own (C. T. Kelley and
    D. E. Keyes, Convergence analysis of pseudo-transient continuation, SIAM J. Numer. Anal. 35 (1998) 508-523).
    """
    nothing = np.zeros_like(guess)
    try:
        found = solve_balance(space, guess, nothing, guess, shift=0.0, tau=1.0, time=0.0)
        if _is_stable(found):
            return found
        failure: GridError = SingularError("the state near the guess is not stable", "start from another guess")
    except GridError as error:
        failure = error
    temperature, first = guess, _first_step(space, guess)
    step, failures = first, 0
    for _ in range(RELAXATIONS):
        try:
            after = solve_balance(
                space, temperature, nothing, temperature, shift=1.0, tau=step, time=0.0, turns=RELAXED_TURNS
            )
        except GridError:
            step, failures = 0.25 * step, failures + 1
            if failures > FAILURES:
                break
            continue
        temperature, step = after.temperature, 2.0 * step
        if step > SETTLED * first:
            found = solve_balance(space, temperature, nothing, temperature, shift=0.0, tau=1.0, time=0.0)
            if _is_stable(found):
                return found
    raise explain_steady(space, temperature, failure)


def _is_stable(found: BalanceSolution) -> bool:
    """Tell whether a small warming decays; assumed where Newton's whole matrix is not made.

    If a matrix has no positive entries beside its diagonal and its inverse keeps a positive vector positive, all its
    eigenvalues have positive real parts (R. S. Varga, Matrix Iterative Analysis, chapter 3).
    """
    return not can_differentiate(found.space) or bool(np.all(found.solver.solve(np.ones_like(found.temperature)) > 0.0))


def _first_step(space: Space, guess: FloatArray) -> float:
    """A tenth of the time constant of the fastest cell [s]."""
    frozen, loads = freeze(space, guess, 0.0)
    inside = frozen.capacity > 0.0
    rates = frozen.diagonal(loads)[inside] / frozen.capacity[inside]
    return 0.1 / max(float(rates.max()), 1e-300)


def _reference_bounds(loads: Loads) -> Bounds:
    found: Bounds = include_references(Bounds(math.inf, -math.inf), loads)
    return found
