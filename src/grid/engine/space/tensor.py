r"""Terms of a full conductivity tensor in the balance: heat along one axis driven by the gradient along another.

Through a face normal to a flows :math:`q_a = -K_{aa}\,\partial_a T - \sum_b K_{ab}\,\partial_b T`. The first term is
the two-point flow of `grid.engine.space`; this module has the others. The gradient along the face is the difference of
temperatures on its edges, each the mean of the four cells around it: on a uniform grid the central difference of both
neighbours, second order and exact for linear fields. Where the tensor jumps, temperature and normal flux are
continuous and the gradient along the face is common, which makes the coefficient of a face between L and R

.. math:: K_{ab} = \frac{K_{ab}^L K_{aa}^R + K_{ab}^R K_{aa}^L}{K_{aa}^L + K_{aa}^R}.

Temperatures on an edge between two materials take no account of a difference of K_ab: beside such a jump the gradient
along the other axis is first order.

At a boundary the law is that of the whole normal flux. With c the part driven by the gradient along the surface, taken
from the temperatures of the surface where they are given and of the cells behind it otherwise,

.. math:: q_n = U (R - T_P) + F + \frac{U}{g} c, \qquad T_s = T_P + \frac{q_n - c}{g}.

A nine-point scheme is not monotone: no linear second-order scheme of so few points is for every tensor (J. M.
Nordbotten, I. Aavatsmark, G. T. Eigestad, Numer. Math. 106, 2007), so new extremes are measured and
reported, not ruled out.
"""

import numpy as np

from grid.engine.space.fields import SpaceFields
from grid.engine.space.laws import Coupling, FaceLaw
from grid.engine.values.operations import FloatArray


def along_surface(
    space: SpaceFields, index: int, temperature: FloatArray, face_law: FaceLaw | None = None
) -> FloatArray:
    """Compute c [W/m2]: flux into the body behind each face of a patch that the gradient along the surface drives.

    Args:
        index: Number of the patch.
        temperature: Flat field.
        face_law: Face law of the patch; required where it holds a temperature.
    """
    patch = space.patches[index]
    layer: FloatArray = temperature[patch.cells]
    if face_law is not None and space.boundaries[index].holds_temperature:
        layer = np.broadcast_to(np.asarray(face_law.reference, np.float64), patch.cells.shape)
    shape = tuple(1 if axis == patch.axis else count for axis, count in enumerate(space.shape))
    total = np.zeros(shape)
    for coupling in space.couplings:
        if patch.axis in (coupling.first, coupling.second):
            other = coupling.first + coupling.second - patch.axis
            weights = np.broadcast_to(space.conductivity[other], space.shape).reshape(-1)[patch.cells]
            gradient = _gradient(layer.reshape(shape), weights.reshape(shape), space, other)
            total += coupling.conductivity.reshape(-1)[patch.cells].reshape(shape) * gradient
    return total.reshape(-1) * (-1.0 if patch.side == 0 else 1.0)


def cross_flux(space: SpaceFields, temperature: FloatArray, surfaces: list[FloatArray]) -> tuple[FloatArray, ...]:
    """Compute the flux along each axis that gradients along the others drive, through faces inside the body [W/m2].

    Args:
        temperature: Flat field [K].
        surfaces: Temperature behind each face of each patch [K].

    Returns:
        For each axis an array of one more than `cells` along it; zero on the surface of the body.
    """
    out = tuple(
        np.zeros(tuple(count + (other == axis) for other, count in enumerate(space.shape)))
        for axis in range(len(space.shape))
    )
    for coupling in space.couplings:
        edges = _edges(space, coupling, temperature, surfaces)
        for axis, other in ((coupling.first, coupling.second), (coupling.second, coupling.first)):
            gradient = np.diff(edges, axis=other) / space.problem.domain.spacing[other]
            out[axis][...] -= _face_conductivity(space, coupling, axis) * gradient
    return out


def _face_conductivity(space: SpaceFields, coupling: Coupling, axis: int) -> FloatArray:
    """Compute K_ab of the faces normal to an axis; zero on the surface of the body."""
    across = np.broadcast_to(space.conductivity[axis], space.shape).swapaxes(axis, 0)
    along = coupling.conductivity.swapaxes(axis, 0)
    faces = np.zeros((across.shape[0] + 1, *across.shape[1:]))
    faces[1:-1] = _common(across[:-1], across[1:], along[:-1], along[1:])
    if space.problem.is_periodic[axis]:
        faces[0] = faces[-1] = _common(across[-1], across[0], along[-1], along[0])
    return faces.swapaxes(0, axis)


def _common(k_low: FloatArray, k_high: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    share: FloatArray = (low * k_high + high * k_low) / (k_low + k_high)
    return share


def _edges(space: SpaceFields, coupling: Coupling, temperature: FloatArray, surfaces: list[FloatArray]) -> FloatArray:
    """Compute temperatures on the edges parallel to neither axis of a pair: one more than cells along both."""
    a, b = coupling.first, coupling.second
    field = temperature.reshape(space.shape)
    weight_a, weight_b = (np.broadcast_to(space.conductivity[axis], space.shape) for axis in (a, b))
    low_b, high_b = (_layer(space, b, side, surfaces) for side in (0, 1))
    rows = _between(field, weight_b, b, low_b, high_b)
    ends: list[FloatArray | None] = []
    for side in (0, 1):
        layer = _layer(space, a, side, surfaces)
        if layer is None:
            ends.append(None)
            continue
        behind = np.take(weight_b, [0 if side == 0 else -1], axis=a)
        corners = [_corner(space, a, side, b, end, surfaces) for end in (0, 1)]
        ends.append(_between(layer, behind, b, *corners))
    weights = _between(weight_a, np.ones_like(weight_a), b, *(np.take(weight_a, [end], axis=b) for end in (0, -1)))
    return _between(rows, weights, a, *ends)


def _between(
    values: FloatArray, weights: FloatArray, axis: int, low: FloatArray | None, high: FloatArray | None
) -> FloatArray:
    """Weighted values between neighbours along an axis; the ends are given, or join where they are None (periodic)."""
    v, w = values.swapaxes(axis, 0), weights.swapaxes(axis, 0)
    out = np.empty((v.shape[0] + 1, *v.shape[1:]))
    out[1:-1] = (w[:-1] * v[:-1] + w[1:] * v[1:]) / (w[:-1] + w[1:])
    if low is None or high is None:
        out[0] = out[-1] = (w[-1] * v[-1] + w[0] * v[0]) / (w[-1] + w[0])
    else:
        out[0], out[-1] = low.swapaxes(axis, 0)[0], high.swapaxes(axis, 0)[0]
    return out.swapaxes(0, axis)


def _layer(space: SpaceFields, axis: int, side: int, surfaces: list[FloatArray]) -> FloatArray | None:
    """Surface temperatures of one side of the box, one entry along the axis; None where it is periodic."""
    shape = tuple(1 if other == axis else count for other, count in enumerate(space.shape))
    for patch, surface in zip(space.patches, surfaces, strict=True):
        if (patch.axis, patch.side) == (axis, side):
            return surface.reshape(shape)
    return None


def _corner(space: SpaceFields, a: int, side: int, b: int, end: int, surfaces: list[FloatArray]) -> FloatArray | None:
    """Temperature where two sides of the box meet, from the surface that is given if one is, else from both."""
    found = []
    for axis, which, along, at in ((a, side, b, end), (b, end, a, side)):
        layer = _layer(space, axis, which, surfaces)
        if layer is None:
            return None
        name = f"{'xyz'[axis]}_{'min' if which == 0 else 'max'}"
        found.append((space.problem.boundary(name).holds_temperature, _extrapolate(layer, along, at)))
    given = [value for is_given, value in found if is_given] or [value for _, value in found]
    mean: FloatArray = sum(given[1:], start=given[0]) / len(given)
    return mean


def _extrapolate(values: FloatArray, axis: int, end: int) -> FloatArray:
    """Extrapolate half a cell beyond the last value, by the parabola through the nearest three (a line through two)."""
    v = values.swapaxes(axis, 0)[:: 1 if end == 0 else -1]
    weights = {1: (1.0,), 2: (1.5, -0.5)}.get(v.shape[0], (1.875, -1.25, 0.375))
    total: FloatArray = np.asarray(sum(weight * v[n : n + 1] for n, weight in enumerate(weights)))
    return total.swapaxes(0, axis)


def _gradient(values: FloatArray, weights: FloatArray, space: SpaceFields, axis: int) -> FloatArray:
    """Compute the derivative along an axis at the cell centres from both edges, second order up to the ends."""
    ends: list[FloatArray | None] = [None, None]
    if not space.problem.is_periodic[axis]:
        ends = [_extrapolate(values, axis, end) for end in (0, 1)]
    out: FloatArray = np.diff(_between(values, weights, axis, *ends), axis=axis)
    return out / space.problem.domain.spacing[axis]
