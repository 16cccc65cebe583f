"""Exchange of all cells with their neighbours: by array operations, on large bodies by compiled passes.

The two give the same bytes. Array operations are slow where there are many cells and the last axis is short, as in
boards.
"""

import numpy as np

from grid.engine.space.fields import SpaceFields
from grid.engine.space.mesh import after_first, before_last, first, inner, last
from grid.engine.values.expression import MANY_CELLS
from grid.engine.values.operations import FloatArray


def conduct(space: SpaceFields, temperature: FloatArray) -> FloatArray:
    """Compute the net conducted heat into each cell from its neighbours [W], flat; with the heat of a flow."""
    if (planes := _find_planes(space)) is not None:
        from grid.engine.space.sum_kernels import conduct

        field = np.ascontiguousarray(temperature, np.float64).reshape(space.shape[0], -1)
        out = np.empty_like(field)
        gx, gy, gz = planes
        conduct(out, field, gx, gy, gz, space.shape[2])
        return out.reshape(-1)
    field = temperature.reshape(space.shape)
    net = np.zeros(space.shape)
    for axis, conductance in enumerate(space.conductances):
        carried = space.carried(axis)
        flow = conductance[inner(axis)] * np.diff(field, axis=axis)
        if carried:
            flow -= carried * field[before_last(axis)]
        net[before_last(axis)] += flow
        net[after_first(axis)] -= flow
        if space.problem.is_periodic[axis]:
            joint = conductance[first(axis)] * (field[last(axis)] - field[first(axis)]) + carried * field[last(axis)]
            net[first(axis)] += joint
            net[last(axis)] -= joint
    return net.reshape(-1)


def sum_conductances(space: SpaceFields) -> FloatArray:
    """Sum the conductances between each cell and others [W/K], flat, a new array; with those of a flow."""
    if not space.is_shared or not space.problem.is_linear:
        return _sum_conductances(space)
    if _sum_conductances not in space.shared:
        space.shared[_sum_conductances] = _sum_conductances(space)
    known: FloatArray = space.shared[_sum_conductances]
    return known.copy()


def _sum_conductances(space: SpaceFields) -> FloatArray:
    total = np.zeros(space.shape)
    if (planes := _find_planes(space)) is not None:
        from grid.engine.space.sum_kernels import add_faces

        gx, gy, gz = planes
        add_faces(total.reshape(space.shape[0], -1), gx, gy, gz, space.shape[2])
        return total.reshape(-1)
    for axis, conductance in enumerate(space.conductances):
        total += conductance[before_last(axis)]
        total += conductance[after_first(axis)]
        leaving = slice(None) if space.problem.is_periodic[axis] else before_last(axis)
        total[leaving] += space.carried(axis)
    return total.reshape(-1)


def _find_planes(space: SpaceFields) -> tuple[FloatArray, ...] | None:
    """Find the conductances for compiled passes, planes flat; None where array operations are used."""
    if len(space.shape) != 3 or space.capacity.size < MANY_CELLS or space.problem.has_flow:
        return None
    if any(space.problem.is_periodic) or not all(g.flags.c_contiguous for g in space.conductances):
        return None
    return tuple(g.reshape(g.shape[0], -1) for g in space.conductances)
