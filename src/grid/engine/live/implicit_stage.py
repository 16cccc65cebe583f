r"""One implicit stage of a tick: the field T with (heat stored from a base to T) = known + tau f(T).

Each turn evaluates the residual of the whole scheme at an iterate (tensor, limited flow, coefficients, radiation) and
corrects the iterate by a system that leaves parts of it out (`grid.engine.live.implicit_systems`). Successive turns are
combined as a Krylov method would combine them (D. G. Anderson, J. ACM 12, 1965; H. F. Walker, P. Ni, SIAM J. Numer.
Anal. 49, 2011). So a turn costs the same in every tick, there are at most `TURNS` of them, and a stage ends by what it
has found alone: nothing that was computed before has a part in it.

The last step is a plain one, after which the body as a whole is warmed until its heat closes.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from grid.engine.errors import NotConvergedError
from grid.engine.linear.systems import LinearSolver
from grid.engine.live.implicit_systems import make_correction_solver
from grid.engine.space.laws import HeatFlow, Loads
from grid.engine.space.nonlinear import freeze, stored_between
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

TURNS = 40  # [-] turns of a stage at most
REFRESHED = 8  # [-] turns after which coefficients that depend on temperature make a new system
DEPTH = 5  # [-] differences of iterates that are combined
ACCURACY = 1e-9  # [-] last correction over the span of temperatures
ROUNDINGS = 16.0  # [-] the same in roundings of the largest temperature
DEPENDENT = 1e-7  # [-] share of a difference below which it says nothing beside the others
# [-] evaluations that close the heat of a stage at most, and the heat that may be missing over what the body holds in
# its span
CLOSINGS, CLOSED = 4, 1e-14


@dataclass(frozen=True)
class Stage:
    """A field that satisfies the equation of a stage.

    Args:
        temperature: Flat [K].
        flow: Its heat flow.
        loads: At it.
        solver: Of its last correction.
        turns: Taken.
    """

    temperature: FloatArray
    flow: HeatFlow
    loads: Loads
    solver: LinearSolver
    turns: int


@dataclass
class Combination:
    """Anderson's acceleration of T = T + g(T), by orthogonalisation, in sums whose order is that of the cells."""

    _places: list[FloatArray] = field(default_factory=list)
    _steps: list[FloatArray] = field(default_factory=list)

    def combine(self, place: FloatArray, step: FloatArray) -> FloatArray:
        """Compute the next iterate from the present one and its plain step."""
        self._places, self._steps = [*self._places[-DEPTH:], place], [*self._steps[-DEPTH:], step]
        out, rest, known = place + step, step, list[tuple[FloatArray, FloatArray, float]]()
        for newer in range(len(self._steps) - 1, 0, -1):
            change = self._steps[newer] - self._steps[newer - 1]
            way = self._places[newer] - self._places[newer - 1] + change
            size = _product(change, change)
            for other, its_way, its_size in known:
                share = _product(change, other) / its_size
                change, way = change - share * other, way - share * its_way
            left = _product(change, change)
            if not left > DEPENDENT**2 * size:
                continue
            known.append((change, way, left))
            share = _product(rest, change) / left
            rest, out = rest - share * change, out - share * way
        return out


def solve_stage(
    space: Space, base: FloatArray, known: FloatArray, guess: FloatArray, tau: float, *, solver: LinearSolver | None
) -> Stage:
    """Find the field of a stage.

    Args:
        space: The body with all that acts on it, constant in time.
        base, known, guess: Flat [K], [J], [K].
        tau: Weight of the stage times the step [s].
        solver: Of another stage with the same tau, for the first turns.

    Raises:
        NotConvergedError: So many turns are not enough.
        FieldError: A coefficient is not physical at an iterate.
    """
    temperature, mixer, size = guess, Combination(), math.inf
    for turn in range(1, TURNS + 1):
        frozen, loads = freeze(space, temperature, 0.0)
        if solver is None or (turn % REFRESHED == 0 and not space.problem.is_linear):
            solver, mixer = make_correction_solver(frozen, loads, tau), Combination()
        flow = frozen.heat_flow(temperature, loads)
        step = solver.solve(known + tau * flow.net - stored_between(space, base, temperature))
        size = float(np.abs(step).max())
        if not math.isfinite(size):
            break
        span = float(np.ptp(temperature)) + size
        if size <= ACCURACY * span + ROUNDINGS * float(np.spacing(np.abs(temperature).max())):
            return _close(space, base, known, temperature + step, tau, solver, turn)
        temperature = mixer.combine(temperature, step)
    raise NotConvergedError("the cycles of a stage", TURNS, size, ACCURACY, cell=int(np.abs(step).argmax()))


def _close(
    space: Space, base: FloatArray, known: FloatArray, temperature: FloatArray, tau: float, solver: LinearSolver,
    turns: int,
) -> Stage:  # fmt: skip
    """The field warmed as a whole, by a small part of its last correction, so that its heat closes."""
    rise, before = 0.0, (0.0, 0.0)
    for closing in range(CLOSINGS):
        field_ = space.fill(temperature + rise)
        frozen, loads = freeze(space, field_, 0.0)
        flow = frozen.heat_flow(field_, loads)
        missing = float((known + tau * flow.net - stored_between(space, base, field_)).sum())
        capacity = float(frozen.capacity.sum())
        span = float(np.ptp(field_)) + float(np.spacing(np.abs(field_).max()))
        if abs(missing) <= CLOSED * capacity * span or closing == CLOSINGS - 1:
            break
        slope = capacity if closing == 0 else -(missing - before[1]) / (rise - before[0])
        if not slope > 0.0:
            break
        before, rise = (rise, missing), rise + missing / slope
    return Stage(field_, flow, loads, solver, turns)


def _product(one: FloatArray, other: FloatArray) -> float:
    return float(np.einsum("i,i->", one, other))  # not by a BLAS, whose threads add up in an order of their own
