r"""Corrections of temperature where properties jump or peak: Newton's method for an unknown that is smooth across them.

For a cell with the heat content H(T), the integral :math:`\Theta(T)` of its conductivity and a stage of the weight
:math:`\tau`, the balance holds :math:`\sigma H + \tau g \Theta`, g the geometry of its faces. With that sum w as the
unknown, no derivative of the balance is above one, whatever jumps in c(T) or k(T), so Newton's method does not bounce
across a peak (K. Brenner, C. Cances, Improving Newton's method performance by parametrization: the case of the Richards
equation, SIAM J. Numer. Anal. 55 (2017) 1760-1785). The matrix is that of the temperatures; what changes is how far a
correction reaches: to where w has changed by dw/dT times the correction.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from grid.engine.space.mesh import cell_volume
from grid.engine.space.nonlinear import find_variation, stretch
from grid.engine.space.space import Space
from grid.engine.values.operations import FloatArray, Operand

MILD = 0.05  # [-] share of the change of w up to which a correction is taken unchanged
EXPANSIONS, TURNS = 40, 60  # [-] most doublings of a bracket, and most iterations of regula falsi
EXACT = 1e-2  # [-] relative to the change of w: error of the iteration


def correct(
    space: Space, frozen: Space, temperature: FloatArray, correction: FloatArray, shift: float, tau: float, time: float
) -> FloatArray:
    """Compute the temperatures after a correction, flat.

    Args:
        space: The problem.
        frozen: The space with the coefficients at `temperature`.
        temperature, correction: Flat [K].
        shift, tau: Weights of heat content and heat flow in the balance.
        time: Time of the coefficients [s].
    """
    plain = temperature + correction
    cells = np.arange(temperature.size) if space.active is None else np.flatnonzero(space.active)
    target = (_slope(frozen, shift, tau) * correction)[cells]
    left = _find_left(space, cells, (temperature, plain), target, (shift, tau, time))
    bends = np.abs(left) > MILD * np.abs(target)
    if not bends.any():
        return plain
    cells, target, left_far = cells[bends], target[bends], left[bends]
    start = temperature[cells]

    def miss(at: FloatArray) -> FloatArray:
        trial = temperature.copy()
        trial[cells] = at
        return _find_left(space, cells, (temperature, trial), target, (shift, tau, time))

    near, far, left_near = start, plain[cells], np.abs(target)
    for _ in range(EXPANSIONS):
        short = left_far > 0.0
        if not short.any():
            break
        near, left_near = np.where(short, far, near), np.where(short, left_far, left_near)
        far = np.where(short, start + 2.0 * (far - start), far)
        left_far = miss(far)
    plain[cells] = _close_in(miss, (near, far), (left_near, left_far), EXACT * np.abs(target))
    return plain


def _find_left(
    space: Space,
    cells: NDArray[np.intp],
    ends: tuple[FloatArray, FloatArray],
    target: FloatArray,
    stage: tuple[float, float, float],
) -> FloatArray:
    """Remaining change of w of some cells, positive on the near side; not a number counts as too far."""
    shift, tau, time = stage
    heat, conducted = integrate_unchecked(space, cells, ends[0][cells], ends[1][cells], time)
    change = shift * heat + tau * conducted if shift else tau * conducted
    left: FloatArray = (target - change) * np.sign(target)
    return np.where(np.isnan(left), -np.inf, left)


def integrate_unchecked(
    space: Space, cells: NDArray[np.intp], start: FloatArray, end: FloatArray, time: float
) -> tuple[FloatArray, FloatArray]:
    """Integrate heat [J] between temperatures of some cells, and k dT times twice area over spacing [W].

    Not a number where a property is not physical between them, as at trial temperatures.
    """
    problem, varies = space.problem, find_variation(space)
    index = np.unravel_index(cells, space.shape)
    coordinates: dict[str, Operand] = {
        name: np.ravel(varies.coordinates[name])[part] for name, part in zip("xyz", index, strict=False)
    }
    coordinates |= {"cells": index, "t": np.float64(time), **stretch(start, end)}
    heat, conducted = np.ones(cells.shape), np.zeros(cells.shape)
    for number, material in enumerate(varies.means.materials):
        inside = np.ones(cells.shape, bool) if space.region is None else space.region.reshape(-1)[cells] == number
        capacity = material.volumetric_heat_capacity
        if not inside.any():
            continue
        if capacity is not None:
            heat[inside] = np.broadcast_to(capacity.evaluate(coordinates), cells.shape)[inside]
        for axis, spacing in enumerate(problem.domain.spacing):
            mean = material.conductivity_entry(axis, axis, problem.dimension).evaluate(coordinates)
            conducted[inside] += 2.0 / spacing**2 * np.broadcast_to(mean, cells.shape)[inside]
    rise = (end - start) * cell_volume(problem.domain)
    return heat * rise, conducted * rise


def _close_in(
    miss: Callable[[FloatArray], FloatArray],
    ends: tuple[FloatArray, FloatArray],
    left: tuple[FloatArray, FloatArray],
    exact: FloatArray,
) -> FloatArray:
    """Find the zeros of the remaining change between two temperatures by regula falsi with the Illinois rule."""
    (near, far), (left_near, left_far) = ends, left
    found = far
    for turn in range(TURNS):
        with np.errstate(all="ignore"):
            share = left_near / (left_near - left_far)
        is_usable = np.isfinite(share) & (turn % 4 < 3)
        found = near + np.where(is_usable, np.clip(share, 0.01, 0.99), 0.5) * (far - near)
        now = miss(found)
        if not (np.abs(now) > exact).any():
            break
        is_near = now > 0.0
        left_far = np.where(is_near, 0.5 * left_far, now)
        left_near = np.where(is_near, now, 0.5 * left_near)
        near, far = np.where(is_near, found, near), np.where(is_near, far, found)
    return found


def _slope(frozen: Space, shift: float, tau: float) -> FloatArray:
    """Compute dw/dT of each cell [J/K]."""
    domain = frozen.problem.domain
    slope = shift * frozen.capacity
    for k, spacing in zip(frozen.conductivity, domain.spacing, strict=True):
        geometry = 2.0 * tau * cell_volume(domain) / spacing**2
        slope = slope + geometry * np.broadcast_to(k, frozen.shape).reshape(-1)
    return slope
