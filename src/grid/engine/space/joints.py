r"""Faces at which two materials meet, or a contact lies, where a conductivity depends on temperature.

With the integrals :math:`\Theta = \int k\,dT` of both materials, the temperatures s of the face at either side satisfy

.. math::
    q = \frac{2}{d}(\Theta_a(T_a) - \Theta_a(s_a)) = \frac{s_a - s_b}{R}
      = \frac{2}{d}(\Theta_b(s_b) - \Theta_b(T_b)),

with the resistance R of a contact; without one :math:`s_a = s_b`. The imbalance falls with :math:`s_a`, so its zero is
found between both cells' temperatures by Newton's method, and by halving where that leaves the bounds.
"""

import numpy as np
from numpy.typing import NDArray

from grid.engine.problem.domain import AXES
from grid.engine.problem.material import Material
from grid.engine.space.discretise import conductivity_at, contact_resistance
from grid.engine.space.fields import SpaceFields
from grid.engine.space.laws import Joints, JointSlopes
from grid.engine.space.mesh import after_first, before_last, first, last, open_coordinates
from grid.engine.values.operations import FloatArray, Operand

TURNS = 100  # [-] most iterations of Newton's method
EXACT = 1e-13  # [-] relative to the temperatures: last step of the iteration


def find_joints(space: SpaceFields, axis: int) -> Joints | None:
    """Find the faces of an axis at which a conductivity that depends on temperature ends; None if there are none."""
    problem = space.problem
    varies = np.array([any("T" in value.variables for value in m.conductivity) for m in problem.materials])
    resistance = contact_resistance(problem, axis)
    if not varies.any() or problem.has_flow or (space.region is None and not resistance.any()):
        return None
    region = np.zeros(space.shape, np.int16) if space.region is None else space.region
    index = np.arange(space.capacity.size).reshape(space.shape)
    open_shape = [1] * len(space.shape)
    open_shape[axis] = -1
    pairs = [(before_last(axis), after_first(axis), resistance[1:-1].reshape(open_shape))]
    if problem.is_periodic[axis]:
        pairs.append((last(axis), first(axis), np.zeros(())))
    low, high, between = list[NDArray[np.intp]](), list[NDArray[np.intp]](), list[FloatArray]()
    for one, other, barrier in pairs:
        a, b = region[one], region[other]
        inside = (a >= 0) & (b >= 0)
        warm = varies[np.maximum(a, 0)] | varies[np.maximum(b, 0)]
        chosen = inside & warm & ((a != b) | (np.broadcast_to(barrier, a.shape) > 0.0))
        low.append(index[one][chosen])
        high.append(index[other][chosen])
        between.append(np.broadcast_to(barrier, a.shape)[chosen])
    cells = np.concatenate(low), np.concatenate(high)
    if not cells[0].size:
        return None
    regions = tuple(None if space.region is None else region.reshape(-1)[part] for part in cells)
    coordinates = tuple(_places(space, part) for part in cells)
    return Joints(axis, *cells, (coordinates[0], coordinates[1]), (regions[0], regions[1]), np.concatenate(between))


def _places(space: SpaceFields, cells: NDArray[np.intp]) -> dict[str, Operand]:
    index, centre = np.unravel_index(cells, space.shape), open_coordinates(space.problem.domain)
    coordinates: dict[str, Operand] = {
        AXES[axis]: centre[AXES[axis]].reshape(-1)[part] for axis, part in enumerate(index)
    }
    return coordinates | {"cells": index}


def solve_joints(
    space: SpaceFields, joints: Joints, temperature: FloatArray, time: Operand, means: tuple[Material, ...]
) -> JointSlopes:
    """Compute mean conductivities beside the faces, and the derivatives of the heat through them, at a flat field.

    Args:
        means: The materials with their properties as means between two temperatures.
    """
    a, b, factor = temperature[joints.low], temperature[joints.high], 2.0 / space.problem.domain.spacing[joints.axis]

    def at(side: int, surface: FloatArray) -> FloatArray:
        coordinates = {**joints.coordinates[side], "t": time, "T": surface}
        return _ask(space, joints, side, coordinates, None)

    def mean(side: int, near: FloatArray, surface: FloatArray) -> FloatArray:
        ends = {"T_low": np.minimum(near, surface), "T_high": np.maximum(near, surface)}
        coordinates = {**joints.coordinates[side], "t": time, "T": 0.5 * (near + surface), **ends}
        return _ask(space, joints, side, coordinates, means)

    own_a, own_b, barrier = at(0, a), at(1, b), joints.resistance
    flux = (a - b) / (1.0 / (factor * own_a) + 1.0 / (factor * own_b) + barrier)
    low, high = np.minimum(a, b), np.maximum(a, b)
    exact = EXACT * np.maximum(np.abs(low), np.abs(high))
    surface, last_gap = np.clip(a - flux / (factor * own_a), low, high), np.full(a.shape, np.inf)
    for _ in range(TURNS):
        k_a = mean(0, a, surface)
        flux = factor * k_a * (a - surface)
        beyond = np.clip(surface - barrier * flux, np.minimum(a, b), np.maximum(a, b))
        k_b = mean(1, b, beyond)
        gap = flux - factor * k_b * (beyond - b)
        slope_a, slope_b = factor * at(0, surface), factor * at(1, beyond)
        low, high = np.where(gap >= 0.0, surface, low), np.where(gap <= 0.0, surface, high)
        following = surface + gap / (slope_a + slope_b * (1.0 + barrier * slope_a))
        is_settled = (np.abs(following - surface) <= exact) | (gap == 0.0)
        if is_settled.all():  # checked first, so that a gap of rounding size does not count as one that fails to shrink
            break
        is_held = (following < low) | (following > high) | (np.abs(gap) > 0.5 * last_gap)
        following = np.where(is_held & ~is_settled, 0.5 * (low + high), following)
        last_gap = np.abs(gap)
        surface = np.where(is_settled, surface, following)
    series = 1.0 / (1.0 / slope_a + 1.0 / slope_b + barrier)
    return JointSlopes(joints, k_a, k_b, series * factor * own_a / slope_a, series * factor * own_b / slope_b)


def _ask(
    space: SpaceFields,
    joints: Joints,
    side: int,
    coordinates: dict[str, Operand],
    materials: tuple[Material, ...] | None,
) -> FloatArray:
    coordinates = {
        **coordinates,
        "side": 1 - side,
    }  # the half of the low cell that is beside its high face, and vice versa
    k = conductivity_at(space.problem, joints.axis, coordinates, joints.regions[side], materials)
    return np.broadcast_to(k, joints.low.shape)
