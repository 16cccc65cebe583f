"""Newton-like iteration for coefficients that depend on temperature.

Solves, for the field T at one time,

    shift (heat stored from `base` to T) = known + tau (heat flow at T)

Each turn freezes the coefficients at the field so far, with the laws of the boundaries linearised there, and solves
for the correction. What is left out of the matrix is the derivative of conductivity and film, so the order of
convergence is one unless the only law that is not linear is radiation; the residual is exact, so what it converges to
is too.
"""

from dataclasses import dataclass

import numpy as np

from grid.engine.errors import NotConvergedError
from grid.engine.linear import LinearSolver, make_solver
from grid.engine.space import HeatFlow, Loads, Space
from grid.engine.values import FloatArray
from grid.engine.varying import freeze, stored_between

ITERATIONS = 200
TOLERANCE = 1e-10  # of the span of temperatures, besides a few roundings of the largest


@dataclass(frozen=True)
class Balance:
    """A field that satisfies the equation, and what belongs to it."""

    temperature: FloatArray
    flow: HeatFlow
    loads: Loads
    space: Space  # coefficients at this temperature
    solver: LinearSolver  # of the last correction
    iterations: int


def balance(
    space: Space, base: FloatArray, known: FloatArray, guess: FloatArray, *, shift: float, tau: float, time: float
) -> Balance:
    """Iterate from `guess` until the correction is below `TOLERANCE`; halve corrections that do not shrink.

    Raises:
        NotConvergedError: They do not shrink enough in `ITERATIONS` turns.
        SingularError: The linearised problem has no unique solution.
        FieldError: A coefficient is not physical at an iterate.
    """
    temperature, share, previous = guess, 1.0, np.inf
    frozen, loads = freeze(space, temperature, time)
    for turn in range(1, ITERATIONS + 1):
        flow = frozen.heat_flow(temperature, loads)
        residual = known + tau * flow.net - shift * stored_between(space, base, temperature, time)
        solver = make_solver(frozen, loads, shift=shift, tau=tau, is_rough=True)
        correction = solver.solve(residual)
        size = float(np.abs(correction).max())
        if turn > 3 and not size < 0.95 * previous:
            share = max(0.5 * share, 1.0 / 64.0)
        temperature, previous = temperature + share * correction, size
        frozen, loads = freeze(space, temperature, time)
        span = float(np.ptp(temperature)) + size
        largest = float(np.abs(temperature).max())
        if size <= TOLERANCE * span + 8.0 * float(np.spacing(largest)):
            flow = frozen.heat_flow(temperature, loads)
            return Balance(temperature, flow, loads, frozen, solver, turn)
    raise NotConvergedError("temperature-dependent coefficients", ITERATIONS, size / max(span, 1e-300), TOLERANCE)
