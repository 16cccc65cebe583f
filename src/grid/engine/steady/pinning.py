"""Steady states of which only differences matter, with the level of each loose part fixed by its pin.

The matrix of such a part is singular. With a conductance from one of its cells to a given temperature it is not, and
as the heat of the part balances, nothing flows there: the solution is the one that has this temperature in this cell.
"""

from dataclasses import replace

import numpy as np

from grid.core.errors import UnsupportedError
from grid.engine.errors import NotConvergedError
from grid.engine.linear.balance import BalanceSolution
from grid.engine.linear.iteration import solve_balance
from grid.engine.linear.systems import make_solver
from grid.engine.space.interpolation import interpolate, widen
from grid.engine.space.laws import Loads
from grid.engine.space.nonlinear import find_variation, freeze, with_variation
from grid.engine.space.scattered import moving_least_squares, scatter
from grid.engine.space.space import Space
from grid.engine.steady.parts import Pinned
from grid.engine.values.operations import FloatArray

TURNS = 12  # [-] corrections of a linear solve, most of them for rounding
LEVELS = 40  # [-] trials of the level of a body whose conductivity depends on temperature
SETTLED = 4e-15  # [-] error of a level over the largest temperature, at which corrections end
ROUNDING = 1e-12  # [-] largest error of a level after all turns, over the largest temperature


def solve_pinned_balance(space: Space, guess: FloatArray, pins: list[Pinned]) -> BalanceSolution:
    """The steady field with the temperatures of its pins.

    Raises:
        UnsupportedError: A flow enters or leaves through the ends of an axis.
        NotConvergedError: The level is not found.
    """
    if any(
        speed and not joined for speed, joined in zip(space.problem.velocity, space.problem.is_periodic, strict=False)
    ):
        raise UnsupportedError("a pin in a body through whose ends a flow goes")
    levels = [pin.value for pin in pins]
    done = _balance_at(space, guess, pins, levels)
    for _ in range(1 if space.problem.is_linear else LEVELS):
        away = [pin.value - _measure(done.space, done.loads, done.temperature, pin) for pin in pins]
        scale = max(float(np.abs(done.temperature).max()), *(abs(pin.value) for pin in pins))
        if max(map(abs, away)) <= SETTLED * scale:
            return done
        levels = [level + step for level, step in zip(levels, away, strict=True)]
        if space.problem.is_linear:
            return _shift(done, pins, away)
        done = _balance_at(space, done.temperature, pins, levels)
    if max(map(abs, away)) <= ROUNDING * scale:
        return done
    raise NotConvergedError("level of a pinned part", LEVELS, max(map(abs, away)) / scale, ROUNDING, cell=pins[0].cell)


def _shift(done: BalanceSolution, pins: list[Pinned], steps: list[float]) -> BalanceSolution:
    """The field with every pinned part a little warmer, which changes no flow of a linear problem."""
    temperature = done.temperature.copy()
    for pin, step in zip(pins, steps, strict=True):
        temperature[pin.part.cells] += step
    return replace(done, temperature=temperature)


def _balance_at(space: Space, guess: FloatArray, pins: list[Pinned], levels: list[float]) -> BalanceSolution:
    """The field with a level in the cell of each pin."""
    cells = np.array([pin.cell for pin in pins])
    start = guess.copy()
    for pin, level in zip(pins, levels, strict=True):
        start[pin.part.cells] += level - start[pin.cell]
    frozen, loads = freeze(space, start, 0.0)
    held = frozen.diagonal(loads)[cells]
    tie = np.zeros_like(space.capacity)
    tie[cells] = np.where(held > 0.0, held, 1.0)
    fixed = replace(find_variation(space), capacity=False, capacity_of_temperature=False)
    tied = with_variation(replace(space, capacity=tie), fixed)
    if not space.problem.is_linear:
        done = solve_balance(tied, start, np.zeros_like(start), start, shift=1.0, tau=1.0, time=0.0)
        frozen, loads = freeze(space, done.temperature, 0.0)
        return replace(done, flow=frozen.heat_flow(done.temperature, loads), loads=loads, space=frozen)
    solver, base, temperature, previous = make_solver(tied, loads, shift=1.0, tau=1.0), start, start, np.inf
    for _ in range(TURNS):
        step = solver.solve(space.heat_flow(temperature, loads).net + tie * (base - temperature))
        size = float(np.abs(step).max())
        if not size < 0.5 * previous:
            break
        temperature, previous = temperature + step, size
    return BalanceSolution(temperature, space.heat_flow(temperature, loads), loads, space, solver, 1)


def _measure(space: Space, loads: Loads, temperature: FloatArray, pin: Pinned) -> float:
    """Value that a pin prescribes, of a field: the temperature at its point, or the mean of its part."""
    if pin.point is None:
        weight = space.capacity[pin.part.cells]
        return float(weight @ temperature[pin.part.cells] / weight.sum())
    if space.active is not None:
        return moving_least_squares(
            *scatter(space, temperature, loads.face_laws), pin.point, space.problem.domain.spacing
        )
    return interpolate(space, widen(space, temperature, loads.face_laws), pin.point)
