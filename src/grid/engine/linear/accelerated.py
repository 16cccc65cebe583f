r"""Stages whose flow is limited: a matrix without the correction, the exact residual, and Anderson's acceleration.

With g(T) the step that the matrix makes of the residual at T, the next iterate is that combination of the last ones
which would make g vanish if it were linear (D. G. Anderson, J. ACM 12, 1965; H. F. Walker, P. Ni, SIAM J. Numer. Anal.
49, 2011). The limited correction has corners, at which Newton's method would alternate between two matrices; the
acceleration needs only differences of iterates. The last step is a plain one, after which the heat that enters through
the boundary is that of the result, so the balance closes to rounding however far the correction has converged.
"""

from dataclasses import dataclass, field

import numpy as np

from grid.engine.errors import NotConvergedError
from grid.engine.linear.balance import BalanceSolution
from grid.engine.linear.newton import find_largest, make_newton_solver
from grid.engine.linear.systems import LinearSolver
from grid.engine.space.nonlinear import freeze, stored_between
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

DEPTH = 4  # [-] differences of iterates in the acceleration
# [-] most turns, and turns after which the accuracy of a nearly uniform field is limited by rounding
TURNS, PATIENCE = 120, 20
REFRESHED = 8  # [-] turns after which coefficients that depend on temperature make a new matrix
# [-] step at convergence, relative to the span; in roundings of the largest temperature, up to `PATIENCE` and after
TOLERANCE, ROUNDINGS, STALLED = 1e-9, 8.0, 256.0


@dataclass
class Mixer:
    """Anderson's acceleration of a fixed point T = T + g(T)."""

    _places: list[FloatArray] = field(default_factory=list)
    _steps: list[FloatArray] = field(default_factory=list)

    def mix(self, place: FloatArray, step: FloatArray) -> FloatArray:
        """Compute the next iterate from the present one and its plain step."""
        self._places, self._steps = [*self._places[-DEPTH:], place], [*self._steps[-DEPTH:], step]
        if len(self._steps) < 2:
            return place + step
        changes = np.diff(np.array(self._steps), axis=0)
        ways = np.diff(np.array(self._places), axis=0)
        weights = np.linalg.lstsq(changes.T, step, rcond=1e-12)[0]
        mixed: FloatArray = place + step - np.einsum("k,ki->i", weights, ways + changes)
        return mixed


def solve_limited_balance(
    space: Space,
    base: FloatArray,
    known: FloatArray,
    guess: FloatArray,
    *,
    shift: float,
    tau: float,
    time: float,
    solver: LinearSolver | None = None,
    tolerance: float = TOLERANCE,
) -> BalanceSolution:
    """Find T with shift (heat stored from `base` to T) = known + tau (heat flow at T), see `iteration.balance`.

    Args:
        tolerance: Largest last step, relative to the span of temperatures. Where properties are constant the balance
            closes to rounding whatever it is.

    Raises:
        NotConvergedError: The iteration does not converge.
        FieldError: A coefficient is not physical at an iterate.
    """
    temperature, mixer = guess, Mixer()
    frozen, loads = freeze(space, temperature, time)
    largest = max(find_largest(guess, loads), float(np.abs(base).max()))
    for turn in range(1, TURNS + 1):
        if solver is None or (turn % REFRESHED == 0 and not space.problem.is_linear and turn < 5 * REFRESHED):
            solver = make_newton_solver(frozen, loads, temperature, time, shift=shift, tau=tau)
            mixer = Mixer()
        flow = frozen.heat_flow(temperature, loads)
        residual = known + tau * flow.net - shift * stored_between(space, base, temperature, time)
        step = solver.solve(residual)
        size, span = float(np.abs(step).max()), float(np.ptp(temperature)) + float(np.abs(step).max())
        rounding = (ROUNDINGS if turn <= PATIENCE else STALLED) * float(np.spacing(largest))
        is_settled = size <= tolerance * span + rounding
        temperature = temperature + step if is_settled else mixer.mix(temperature, step)
        frozen, loads = freeze(space, temperature, time)
        if is_settled:
            return BalanceSolution(temperature, frozen.heat_flow(temperature, loads), loads, frozen, solver, turn)
    cell = np.unravel_index(int(np.abs(step).argmax()), space.shape)
    what = "the limited flow; take more steps or smaller cells"
    raise NotConvergedError(what, TURNS, size / max(span, 1e-300), tolerance, cell=tuple(map(int, cell)))
