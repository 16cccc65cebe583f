"""Newton-like iteration for coefficients that depend on temperature.

Solves, for the field T at one time,

    shift (heat stored from `base` to T) = known + tau (heat flow at T)

Each turn freezes the coefficients at the present field and solves for the correction with Newton's matrix
(`grid.engine.linear.newton`). Where that does not shrink the corrections, the iteration continues without the
derivative of the conductivity, in ever shorter steps. The residual is exact, so the limit satisfies the equation.
"""

import numpy as np

from grid.core.errors import FieldError
from grid.engine.errors import PHASE_CHANGE_REMEDY, NotConvergedError
from grid.engine.linear.accelerated import solve_limited_balance
from grid.engine.linear.balance import KEPT, BalanceSolution
from grid.engine.linear.newton import find_largest, make_newton_solver
from grid.engine.linear.systems import LinearSolver, make_solver
from grid.engine.progress import tick
from grid.engine.space.heat_potential import correct
from grid.engine.space.laws import Loads
from grid.engine.space.nonlinear import find_variation, freeze, stored_between
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

ITERATIONS = 200  # [-] most turns of the iteration
FARTHEST = 1e60  # [K] of an iterate that diverges
HALVINGS = 8  # [-] halvings of a correction that leads to coefficients that are not physical
NEWTON_TURNS = 8  # [-] turns with Newton's matrix; it converges in four or five, or not at all
PLAIN_TURNS = 2  # [-] turns after which a correction that does not shrink is one across a jump
STEEP_TURNS = 60  # [-] turns with Newton's matrix where properties jump or peak, which it crosses one after the other
# [-] correction at convergence: relative to the span of temperatures, and in roundings of their largest size
TOLERANCE, ROUNDINGS = 1e-10, 8.0
# [-] multiples of the next correction's estimate that count as its size: at `TOLERANCE`, and at a looser tolerance
CAREFUL, TRUSTING = 100.0, 5.0
# [-] roundings accepted where corrections stall; a body far stiffer inside than at its faces amplifies one rounding of
# the residual that much
STALLED = 8192.0


def _freeze_near(space: Space, before: FloatArray, after: FloatArray, time: float) -> tuple[FloatArray, Space, Loads]:
    """Freeze the coefficients at an iterate; a step beyond the temperatures at which a property is defined is halved.

    One that diverges ends where the fourth power of a temperature is still a number.

    Raises:
        FieldError: A coefficient is not physical however short the step.
    """
    after = np.clip(after, -FARTHEST, FARTHEST)
    for _ in range(HALVINGS):
        try:
            return after, *freeze(space, after, time)
        except FieldError:
            after = 0.5 * (before + after)
    return after, *freeze(space, after, time)


def _close(frozen: Space, loads: Loads, missing: FloatArray, shift: float, tau: float) -> float:
    """Compute the uniform rise of temperature that makes the missing heat zero [K]."""
    lost = shift * float(frozen.capacity.sum())
    for patch, face_law in zip(frozen.patches, loads.face_laws, strict=True):
        lost += tau * patch.area * float(np.broadcast_to(face_law.transmittance, patch.cells.shape).sum())
    return float(missing.sum()) / lost if lost > 0.0 else 0.0


def solve_balance(
    space: Space,
    base: FloatArray,
    known: FloatArray,
    guess: FloatArray,
    *,
    shift: float,
    tau: float,
    time: float,
    turns: int = ITERATIONS,
    solver: LinearSolver | None = None,
    tolerance: float = TOLERANCE,
) -> BalanceSolution:
    """Iterate from `guess` until the correction is below `TOLERANCE`; halve corrections that do not shrink.

    A matrix serves as long as each correction is small beside the one before, which costs a turn or two and saves
    most factorisations (E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, 1996, IV.8).

    Args:
        space: The problem; its coefficients are taken at each iterate.
        base, known, shift, tau: Terms of the equation above; fields flat [K], [J].
        guess: Initial field, flat [K].
        time: Time at which coefficients and loads are taken [s].
        turns: Most turns.
        solver: A system solved nearby with the same `shift` and `tau`, for the first turn.
        tolerance: Largest last correction, relative to the span of temperatures. Where it is looser than `TOLERANCE`,
            the field is shifted uniformly so that heat closes, by a small part of the last correction.

    Raises:
        NotConvergedError: The corrections do not shrink enough in so many turns.
        SingularError: The linearised problem has no unique solution.
        FieldError: A coefficient is not physical at an iterate.
    """
    temperature, share, previous = guess, 1.0, np.inf
    corrections, is_kept = list[float](), True
    is_steep, has_bounced = find_variation(space).is_steep, False
    is_curved = find_variation(space).means.is_curved
    newton_turns = STEEP_TURNS if is_steep else NEWTON_TURNS
    frozen, loads = freeze(space, temperature, time)
    if frozen.correction is not None:
        return solve_limited_balance(space, base, known, guess, shift=shift, tau=tau, time=time, solver=solver)
    # for a field that ends at 0 no other number has the scale
    started = max(find_largest(guess, loads), float(np.abs(base).max()))
    for turn in range(1, turns + 1):
        tick()
        flow = frozen.heat_flow(temperature, loads)
        residual = known + tau * flow.net - shift * stored_between(space, base, temperature, time)
        if turn > newton_turns:
            solver = make_solver(frozen, loads, shift=shift, tau=tau, is_rough=True)
        elif solver is None or not is_kept:
            solver = make_newton_solver(frozen, loads, temperature, time, shift=shift, tau=tau)
        correction = solver.solve(residual)
        size = float(np.abs(correction).max())
        is_kept = size <= KEPT * previous
        corrections.append(size)
        is_stalled = turn > newton_turns + 3 and not size < 0.95 * previous
        if is_stalled:
            share = max(0.5 * share, 1.0 / 64.0)
        before, has_bounced = temperature, has_bounced or (is_steep and turn > PLAIN_TURNS and size > 0.5 * previous)
        temperature = before + share * correction
        if has_bounced or (is_curved and size > started):  # beyond every temperature of the problem
            temperature = correct(space, frozen, before, share * correction, shift, tau, time)
            size = max(size, float(np.abs(temperature - before).max()))
        temperature, frozen, loads = _freeze_near(space, before, temperature, time)
        span = float(np.ptp(temperature)) + size
        largest = max(started, float(np.abs(temperature).max()))
        # upper bound of the next correction, as ratios do not grow; not after one that exceeded all temperatures
        following = size * min(1.0, size / previous) if share == 1.0 and previous <= largest else size
        previous = size
        rounding = (STALLED if is_stalled else ROUNDINGS) * float(np.spacing(largest))
        if min(size, (CAREFUL if tolerance == TOLERANCE else TRUSTING) * following) <= tolerance * span + rounding:
            flow = frozen.heat_flow(temperature, loads)
            if tolerance > TOLERANCE:
                missing = known + tau * flow.net - shift * stored_between(space, base, temperature, time)
                temperature = temperature + _close(frozen, loads, missing, shift, tau)
                flow = frozen.heat_flow(temperature, loads)
            return BalanceSolution(temperature, flow, loads, frozen, solver, turn, tuple(corrections))
    left, cell = size / max(span, 1e-300), np.unravel_index(int(np.abs(correction).argmax()), space.shape)
    what, remedy = "temperature-dependent coefficients", None
    if shift and is_steep and find_variation(space).capacity_of_temperature:
        what, remedy = "a heat capacity that jumps or peaks with temperature", PHASE_CHANGE_REMEDY
    raise NotConvergedError(what, turns, left, TOLERANCE, remedy, cell=tuple(map(int, cell)))
