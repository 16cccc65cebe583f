r"""Ticks of TR-BDF2: one step a tick, for flow, tensors, and coefficients that depend on temperature; melting too.

With f the heat flow into the cells, gamma = 2 - sqrt 2, d = gamma/2 and w = sqrt(2)/4,

.. math::
    H(T_2) - H(T_n) = \Delta t\, d\, (f_1 + f_2), \qquad H(T_{n+1}) - H(T_n) = \Delta t\, (w f_1 + w f_2 + d f_3)

(`grid.engine.methods.implicit.stepper`). What a tick does follows from its field and loads alone:

- A stage that does not converge, or comes to a property that is not physical, makes the tick two of half its length,
  and so on down to `HALVINGS` halvings.
- A step that makes a new extreme where the maximum principle forbids one becomes two of backward Euler, which never
  does; of a flow, with a limiter that lets no extreme grow.

So a replay takes the same parts, and how many is told as `substeps`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from grid.core.errors import FieldError
from grid.engine.errors import NotConvergedError, SingularError
from grid.engine.live.errors import UnsettledTickError
from grid.engine.live.implicit_melting import Melting
from grid.engine.live.implicit_stage import Stage, solve_stage
from grid.engine.live.stepping import ActingLoads, TickField, TickHeat, Window
from grid.engine.methods.bounds import reason_without_bounds
from grid.engine.methods.implicit.scheme import GAMMA, LOCAL, OVERSHOOT, WEIGHTS, D, W, add_step_heat, combine
from grid.engine.methods.state import Bounds, HeatBalance, include_references
from grid.engine.space.carrying import make_strict
from grid.engine.space.laws import HeatFlow, Loads
from grid.engine.space.nonlinear import find_variation, freeze, stored_between
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray

HALVINGS = 6  # [-] halvings of a tick at most, so 64 parts
FAILURES = (NotConvergedError, SingularError, FieldError)


@dataclass(frozen=True)
class Part:
    """A part of a tick.

    Args:
        field: At its end.
        heat: Moved.
        error: Largest local error of a cell [K].
        steps: Taken.
    """

    field: TickField
    heat: HeatBalance
    error: float
    steps: int = 1


class ImplicitTick:
    """TR-BDF2, one step a tick.

    Args:
        space: The discretised problem, or the same with lower conductances.
        tick: Length [s].
    """

    name = "implicit"

    def __init__(self, space: Space, tick: float) -> None:
        self.space, self.tick = space, tick
        self.window = Window.of_padded(space.shape)
        self.melting = Melting(space) if space.problem.has_phase_change else None

    def wrap(self, temperature: FloatArray, content: FloatArray | None = None) -> TickField:
        """A flat field, with the enthalpies of its cells where a material melts: those given, or those of the start."""
        own = np.array(temperature, np.float64)
        if self.melting is None:
            return TickField(own)
        return TickField(own, content=self.melting.start(own) if content is None else content.copy())

    def unwrap(self, field: TickField) -> FloatArray:
        """The flat field, C order, copied."""
        return field.values.copy()

    def release(self, field: TickField) -> None:
        """Do nothing: arrays of a few fields are not worth a pool."""

    def find_rise(self, field: TickField, pivot: float) -> float | None:
        """Heat above a temperature [J], where heat capacities depend on it; None else."""
        if self.melting is not None and field.content is not None:
            return self.melting.find_rise(field.content, pivot)
        if not find_variation(self.space).capacity_of_temperature:
            return None
        return float(stored_between(self.space, np.full_like(field.values, pivot), field.values).sum())

    def advance(self, field: TickField, loads: Loads, tick: float, substeps: int = 1) -> tuple[TickField, TickHeat]:
        """Advance by a tick [s] in `substeps` steps, or in more of them where that is needed.

        The error is the sum over the steps of the largest local error of a cell, by the embedded third-order formula.

        Raises:
            UnsettledTickError: The smallest parts of the tick do not converge.
        """
        step = self._find_step(loads)
        now, heat, error, steps = field, HeatBalance(), 0.0, 0
        for _ in range(substeps):
            part = _take(step, now, tick / substeps)
            now, heat = part.field, _add(heat, part.heat)
            error, steps = error + part.error, steps + part.steps
        return now, TickHeat(heat.boundary_in, heat.boundary_out, heat.generated, error, steps)

    def _find_step(self, loads: Loads) -> Callable[[TickField, float], Part]:
        space = self.space
        if isinstance(loads, ActingLoads) and loads.space is not None:
            space = loads.space
        if self.melting is None:
            return lambda field, length: _step(space, field, length)
        melts = self.melting.under(space)

        def step(field: TickField, length: float) -> Part:
            return Part(*melts.step(field, length))

        return step


def _take(step: Callable[[TickField, float], Part], field: TickField, length: float, halvings: int = 0) -> Part:
    """A part of a tick, halved where it does not converge."""
    try:
        return step(field, length)
    except FAILURES as error:
        if halvings == HALVINGS:
            cell = error.cell if isinstance(error, NotConvergedError | SingularError) else None
            raise UnsettledTickError(str(error), cell=cell) from error
    one = _take(step, field, 0.5 * length, halvings + 1)
    other = _take(step, one.field, 0.5 * length, halvings + 1)
    return Part(other.field, _add(one.heat, other.heat), one.error + other.error, one.steps + other.steps)


def _add(one: HeatBalance, other: HeatBalance) -> HeatBalance:
    return one.add(other.boundary_in, other.boundary_out, other.generated)


def _step(space: Space, field: TickField, length: float) -> Part:
    """One step, of a limited flow strictly where it makes a new extreme, and damped where that does too."""
    is_driven = space.overlay is not None and space.overlay.is_driving
    keeps_bounds = reason_without_bounds(space.problem) is None and not is_driven
    part, bounds = _try(space, field.values, length)
    if not keeps_bounds or not _is_beyond(part.field.values, bounds):
        return part
    if space.correction is not None:
        part, bounds = _try(make_strict(space), field.values, length)
        if not _is_beyond(part.field.values, bounds):
            return part
    return _damp(make_strict(space), field.values, length)


def _is_beyond(temperature: FloatArray, bounds: Bounds) -> bool:
    slack = OVERSHOOT * (bounds.highest - bounds.lowest) + 16.0 * math.ulp(max(-bounds.lowest, bounds.highest))
    return bool(temperature.min() < bounds.lowest - slack or temperature.max() > bounds.highest + slack)


def _try(space: Space, old: FloatArray, length: float) -> tuple[Part, Bounds]:
    """One step of TR-BDF2, and the bounds that the maximum principle sets to its result."""
    frozen, loads = freeze(space, old, 0.0)
    first = frozen.heat_flow(old, loads)
    middle = solve_stage(space, old, length * D * first.net, old, D * length, solver=None)
    found = middle.temperature
    low, high = min(old.min(), found.min()), max(old.max(), found.max())  # properties are known to be physical there
    guess = np.clip(old + (found - old) / GAMMA, low, high)
    known = length * W * (first.net + middle.flow.net)
    last = solve_stage(space, old, known, guess, D * length, solver=middle.solver)
    flows = (first, middle.flow, last.flow)
    error = float(np.abs(last.solver.solve(length * combine(flows, LOCAL))).max())
    bounds = Bounds(float(old.min()), float(old.max()))
    for each in (loads, middle.loads, last.loads):
        bounds = include_references(bounds, each)
    return _close_part(last, flows, WEIGHTS, length, error), bounds


def _damp(space: Space, old: FloatArray, length: float) -> Part:
    """Two steps of backward Euler; their error is half of h^2 T_tt each."""
    half, none = 0.5 * length, np.zeros_like(old)
    one = solve_stage(space, old, none, old, half, solver=None)
    other = solve_stage(space, one.temperature, none, one.temperature, half, solver=one.solver)
    local = 0.5 * half * (other.flow.net - one.flow.net)
    error = float(np.abs(other.solver.solve(local)).max())
    part = _close_part(other, (one.flow, other.flow), (0.5, 0.5), length, 2.0 * error)
    return replace(part, steps=2)


def _close_part(
    last: Stage, flows: tuple[HeatFlow, ...], weights: tuple[float, ...], length: float, error: float
) -> Part:
    if not math.isfinite(error):
        raise NotConvergedError("the estimate of an error", 1, error, 0.0)
    return Part(TickField(last.temperature), add_step_heat(HeatBalance(), length, flows, weights), error)
